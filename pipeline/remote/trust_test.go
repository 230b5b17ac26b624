package remote_test

import (
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge/forgetest"
)

// Each row is a run that is not what was confirmed, though the server says that
// it is the one that was dispatched.
func TestOtherRunsAreNotTrusted(t *testing.T) {
	for name, tc := range map[string]struct {
		kind   string
		change func(*forgetest.Run)
		want   string
	}{
		"commit":         {"github", func(r *forgetest.Run) { r.SHA = strings.Repeat("b", 40) }, "its commit is bbbb"},
		"repository":     {"github", func(r *forgetest.Run) { r.Repository = "evil/packages" }, "its repository is evil/packages"},
		"workflow":       {"github", func(r *forgetest.Run) { r.File = "evil.yml" }, "its workflow is .github/workflows/evil.yml"},
		"event":          {"github", func(r *forgetest.Run) { r.Event = "push" }, "its event is push"},
		"ref":            {"github", func(r *forgetest.Run) { r.Ref = "evil\x1b[2J" }, `its ref is evil\x1b[2J`},
		"title":          {"github", func(r *forgetest.Run) { r.Title = "promote core el8-x86_64 " + ours }, "other inputs"},
		"forgejo commit": {"forgejo", func(r *forgetest.Run) { r.SHA = strings.Repeat("b", 40) }, "its commit is bbbb"},
		"forgejo inputs": {"forgejo", func(r *forgetest.Run) { r.Inputs["os"] = "el8-x86_64" }, "other inputs"},
		"gitea ref":      {"gitea", func(r *forgetest.Run) { r.Ref = "evil" }, "its ref is evil"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.kind, file)
			plan := w.plan()
			var id atomic.Int64
			w.Looked = func(r *forgetest.Run) {
				id.Store(r.ID)
				tc.change(r)
				goesOn(r)
			}
			ev, log, err := w.run(t.Context(), plan)
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, pipeline.ErrUnknown) {
				t.Fatalf("%v %v\n%s", ev, err, log)
			}
			w.Change(id.Load(), func(r *forgetest.Run) {
				if r.Status != "completed" {
					t.Error("it was left running")
				}
			})
			if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, tc.want) {
				t.Errorf("looking afterwards: %+v %v", seen, err)
			}
		})
	}
}

func TestConclusions(t *testing.T) {
	for conclusion, want := range map[string]string{
		"failure": "promote: failure at Sign", "cancelled": "concurrency group", "skipped": "skipped", "neutral": "no success",
		"action_required": "waits for somebody", "timed_out": "longer than it may", "stale": "gave it up", "startup_failure": "could not start",
		"": `ended as ""`, "\x1b[2Jsuccess": `\x1b[2Jsuccess`,
	} {
		t.Run(conclusion, func(t *testing.T) {
			w := newWorld(t, "github", file)
			plan := w.plan()
			w.Looked = func(r *forgetest.Run) {
				r.Status, r.Conclusion = "completed", conclusion
				r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "completed", Conclusion: conclusion, Steps: []forgetest.Step{
					{Name: "Fetch", Status: "completed", Conclusion: "success"}, {Name: "Sign", Status: "completed", Conclusion: conclusion}}}}
			}
			if _, _, err := w.run(t.Context(), plan); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, want) {
				t.Errorf("looking: %+v %v", seen, err)
			}
		})
	}
	t.Run("nothing done", func(t *testing.T) {
		w := newWorld(t, "github", file)
		plan := w.plan()
		w.Looked = func(r *forgetest.Run) {
			r.Status, r.Conclusion = "completed", "success"
			r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "completed", Conclusion: "skipped"}}
		}
		if _, _, err := w.run(t.Context(), plan); err == nil || !strings.Contains(err.Error(), "no job of it succeeded") {
			t.Errorf("got %v", err)
		}
	})
}

// The token is revoked while the run is followed: how it ends is not known, and
// found out later.
func TestLostAccess(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	var gone atomic.Bool
	w.Looked = func(r *forgetest.Run) { gone.Store(true) }
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if gone.Load() {
			says(401, "Bad credentials")(rw)
		}
		return gone.Load()
	}
	if _, _, err := w.run(t.Context(), plan); !errors.Is(err, pipeline.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	if _, err := w.look(plan); err == nil {
		t.Error("it can be seen without access")
	}
	w.Answer, w.Looked = nil, nil
	if _, err := w.look(plan); err == nil || !strings.Contains(err.Error(), "goes on there") || !strings.Contains(config.HintOf(err), "gantry resolve "+ours) {
		t.Errorf("got %v", err)
	}
	w.Looked = func(r *forgetest.Run) {
		r.Status, r.Conclusion = "completed", "success"
		r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "completed", Conclusion: "success"}}
	}
	if seen, err := w.look(plan); err != nil || !seen.Done {
		t.Errorf("%+v %v", seen, err)
	}
}

// The console dies at each moment at which something is kept; another finds out
// what became of the run by what was kept until then.
func TestConsoleDies(t *testing.T) {
	for _, workflow := range []string{file, bare} {
		w := newWorld(t, "github", workflow)
		w.Mute = true
		plan := w.plan()
		if _, log, err := w.run(t.Context(), plan); err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		kept := w.kept
		if len(kept) != 2 {
			t.Fatalf("kept %q", kept)
		}
		for n := range len(kept) + 1 {
			w.kept = kept[:n]
			seen, err := w.look(plan)
			if err != nil || seen.Done != (n > 0) || seen.Failed != "" { // nothing is dispatched before something is kept
				t.Errorf("after %d: %+v %v", n, seen, err)
			}
		}
		w.kept = []string{"{}"}
		if _, err := w.look(plan); err == nil {
			t.Error("what was damaged was believed")
		}
	}
}

func TestDeletedRun(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	if _, _, err := w.run(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	w.kept = []string{`{"since":"2026-06-01T12:00:00Z","id":4711}`}
	if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, "not there any more") {
		t.Errorf("%+v %v", seen, err)
	}
}
