package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gantry/pipeline"
	"gantry/pipeline/forge/forgetest"
	"gantry/pipeline/remote"
)

// Each row is what a server does when it is asked to dispatch.
func TestDispatchFails(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  func(w http.ResponseWriter)
		want    string
		unknown bool
		asked   int // dispatches
	}{
		"401":      {answer: says(401, "Bad credentials"), want: "Bad credentials", asked: 1},
		"403":      {answer: says(403, "Resource not accessible"), want: "not accessible", asked: 1},
		"404":      {answer: says(404, "Not Found"), want: "404", asked: 1},
		"422":      {answer: says(422, "Unexpected inputs provided: [\\\"x\\\"]"), want: "Unexpected inputs", asked: 1},
		"429":      {answer: says(429, "slow down"), want: "429", asked: 1},
		"500":      {answer: says(500, ""), want: "nobody can tell whether the dispatch was taken", unknown: true, asked: 1},
		"hangs up": {answer: func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, want: "no run of it appeared", unknown: true, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			remote.Hurry(200*time.Millisecond, 10*time.Second)
			defer remote.Hurry(5*time.Second, 10*time.Second)
			w := newWorld(t, "github", file)
			plan := w.plan()
			w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				tc.answer(rw)
				return true
			}
			_, _, err := w.run(t.Context(), plan)
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, pipeline.ErrUnknown) != tc.unknown {
				t.Errorf("got %v", err)
			}
			if n := len(w.Asked("/dispatches")); n != tc.asked {
				t.Errorf("dispatched %d times", n)
			}
			if seen, err := w.look(plan); err != nil || seen.Done || seen.Failed != "" {
				t.Errorf("looking afterwards: %+v %v", seen, err)
			}
		})
	}
}

func says(status int, message string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":"%s"}`, message)
	}
}

// A dispatch whose answer is lost did start a run: it is found, not started again.
func TestLostAnswerIsFound(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			run := forgetest.Run{
				Repository: "acme/packages", File: "promote-rpm.yml", Event: "workflow_dispatch", Ref: "main", SHA: forgetest.Head,
				Actor: "releaser", Status: "queued", Title: "promote core el9-x86_64 " + ours,
			}
			w.Add(run)
			panic(http.ErrAbortHandler)
		}
		return false
	}
	if _, log, err := w.run(t.Context(), plan); err != nil || len(w.Asked("/dispatches")) != 1 {
		t.Errorf("%v\n%s", err, log)
	}
}

// An older GitHub Enterprise refuses the question for the run's id.
func TestOlderServer(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	w.Mute = true
	var refused atomic.Bool
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || refused.Swap(true) {
			return false
		}
		says(422, "Invalid request. \\\"return_run_details\\\" is not a permitted key.")(rw)
		return true
	}
	if _, log, err := w.run(t.Context(), plan); err != nil || w.Dispatched() != 1 {
		t.Errorf("%v\n%s", err, log)
	}
}

func TestBranchMoved(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	w.Move(strings.Repeat("c", 40))
	_, _, err := w.run(t.Context(), plan)
	var conflict *pipeline.ConflictError
	if !errors.As(err, &conflict) || w.Dispatched() != 0 {
		t.Errorf("got %v", err)
	}
}

// One of ours that ended a moment ago is not taken for the one that begins.
func TestTheLastRunIsNotThisOne(t *testing.T) {
	w := newWorld(t, "github", bare)
	w.Mute = true
	w.Add(forgetest.Run{
		Repository: "acme/packages", File: "promote-rpm.yml", Event: "workflow_dispatch", Ref: "main", SHA: forgetest.Head,
		Actor: "releaser", Status: "completed", Conclusion: "failure",
	})
	if ev, log, err := w.run(t.Context(), w.plan()); err != nil || ev["run"] != "102" {
		t.Errorf("%v %v\n%s", ev, err, log)
	}
}

// A server tells of a run before it can be read.
func TestNotThereYet(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	var n atomic.Int64
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/actions/runs/101") || n.Add(1) > 3 {
			return false
		}
		says(404, "Not Found")(rw)
		return true
	}
	if _, log, err := w.run(t.Context(), plan); err != nil {
		t.Errorf("%v\n%s", err, log)
	}
}

// Each row is what else is there when the server does not tell which run was
// started, and the workflow shows no id.
func TestWhichRunItIs(t *testing.T) {
	mine := forgetest.Run{Repository: "acme/packages", File: "promote-rpm.yml", Event: "workflow_dispatch", Ref: "main", SHA: forgetest.Head, Actor: "releaser", Status: "queued"}
	for name, tc := range map[string]struct {
		other func(r *forgetest.Run)
		app   bool
		want  string
	}{
		"alone":             {},
		"another of ours":   {other: func(*forgetest.Run) {}, want: "cannot be told from others"},
		"of somebody else":  {other: func(r *forgetest.Run) { r.Actor = "eve" }},
		"of another commit": {other: func(r *forgetest.Run) { r.SHA = strings.Repeat("d", 40) }},
		"long ago":          {other: func(r *forgetest.Run) { r.Created = time.Now().Add(-time.Hour) }},
		"token of nobody":   {app: true, want: "cannot be told"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "github", bare)
			w.Mute, w.App = true, tc.app
			plan := w.plan()
			w.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/dispatches") && tc.other != nil {
					other := mine
					tc.other(&other)
					w.Add(other)
				}
				return false
			}
			_, log, err := w.run(t.Context(), plan)
			if tc.want == "" {
				if err != nil {
					t.Errorf("%v\n%s", err, log)
				}
				return
			}
			if err == nil || !errors.Is(err, pipeline.ErrUnknown) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
			if _, err := w.look(plan); err == nil {
				t.Error("looking tells which it is, while they go on")
			}
			for id := int64(100); id < 110; id++ {
				w.Change(id, func(r *forgetest.Run) { r.Status, r.Conclusion = "completed", "success" })
			}
			if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, "cannot be told") {
				t.Errorf("looking when all have ended: %+v %v", seen, err)
			}
		})
	}
}

func TestNothingIsDispatchedThatCannotBeFoundAgain(t *testing.T) {
	w := newWorld(t, "github", file)
	w.env.Keep = func(context.Context, string) error { return errors.New("disk full") }
	if _, _, err := w.run(t.Context(), w.plan()); err == nil || w.Dispatched() != 0 {
		t.Errorf("%v, %d runs", err, w.Dispatched())
	}
}
