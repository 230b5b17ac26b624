package config_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
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
	if r.Product != "packyard" || len(r.Targets) != 3 || len(config.Lint(r)) == 0 {
		t.Errorf("%+v, found %v", r, config.Lint(r))
	}
}

// Each row changes the good file: old is replaced by new. want are whole lines.
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
		want     []string
	}{
		"unknown key": {"product:", "prodct:", []string{
			`release.yaml:1:1: unknown key "prodct", did you mean product?`,
			`release.yaml:1:1: product is missing, write product: ...`,
		}},
		"number for text": {`"2025"`, `2025`, []string{
			`release.yaml:10:13: 2025 is a number, not a text, write it in quotes: "2025"`,
		}},
		"float for text": {`"2025"`, `1.10`, []string{
			`release.yaml:10:13: 1.10 is a number, not a text, write it in quotes: "1.10"`,
		}},
		"unknown reference": {"key: lts", "key: its", []string{
			`release.yaml:12:10: no key its, keys are lts`,
		}},
		"key twice": {"    os:", "    name: x\n    os:", []string{
			`release.yaml:11:5: key name comes twice, first on line 7, keep one of them`,
		}},
		"literal secret": {"file:keys/lts.key", "hunter2", []string{
			`release.yaml:4:14: a secret is given by reference, never in the file itself, write env:NAME or file:PATH`,
		}},
		"numeric secret": {"file:keys/lts.key", "12345678", []string{
			`release.yaml:4:14: a secret is given by reference, never in the file itself, write env:NAME or file:PATH`,
		}},
		"secret as alias": {"file:keys/lts.key", "*hunter2", []string{
			`release.yaml:4:14: anchors and aliases are not read here, write the value out, and text that begins with * or & in quotes`,
		}},
		"secret as anchor": {"file:keys/lts.key", "&hunter2 x", []string{
			`release.yaml:4:14: anchors and aliases are not read here, write the value out, and text that begins with * or & in quotes`,
		}},
		"secret as tag": {"file:keys/lts.key", "!hunter2 x", []string{
			`release.yaml:4:14: tags are not read here, leave it out, and write text that begins with ! in quotes`,
		}},
		"secret as name": {"file:keys/lts.key", "env:hunter2 pass word", []string{
			`release.yaml:4:14: env: wants the name of an environment variable, use letters, digits and _, such as env:GANTRY_PASSPHRASE, and put the secret into that variable`,
		}},
		"secret path": {"file:keys/lts.key", `"file:\e[31mred"`, []string{
			`release.yaml:4:14: file: wants a path without control characters, write one such as file:keys/lts.key`,
		}},
		"alias": {"product: packyard", "product: &a packyard", []string{
			`release.yaml:1:10: anchors and aliases are not read here, write the value out, and text that begins with * or & in quotes`,
		}},
		"tag": {"product: packyard", "product: !!binary aGk=", []string{
			`release.yaml:1:10: tags are not read here, leave it out, and write text that begins with ! in quotes`,
		}},
		"tagged key": {"product:", "!hunter2 product:", []string{
			`release.yaml:1:1: a key is a plain word, write key: value`,
			`release.yaml:1:1: product is missing, write product: ...`,
		}},
		"list for text": {"product: packyard", "product: [a]", []string{
			`release.yaml:1:10: a text is wanted here, this is a list, write it on this line`,
		}},
		"empty": {"product: packyard", "product:", []string{
			`release.yaml:1:9: a text is wanted here, this is empty, write a value, or leave the key out`,
		}},
		"empty name": {"product: packyard", `product: ""`, []string{
			`release.yaml:1:10: "" is not a name, use letters, digits, - and _, at most 63, starting with a letter or digit`,
		}},
		"bad format": {"format: rpm", "format: rpn", []string{
			`release.yaml:8:13: "rpn" is none of the choices, write rpm or deb or oci or tree`,
		}},
		"bad os": {"targets:\n", "targets:\n" + strings.Replace(second, "el8-x86_64", "el8", 1), []string{
			`release.yaml:11:9: "el8" is not an operating system with an architecture, write one such as el9-x86_64`,
		}},
		"bad series": {"targets:\n", "targets:\n" + strings.Replace(second, `"2025"`, `".."`, 1), []string{
			`release.yaml:10:13: ".." is not a series, write one such as "2025" or "38"`,
		}},
		"bad component": {"targets:\n", "targets:\n" + strings.Replace(second, "component: core", "component: a/b", 1), []string{
			`release.yaml:9:16: "a/b" is not a name, use letters, digits, - and _, at most 63, starting with a letter or digit`,
		}},
		"bad key name": {"name: lts", "name: l t s", []string{
			`release.yaml:3:11: "l t s" is not a name, use letters, digits, - and _, at most 63, starting with a letter or digit`,
		}},
		"keys no list": {good[strings.Index(good, "keys:"):strings.Index(good, "targets:")], "keys: lts\n", []string{
			`release.yaml:2:7: a list is wanted here, this is a text, write each entry on a line of its own, after a dash`,
		}},
		"path out": {"    key: lts", "    key: lts\n    path: ../x", []string{
			`release.yaml:13:11: "../x" is not a plain path below served, write one such as rpm/core/2025/el9-x86_64, without .. and without / in front`,
		}},
		"path empty": {"    key: lts", "    key: lts\n    path: \"\"", []string{
			`release.yaml:13:11: "" is not a plain path below served, write one such as rpm/core/2025/el9-x86_64, without .. and without / in front`,
		}},
		"url scheme": {"    key: lts", "    key: lts\n    url: ftp://x/y", []string{
			`release.yaml:13:10: "ftp://x/y" does not begin with http:// or https:// or file://, write the whole URL`,
		}},
		"url empty": {"    key: lts", "    key: lts\n    url: \"\"", []string{
			`release.yaml:13:10: "" does not begin with http:// or https:// or file://, write the whole URL`,
		}},
		"url credentials": {"    key: lts", "    key: lts\n    url: https://u:hunter2@x/y", []string{
			`release.yaml:13:10: a URL holds no credentials here, write them apart, by reference`,
		}},
		"url broken": {"    key: lts", "    key: lts\n    url: \"https://u:hunter2 x@h/y\"", []string{
			`release.yaml:13:10: this is not a URL, write one such as https://pkg.example.org/rpm/core`,
		}},
		"url encoded": {"    key: lts", "    key: lts\n    url: \"https://u:hunter2%40h/y\"", []string{
			`release.yaml:13:10: this is not a URL, write one such as https://pkg.example.org/rpm/core`,
		}},
		"url query": {"    key: lts", "    key: lts\n    url: \"https://h/y?token=hunter2\"", []string{
			`release.yaml:13:10: a URL here has no ? and no #, leave them out`,
		}},
		"keep": {"    key: lts", "    key: lts\n    keep: -1", []string{
			`release.yaml:13:11: keep is -1, write 1 or more`,
		}},
		"keep zero": {"    key: lts", "    key: lts\n    keep: 0", []string{
			`release.yaml:13:11: keep is 0, write 1 or more`,
		}},
		"keep a word": {"    key: lts", "    key: lts\n    keep: all", []string{
			`release.yaml:13:11: a whole number is wanted here, this is a text, write it in digits, without quotes`,
		}},
		"snapshots zero": {"    key: lts", "    key: lts\n    snapshots: 0", []string{
			`release.yaml:13:16: snapshots is 0, write 2 or more, since a rollback needs the one before`,
		}},
		"state empty": {"product:", "state: \"\"\nproduct:", []string{
			`release.yaml:1:8: no path, write one, or leave the key out where there is a default`,
		}},
		"state in served": {"product:", "state: served/x\nproduct:", []string{
			`release.yaml:1:8: state (served/x) and served (served) overlap, give each a directory of its own, neither within the other`,
		}},
		"served is all": {"product:", "served: /\nproduct:", []string{
			`release.yaml:1:9: state (state) and served (/) overlap, give each a directory of its own, neither within the other`,
			`release.yaml:1:9: staging (staging) and served (/) overlap, give each a directory of its own, neither within the other`,
		}},
		"same area": {"product:", "staging: a/../b\nserved: ./b\nproduct:", []string{
			`release.yaml:2:9: staging (a/../b) and served (./b) overlap, give each a directory of its own, neither within the other`,
		}},
		"secret in served": {"file:keys/lts.key", "file:served/../served/lts.key", []string{
			`release.yaml:4:14: this secret lies within served (served), where every client can read it, move it out, and take it for known to others if it was served`,
		}},
		"secrets of servers in served": {"targets:\n", "stores: [{name: s, bucket: abc, access_key: \"file:served/a\", secret_key: \"file:b\"}]\ntunnels: [{name: t, host: h, user: u, key: \"file:./served/k\"}]\ntargets:\n", []string{
			`release.yaml:6:45: this secret lies within served (served), where every client can read it, move it out, and take it for known to others if it was served`,
			`release.yaml:7:44: this secret lies within served (served), where every client can read it, move it out, and take it for known to others if it was served`,
		}},
		"private as public": {"public: keys/lts.asc", "public: keys/../keys/lts.key", []string{
			`release.yaml:5:13: this is the file of the private key, and clients are given it, export the public half: gpg --armor --export`,
		}},
		"bool": {"    key: lts", "    key: lts\nconsole: {mouse: yes}", []string{
			`release.yaml:13:18: true or false is wanted here, this is a text, write true or false`,
		}},
		"theme empty": {"    key: lts", "    key: lts\nconsole: {theme: \"\"}", []string{
			`release.yaml:13:18: "" is none of the choices, write dark or light or colour-blind`,
		}},
		"same target": {"targets:\n", "targets:\n" + strings.Replace(second, "core-el8", "core-el9", 1), []string{
			`release.yaml:13:11: target core-el9 comes twice, first on line 7, give each its own name`,
		}},
		"same place": {"targets:\n", "targets:\n" + strings.Replace(second, "el8-x86_64", "el9-x86_64", 1), []string{
			`release.yaml:13:5: rpm/core/2025/el9-x86_64 overlaps the target on line 7, which is served at rpm/core/2025/el9-x86_64, give each target a directory of its own`,
			`release.yaml:13:5: core-el9 is staged in the same place as on line 7: core/2025/rpm/el9-x86_64, let component, series or os differ`,
		}},
		"overlap": {"targets:\n", "targets:\n" + second + "    path: rpm/core/2025\n", []string{
			`release.yaml:14:5: rpm/core/2025/el9-x86_64 overlaps the target on line 7, which is served at rpm/core/2025, give each target a directory of its own`,
		}},
		"two documents": {"product:", "---\nproduct: x\n---\nproduct:", []string{
			`release.yaml:3:1: a second document begins here, write one document only, without ---`,
		}},
		"not yaml": {"product:", "product: [", []string{
			`release.yaml:2:1: not YAML: did not find expected ',' or ']', check indentation, colons and quotes near here`,
		}},
		"not yaml, later": {`series: "2025"`, `series: ["2025"`, []string{
			`release.yaml:10:1: not YAML: did not find expected ',' or ']', check indentation, colons and quotes near here`,
		}},
		"not yaml, indented": {"    os:", "     os:", []string{
			`release.yaml:7:1: not YAML: did not find expected key, check indentation, colons and quotes near here`,
		}},
		"missing": {"    os: el9-x86_64\n", "", []string{
			`release.yaml:7:5: os is missing, write os: ...`,
		}},
		"probe": {"targets:\n", "probes: [{name: a, url: nowhere, username: u}]\ntargets:\n", []string{
			`release.yaml:6:10: username and password go together, write both or neither`,
			`release.yaml:6:25: "nowhere" does not begin with http:// or https://, write the whole URL`,
		}},
		"probe of nothing": {"targets:\n", "probes: [{name: a, url: \"http://h/\", status: 0, contains: \"\", username: \"u:v\", password: env:P}]\ntargets:\n", []string{
			`release.yaml:6:46: 0 is no HTTP status, write one from 100 to 599`,
			`release.yaml:6:59: every page holds an empty text, write what it must hold, or leave the key out`,
			`release.yaml:6:73: this cannot be a username, write one without colons and control characters`,
		}},
		"command": {"targets:\n", "commands: [{name: a, argv: [\"\"], dir: \"\", env: {A: 12345678, 1x: b, B: \"\\0\"}, inherit: [B, GANTRY_X], secrets: {B: env:B}}]\ntargets:\n", []string{
			`release.yaml:6:28: no program, write it and its arguments as a list: ["make", "check"]`,
			`release.yaml:6:39: no path, write one, or leave the key out where there is a default`,
			`release.yaml:6:52: this is a number, not a text, write it in quotes`,
			`release.yaml:6:66: "1x" cannot be a variable, use letters, digits and _, not beginning with GANTRY_`,
			`release.yaml:6:72: no program can be given a NUL byte, leave it out`,
			`release.yaml:6:89: B has a value already, on line 6, keep one of them`,
			`release.yaml:6:92: "GANTRY_X" cannot be a variable, use letters, digits and _, not beginning with GANTRY_`,
			`release.yaml:6:116: B has a value already, on line 6, keep one of them`,
		}},
		"NUL": {"packyard", "päck\x00yard", []string{
			`release.yaml:1:14: the file holds a NUL byte, write it as plain UTF-8 text`,
		}},
		"latin1": {"name: lts", "name: é\xe9", []string{
			`release.yaml:3:12: the file is not UTF-8, save it as UTF-8`,
		}},
		"control": {"name: lts", "name: \x1b[31m", []string{
			`release.yaml:3:11: the file holds the control character U+001B, leave it out`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(good, tc.old) {
				t.Fatalf("the good file holds no %q", tc.old)
			}
			_, err := load(t, strings.Replace(good, tc.old, tc.new, 1))
			if !errors.As(err, new(config.Errors)) {
				t.Fatalf("got %v", err)
			}
			if diff := cmp.Diff(tc.want, strings.Split(err.Error(), "\n")); diff != "" {
				t.Error(diff)
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

// keysOf calls with each key of a struct of the configuration and of those it
// holds.
func keysOf(of reflect.Type, each func(of reflect.Type, key string)) {
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Map || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return
	}
	for i := range of.NumField() {
		if key := of.Field(i).Tag.Get("yaml"); key != "" {
			each(of, key)
			keysOf(of.Field(i).Type, each)
		}
	}
}

func TestSchemaAndExampleKnowEveryKey(t *testing.T) {
	b, err := config.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]struct {
			Properties           map[string]any
			Required             []string
			AdditionalProperties any
		} `json:"$defs"`
	}
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	shown := string(config.Example("x")) + string(config.Example(config.Rocky))
	seen := 0
	keysOf(reflect.TypeFor[config.Release](), func(of reflect.Type, key string) {
		seen++
		def := schema.Defs[of.Name()]
		if _, ok := def.Properties[key]; !ok || def.AdditionalProperties != false {
			t.Errorf("the schema of %s has no %s, or takes any key", of.Name(), key)
		}
		if !regexp.MustCompile(`(?m)(^[ #-]*|[{,] ?)` + key + `:`).MatchString(shown) {
			t.Errorf("no example has %s of %s", key, of.Name())
		}
	})
	if seen < 100 || !slices.Contains(schema.Defs["Tree"].Required, "staging") {
		t.Errorf("%d keys, required %v", seen, schema.Defs["Target"].Required)
	}
}

// What the example shows in comments can be written as it stands.
func TestExampleLoadsUncommented(t *testing.T) {
	text := regexp.MustCompile(`(?m)^( *)# ( *(- )?[a-z_]+:( .*)?)$`).ReplaceAllString(string(config.Example("x")), "$1$2")
	r, err := load(t, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if r.Targets[0].Subscriber == nil || r.Keys[0].Passphrase.IsZero() || r.Probes[0].Contains == "" || len(r.Probes) != 2 || !r.Console.ReadOnly ||
		len(r.Stores) != 1 || len(r.Tunnels) != 2 || len(r.Forges) != 1 || len(r.Forges[0].Secrets) != 10 || len(r.Workflows) != 3 || r.Registries[0].Tunnel != "vm" {
		t.Errorf("not all was read: %+v", r)
	}
}

func TestLint(t *testing.T) {
	text := good + `commands:
  - {name: c, argv: ["true"], inherit: [NOT_SET_HERE], secrets: {Z: "file:z", A: "file:a", M: "file:m"}}
`
	r, err := load(t, text)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(r.Path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(r.Path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("keys/lts.asc", "-----BEGIN PGP PRIVATE KEY BLOCK-----")
	write("keys/lts.key", "soon")
	write("state", "a file")
	if err := os.Mkdir(r.Path("served"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("served", r.Path("staging")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"state: state is not a directory",
		"served: symbolic links lead served and staging to one place",
		"key lts: file:keys/lts.key holds no armored private key",
		"key lts: keys/lts.asc holds a private key, and clients are given it",
		"command c: secret file:a", "command c: secret file:m", "command c: secret file:z",
		"command c: it inherits NOT_SET_HERE, which the environment does not have",
	}
	for range 20 { // maps have another order each time
		var got []string
		for _, f := range config.Lint(r) {
			if f.Hint == "" {
				t.Errorf("no hint: %+v", f)
			}
			what, _, _ := strings.Cut(f.What, ": ")
			got = append(got, f.Where+": "+what)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	}
	if advice := config.Advice(r); len(advice) != 1 || advice[0].Where != "target core-el9" {
		t.Errorf("advice %v", advice)
	}
}

// A pipe that nobody writes to would hold the console up for ever.
func TestPipesAreNotRead(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	var s config.Secret
	if err := s.UnmarshalText([]byte("file:pipe")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reveal(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
	if _, err := config.Load(filepath.Join(dir, "pipe")); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	f.Add(config.Example("x"))
	f.Add(config.Example(config.Rocky))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r config.Release
		if err := config.Decode("f.yaml", data, &r); err != nil && !errors.As(err, new(config.Errors)) {
			t.Errorf("%T: %v", err, err)
		}
	})
}
