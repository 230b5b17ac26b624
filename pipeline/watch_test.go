package pipeline_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// site is what probes find, by name; one that is not there does not answer.
type site struct {
	mu     sync.Mutex
	fails  map[string]error
	asked  int
	gate   chan struct{} // answers wait for it, where it is not nil
	panics string        // name of the probe that does
}

type visit struct {
	at   *site
	name string
}

func (s *site) make(_ *config.Release, item checklist.Item) (pipeline.Step, error) {
	if item.Uses != "check.http" {
		return nil, errors.New("that is no probe")
	}
	return visit{s, item.With["probe"]}, nil
}

func (v visit) Plan(context.Context, *pipeline.Env) (pipeline.Plan, error) {
	return pipeline.Plan{}, nil
}

func (v visit) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	p.Logf("looking")
	v.at.mu.Lock()
	v.at.asked++
	gate, err := v.at.gate, v.at.fails[v.name]
	v.at.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if v.name == v.at.panics {
		panic("boom")
	}
	return pipeline.Evidence{"status": "200 OK", "url": "https://seen.example/" + v.name + env.Version}, err
}

// watching is an engine with three probes, two of which are watched.
func watching(t *testing.T, s *site, now *time.Time) *pipeline.Engine {
	t.Helper()
	cfg := setup(t)
	f, err := os.OpenFile(filepath.Join(cfg.Dir(), "release.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("probes:\n- {name: web, url: 'https://web.example/', watch: true}\n" +
		"- {name: apt, url: 'https://apt.example/'}\n- {name: torrent, url: 'https://torrent.example/', watch: true}\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if cfg, err = config.Load(f.Name()); err != nil {
		t.Fatal(err)
	}
	return open(t, cfg, pipeline.Options{
		Makers: pipeline.Makers{"check": s.make},
		Now: func() time.Time {
			s.mu.Lock()
			defer s.mu.Unlock()
			return *now
		},
	})
}

func TestWatch(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	s := &site{fails: map[string]error{"torrent": errors.New("probe torrent: no seeds\x1b[31m")}, panics: "web"}
	e := watching(t, s, &now)
	wants := func(want ...pipeline.Watched) {
		t.Helper()
		got := e.View().Watched
		for i := range got {
			got[i].Took = 0
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	wants(pipeline.Watched{Name: "web", URL: "https://web.example/", Words: "not looked yet"},
		pipeline.Watched{Name: "torrent", URL: "https://torrent.example/", Words: "not looked yet"})

	events := len(e.History())
	first := now
	e.Watch(t.Context())
	wants(pipeline.Watched{Name: "web", URL: "https://web.example/", Words: "a defect in gantry: boom", At: first, Since: first},
		pipeline.Watched{Name: "torrent", URL: "https://seen.example/torrent", Words: `no seeds\x1b[31m`, At: first, Since: first})
	select {
	case <-e.Changed():
	default:
		t.Error("no screen heard of it")
	}

	s.mu.Lock()
	now, s.panics = now.Add(time.Minute), ""
	s.mu.Unlock()
	e.Watch(t.Context())
	web := pipeline.Watched{Name: "web", URL: "https://seen.example/web", OK: true, Words: "200 OK", At: now, Since: now}
	torrent := pipeline.Watched{Name: "torrent", URL: "https://seen.example/torrent", Words: `no seeds\x1b[31m`, At: now, Since: first}
	wants(web, torrent)

	over, end := context.WithCancel(t.Context())
	end()
	s.mu.Lock()
	now, s.fails = now.Add(time.Minute), map[string]error{"web": errors.New("down")}
	s.mu.Unlock()
	e.Watch(over) // a console that ends says nothing about the site
	wants(web, torrent)
	if n := len(e.History()); n != events {
		t.Errorf("%d events were journalled", n-events)
	}
}

// A screen may ask again while a look is under way: that returns at once.
func TestWatchOneAtATime(t *testing.T) {
	now := time.Now()
	s := &site{gate: make(chan struct{})}
	e := watching(t, s, &now)
	var looks sync.WaitGroup
	looks.Go(func() { e.Watch(t.Context()) })
	for asked := 0; asked < 2; time.Sleep(time.Millisecond) {
		s.mu.Lock()
		asked = s.asked
		s.mu.Unlock()
	}
	for range 8 {
		e.Watch(t.Context()) // would never return if it looked
	}
	close(s.gate)
	looks.Wait()
	if s.asked != 2 {
		t.Errorf("%d probes were made, want 2", s.asked)
	}
	for _, w := range e.View().Watched {
		if !w.OK {
			t.Errorf("%s: %s", w.Name, w.Words)
		}
	}
}

// What is wrong is told short: the name and the URL stand beside it.
func TestWatchIsBrief(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for says, want := range map[string]string{
		"probe web: https://seen.example/web answers 404 Not Found, wanted is 200":       "answers 404 Not Found, wanted is 200",
		"probe web: the first 9 bytes of https://seen.example/web do not hold \"9.7\"":   "the first 9 bytes of it do not hold \"9.7\"",
		"probe web: https://other.example/9.7: dial tcp 127.0.0.1:9: connection refused": "dial tcp 127.0.0.1:9: connection refused",
		"probe web: no whole answer within 10s":                                          "no whole answer within 10s",
	} {
		s := &site{fails: map[string]error{"web": errors.New(says)}}
		e := watching(t, s, &now)
		e.Watch(t.Context())
		if got := e.View().Watched[0].Words; got != want {
			t.Errorf("%s\nis told as %q, want %q", says, got, want)
		}
	}
}

// A copy of what is staged is in step with it, and nothing else is.
func TestCopyIsInStep(t *testing.T) {
	v := pipeline.TargetView{Staging: "S2", Production: "P", Snapshots: []pipeline.SnapshotView{{ID: "P", CopyOf: "S1", Label: "9.7"}, {ID: "S1"}, {ID: "S2"}}}
	if v.InStep() {
		t.Error("an earlier sync of staging is in step")
	}
	if v.Staging = "S1"; !v.InStep() {
		t.Error("what was copied is not in step")
	}
	if got := v.Label("P") + " " + v.Label("S1"); got != "9.7 S1" {
		t.Errorf("they go by %q", got)
	}
}
