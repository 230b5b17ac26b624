package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge/forgetest"
	"gantry/pipeline/remote"
)

const template = `
name: test
title: A test
kinds: [test]
sections:
  - id: all
    title: All
    items:
      - {id: promote, title: Promote, kind: step, uses: remote, each: target, with: {workflow: promote-rpm}, risk: production}
`

func engine(t *testing.T, cfg *config.Release) *pipeline.Engine {
	t.Helper()
	e, err := pipeline.Open(t.Context(), pipeline.Options{Config: cfg, Makers: pipeline.Makers{"remote": remote.Make}, Actor: "neil"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// opened is an engine of a world, with a release open whose only item runs the
// workflow.
func opened(t *testing.T, w *world) *pipeline.Engine {
	t.Helper()
	dir := w.env.Config.Dir()
	if err := os.MkdirAll(filepath.Join(dir, "checklists"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "checklists", "test.yaml"), []byte(template), 0o644); err != nil {
		t.Fatal(err)
	}
	e := engine(t, w.env.Config)
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); err != nil {
		t.Fatal(err)
	}
	return e
}

func item(t *testing.T, e *pipeline.Engine) checklist.ItemView {
	t.Helper()
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	it, ok := e.View().Checklist.Item("promote:core-el9")
	if !ok {
		t.Fatal("no such item")
	}
	return it
}

// The console loses sight of a run, and is started again: the run is unknown,
// nothing else is dispatched meanwhile, and in the end it is known how it ended.
func TestResumes(t *testing.T) {
	for conclusion, want := range map[string]checklist.Status{"success": checklist.StatusDone, "failure": checklist.StatusFailed} {
		t.Run(conclusion, func(t *testing.T) {
			w := newWorld(t, "github", file)
			w.Mute = true // the run is known by the id that it carries alone
			first := opened(t, w)
			job := pipeline.Job{Item: "promote:core-el9"}
			plan, err := first.Plan(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			var gone atomic.Bool
			w.Looked = func(r *forgetest.Run) { gone.Store(true) }
			w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
				if gone.Load() {
					rw.WriteHeader(http.StatusUnauthorized)
				}
				return gone.Load()
			}
			run, err := first.Start(t.Context(), plan, plan.Phrase())
			if err != nil {
				t.Fatal(err)
			}
			if err := run.Wait(); err == nil || !strings.Contains(config.HintOf(err), "gantry resolve "+run.ID()) {
				t.Fatalf("got %v, hint %s", err, config.HintOf(err))
			}
			if it := item(t, first); it.Status != checklist.StatusUnknown {
				t.Fatalf("it is %s", it.Status)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}

			second := engine(t, w.env.Config)
			w.Answer, w.Looked = nil, nil
			if err := second.Resolve(t.Context(), run.ID()); err == nil || !strings.Contains(err.Error(), "goes on there") {
				t.Errorf("got %v", err)
			}
			if _, err := second.Plan(t.Context(), job); err == nil || !strings.Contains(err.Error(), "goes on there") {
				t.Errorf("planned beside a run that goes on: %v", err)
			}
			workflows := w.env.Config.Workflows
			w.env.Config.Workflows = nil
			if err := second.Resolve(t.Context(), run.ID()); err == nil || !strings.Contains(err.Error(), "cannot be made any more") {
				t.Errorf("without its workflow: %v", err)
			}
			w.env.Config.Workflows = workflows
			w.Looked = func(r *forgetest.Run) {
				r.Status, r.Conclusion = "completed", conclusion
				r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "completed", Conclusion: conclusion}}
			}
			if err := second.Resolve(t.Context(), run.ID()); err != nil {
				t.Fatal(err)
			}
			it := item(t, second)
			if it.Status != want || it.State.Run.Ended.Evidence["conclusion"] != conclusion {
				t.Errorf("it is %s: %+v", it.Status, it.State.Run.Ended)
			}
			if n := w.Dispatched(); n != 1 {
				t.Errorf("%d runs", n)
			}
		})
	}
}

// doomed is a console that runs the item; it is killed meanwhile.
func doomed(dir string) int {
	err := func() error {
		cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
		if err != nil {
			return err
		}
		e, err := pipeline.Open(context.Background(), pipeline.Options{Config: cfg, Makers: pipeline.Makers{"remote": remote.Make}, Actor: "neil"})
		if err != nil {
			return err
		}
		plan, err := e.Plan(context.Background(), pipeline.Job{Item: "promote:core-el9"})
		if err != nil {
			return err
		}
		run, err := e.Start(context.Background(), plan, plan.Phrase())
		if err != nil {
			return err
		}
		return run.Wait()
	}()
	fmt.Println("it was not killed:", err)
	return 1
}

// The console is killed while the run goes on: another finds it and how it ends.
func TestKilled(t *testing.T) {
	w := newWorld(t, "forgejo", bare)
	if err := opened(t, w).Close(); err != nil {
		t.Fatal(err)
	}
	seen := make(chan struct{})
	var once sync.Once
	w.Set(func(s *forgetest.Server) { s.Looked = func(*forgetest.Run) { once.Do(func() { close(seen) }) } })
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "GANTRY_REMOTE_DOOMED="+w.env.Config.Dir())
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	<-seen
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	child.Wait() // it was killed: that is its error
	e := engine(t, w.env.Config)
	it := item(t, e)
	if it.Status != checklist.StatusUnknown {
		t.Fatalf("it is %s", it.Status)
	}
	id := it.State.Run.Intent.Run
	if err := e.Resolve(t.Context(), id); err == nil || !strings.Contains(err.Error(), "goes on there") {
		t.Errorf("got %v", err)
	}
	w.Change(101, func(r *forgetest.Run) { r.Status, r.Conclusion = "completed", "success" })
	if err := e.Resolve(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if it := item(t, e); it.Status != checklist.StatusDone || w.Dispatched() != 1 {
		t.Errorf("it is %s, %d runs", it.Status, w.Dispatched())
	}
}

func TestOperatorCancels(t *testing.T) {
	w := newWorld(t, "github", file)
	e := opened(t, w)
	plan, err := e.Plan(t.Context(), pipeline.Job{Item: "promote:core-el9"})
	if err != nil {
		t.Fatal(err)
	}
	looked := make(chan struct{}, 1000)
	w.Looked = func(*forgetest.Run) {
		select {
		case looked <- struct{}{}:
		default:
		}
	}
	run, err := e.Start(t.Context(), plan, plan.Phrase())
	if err != nil {
		t.Fatal(err)
	}
	<-looked
	if err := e.Cancel(t.Context(), run.ID()); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err == nil {
		t.Error("a cancelled run succeeded")
	}
	if it := item(t, e); it.Status != checklist.StatusCancelled || len(w.Asked("/cancel")) != 1 {
		t.Errorf("it is %s, %v", it.Status, w.Asked("/cancel"))
	}
}

// TestFollows starts the console again while the run goes on: its progress is
// seen by others, and its end is recorded. Nobody who leaves stops it there;
// an operator who cancels does.
func TestFollows(t *testing.T) {
	for name, want := range map[string]checklist.Status{"ends": checklist.StatusDone, "cancelled": checklist.StatusFailed} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "github", file)
			first := opened(t, w)
			plan, err := first.Plan(t.Context(), pipeline.Job{Item: "promote:core-el9"})
			if err != nil {
				t.Fatal(err)
			}
			var gone atomic.Bool
			w.Looked = func(*forgetest.Run) { gone.Store(true) }
			w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
				if gone.Load() {
					rw.WriteHeader(http.StatusUnauthorized)
				}
				return gone.Load()
			}
			run, err := first.Start(t.Context(), plan, plan.Phrase())
			if err != nil {
				t.Fatal(err)
			}
			if err := run.Wait(); !errors.Is(err, pipeline.ErrUnknown) {
				t.Fatal(err)
			}
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}

			second, third := engine(t, w.env.Config), engine(t, w.env.Config)
			looked := make(chan struct{}, 1)
			look := func(*forgetest.Run) {
				select {
				case looked <- struct{}{}:
				default:
				}
			}
			w.Set(func(s *forgetest.Server) { s.Answer, s.Looked = nil, look })

			// whoever only leaves does not stop it
			ctx, leave := context.WithCancel(t.Context())
			left := make(chan error, 1)
			go func() { left <- second.Follow(ctx, run.ID()) }()
			<-looked
			leave()
			if err := <-left; err == nil {
				t.Error("left, and resolved")
			}
			if n := len(w.Asked("/cancel")); n != 0 {
				t.Fatalf("stopped %d times", n)
			}

			go func() { left <- second.Follow(t.Context(), run.ID()) }()
			for live := false; !live; {
				<-looked
				if err := third.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				for _, r := range third.View().Runs {
					live = live || r.Intent.Run == run.ID() && r.Live
				}
			}
			if name == "cancelled" {
				err := third.Cancel(t.Context(), run.ID())
				for errors.As(err, new(*pipeline.RefusedError)) { // it was resolved only, and not followed yet
					<-looked
					err = third.Cancel(t.Context(), run.ID())
				}
				if err != nil {
					t.Fatal(err)
				}
			} else {
				w.Set(func(s *forgetest.Server) {
					s.Looked = func(r *forgetest.Run) {
						r.Status, r.Conclusion = "completed", "success"
						r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "completed", Conclusion: "success"}}
					}
				})
			}
			if err := <-left; err != nil {
				t.Errorf("followed: %v", err)
			}
			if it := item(t, third); it.Status != want {
				t.Errorf("it is %s: %+v", it.Status, it.State.Run.Ended)
			}
			if n := w.Dispatched(); n != 1 {
				t.Errorf("%d runs", n)
			}
		})
	}
}

// TestDrainLeaves ends a console that follows a run: the run goes on.
func TestDrainLeaves(t *testing.T) {
	w := newWorld(t, "github", file)
	first := opened(t, w)
	plan, err := first.Plan(t.Context(), pipeline.Job{Item: "promote:core-el9"})
	if err != nil {
		t.Fatal(err)
	}
	var gone atomic.Bool
	w.Looked = func(*forgetest.Run) { gone.Store(true) }
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if gone.Load() {
			rw.WriteHeader(http.StatusUnauthorized)
		}
		return gone.Load()
	}
	run, err := first.Start(t.Context(), plan, plan.Phrase())
	if err != nil {
		t.Fatal(err)
	}
	run.Wait()
	looked := make(chan struct{}, 1)
	w.Set(func(s *forgetest.Server) {
		s.Answer = nil
		s.Looked = func(r *forgetest.Run) {
			select {
			case looked <- struct{}{}:
			default:
			}
		}
	})
	left := make(chan error, 1)
	go func() { left <- first.Follow(t.Context(), run.ID()) }()
	<-looked
	first.Drain()
	if err := <-left; err == nil || len(w.Asked("/cancel")) != 0 {
		t.Errorf("%v, %v", err, w.Asked("/cancel"))
	}
}
