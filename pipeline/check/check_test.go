package check_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

	timeout string // of the probe
	targets string // of release.yaml, one for each line
	probes  string
	more    string              // lines of release.yaml
	change  func(*pipeline.Env) // before a check is run
	log     string              // of the last run
}

// signing is a key pair for all benches: to make one takes a while.
var signing = sync.OnceValue(func() [2][]byte {
	private, public, err := sign.Generate("Test", "test@example.org", 2048, 0, time.Now().Add(-time.Hour))
	if err != nil {
		panic(err)
	}
	return [2][]byte{private, public}
})

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), url: "http://127.0.0.1:1/", now: time.Now(), timeout: "5s"}
	b.targets = `{name: a, format: rpm, component: core, series: "1", os: el9-x86_64, key: k}`
	pair := signing()
	b.write("k.key", string(pair[0]))
	b.write("k.asc", string(pair[1]))
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

// items is a list of a configuration, of one item for each line.
func items(name, lines string) string {
	if lines == "none" {
		return ""
	}
	return name + ":\n- " + strings.ReplaceAll(lines, "\n", "\n- ") + "\n"
}

// run makes a check and runs it.
func (b *bench) run(uses string, with map[string]string) (pipeline.Evidence, error) {
	b.t.Helper()
	probes := b.probes
	if probes == "" {
		probes = fmt.Sprintf(`{name: web, url: %q, contains: hello, username: u, password: "file:password", timeout: %s}`, b.url, b.timeout)
	}
	b.write("release.yaml", "product: p\nkeys: [{name: k, private: \"file:k.key\", public: k.asc}]\n"+
		items("targets", b.targets)+items("probes", probes)+b.more)
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
	env.Targets = func() (all []*config.Target) {
		for i := range cfg.Targets {
			all = append(all, &cfg.Targets[i])
		}
		return all
	}
	if b.change != nil {
		b.change(env)
	}
	plan, err := step.Plan(b.t.Context(), env)
	if err != nil {
		return nil, err
	}
	file, err := os.Create(filepath.Join(b.dir, "log"))
	if err != nil {
		b.t.Fatal(err)
	}
	log := pipeline.NewLog(file, func() time.Time { return time.Time{} })
	ev, err := step.Run(b.t.Context(), env, plan, pipeline.NewProgress(log))
	if err := log.Close(); err != nil {
		b.t.Fatal(err)
	}
	text, readErr := os.ReadFile(file.Name())
	if readErr != nil {
		b.t.Fatal(readErr)
	}
	b.log = strings.ReplaceAll("\n"+string(text), "\n00:00:00 ", "\n")
	return ev, err
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
			if err == nil && (len(ev["fingerprint of key k"]) != 40 || ev["key k expires"] == "") {
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
	wants(t, err, "nothing is staged")
	_, err = b.run("check.space", map[string]string{"bytes": "0"})
	wants(t, err, "not a number")
	_, err = b.run("check.space", map[string]string{"byte": "1"})
	wants(t, err, `no option "byte"`)

	b.stage("a.rpm", strings.Repeat("a", 100<<10))
	ev, err := b.run("check.space", nil) // all in one temporary directory
	wants(t, err, "")
	if need := fmt.Sprint(64<<20 + (100<<10)*6/5); ev["served and state needs"] != need || len(ev) != 2 {
		t.Errorf("evidence %v, want a need of %s", ev, need)
	}
	sparse := filepath.Join(b.dir, "staging/core/1/rpm/el9-x86_64/b.rpm") // claims more than there is
	if err := os.WriteFile(sparse, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(sparse, 1<<42); err != nil {
		t.Logf("no sparse files here: %v", err)
	} else {
		_, err = b.run("check.space", nil)
		wants(t, err, "MiB are needed")
	}
	if err := os.Remove(sparse); err != nil {
		t.Fatal(err)
	}
	_, err = b.run("check.space", map[string]string{"bytes": "9000000000000000000"})
	wants(t, err, "free")
	_, err = b.run("check.space", map[string]string{"bytes": "many"})
	wants(t, err, "not a number")
}

func TestSpaceOnTwoFileSystems(t *testing.T) {
	state, err := os.MkdirTemp("/dev/shm", "gantry")
	if err != nil {
		t.Skip("no second file system here")
	}
	defer os.RemoveAll(state)
	b := newBench(t)
	b.more = "state: " + state + "\n"
	ev, err := b.run("check.space", map[string]string{"bytes": "1000"})
	wants(t, err, "")
	if _, one := ev["served and state needs"]; one {
		t.Skip("the temporary directory is in memory too")
	}
	if ev["served needs"] != "1000" || ev["state needs"] != fmt.Sprint(64<<20) || ev["served has free"] == ev["state has free"] {
		t.Errorf("evidence %v", ev)
	}
	_, err = b.run("check.space", map[string]string{"bytes": "9000000000000000000"})
	wants(t, err, "served ("+b.dir)
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
		{"/", map[string]string{"expct": "401"}, `no option "expct"`},
		{"/", map[string]string{"anonymous": "yes"}, "neither true nor false"},
		{"/empty", nil, "do not hold"},
		{"/around", nil, "redirected too often"},
		{"/away", nil, ""},
	} {
		b.url = server.URL + tc.path
		tc.with = withProbe(tc.with)
		_, err := b.run("check.http", tc.with)
		t.Run(tc.path, func(t *testing.T) { wants(t, err, tc.words) })
	}
	elsewhere = other.URL // the same host, another port
	b.url = server.URL + "/away"
	_, err := b.run("check.http", withProbe(nil))
	wants(t, err, "")
	if leaked {
		t.Error("credentials went elsewhere")
	}
	server.Close()
	b.url = server.URL
	_, err = b.run("check.http", withProbe(nil))
	wants(t, err, "refused")
}

// A server may answer slowly, never, without end, or with what is not for the
// journal.
func TestHTTPBadServers(t *testing.T) {
	done := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/never", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-done:
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/slowly", func(w http.ResponseWriter, r *http.Request) {
		for tick := time.Tick(time.Millisecond); ; {
			select {
			case <-done:
				return
			case <-r.Context().Done():
				return
			case <-tick:
				fmt.Fprint(w, "x")
				w.(http.Flusher).Flush()
			}
		}
	})
	var sent atomic.Int64
	mux.HandleFunc("/endless", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(2<<30))
		for block := make([]byte, 1<<16); ; {
			n, err := w.Write(block)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery == "" {
			http.Redirect(w, r, "/token?signature=hunter2", http.StatusFound)
		}
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://u:hunter2@h:port/")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/lost", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://u:hunter2@127.0.0.1:1/?signature=hunter2")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/headers", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X", strings.Repeat("x", 1<<20))
	})
	mux.HandleFunc("/reason", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		fmt.Fprint(conn, "HTTP/1.1 200 \x1b[31m"+strings.Repeat("hunter2", 1000)+"\r\nConnection: close\r\n\r\nno")
		conn.Close()
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	defer close(done)
	for path, words := range map[string]string{
		"/never":   "no whole answer within 200ms",
		"/slowly":  "read the answer of " + server.URL + "/slowly: no whole answer within 200ms",
		"/endless": "the first 1048576 bytes",
		"/token":   "/token do not hold",
		"/broken":  "redirected to what is no URL",
		"/lost":    "connection refused",
		"/headers": "headers exceeded",
		"/reason":  "the first 2 bytes",
	} {
		b := newBench(t)
		b.url, b.timeout = server.URL+path, "200ms"
		if path != "/never" && path != "/slowly" {
			b.timeout = "1m"
		}
		ev, err := b.run("check.http", withProbe(nil))
		wants(t, err, words)
		if all := fmt.Sprint(ev, err); strings.Contains(all, "hunter2") || strings.Contains(all, "\x1b") || len(all) > 2000 {
			t.Errorf("%s: %.300q", path, all)
		}
	}
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("%d bytes of an endless body were taken", n)
	}
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
