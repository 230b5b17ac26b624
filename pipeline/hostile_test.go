package pipeline_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// forge appends an entry to the journal as somebody else's program would.
func forge(t testing.TB, cfg *config.Release, release, kind string, data any) {
	t.Helper()
	d, err := storage.OpenDir(cfg.Path(cfg.State))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	j, err := storage.OpenJournal(t.Context(), d, "journal")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(t.Context(), storage.Envelope{Actor: "mallory", Host: "h", Release: release, Type: kind, Data: raw}); err != nil {
		t.Fatal(err)
	}
}

func rewrite(t testing.TB, cfg *config.Release, old, is string) {
	t.Helper()
	at := filepath.Join(cfg.Dir(), "checklists", "test.yaml")
	if err := os.WriteFile(at, []byte(strings.ReplaceAll(template, old, is)), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A template that calls a promote, a prune or a refresh safe does not make it so.
func TestVerbKeepsItsRisk(t *testing.T) {
	for _, verb := range []string{"promote", "prune", "refresh", "rollback"} {
		cfg := setup(t)
		rewrite(t, cfg, "uses: promote, each: target, risk: production", "uses: "+verb+", each: target, risk: safe")
		e := begun(t, cfg, pipeline.Options{})
		if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
			t.Fatal(err)
		}
		plan, err := e.Plan(t.Context(), pipeline.Job{Item: "promote:el9"})
		if err != nil {
			t.Fatal(err)
		}
		var confirm *pipeline.ConfirmError
		if _, err := e.Start(t.Context(), plan, ""); plan.Risk != checklist.Production || !errors.As(err, &confirm) {
			t.Errorf("%s is %s, started without a phrase: %v", verb, plan.Risk, err)
		}
	}
}

// What an item needs is looked at when it begins, not only on a screen.
func TestStaleNeedShutsTheGate(t *testing.T) {
	cfg := setup(t)
	rewrite(t, cfg, "needs: [look]", "needs: [look, watch]")
	e := begun(t, cfg, pipeline.Options{})
	if err := do(t, e, pipeline.Job{Item: "watch"}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "watched"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	var refused *pipeline.RefusedError
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "Watch a file") {
		t.Errorf("built on a stale check: %v", err)
	}
}

// A read-only console shows a tree that it may not write to, or that is not
// there yet, and leaves no trace.
func TestReadOnlyWritesNothing(t *testing.T) {
	cfg := setup(t)
	ro := open(t, cfg, pipeline.Options{ReadOnly: true})
	if _, err := os.Stat(cfg.Path(cfg.State)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it made the state: %v", err)
	}
	e := begun(t, cfg, pipeline.Options{})
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
		t.Fatal(err)
	}
	if err := ro.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := ro.View(); len(v.Targets[0].Snapshots) != 1 || v.Checklist.Done != 2 {
		t.Errorf("it does not see what others made: %+v", v.Targets)
	}
	plan, err := ro.Plan(t.Context(), pipeline.Job{Item: "promote:el9"})
	if err != nil {
		t.Fatal(err)
	}
	var refused *pipeline.RefusedError
	if _, err := ro.Start(t.Context(), plan, "el9 +9 -9 000000"); !errors.As(err, &refused) {
		t.Errorf("start: %v", err)
	}
	for _, ev := range e.History() {
		if ev.Type == checklist.Refused {
			t.Error("a read-only console wrote to the journal")
		}
	}
	if _, err := os.Stat(filepath.Join(cfg.Path(cfg.State), "plans", plan.Digest()+".json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it kept a plan: %v", err)
	}
}

// Interrupted runs are settled by where the pointer is, whatever else is lost.
func TestInterruptedRunsAreSettled(t *testing.T) {
	const run = "20250101T000000Z-00000000"
	for name, c := range map[string]struct {
		to    string // where the pointer is: from, to or other
		run   string
		want  checklist.Outcome
		moved bool
		says  string
	}{
		"not moved":      {"from", run, checklist.Failed, false, "before it took effect"},
		"moved":          {"to", run, checklist.Done, true, ""},
		"moved by hand":  {"other", run, checklist.Failed, false, "was to go from"},
		"a foreign name": {"from", "../../run", checklist.Failed, false, "before it took effect"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := setup(t)
			e := begun(t, cfg, pipeline.Options{})
			for range 3 {
				if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
					t.Fatal(err)
				}
			}
			ids := e.View().Targets[0].Snapshots // newest first
			at := map[string]string{"from": ids[0].ID, "to": ids[1].ID, "other": ids[2].ID}
			if err := do(t, e, pipeline.Job{Item: "promote:el9"}); err != nil {
				t.Fatal(err)
			}
			forge(t, cfg, "test-1.0", checklist.RunIntent, checklist.Intent{
				Run: c.run, Verb: "promote", Target: "el9", Risk: checklist.Production, Plan: "../../../etc/passwd" + strings.Repeat("x", 45),
				Move: &checklist.Move{Pointer: "production", From: at["from"], To: at["to"]}})
			link := filepath.Join(cfg.Path(cfg.Served), e.View().Targets[0].Path, "production")
			if err := errors.Join(os.Remove(link), os.Symlink("snapshots/"+at[c.to], link)); err != nil {
				t.Fatal(err)
			}
			if err := e.Resolve(t.Context(), c.run); err != nil {
				t.Fatal(err)
			}
			var got *checklist.Ended
			for _, r := range e.View().Runs {
				if r.Intent.Run == c.run {
					got = r.Ended
				}
			}
			if got == nil || got.Outcome != c.want || (got.Move != nil) != c.moved || !strings.Contains(got.Error, c.says) {
				t.Errorf("settled as %+v", got)
			}
			if err := e.Refresh(t.Context()); err != nil || (e.View().Targets[0].Drift != "") != (c.to == "other") {
				t.Errorf("drift %q, %v", e.View().Targets[0].Drift, err)
			}
		})
	}
}

// A check whose console died does not keep its item for ever.
func TestOrphanedCheckIsSettledByPlanning(t *testing.T) {
	cfg := setup(t)
	e := begun(t, cfg, pipeline.Options{})
	forge(t, cfg, "test-1.0", checklist.RunIntent, checklist.Intent{Run: "20250101T000000Z-00000000", Item: "watch", Verb: "check.watches", Risk: checklist.Safe})
	if got := status(t, e, "watch").Status; got != checklist.StatusUnknown {
		t.Fatalf("status %s", got)
	}
	if err := do(t, e, pipeline.Job{Item: "watch"}); err != nil {
		t.Error(err)
	}
}

// Nothing begins once a console is ending, and Close waits for what began.
func TestDrainAndClose(t *testing.T) {
	block := make(chan struct{})
	e := begun(t, setup(t), pipeline.Options{Makers: makers(block)})
	plan, err := e.Plan(t.Context(), pipeline.Job{Item: "build:el9"})
	if err != nil {
		t.Fatal(err)
	}
	var once bool
	storage.OnReach(func(point string) { // the console ends between the locks and the intent
		if point == "run.locked" && !once {
			once = true
			e.Drain()
		}
	})
	defer storage.OnReach(nil)
	var refused *pipeline.RefusedError
	if _, err := e.Start(t.Context(), plan, ""); !errors.As(err, &refused) || !strings.Contains(err.Error(), "ending") {
		t.Errorf("it began all the same: %v", err)
	}
	if err := e.Hold(t.Context(), "stop"); err != nil {
		t.Errorf("hold from a console that is ending: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// Reasons of holds add up, and a release is closed once.
func TestHoldsAddUpAndReleasesCloseOnce(t *testing.T) {
	cfg := setup(t)
	e := begun(t, cfg, pipeline.Options{Release: "test-1.0"})
	other := open(t, cfg, pipeline.Options{Actor: "label"})
	if err := errors.Join(e.Hold(t.Context(), "bad kernel"), other.Hold(t.Context(), "bad key"), e.Refresh(t.Context())); err != nil {
		t.Fatal(err)
	}
	if r := e.View().Hold.Reason; !strings.Contains(r, "bad kernel") || !strings.Contains(r, "bad key") {
		t.Errorf("the reason is %q", r)
	}
	if err := e.CloseRelease(t.Context(), true, ""); err != nil {
		t.Fatal(err)
	}
	var conflict *pipeline.ConflictError
	if err := e.CloseRelease(t.Context(), true, ""); !errors.As(err, &conflict) {
		t.Errorf("closed twice: %v", err)
	}
	if err := e.Tick(t.Context(), "look", "x"); !errors.As(err, &conflict) {
		t.Errorf("ticked an item of a closed release: %v", err)
	}
}

// A run whose end cannot be journalled is unknown, its operator told, and it is
// settled by looking.
func TestEndThatCannotBeJournalled(t *testing.T) {
	cfg := setup(t)
	e := begun(t, cfg, pipeline.Options{})
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(cfg.Path(cfg.State), "journal")
	storage.OnReach(func(point string) { // the disk goes after the flip
		if point == "run.worked" {
			os.Rename(journal, journal+".gone")
			os.WriteFile(journal, nil, 0o644)
		}
	})
	err := do(t, e, pipeline.Job{Item: "promote:el9"})
	storage.OnReach(nil)
	if err == nil || !strings.Contains(err.Error(), "ended as done") || !strings.Contains(config.HintOf(err), "gantry resolve") {
		t.Errorf("the operator is told: %v (%s)", err, config.HintOf(err))
	}
	if err := errors.Join(os.Remove(journal), os.Rename(journal+".gone", journal), e.Refresh(t.Context())); err != nil {
		t.Fatal(err)
	}
	last := e.View().Runs[0]
	if last.State() != string(checklist.StatusUnknown) {
		t.Fatalf("the run is %s", last.State())
	}
	if err := e.Resolve(t.Context(), last.Intent.Run); err != nil {
		t.Fatal(err)
	}
	if v := e.View(); v.Runs[0].Ended.Outcome != checklist.Done || v.Targets[0].Production == "" {
		t.Errorf("settled as %+v", v.Runs[0].Ended)
	}
}

// The clock of a console that runs behind the journal is told of.
func TestClockBehindIsTold(t *testing.T) {
	cfg := setup(t)
	begun(t, cfg, pipeline.Options{})
	late := open(t, cfg, pipeline.Options{Now: func() time.Time { return time.Now().Add(-time.Hour) }})
	if got := strings.Join(late.View().Trouble, "\n"); !strings.Contains(got, "clock") {
		t.Errorf("trouble %q", got)
	}
}

// A run that another console settled while it was stopped, and that moved its
// pointer all the same, does not pass: it is drift, until somebody adopts it.
func TestMovedAfterItWasSettled(t *testing.T) {
	cfg := setup(t)
	e := begun(t, cfg, pipeline.Options{Makers: beforeFlips(func(env *pipeline.Env) {
		forge(t, cfg, "test-1.0", checklist.RunEnded, checklist.Ended{Run: env.Run, Outcome: checklist.Failed, Looked: true})
	})})
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
		t.Fatal(err)
	}
	err := do(t, e, pipeline.Job{Item: "promote:el9"})
	var conflict *pipeline.ConflictError
	if !errors.As(err, &conflict) || !strings.Contains(config.HintOf(err), "gantry adopt el9") {
		t.Errorf("it was told: %v (%s)", err, config.HintOf(err))
	}
	if v := e.View().Targets[0]; v.Production == "" || v.Drift == "" {
		t.Errorf("production %q, drift %q", v.Production, v.Drift)
	}
	var refused *pipeline.RefusedError
	if err := do(t, e, pipeline.Job{Item: "promote:el9"}); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "adopt") {
		t.Errorf("once more: %v", err)
	}
}

// The intent of a move begins where the journal says, even where the lock of the
// target kept nobody away.
func TestIntentComparesWithTheJournal(t *testing.T) {
	cfg := setup(t)
	e := begun(t, cfg, pipeline.Options{})
	for range 2 {
		if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := e.Plan(t.Context(), pipeline.Job{Item: "promote:el9"})
	if err != nil {
		t.Fatal(err)
	}
	v := e.View().Targets[0]
	storage.OnReach(func(point string) { // another console moves production, whole with its entry
		if point != "run.locked" {
			return
		}
		storage.OnReach(nil)
		m := checklist.Move{Pointer: "production", To: v.Snapshots[1].ID}
		forge(t, cfg, "", checklist.DriftAdopted, checklist.Adopted{Target: "el9", Move: m})
		if err := os.Symlink("snapshots/"+m.To, filepath.Join(cfg.Path(cfg.Served), v.Path, "production")); err != nil {
			t.Error(err)
		}
	})
	defer storage.OnReach(nil)
	var conflict *pipeline.ConflictError
	if _, err := e.Start(t.Context(), plan, plan.Phrase()); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "by the journal") {
		t.Errorf("it began: %v", err)
	}
	for _, ev := range e.History() {
		var in checklist.Intent
		if ev.Type == checklist.RunIntent && decode(t, ev.Data, &in).Verb == "promote" {
			t.Errorf("an intent: %+v", in)
		}
	}
}
