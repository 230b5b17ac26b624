package check_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/pipeline"
)

func nowIsNow(env *pipeline.Env) { env.Now = time.Now }

// The list of packyard's health check, as a configuration has it.
func TestHealth(t *testing.T) {
	var mu sync.Mutex
	waiting := make(chan struct{})
	met := 0
	mux := http.NewServeMux()
	mux.HandleFunc("/gpg/lts.asc", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "BEGIN PGP PUBLIC KEY BLOCK") })
	mux.HandleFunc("/rpm/", func(w http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("/late", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	})
	mux.HandleFunc("/meet", func(w http.ResponseWriter, r *http.Request) { // only many at a time come through
		mu.Lock()
		if met++; met == 3 {
			close(waiting)
		}
		mu.Unlock()
		select {
		case <-waiting:
		case <-r.Context().Done():
		}
	})
	s := httptest.NewServer(mux)
	defer s.Close()
	list := []string{
		"{name: gpg, url: URL/gpg/lts.asc, contains: BEGIN PGP PUBLIC KEY BLOCK}",
		"{name: admin-hidden, url: URL/api/v1/keys, status: 404}",
		"{name: rpm-guarded, url: URL/rpm/, status: 401}",
		`{name: rpm-subscriber, url: URL/rpm/, username: u, password: "file:password"}`,
		"{name: m1, url: URL/meet, timeout: 1m}",
		"{name: m2, url: URL/meet, timeout: 1m}",
		"{name: m3, url: URL/meet, timeout: 1m}",
	}
	b := newBench(t)
	b.change = nowIsNow
	set := func(lines ...string) {
		b.probes = strings.ReplaceAll(strings.Join(lines, "\n"), "URL", s.URL)
	}
	set(list...)
	ev, err := b.run("check.health", nil)
	wants(t, err, "")
	if ev["probes"] != "7" || ev["ok"] != "7" || ev["failed"] != "0" {
		t.Errorf("evidence %v", ev)
	}
	if !regexp.MustCompile(`(?m)^OK    rpm-guarded     401  +\d+\w*s$`).MatchString(b.log) {
		t.Errorf("log:%s", b.log)
	}

	set(append(list[:4:4],
		"{name: late, url: URL/late}",
		"{name: down, url: 'http://127.0.0.1:1/'}",
		"{name: open, url: URL/gpg/lts.asc, status: 401}")...)
	ev, err = b.run("check.health", nil)
	wants(t, err, "2 of 7 probes failed: down: http://127.0.0.1:1/: ")
	wants(t, err, "open: "+s.URL+"/gpg/lts.asc answers 200 OK, wanted is 401")
	if ev["ok"] != "4" || ev["warnings"] != "1" || ev["failed"] != "2" {
		t.Errorf("evidence %v", ev)
	}
	for _, line := range []string{`(?m)^WARN  late            200  .*its clock is .* ahead of ours$`, `(?m)^FAIL  down              -  .*refused$`, `(?m)^FAIL  open            200  `} {
		if !regexp.MustCompile(line).MatchString(b.log) {
			t.Errorf("no %s in log:%s", line, b.log)
		}
	}

	b.probes = "none"
	_, err = b.run("check.health", nil)
	wants(t, err, "no probe is configured")
	_, err = b.run("check.health", map[string]string{"probe": "web"})
	wants(t, err, `no option "probe"`)
}

func TestHealthOfCertificates(t *testing.T) {
	long := serveTLS(t, 100*day+time.Hour, func(http.ResponseWriter, *http.Request) {})
	short := serveTLS(t, 3*day+time.Hour, func(http.ResponseWriter, *http.Request) {})
	b := newBench(t)
	b.change = nowIsNow
	b.probes = fmt.Sprintf("{name: long, url: %q}\n{name: short, url: %q}", long.URL, short.URL)
	ev, err := b.run("check.health", nil)
	wants(t, err, "")
	if ev["certificate days left"] != "3" || ev["warnings"] != "1" || !strings.Contains(b.log, "certificate 100 days") {
		t.Errorf("evidence %v, log:%s", ev, b.log)
	}
}
