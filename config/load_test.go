package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
)

const good = `product: packyard
keys:
  - name: lts
    private: file:keys/lts.key
    public: keys/lts.asc
targets:
  - name: core-el9
    format: rpm
    component: core
    series: "2025"
    os: el9-x86_64
    key: lts
`

func load(t *testing.T, text string) (*config.Release, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "release.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := config.Load(file)
	var errs config.Errors
	if errors.As(err, &errs) {
		for i := range errs {
			errs[i].File = "release.yaml"
		}
		return r, errs
	}
	return r, err
}

func TestDefaults(t *testing.T) {
	r, err := load(t, good)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Target{
		Name: "core-el9", Format: "rpm", Component: "core", Series: "2025", OS: "el9-x86_64", Key: "lts",
		Path: "rpm/core/2025/el9-x86_64", Policy: config.Accumulate, Keep: 3, Snapshots: 5,
		Compress: config.Gzip, Signatures: config.SignHeader,
	}
	if diff := cmp.Diff(want, r.Targets[0]); diff != "" {
		t.Error(diff)
	}
	if r.State != "state" || r.Staging != "staging" || r.Served != "served" || r.Console.Theme != config.Dark {
		t.Errorf("%+v", r)
	}
	if got := r.Path("state"); got != filepath.Join(r.Dir(), "state") {
		t.Errorf("Path: %s", got)
	}
}

func TestExampleLoads(t *testing.T) {
	r, err := load(t, string(config.Example("packyard")))
	if err != nil {
		t.Fatal(err)
	}
	if r.Product != "packyard" || len(r.Targets) < 2 || len(config.Lint(r)) == 0 {
		t.Errorf("%+v, found %v", r, config.Lint(r))
	}
}

// Each row changes the good file: old is replaced by new.
func TestErrors(t *testing.T) {
	second := `  - name: core-el8
    format: rpm
    component: core
    series: "2025"
    os: el8-x86_64
    key: lts
`
	for name, tc := range map[string]struct {
		old, new string
		want     []string // beginnings of lines
	}{
		"unknown key":       {"product:", "prodct:", []string{`release.yaml:1:1: unknown key "prodct", did you mean product?`, "release.yaml:1:1: product is missing"}},
		"number for text":   {`"2025"`, `2025`, []string{`release.yaml:10:13: 2025 is a number, not a text, write it in quotes: "2025"`}},
		"float for text":    {`"2025"`, `1.10`, []string{`release.yaml:10:13: 1.10 is a number, not a text, write it in quotes: "1.10"`}},
		"unknown reference": {"key: lts", "key: its", []string{"release.yaml:12:10: no key its, keys are lts"}},
		"key twice":         {"    os:", "    name: x\n    os:", []string{"release.yaml:11:5: key name comes twice, first on line 7"}},
		"literal secret":    {"file:keys/lts.key", "hunter2", []string{"release.yaml:4:14: a secret is given by reference"}},
		"numeric secret":    {"file:keys/lts.key", "12345678", []string{"release.yaml:4:14: a secret is given by reference"}},
		"alias":             {"product: packyard", "product: &a packyard", []string{"release.yaml:1:10: anchors and aliases"}},
		"tag":               {"product: packyard", "product: !!binary aGk=", []string{"release.yaml:1:10: the tag !!binary"}},
		"list for text":     {"product: packyard", "product: [a]", []string{"release.yaml:1:10: a text is wanted here, this is a list"}},
		"empty":             {"product: packyard", "product:", []string{"release.yaml:1:9: a text is wanted here, this is empty"}},
		"empty name":        {"product: packyard", `product: ""`, []string{`release.yaml:1:10: "" is not a name`}},
		"bad format":        {"format: rpm", "format: rpn", []string{`release.yaml:8:13: "rpn" is none of the choices, write rpm`}},
		"path out":          {"    key: lts", "    key: lts\n    path: ../x", []string{`release.yaml:13:11: "../x" is not a plain path`}},
		"url scheme":        {"    key: lts", "    key: lts\n    url: ftp://x/y", []string{`release.yaml:13:10: "ftp://x/y" does not begin with`}},
		"url credentials":   {"    key: lts", "    key: lts\n    url: https://u:p@x/y", []string{"release.yaml:13:10: a URL holds no credentials"}},
		"keep":              {"    key: lts", "    key: lts\n    keep: -1", []string{"release.yaml:13:11: keep is -1"}},
		"bool":              {"    key: lts", "    key: lts\nconsole: {mouse: yes}", []string{"release.yaml:13:18: true or false is wanted"}},
		"same target": {"targets:\n", "targets:\n" + strings.Replace(second, "core-el8", "core-el9", 1), []string{
			"release.yaml:13:11: target core-el9 comes twice, first on line 7"}},
		"same place": {"targets:\n", "targets:\n" + strings.Replace(second, "el8-x86_64", "el9-x86_64", 1), []string{
			"release.yaml:13:5: rpm/core/2025/el9-x86_64 overlaps", "release.yaml:13:5: core-el9 is staged in the same place as on line 7"}},
		"overlap": {"targets:\n", "targets:\n" + second + "    path: rpm/core/2025\n", []string{
			"release.yaml:14:5: rpm/core/2025/el9-x86_64 overlaps the target on line 7"}},
		"two documents": {"product:", "---\nproduct: x\n---\nproduct:", []string{"release.yaml:3:1: a second document"}},
		"not yaml":      {"product:", "product: [", []string{"release.yaml:"}},
		"missing":       {"    os: el9-x86_64\n", "", []string{"release.yaml:7:5: os is missing"}},
		"probe": {"targets:\n", "probes: [{name: a, url: nowhere, username: u}]\ntargets:\n", []string{
			"release.yaml:6:10: username and password go together", `release.yaml:6:25: "nowhere" does not begin with`}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, strings.Replace(good, tc.old, tc.new, 1))
			var errs config.Errors
			if !errors.As(err, &errs) {
				t.Fatalf("got %v", err)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tc.want) {
				t.Fatalf("got %d errors:\n%v", len(lines), err)
			}
			for i, want := range tc.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("got  %s\nwant %s", lines[i], want)
				}
			}
			for _, secret := range []string{"hunter2", "12345678"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error repeats the secret: %v", err)
				}
			}
		})
	}
}

func TestManyErrorsAtOnce(t *testing.T) {
	text := strings.NewReplacer("format: rpm", "format: deb9", "key: lts", "key: other", "product: packyard", "product: a b").Replace(good)
	_, err := load(t, text)
	if n := strings.Count(err.Error(), "\n") + 1; n != 3 {
		t.Errorf("%d errors:\n%v", n, err)
	}
}

func TestBadBytes(t *testing.T) {
	for name, text := range map[string]string{
		"empty":    "",
		"comment":  "# nothing\n",
		"NUL":      "product: a\x00b\n",
		"latin1":   "product: caf\xe9\n",
		"UTF-16":   "\xff\xfep\x00r\x00",
		"too long": "product: " + strings.Repeat("a", 2<<20),
		"bomb":     "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
	} {
		if _, err := load(t, text); !errors.As(err, new(config.Errors)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"2d": 48 * time.Hour, "90s": 90 * time.Second, "1h30m": 90 * time.Minute,
		"": 0, "0": 0, "-1h": 0, "d": 0, "1 day": 0, "99999999d": 0,
	} {
		var d config.Duration
		err := d.UnmarshalText([]byte(text))
		if (err != nil) != (want == 0) || time.Duration(d) != want {
			t.Errorf("%q: %v, %v", text, time.Duration(d), err)
		}
	}
}

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one", "s3cret\n")
	write("empty", "\n")
	t.Setenv("GANTRY_TEST_SECRET", "fr0menv")
	for ref, want := range map[string]string{
		"file:one": "s3cret", "env:GANTRY_TEST_SECRET": "fr0menv",
		"file:empty": "", "file:none": "", "env:GANTRY_TEST_NONE": "",
	} {
		var s config.Secret
		if err := s.UnmarshalText([]byte(ref)); err != nil {
			t.Fatal(err)
		}
		b, err := s.Reveal(dir)
		if string(b) != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q, %v", ref, b, err)
		}
		if err != nil && (config.HintOf(err) == "" || !strings.Contains(err.Error(), ref)) {
			t.Errorf("%s: %v, hint %q", ref, err, config.HintOf(err))
		}
	}
}

func TestSchemaKnowsEveryKey(t *testing.T) {
	b, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"product", "targets", "subscriber", "argv", "contains", "colour-blind", "accumulate", "required", "additionalProperties"} {
		if !strings.Contains(string(b), `"`+key+`"`) {
			t.Errorf("no %s in the schema", key)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	f.Add(config.Example("x"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r config.Release
		if err := config.Decode("f.yaml", data, &r); err != nil && !errors.As(err, new(config.Errors)) {
			t.Errorf("%T: %v", err, err)
		}
	})
}
