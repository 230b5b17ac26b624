package check_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// repomdOf is a repomd.xml whose metadata was made at a time.
func repomdOf(made int64) string {
	return fmt.Sprintf(`<?xml version="1.0"?>
<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>9</revision><data type="primary">
<checksum type="sha256">%064x</checksum><location href="repodata/primary.xml.gz"/><timestamp>%d</timestamp><size>10</size>
</data></repomd>`, made, made)
}

const (
	baseOS    = "BaseOS/x86_64/os"
	appStream = "AppStream/x86_64/os"
)

// world is mirrors and a mirror list, on this machine.
type world struct {
	*bench
	mux  *http.ServeMux
	url  string
	done chan struct{}

	lists    map[string]string // by repository and architecture
	percent  int
	networks string
	timeout  string
	sync     string
	earlier  map[string][]int64 // when metadata in production was made, by path
}

type shelf struct {
	storage.Served
	w *world
}

func (s shelf) Earlier(_ context.Context, path string) (all [][]byte, err error) {
	for _, made := range s.w.earlier[path] {
		all = append(all, []byte(repomdOf(made)))
	}
	return all, nil
}

func (s shelf) Pointer(context.Context, string) (string, error) { return s.w.sync, nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{bench: newBench(t), mux: http.NewServeMux(), done: make(chan struct{}), lists: map[string]string{},
		percent: 100, networks: "[127.0.0.0/8, '::1/128']", timeout: "10s", sync: "20261121T120000Z"}
	server := httptest.NewServer(w.mux)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(w.done) }) // before the server waits for its requests
	w.url = server.URL
	w.mux.HandleFunc("/list", func(rw http.ResponseWriter, r *http.Request) {
		io.WriteString(rw, w.lists[r.FormValue("repo")+" "+r.FormValue("arch")])
	})
	for _, repo := range []string{baseOS, appStream} {
		w.write("prod/pub/rocky/9.7/"+repo+"/repodata/repomd.xml", repomdOf(1000))
	}
	w.targets = `{name: rocky-9, format: tree, tree: {major: 9, compose: {root: compose, path: c}, staging: {root: stage, path: s}, production: {root: prod, path: "pub/rocky/{revision}"}}}`
	w.change = func(env *pipeline.Env) {
		env.Version, env.Kind = "9.7-RC2", "final"
		env.Served = func(*config.Target) (storage.Served, error) { return shelf{w: w}, nil }
	}
	return w
}

// mirror adds one to the lists, which serves the same of each repository.
func (w *world) mirror(name string, serve http.HandlerFunc) string {
	w.mux.HandleFunc("/"+name+"/", serve)
	base := w.url + "/" + name + "/9.7"
	w.list(base)
	return base
}

func (w *world) list(base string) {
	w.lists["BaseOS-9 x86_64"] += base + "/" + baseOS + "/\n"
	w.lists["AppStream-9 x86_64"] += base + "/" + appStream + "/\n"
}

// plain is a mirror whose repositories were made at those times.
func (w *world) plain(name string, base, app int64) string {
	return w.mirror(name, func(rw http.ResponseWriter, r *http.Request) {
		switch strings.TrimPrefix(r.URL.Path, "/"+name+"/9.7/") {
		case baseOS + "/repodata/repomd.xml":
			io.WriteString(rw, repomdOf(base))
		case appStream + "/repodata/repomd.xml":
			io.WriteString(rw, repomdOf(app))
		default:
			http.NotFound(rw, r)
		}
	})
}

func (w *world) check() (pipeline.Evidence, error) {
	w.t.Helper()
	w.more = fmt.Sprintf("mirrors:\n- {name: all, target: rocky-9, list: %q, repos: [%s, %s], percent: %d, timeout: %s, networks: %s}\n",
		w.url+"/list?repo={repo}-{major}{part}&arch={arch}", baseOS, appStream, w.percent, w.timeout, w.networks)
	return w.run("check.mirrors", map[string]string{"name": "all"})
}

func (w *world) logged(line string) {
	w.t.Helper()
	if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(w.log) {
		w.t.Errorf("no %s in log:%s", line, w.log)
	}
}

func TestMirrors(t *testing.T) {
	w := newWorld(t)
	for i := range 7 {
		w.plain("good"+strconv.Itoa(i), 1000, 1000)
	}
	ev, err := w.check()
	wants(t, err, "")
	if ev["mirrors"] != "7" || ev["in sync"] != "7" || ev["percent in sync"] != "100" || ev["repositories"] != "2" {
		t.Errorf("evidence %v", ev)
	}
	w.plain("late", 1000, 900)
	older := w.plain("older", 800, 1000) // and app of 900 is not of this repository
	w.plain("oldest", 1000, 700)
	w.plain("ahead", 1000, 2000)
	w.mirror("same", func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, repomdOf(1000)+"\n") })
	w.mirror("wrong", func(rw http.ResponseWriter, r *http.Request) { io.WriteString(rw, "<html>") })
	w.mirror("shut", func(rw http.ResponseWriter, r *http.Request) { rw.WriteHeader(http.StatusForbidden) })
	w.mirror("gone", http.NotFound)
	ev, err = w.check()
	wants(t, err, "7/15 in sync, 2 behind by 1, 1 behind by more, 3 other, 1 closed, 1 unreachable, wanted are 100%: "+w.url+"/gone/9.7 unreachable (AppStream/x86_64/os: it answers 404 Not Found)")
	for name, n := range map[string]string{"in sync": "7", "behind by 1": "2", "behind by more": "1", "other": "3", "closed": "1", "unreachable": "1", "percent in sync": "46"} {
		if ev[name] != n {
			t.Errorf("%s: %q, want %s", name, ev[name], n)
		}
	}
	for _, line := range []string{
		"behind by 1     " + older + "  BaseOS/x86_64/os: behind by 1",
		"behind by more  " + w.url + "/oldest/9.7  AppStream/x86_64/os: behind by 2",
		"other           " + w.url + "/ahead/9.7  AppStream/x86_64/os: its repomd.xml is newer than ours",
		"other           " + w.url + "/same/9.7  .*: its repomd.xml is as old as ours, and another one",
		"other           " + w.url + "/wrong/9.7  .*: its repomd.xml is another one",
		"closed          " + w.url + "/shut/9.7  it answers 403 Forbidden: it may have it and not show it yet",
		"in sync         " + w.url + "/good3/9.7",
	} {
		w.logged(line)
	}
	w.earlier = map[string][]int64{"pub/rocky/9.7/" + baseOS + "/repodata/repomd.xml": {700, 800, 900, 1000}} // each sync that changed it
	ev, _ = w.check()
	w.logged("behind by more  " + older + "  BaseOS/x86_64/os: behind by 2")
	if ev["behind by 1"] != "1" || ev["behind by more"] != "2" {
		t.Errorf("evidence %v", ev)
	}
	w.percent = 46
	_, err = w.check()
	wants(t, err, "")
	w.percent = 47
	_, err = w.check()
	wants(t, err, "wanted are 47%")
}

// A list that is the same for each repository names mirrors by where they begin.
func TestMirrorsOfOneList(t *testing.T) {
	w := newWorld(t)
	base := w.plain("one", 1000, 1000)
	for name := range w.lists {
		w.lists[name] = "# all of them\n\n  " + base + "/ \r\n"
	}
	ev, err := w.check()
	wants(t, err, "")
	if ev["mirrors"] != "1" {
		t.Errorf("evidence %v", ev)
	}
}

// Each mirror does its worst; one that is well is still seen to be.
func TestMirrorsThatAreHostile(t *testing.T) {
	w := newWorld(t)
	w.timeout, w.percent = "500ms", 1
	var reached sync.Map
	inside := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		reached.Store(r.URL.Path, true)
		io.WriteString(rw, repomdOf(1000))
	}))
	defer inside.Close()
	to := func(where string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, where, http.StatusFound) }
	}
	w.plain("good", 1000, 1000)
	w.mirror("loris", func(rw http.ResponseWriter, r *http.Request) {
		for tick := time.Tick(10 * time.Millisecond); ; {
			select {
			case <-w.done:
				return
			case <-r.Context().Done():
				return
			case <-tick:
				fmt.Fprint(rw, "<")
				rw.(http.Flusher).Flush()
			}
		}
	})
	var sent atomic.Int64
	endless := func(length string) http.HandlerFunc {
		return func(rw http.ResponseWriter, r *http.Request) {
			if length != "" {
				rw.Header().Set("Content-Length", length)
			}
			for block := make([]byte, 1<<16); ; {
				n, err := rw.Write(block)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		}
	}
	w.mirror("large", endless(strconv.Itoa(2<<30)))
	w.mirror("endless", endless(""))
	w.mirror("cloud", to("http://169.254.169.254/latest/meta-data/"))
	w.mirror("mapped", to("http://[::ffff:169.254.169.254]/latest"))
	w.mirror("file", to("file:///etc/passwd"))
	w.mirror("around", func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, r.URL.Path, http.StatusFound) })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	w.list("http://" + closed.Addr().String() + "/9.7")
	w.list("http://nowhere.invalid/9.7")
	for name := range w.lists {
		w.lists[name] += "file:///etc/passwd\nhttp://u:p@h/\n\x1b]0;owned\x07\n"
	}
	ev, err := w.check()
	wants(t, err, "")
	if ev["in sync"] != "1" || ev["unreachable"] != "12" || ev["mirrors"] != "13" {
		t.Errorf("evidence %v", ev)
	}
	for name, words := range map[string]string{
		w.url + "/loris/9.7":                        "too slow: no whole answer within 500ms",
		w.url + "/large/9.7":                        "too large: more than 1048576 bytes",
		w.url + "/endless/9.7":                      "too large: more than 1048576 bytes",
		w.url + "/cloud/9.7":                        ".*169.254.169.254 is a private address, which no mirror may have",
		w.url + "/mapped/9.7":                       ".*169.254.169.254 is a private address, which no mirror may have",
		w.url + "/file/9.7":                         "redirected to something other than http and https",
		w.url + "/around/9.7":                       "redirected too often",
		"http://" + closed.Addr().String() + "/9.7": ".*connection refused",
		"http://nowhere.invalid/9.7":                ".*nowhere.invalid.*",
	} {
		w.logged("unreachable     " + regexp.QuoteMeta(name) + "  AppStream/x86_64/os: " + words)
	}
	for _, line := range []string{"file:///etc/passwd", "http://u:p@h/", `\x1b]0;owned\x07`} {
		w.logged("unreachable     " + regexp.QuoteMeta(line) + "  this is no http or https address")
	}
	if n := sent.Load(); n > 64<<20 {
		t.Errorf("%d bytes of endless bodies were taken", n)
	}
	if strings.ContainsRune(w.log, 0x1b) {
		t.Errorf("an escape in log:%q", w.log)
	}

	// Without leave, no mirror is asked for on this machine, by whatever name.
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(inside.URL, "http://"))
	w.networks = "[10.0.0.0/8]"
	for name := range w.lists {
		w.lists[name] = ""
	}
	for _, host := range []string{"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]"} {
		w.list("http://" + host + ":" + port + "/9.7")
	}
	_, err = w.check()
	wants(t, err, "0/6 in sync, 6 unreachable, wanted are 1%")
	reached.Range(func(path, _ any) bool {
		t.Errorf("%v was asked for", path)
		return true
	})
	if !strings.Contains(w.log, "127.0.0.1 is a private address, which no mirror may have") {
		t.Errorf("log:%s", w.log)
	}
}

func TestMirrorLists(t *testing.T) {
	for name, tc := range map[string]struct {
		list  string // of AppStream
		words string
	}{
		"none":          {"", "the mirror list names no mirror for AppStream/x86_64/os"},
		"an error":      {"# invalid repo or\x1b[31m arch\n", `the mirror list names no mirror for AppStream/x86_64/os: invalid repo or\x1b[31m arch`},
		"only odd ones": {"file:///etc/passwd\nmirror.example.org\n", "the mirror list names no mirror for AppStream/x86_64/os"},
		"too many":      {many(2001), "mirror list of AppStream/x86_64/os: it names more than 2000 mirrors"},
		"10^6 lines":    {many(1_000_000), "mirror list of AppStream/x86_64/os: too large: more than 1048576 bytes"},
		"one line":      {strings.Repeat("x", 1<<20-1), "the mirror list names no mirror for AppStream"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.plain("good", 1000, 1000)
			w.lists["AppStream-9 x86_64"] = tc.list
			_, err := w.check()
			wants(t, err, tc.words)
			if err != nil && (len(err.Error()) > 1000 || strings.ContainsRune(err.Error(), 0x1b)) {
				t.Errorf("%.300q", err)
			}
		})
	}
	w := newWorld(t)
	w.plain("good", 1000, 1000)
	w.url = "http://127.0.0.1:1"
	_, err := w.check()
	wants(t, err, "connection refused")
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "http://%d/\n", i)
	}
	return b.String()
}

func TestMirrorsOfWhat(t *testing.T) {
	w := newWorld(t)
	w.plain("good", 1000, 1000)
	if err := os.Remove(w.dir + "/prod/pub/rocky/9.7/" + baseOS + "/repodata/repomd.xml"); err != nil {
		t.Fatal(err)
	}
	_, err := w.check()
	wants(t, err, "read repomd.xml of BaseOS/x86_64/os in production")
	change := w.change
	w.change = func(env *pipeline.Env) { change(env); env.Version = "9.8-beta" }
	_, err = w.check()
	wants(t, err, "is in no production of rocky-9")
	_, err = w.run("check.mirrors", map[string]string{"name": "others"})
	wants(t, err, `mirrors "others"`)
	_, err = w.run("check.mirrors", map[string]string{"name": "all", "percent": "1"})
	wants(t, err, `no option "percent"`)
}

// Mirrors are not compared with what is on the disk below production.
func TestH24MirrorsOfAMountedProduction(t *testing.T) {
	w := newWorld(t)
	w.plain("good", 1000, 1000)
	w.targets = strings.Replace(w.targets, "root: prod,", "root: prod, mount: true,", 1)
	_, err := w.check()
	wants(t, err, "is not mounted")
}
