package check_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/check"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// bench is a small configuration with a key, a target and a probe.
type bench struct {
	t   *testing.T
	dir string
	url string
	now time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), url: "http://127.0.0.1:1/", now: time.Now()}
	private, public, err := sign.Generate("Test", "test@example.org", 2048, 0, b.now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	b.write("k.key", string(private))
	b.write("k.asc", string(public))
	b.write("password", "hunter2\n")
	return b
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	at := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stage(name, text string) {
	b.write("staging/core/1/rpm/el9-x86_64/"+name, text)
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// run makes a check and runs it.
func (b *bench) run(uses string, with map[string]string) (pipeline.Evidence, error) {
	b.t.Helper()
	b.write("release.yaml", fmt.Sprintf(`product: p
keys: [{name: k, private: "file:k.key", public: k.asc}]
targets: [{name: a, format: rpm, component: core, series: "1", os: el9-x86_64, key: k}]
probes: [{name: web, url: %q, contains: hello, username: u, password: "file:password", timeout: 5s}]
`, b.url))
	cfg, err := config.Load(filepath.Join(b.dir, "release.yaml"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, dir := range []string{"state", "served", "staging"} {
		if err := os.MkdirAll(filepath.Join(b.dir, dir), 0o755); err != nil {
			b.t.Fatal(err)
		}
	}
	store, err := storage.OpenDir(filepath.Join(b.dir, "staging"))
	if err != nil {
		b.t.Fatal(err)
	}
	step, err := check.Make(cfg, checklist.Item{ID: "i", Uses: uses, With: with})
	if err != nil {
		return nil, err
	}
	env := &pipeline.Env{Config: cfg, Staging: storage.NewStaging(store), Now: func() time.Time { return b.now }}
	plan, err := step.Plan(b.t.Context(), env)
	if err != nil {
		return nil, err
	}
	return step.Run(b.t.Context(), env, plan, pipeline.NewProgress(nil))
}

// wants fails unless err says these words; no words want no error.
func wants(t *testing.T, err error, words string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Errorf("got %v", err)
	case words != "" && (err == nil || !strings.Contains(err.Error(), words)):
		t.Errorf("got %v, want %q", err, words)
	}
}

func TestKey(t *testing.T) {
	placeholder := "-----BEGIN PGP PUBLIC KEY BLOCK-----\nREPLACE ME\n-----END PGP PUBLIC KEY BLOCK-----\n"
	for name, tc := range map[string]struct {
		change func(*bench)
		words  string
	}{
		"good":         {func(*bench) {}, ""},
		"placeholder":  {func(b *bench) { b.write("k.asc", placeholder) }, "k.asc"},
		"words":        {func(b *bench) { b.write("k.asc", "put the key here\n") }, "k.asc"},
		"absent":       {func(b *bench) { os.Remove(filepath.Join(b.dir, "k.asc")) }, "read the public key"},
		"no private":   {func(b *bench) { os.Remove(filepath.Join(b.dir, "k.key")) }, "file:k.key"},
		"another's":    {func(b *bench) { b.other(0) }, "the signing key is"},
		"expires soon": {func(b *bench) { b.pair(20 * 24 * time.Hour) }, "within 30 days"},
		"lasts":        {func(b *bench) { b.pair(60 * 24 * time.Hour) }, ""},
		"expired":      {func(b *bench) { b.pair(24 * time.Hour); b.now = b.now.Add(48 * time.Hour) }, "expire"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			tc.change(b)
			ev, err := b.run("check.key", nil)
			wants(t, err, tc.words)
			if err == nil && (len(ev["k fingerprint"]) != 40 || ev["k expires"] == "") {
				t.Errorf("evidence %v", ev)
			}
		})
	}
}

// other puts the public half of another key there.
func (b *bench) other(lasts time.Duration) {
	_, public, err := sign.Generate("Other", "o@example.org", 2048, lasts, b.now.Add(-time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	b.write("k.asc", string(public))
}

func (b *bench) pair(lasts time.Duration) {
	private, public, err := sign.Generate("Test", "t@example.org", 2048, lasts, b.now.Add(-time.Hour))
	if err != nil {
		b.t.Fatal(err)
	}
	b.write("k.key", string(private))
	b.write("k.asc", string(public))
}

func TestStaged(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*bench)
		words  string
	}{
		"good":         {func(*bench) {}, ""},
		"nothing":      {func(b *bench) { os.RemoveAll(filepath.Join(b.dir, "staging")) }, "nothing is staged for a"},
		"no sidecar":   {func(b *bench) { b.stage("b.rpm", "b") }, "b.rpm"},
		"no package":   {func(b *bench) { b.stage("b.rpm.sha256", digest("b")) }, "b.rpm"},
		"half written": {func(b *bench) { b.stage("a.rpm.sha256", digest("a")[:20]) }, "a.rpm"},
		"other bytes":  {func(b *bench) { b.stage("a.rpm", "A") }, "a.rpm: mismatch"},
		"named":        {func(b *bench) { b.stage("a.rpm.sha256", digest("a")+"  a.rpm\n") }, ""},
		"escape":       {func(b *bench) { b.stage("\x1b[31m.rpm", "x") }, `\x1b[31m.rpm`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.stage("a.rpm", "a")
			b.stage("a.rpm.sha256", digest("a")+"\n")
			tc.change(b)
			ev, err := b.run("check.staged", nil)
			wants(t, err, tc.words)
			if err == nil && ev["artifacts"] != "1" {
				t.Errorf("evidence %v", ev)
			}
			if err != nil && strings.Contains(err.Error(), "\x1b") {
				t.Errorf("the error carries an escape: %q", err)
			}
		})
	}
}

func TestSpace(t *testing.T) {
	b := newBench(t)
	_, err := b.run("check.space", nil)
	wants(t, err, "")
	_, err = b.run("check.space", map[string]string{"bytes": "9000000000000000000"})
	wants(t, err, "free")
	_, err = b.run("check.space", map[string]string{"bytes": "many"})
	wants(t, err, "not a number")
}

func TestSecrets(t *testing.T) {
	b := newBench(t)
	ev, err := b.run("check.secrets", nil)
	wants(t, err, "")
	if ev["secrets set"] != "2" {
		t.Errorf("evidence %v", ev)
	}
	if err := os.Remove(filepath.Join(b.dir, "password")); err != nil {
		t.Fatal(err)
	}
	_, err = b.run("check.secrets", nil)
	wants(t, err, "1 secrets are not set: file:password")
}

func TestHTTP(t *testing.T) {
	var elsewhere string
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if user, pass, ok := r.BasicAuth(); !ok || user != "u" || pass != "hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, "hello, world")
	})
	mux.HandleFunc("/empty", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/around", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/around", http.StatusFound) })
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) })
	server := httptest.NewServer(mux)
	defer server.Close()
	leaked := false
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leaked = leaked || r.Header.Get("Authorization") != ""
		fmt.Fprint(w, "hello")
	}))
	defer other.Close()
	elsewhere = strings.Replace(other.URL, "127.0.0.1", "localhost", 1)

	b := newBench(t)
	for _, tc := range []struct {
		path  string
		with  map[string]string
		words string
	}{
		{"/", nil, ""},
		{"/", map[string]string{"anonymous": "true", "expect": "401"}, ""},
		{"/", map[string]string{"anonymous": "true"}, "401"},
		{"/", map[string]string{"expect": "404"}, "wanted is 404"},
		{"/", map[string]string{"expect": "soon"}, "no HTTP status"},
		{"/empty", nil, "do not hold"},
		{"/around", nil, "redirected too often"},
		{"/away", nil, ""},
	} {
		b.url = server.URL + tc.path
		tc.with = withProbe(tc.with)
		_, err := b.run("check.http", tc.with)
		t.Run(tc.path, func(t *testing.T) { wants(t, err, tc.words) })
	}
	if leaked {
		t.Error("credentials went to another host")
	}
	server.Close()
	b.url = server.URL
	_, err := b.run("check.http", withProbe(nil))
	wants(t, err, "refused")
}

func withProbe(with map[string]string) map[string]string {
	all := map[string]string{"probe": "web"}
	for k, v := range with {
		all[k] = v
	}
	return all
}

func TestUnknown(t *testing.T) {
	_, err := newBench(t).run("check.nonsense", nil)
	wants(t, err, "no check")
}
