package pipeline_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
	"gantry/storage/storagetest"
)

// road is the way to a server of the tests: it counts what goes along it, may
// be long, and may be shut.
type road struct {
	*httptest.Server
	mu    sync.Mutex
	seen  []string // method and path of each request
	delay time.Duration
	shut  func(*http.Request) bool // answered with 503 where it is true
}

func newRoad(t testing.TB) *road {
	t.Helper()
	server := storagetest.NewS3(t)
	to, err := url.Parse(server.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	r := &road{}
	on := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.Host = p.In.Host // it is signed
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.mu.Lock()
		what := q.Method + " " + strings.TrimPrefix(q.URL.Path, "/"+storagetest.Bucket)
		if prefix := q.URL.Query().Get("prefix"); prefix != "" {
			what = "LIST " + prefix
		}
		r.seen = append(r.seen, what)
		delay, shut := r.delay, r.shut
		r.mu.Unlock()
		time.Sleep(delay)
		if shut != nil && shut(q) {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		on.ServeHTTP(w, q)
	}))
	t.Cleanup(r.Server.Close)
	return r
}

// took is what went along the road since it was last asked.
func (r *road) took() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := r.seen
	r.seen = nil
	return seen
}

// set changes what happens on the road from now on.
func (r *road) set(delay time.Duration, shut func(*http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay, r.shut = delay, shut
}

// byFile lets trees of the small trade live on a store: its file names the
// snapshot.
func byFile(*config.Target) storage.Face {
	return storage.Face{File: "file", ID: func(b []byte) (string, error) { return string(b), nil }}
}

var formats = map[config.Format]pipeline.Trade{"rpm": {Face: byFile}}

// remote is a small release whose state is on a server, and where targets are
// served, too; beside names an area that is a directory all the same.
func remote(t testing.TB, r *road, targets string, beside string) *config.Release {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	cfg := setup(t)
	yaml := fmt.Sprintf("product: test\nstores:\n  - {name: far, endpoint: %q, bucket: %s, access_key: \"file:a\", secret_key: \"file:s\"}\n", r.URL, storagetest.Bucket)
	for _, area := range []string{"state", "staging", "served"} {
		if area != beside {
			yaml += area + ": store:far/" + area + "\n"
		}
	}
	for name, text := range map[string]string{
		"release.yaml": yaml + strings.TrimPrefix(targets, "\nproduct: test\n"), "a": storagetest.Access, "s": storagetest.Secret,
	} {
		if err := os.WriteFile(filepath.Join(cfg.Dir(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(cfg.Dir(), "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestMeasure(t *testing.T) {
	r := newRoad(t)
	cfg := remote(t, r, matrixYAML, "")
	e := begun(t, cfg, pipeline.Options{Trades: formats})
	for _, target := range []string{"el8", "el9", "el10"} {
		for range 3 {
			if err := do(t, e, pipeline.Job{Item: "build:" + target}); err != nil {
				t.Fatal(err)
			}
		}
		r.took()
		if err := do(t, e, pipeline.Job{Item: "promote:" + target}); err != nil {
			t.Fatal(err)
		}
		t.Logf("a promote in an open console: %d requests", len(r.took()))
	}
	show := func(what string) {
		n := r.took()
		counts := map[string]int{}
		for _, s := range n {
			m, p, _ := strings.Cut(s, " ")
			counts[m+" "+strings.SplitN(strings.Trim(p, "/"), "/", 2)[0]]++
		}
		t.Logf("%s: %d requests %v", what, len(n), counts)
	}
	e.Refresh(t.Context())
	r.took()
	for range 10 {
		e.Refresh(t.Context())
		time.Sleep(time.Second)
	}
	show("10 s of an idle console")
	for _, delay := range []time.Duration{0, 200 * time.Millisecond} {
		r.set(delay, nil)
		for _, ro := range []bool{true, false} {
			began := time.Now()
			o := open(t, cfg, pipeline.Options{Trades: formats, ReadOnly: ro})
			t.Logf("opened after %s", time.Since(began))
			show(fmt.Sprintf("open at %s, read-only %v", delay, ro))
			began = time.Now()
			o.Refresh(t.Context())
			t.Logf("refreshed after %s", time.Since(began))
			show("refresh")
			began = time.Now()
			if _, err := o.Plan(t.Context(), pipeline.Job{Verb: "rollback", Target: "el9"}); err != nil {
				t.Fatal(err)
			}
			t.Logf("planned after %s", time.Since(began))
			show("plan")
		}
	}
}
