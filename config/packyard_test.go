package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
)

// imported loads what packyard's file becomes.
func imported(t testing.TB, data string, name config.Name) (*config.Release, string) {
	t.Helper()
	text, err := config.FromPackyard("config/packyard.yml", []byte(data), name)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "release.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := config.Load(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return r, string(text)
}

func TestFromPackyard(t *testing.T) {
	for name, tc := range map[string]struct {
		data    string
		targets string // names
		private string // of those with a subscriber, the variables of passwords
		text    []string
	}{
		"file": {
			"# Packyard component configuration.\ncomponents:\n  - name: core\n",
			"core-el8 core-el9 core-el10 core-centos10 core-bookworm core-trixie core-jammy core-noble core-image",
			"env:GANTRY_SUBSCRIBER_KEY_CORE",
			[]string{"made of packyard.yml by", "names components alone", `year: "{series}"`, "repository: lts-core"},
		},
		"visibility": {
			"components:\n  - name: a\n    visibility: public\n  - name: b-1\n    visibility: private\n",
			"a-el8 a-el9 a-el10 a-centos10 a-bookworm a-trixie a-jammy a-noble a-image " +
				"b-1-el8 b-1-el9 b-1-el10 b-1-centos10 b-1-bookworm b-1-trixie b-1-jammy b-1-noble b-1-image",
			"env:GANTRY_SUBSCRIBER_KEY_B_1",
			nil,
		},
		"records": {
			`[{"name":"core","visibility":"public","rpm_series":["2025","38"],"rpm_os_families":["el9"],"rpm_architectures":["x86_64","aarch64"],"created_at":"2026-04-14T10:00:00Z"}]`,
			"core-2025-el9-x86_64 core-2025-el9-aarch64 core-38-el9-x86_64 core-38-el9-aarch64 " +
				"core-2025-bookworm core-2025-trixie core-2025-jammy core-2025-noble core-38-bookworm core-38-trixie core-38-jammy core-38-noble core-2025-image core-38-image",
			"",
			[]string{"keeps no suites", "Not taken over: created_at", `series: "{series}", os:`},
		},
		"no packages": {
			`[{"name":"web","rpm_series":[],"rpm_os_families":[],"rpm_architectures":[]}]`,
			"web-bookworm web-trixie web-jammy web-noble web-image",
			"env:GANTRY_SUBSCRIBER_KEY_WEB",
			nil,
		},
		"words that are none": {
			"components:\n  - {name: \"2025\", visibility: public, rpm_series: [\"1e5\"], rpm_os_families: [\"el9.4\"]}\n  - {name: \"true\", visibility: public, rpm_series: [\"2025\"], rpm_os_families: [el9]}\n",
			"2025-el9-4 2025-bookworm 2025-trixie 2025-jammy 2025-noble 2025-image true-el9 true-bookworm true-trixie true-jammy true-noble true-image",
			"",
			nil,
		},
		"names that meet": {
			"components:\n  - {name: a, visibility: public, rpm_series: [b, c], rpm_os_families: [el9]}\n  - {name: a-b, visibility: public, rpm_series: [b], rpm_os_families: [el9]}\n",
			"a-b-el9 a-c-el9 a-b-bookworm a-b-trixie a-b-jammy a-b-noble a-c-bookworm a-c-trixie a-c-jammy a-c-noble a-b-image a-c-image " +
				"a-b-el9-2 a-b-bookworm-2 a-b-trixie-2 a-b-jammy-2 a-b-noble-2 a-b-image-2",
			"",
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, text := imported(t, tc.data, "packyard")
			var names, private []string
			for _, target := range r.Targets {
				names = append(names, string(target.Name))
			}
			seen := map[string]bool{}
			for _, s := range r.Secrets() {
				if strings.HasPrefix(s.Of, "target ") && !seen[s.Reference()] {
					seen[s.Reference()] = true
					private = append(private, s.Reference())
				}
			}
			if diff := cmp.Diff(tc.targets, strings.Join(names, " ")); diff != "" {
				t.Error(diff)
			}
			if got := strings.Join(private, " "); got != tc.private {
				t.Errorf("subscribers %s", got)
			}
			for _, part := range tc.text {
				if !strings.Contains(text, part) {
					t.Errorf("no %q in\n%s", part, text)
				}
			}
		})
	}
}

func TestFromPackyardTargets(t *testing.T) {
	r, _ := imported(t, "components: [{name: Core, rpm_series: [\"38\"], rpm_os_families: [el9]}]", "42")
	subscriber := &config.Subscriber{Username: "subscriber"}
	if err := subscriber.Password.UnmarshalText([]byte("env:GANTRY_SUBSCRIBER_KEY_CORE")); err != nil {
		t.Fatal(err)
	}
	want := []config.Target{
		{
			Name: "Core-el9", Format: "rpm", Component: "Core", Series: "38", OS: "el9-x86_64", Key: "lts",
			Path: "rpm/Core/38/el9-x86_64", URL: "https://pkg.example.org/rpm/Core/38/el9-x86_64",
			Policy: config.Accumulate, Keep: 3, Snapshots: 5, Compress: config.Gzip, Signatures: config.SignHeader, Subscriber: subscriber,
		},
		{
			Name: "Core-bookworm", Format: "deb", Component: "Core", Series: "38", Suite: "bookworm", Architectures: []config.Arch{"amd64"}, Key: "lts",
			Path: "deb/Core/38", URL: "https://pkg.example.org/deb/Core/38", Origin: "42", Label: "42",
			Policy: config.Accumulate, Keep: 3, Snapshots: 5, Compress: config.Gzip, Subscriber: subscriber,
		},
		{
			Name: "Core-image", Format: "oci", Component: "Core", Series: "38", Architectures: []config.Arch{"x86_64", "arm64"}, Key: "images",
			Registry: "zot", Repository: "lts-core", Snapshots: 5,
		},
	}
	got := []config.Target{r.Targets[0], r.Targets[1], r.Targets[len(r.Targets)-1]}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b config.Secret) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if s, prefix, ok := r.StoreOf(r.Staging); !ok || s.Bucket != "staging" || prefix != "" || s.Tunnel != "vm" || r.Product != "42" {
		t.Errorf("staging %s: %+v, %q", r.Staging, s, prefix)
	}
}

func TestFromPackyardErrors(t *testing.T) {
	long, many := strings.Repeat("x", 60), ""
	for i := range 400 {
		many += fmt.Sprintf("s%d,", i)
	}
	for name, tc := range map[string]struct {
		data string
		want []string
	}{
		"empty":         {"", []string{`f:1:1: the file is empty, see gantry init for an example`}},
		"nothing":       {"components: []", []string{`f:1:13: no component, write at least one`}},
		"none answered": {"[]", []string{`f:1:1: no component, write at least one`}},
		"null":          {"components:\n", []string{`f:1:12: a list is wanted here, this is nothing, write each entry on a line of its own, after a dash`}},
		"a text":        {"core", []string{`f:1:1: keys with values are wanted here, this is a text, write key: value, one a line`}},
		"unknown keys": {"component: []\ncomponents:\n  - name: core\n    visiblity: public\n    deb_distros: [noble]\n", []string{
			`f:1:1: unknown key "component", did you mean components?`,
			`f:4:5: unknown key "visiblity", did you mean visibility?`,
			`f:5:5: unknown key "deb_distros", keys here are name, visibility, rpm_series, rpm_os_families, rpm_architectures, created_at`,
		}},
		"values": {"components:\n  - {name: a/b, visibility: restricted, rpm_series: [2025, ..], rpm_os_families: [EL9], rpm_architectures: [x-y]}\n  - {visibility: public}\n", []string{
			`f:2:12: "a/b" is not a name, use letters, digits, - and _, at most 63, starting with a letter or digit`,
			`f:2:29: "restricted" is none of the choices, write public or private`,
			`f:2:54: 2025 is a number, not a text, write it in quotes: "2025"`,
			`f:2:60: ".." is not a series, write one such as "2025" or "38"`,
			`f:2:83: "EL9" is not an operating system, write one such as el9`,
			`f:2:109: "x-y" is not an architecture, write one such as amd64 or x86_64`,
			`f:3:5: name is missing, write name: ...`,
		}},
		"twice": {"components:\n  - name: core\n  - name: CORE\n  - {name: b, rpm_series: [a, b, a]}\n", []string{
			`f:3:11: component CORE comes twice, keep one of them`,
			`f:4:34: a comes twice, keep one of them`,
		}},
		"no image": {"components: [{name: a_}]", []string{
			`f:1:21: a_ cannot be the name of an image, end it in a letter or digit, with single dashes and underscores in between`,
		}},
		"tags meet": {`components: [{name: a, rpm_series: [a, a-staging]}]`, []string{
			`f:1:36: images of series a and a-staging would have the same tag, rename one of them`,
		}},
		"long": {"components: [{name: " + long + "}]", []string{
			`f:1:14: a target of it would be called ` + long + `-el8, which is too long, shorten the component, series or operating system`,
		}},
		"many": {"components: [{name: a, rpm_series: [" + many + "]}]", []string{
			`f:1:14: this makes more than 1000 targets, import fewer components, series and operating systems at once`,
		}},
		"alias": {"components: &a [*a]", []string{`f:1:13: anchors and aliases are not read here, write the value out, and text that begins with * or & in quotes`}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := config.FromPackyard("f", []byte(tc.data), "x")
			if !errors.As(err, new(config.Errors)) {
				t.Fatalf("got %v\n%s", err, text)
			}
			if diff := cmp.Diff(tc.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What is imported can be loaded, whatever the file says.
func FuzzFromPackyard(f *testing.F) {
	f.Add([]byte("components:\n  - name: core\n"), "x")
	f.Add([]byte(`[{"name":"core","visibility":"public","rpm_series":["2025","38"],"rpm_os_families":["el9"],"rpm_architectures":["x86_64"],"created_at":"now"}]`), "null")
	f.Add([]byte("components: [{name: a, rpm_series: [1e5, ~, a-arm64], rpm_os_families: [el9.4, el9-4]}, {name: a-b}]"), "1_0")
	f.Fuzz(func(t *testing.T, data []byte, product string) {
		name, err := config.ParseName(product)
		if err != nil {
			return
		}
		text, err := config.FromPackyard("f.yaml", data, name)
		if err != nil {
			if errs := (config.Errors)(nil); !errors.As(err, &errs) || len(errs) == 0 || errs[0].Line < 1 || errs[0].Col < 1 {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		file := filepath.Join(t.TempDir(), "release.yaml")
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		if r, err := config.Load(file); err != nil || r.Product != name || len(r.Targets) == 0 {
			t.Errorf("%v\n%s", err, text)
		}
	})
}
