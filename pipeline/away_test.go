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

	"gantry/checklist"
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
	shut  func(*http.Request) bool // answered with 403 where it is true: nobody tries that again
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
			w.WriteHeader(http.StatusForbidden)
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

// bucket is the area of a release on the server, as another program sees it.
func bucket(t testing.TB, r *road, prefix string) *storage.S3 {
	t.Helper()
	s, err := storage.OpenS3(t.Context(), storage.S3Options{
		Endpoint: r.URL, Bucket: storagetest.Bucket, Prefix: prefix, PathStyle: true,
		AccessKey: storagetest.Access, SecretKey: storagetest.Secret,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// A console whose lease was taken while it was stopped moves nothing when it
// wakes up, and says why.
func TestWokenTooLate(t *testing.T) {
	r := newRoad(t)
	cfg := remote(t, r, releaseYAML, "")
	state := bucket(t, r, "state")
	stolen := false
	e := begun(t, cfg, pipeline.Options{Trades: formats, Makers: beforeFlips(func(*pipeline.Env) {
		if stolen {
			return
		}
		stolen = true
		other := `{"generation":99,"nonce":"n","owner":"ann","holder":{"pid":1},"state":"released","beat":3}` + "\n"
		if _, err := state.Put(t.Context(), "locks/el9.lock", strings.NewReader(other), storage.Always); err != nil {
			t.Error(err)
		}
	})})
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
		t.Fatal(err)
	}
	err := do(t, e, pipeline.Job{Item: "promote:el9"})
	if err == nil || !strings.Contains(err.Error(), "lock of the run was lost") || !strings.Contains(config.HintOf(err), "gantry runs") {
		t.Errorf("it was told: %v (%s)", err, config.HintOf(err))
	}
	if it := status(t, e, "promote:el9"); it.Status != checklist.StatusFailed || !strings.Contains(it.Because, "lost") {
		t.Errorf("it is %s: %s", it.Status, it.Because)
	}
	if v := e.View().Targets[0]; v.Production != "" || v.Drift != "" {
		t.Errorf("production %q, drift %q", v.Production, v.Drift)
	}
	if err := do(t, e, pipeline.Job{Item: "promote:el9"}); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// A console that was killed on another machine keeps nobody from its target: who
// plans for it outlasts its leases, and settles what it was at.
func TestDeadConsoleElsewhere(t *testing.T) {
	r := newRoad(t)
	cfg := remote(t, r, releaseYAML, "")
	e := begun(t, cfg, pipeline.Options{Trades: formats})
	state := bucket(t, r, "state")
	j, err := storage.OpenJournal(t.Context(), state, "journal")
	if err != nil {
		t.Fatal(err)
	}
	const run = "20250101T000000Z-00000000"
	if _, err := j.Append(t.Context(), storage.Envelope{Actor: "ann", Host: "h", Release: "test-1.0", Type: checklist.RunIntent,
		Data: []byte(`{"run":"` + run + `","item":"build:el9","verb":"build","title":"Build","target":"el9","risk":"staging"}`)}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"locks/el9.lock", "runs/" + run + "/lock"} {
		held := `{"generation":1,"nonce":"n","owner":"ann","holder":{"pid":1},"state":"held","beat":3}` + "\n"
		if _, err := state.Put(t.Context(), key, strings.NewReader(held), storage.Always); err != nil {
			t.Fatal(err)
		}
	}
	if got := status(t, e, "build:el9").Status; got != checklist.StatusRunning {
		t.Errorf("at first sight it is %s", got)
	}
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
		t.Error(err)
	}
	for _, r := range e.View().Runs {
		if r.Run.Run == run && (r.Ended == nil || !r.Ended.Looked) {
			t.Errorf("the dead one: %+v", r.Ended)
		}
	}
}

// A server that does not answer says nothing of what is served.
func TestServerThatIsIllIsNoDrift(t *testing.T) {
	r := newRoad(t)
	cfg := remote(t, r, releaseYAML, "state")
	e := begun(t, cfg, pipeline.Options{Trades: formats})
	for _, job := range []string{"build:el9", "promote:el9"} {
		if err := do(t, e, pipeline.Job{Item: job}); err != nil {
			t.Fatal(err)
		}
	}
	was := e.View().Targets[0]
	r.set(0, func(q *http.Request) bool { return strings.Contains(q.URL.Path, "/file") })
	for _, e := range []*pipeline.Engine{open(t, cfg, pipeline.Options{Trades: formats}), open(t, cfg, pipeline.Options{Trades: formats, ReadOnly: true})} {
		if v := e.View().Targets[0]; v.Unseen == "" || v.Drift != "" || len(v.Snapshots) != len(was.Snapshots) {
			t.Errorf("unseen %q, drift %q, %d snapshots", v.Unseen, v.Drift, len(v.Snapshots))
		}
	}
}

// The server goes away while a run is on: its end is not journalled, and it is
// settled by looking as soon as the server is back, by the same console.
func TestStateGoesAway(t *testing.T) {
	r := newRoad(t)
	cfg := remote(t, r, releaseYAML, "")
	e := begun(t, cfg, pipeline.Options{Trades: formats})
	storage.OnReach(func(point string) {
		if point == "run.worked" {
			r.set(0, func(*http.Request) bool { return true })
		}
	})
	defer storage.OnReach(nil)
	err := do(t, e, pipeline.Job{Item: "build:el9"})
	storage.OnReach(nil)
	if err == nil || !strings.Contains(err.Error(), "could not be journalled") || !strings.Contains(config.HintOf(err), "gantry resolve") {
		t.Errorf("it was told: %v (%s)", err, config.HintOf(err))
	}
	// What was planned cannot be read yet: it is not taken for nothing.
	r.set(0, func(q *http.Request) bool { return strings.Contains(q.URL.Path, "/plans/") })
	it := status(t, e, "build:el9")
	if it.Status != checklist.StatusUnknown {
		t.Fatalf("it is %s", it.Status)
	}
	if err := e.Resolve(t.Context(), it.State.Run.Run); err == nil || status(t, e, "build:el9").Status != checklist.StatusUnknown {
		t.Errorf("it was settled without its plan: %v", err)
	}
	r.set(0, nil)
	if err := e.Resolve(t.Context(), it.State.Run.Run); err != nil {
		t.Errorf("settle it: %v", err)
	}
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
		t.Errorf("once more: %v", err)
	}
	if report, err := e.VerifyHistory(t.Context()); err != nil || len(report.Damage) > 0 {
		t.Errorf("journal: %v %v", report.Damage, err)
	}
}

// A read-only console asks, and writes nothing, here or there.
func TestReadOnlyWritesNothingFarAway(t *testing.T) {
	r := newRoad(t)
	cfg := remote(t, r, releaseYAML, "")
	e := begun(t, cfg, pipeline.Options{Trades: formats})
	for _, job := range []string{"build:el9", "promote:el9", "watch"} {
		if err := do(t, e, pipeline.Job{Item: job}); err != nil {
			t.Fatal(err)
		}
	}
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	r.took()
	ro := open(t, cfg, pipeline.Options{Trades: formats, ReadOnly: true})
	if _, err := ro.Plan(t.Context(), pipeline.Job{Verb: "rollback", Target: "el9"}); err != nil {
		t.Error(err)
	}
	as, err := ro.Artifacts(t.Context(), "")
	if err == nil {
		_, err = ro.Findings(t.Context(), as)
	}
	if err != nil {
		t.Error(err)
	}
	if _, err := ro.VerifyHistory(t.Context()); err != nil {
		t.Error(err)
	}
	for _, asked := range r.took() {
		if !strings.HasPrefix(asked, "GET ") && !strings.HasPrefix(asked, "HEAD ") && !strings.HasPrefix(asked, "LIST ") {
			t.Errorf("it asked for %s", asked)
		}
	}
	if left, err := os.ReadDir(cache); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	// A log that somebody asks for is fetched.
	at, err := ro.RunLog(t.Context(), ro.View().Runs[0].Run.Run)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(at); err != nil || !strings.Contains(string(b), "done") {
		t.Errorf("the log: %q, %v", b, err)
	}
}

// A long journal is packed as it grows: opening a console does not read it entry
// by entry.
func TestLongJournalIsPacked(t *testing.T) {
	r := newRoad(t)
	cfg := remote(t, r, releaseYAML, "")
	e := begun(t, cfg, pipeline.Options{Trades: formats})
	for i := range 140 {
		if err := e.Tick(t.Context(), "look", fmt.Sprint("time ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Close(); err != nil { // packing is over then
		t.Fatal(err)
	}
	r.took()
	if n := len(open(t, cfg, pipeline.Options{Trades: formats}).History()); n != 142 {
		t.Errorf("%d entries", n)
	}
	if n := len(r.took()); n > 40 {
		t.Errorf("%d requests for a journal of 142 entries", n)
	}
}

// An idle console on a store asks little.
func TestIdleConsoleAsksLittle(t *testing.T) {
	r := newRoad(t)
	now := time.Now().Add(-time.Hour)
	e := begun(t, remote(t, r, matrixYAML, ""), pipeline.Options{Trades: formats, Now: func() time.Time { return now }})
	for range 4 {
		for _, target := range []string{"el8", "el9", "el10"} {
			now = now.Add(2 * time.Second)
			if err := do(t, e, pipeline.Job{Item: "build:" + target}); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.took()
	const seconds = 60
	for range seconds {
		now = now.Add(time.Second)
		if err := e.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(r.took()); n > 3*seconds {
		t.Errorf("%d requests in %d s", n, seconds)
	} else {
		t.Logf("%d requests in %d s", n, seconds)
	}
}
