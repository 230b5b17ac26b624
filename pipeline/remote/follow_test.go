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

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge/forgetest"
	"gantry/pipeline/remote"
)

func TestRuns(t *testing.T) {
	for _, kind := range []string{"github", "gitea", "forgejo"} {
		for _, mute := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, mute %v", kind, mute), func(t *testing.T) {
				w := newWorld(t, kind, file)
				w.Mute = mute
				plan := w.plan()
				want := map[string]string{
					"repository": "acme/packages", "ref": "main", "commit": forgetest.Head, "forge": "acme", "filled in": "gantry_run",
					"workflow": map[string]string{"github": ".github", "gitea": ".gitea", "forgejo": ".forgejo"}[kind] + "/workflows/promote-rpm.yml",
					"run name": "promote ${{ inputs.component }} ${{ inputs.os }} ${{ inputs.gantry_run }}", "default of dry": "false", "default of keep": "3",
					"input component": "core", "input year": "2025", "input os": "el9-x86_64",
				}
				if diff := cmp.Diff(want, plan.Facts); diff != "" {
					t.Error(diff)
				}
				ev, log, err := w.run(t.Context(), plan)
				if err != nil || ev["conclusion"] != "success" || ev["commit"] != forgetest.Head {
					t.Fatalf("%v %v\n%s", ev, err, log)
				}
				for _, line := range []string{"promote: " + map[bool]string{true: "running", false: "in_progress"}[kind == "forgejo"], "promote: success", "promote | signed 17 packages"} {
					if !strings.Contains(log, line) {
						t.Errorf("no %q in\n%s", line, log)
					}
				}
				if n := w.Dispatched(); n != 1 {
					t.Errorf("%d runs", n)
				}
				if seen, err := w.look(plan); err != nil || !seen.Done || seen.Evidence["run"] != ev["run"] {
					t.Errorf("%+v %v", seen, err)
				}
			})
		}
	}
}

var errStopped = errors.New("stopped by neil")

func TestCancelStopsItThere(t *testing.T) {
	for _, kind := range []string{"github", "gitea", "forgejo"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, kind, file)
			plan := w.plan()
			ctx, cancel := context.WithCancelCause(t.Context())
			w.Looked = func(r *forgetest.Run) {
				if r.Looks == 3 {
					cancel(errStopped)
				}
			}
			_, log, err := w.run(ctx, plan)
			if !errors.Is(err, errStopped) || errors.Is(err, pipeline.ErrUnknown) || len(w.Asked("/cancel")) != 1 {
				t.Errorf("%v\n%s", err, log)
			}
			if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, "cancelled there") {
				t.Errorf("%+v %v", seen, err)
			}
		})
	}
}

// Cancelled in the moment of the dispatch: the run is found, and stopped.
func TestCancelAtDispatch(t *testing.T) {
	w := newWorld(t, "github", file)
	w.Mute = true
	plan := w.plan()
	ctx, cancel := context.WithCancelCause(t.Context())
	w.Started = func(r *forgetest.Run) bool {
		title(r)
		cancel(errStopped)
		return true
	}
	w.Looked = nil
	if _, log, err := w.run(ctx, plan); !errors.Is(err, errStopped) || len(w.Asked("/cancel")) != 1 {
		t.Errorf("%v\n%s", err, log)
	}
}

func TestCancelThatFails(t *testing.T) {
	remote.Hurry(5*time.Second, 300*time.Millisecond)
	defer remote.Hurry(5*time.Second, 10*time.Second)
	for name, status := range map[string]int{"may not": 403, "will not": 202} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "github", file)
			plan := w.plan()
			ctx, cancel := context.WithCancelCause(t.Context())
			w.Looked = func(r *forgetest.Run) { cancel(errStopped) }
			w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/cancel") {
					return false
				}
				rw.WriteHeader(status)
				return true
			}
			_, _, err := w.run(ctx, plan)
			if !errors.Is(err, pipeline.ErrUnknown) || !strings.Contains(err.Error(), "may go on there") {
				t.Errorf("got %v", err)
			}
			if seen, err := w.look(plan); err == nil || !strings.Contains(err.Error(), "goes on there") {
				t.Errorf("%+v %v", seen, err)
			}
		})
	}
}

func TestTimeoutStopsItThere(t *testing.T) {
	w := newWorldWith(t, "github", file, "    inputs: {component: core, year: \"2025\", os: el9-x86_64}\n", nil)
	w.env.Config.Workflows[0].Timeout = config.Duration(500 * time.Millisecond)
	step, err := remote.Make(w.env.Config, checklist.Item{ID: "i", With: map[string]string{"workflow": "promote-rpm"}})
	if err != nil {
		t.Fatal(err)
	}
	w.step, w.Looked = step, nil
	_, log, err := w.run(t.Context(), w.plan())
	if err == nil || !strings.Contains(err.Error(), "longer than 500ms") || len(w.Asked("/cancel")) != 1 {
		t.Errorf("%v\n%s", err, log)
	}
}

// The network goes away, the server falls ill and tells to wait: the run is
// followed all the same.
func TestRoughNetwork(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	var n atomic.Int64
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		switch n.Add(1) % 6 {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			rw.WriteHeader(503)
		case 2:
			rw.Header().Set("Retry-After", "30")
			rw.WriteHeader(403)
		case 3:
			rw.Header().Set("X-RateLimit-Remaining", "0")
			rw.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Now().Add(time.Minute).Unix()))
			rw.WriteHeader(429)
		default:
			return false
		}
		return true
	}
	_, log, err := w.run(t.Context(), plan)
	if err != nil || w.Dispatched() != 1 || !strings.Contains(log, "asking again") || !strings.Contains(log, "answers again") {
		t.Errorf("%v\n%s", err, log)
	}
}

func TestHostileNames(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	const evil = "\x1b]0;owned\x07\u202ejob\r\nfake: success"
	w.Looked = func(r *forgetest.Run) {
		r.Status, r.Conclusion = "completed", "success"
		r.Jobs = []forgetest.Job{{ID: 1, Name: evil, Status: "completed", Conclusion: "success", Log: evil + "\n" + strings.Repeat("x", 5<<20),
			Steps: []forgetest.Step{{Name: strings.Repeat(evil, 100), Status: "completed", Conclusion: "success"}}}}
	}
	_, log, err := w.run(t.Context(), plan)
	if err != nil || strings.ContainsAny(log, "\x1b\x07\u202e\r") || !strings.Contains(log, "the rest of its log is not kept") {
		t.Errorf("%v\n%.3000q", err, log)
	}
	for line := range strings.Lines(log) {
		if len(line) > 6000 {
			t.Errorf("a line of %d bytes", len(line))
		}
		if _, text, _ := strings.Cut(line, " "); strings.HasPrefix(text, "fake: success") {
			t.Error("a name made a line of its own")
		}
	}
}

// Whoever loses the lock of a run may not stop it there: another console follows
// it.
func TestLostLockStopsNothing(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	ctx, cancel := context.WithCancelCause(t.Context())
	w.Looked = func(r *forgetest.Run) {
		if r.Looks == 3 {
			cancel(pipeline.ErrLost)
		}
	}
	_, log, err := w.run(ctx, plan)
	if !errors.Is(err, pipeline.ErrUnknown) || len(w.Asked("/cancel")) != 0 {
		t.Errorf("%v\n%s", err, log)
	}
}
