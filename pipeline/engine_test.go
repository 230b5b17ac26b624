package pipeline_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

func TestWalk(t *testing.T) {
	e := begun(t, setup(t), pipeline.Options{})
	for _, job := range []pipeline.Job{{Item: "build:el9"}, {Verb: "promote", Target: "el9"}} {
		if err := do(t, e, job); err != nil {
			t.Fatalf("%+v: %v", job, err)
		}
	}
	it := status(t, e, "promote:el9")
	if it.Status != checklist.StatusDone {
		t.Errorf("a verb on the target did not do the release's item: %s", it.Status)
	}
	v := e.View()
	if got := v.Targets[0]; got.Production == "" || got.Drift != "" || got.Journal.Current["production"] != got.Production {
		t.Errorf("production %q, journal %q, drift %q", got.Production, got.Journal.Current["production"], got.Drift)
	}
	if v.Runs[0].Phrase == "" || v.Runs[0].Actor != "neil" {
		t.Errorf("the journal does not say who typed what: %+v", v.Runs[0].Run)
	}
}

func TestConfirmation(t *testing.T) {
	e := begun(t, setup(t), pipeline.Options{})
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
		t.Fatal(err)
	}
	plan, err := e.Plan(t.Context(), pipeline.Job{Item: "promote:el9"})
	if err != nil {
		t.Fatal(err)
	}
	var confirm *pipeline.ConfirmError
	var conflict *pipeline.ConflictError
	for typed, want := range map[string]any{
		"":                                     &confirm,
		"yes":                                  &confirm,
		"el9":                                  &confirm,
		"el9 +2 -0 " + plan.Digest()[:6]:       &conflict,
		"el9 +1 -0 000000":                     &conflict,
		"other +17 ~3 -2 " + plan.Digest()[:6]: &conflict,
	} {
		if _, err := e.Start(t.Context(), plan, typed); !errors.As(err, want) {
			t.Errorf("typed %q: %v", typed, err)
		}
	}
	if got := status(t, e, "promote:el9").Status; got != checklist.StatusReady {
		t.Errorf("after refusals the item is %s", got)
	}
	refusals := 0
	for _, ev := range e.History() {
		if ev.Type == checklist.Refused {
			refusals++
		}
	}
	if refusals != 5 {
		t.Errorf("%d refusals in the journal, want 5", refusals)
	}
	run, err := e.Start(t.Context(), plan, " "+plan.Phrase()+"\n")
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestPlanIsVoidWhenTheWorldMoved(t *testing.T) {
	e := begun(t, setup(t), pipeline.Options{})
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
		t.Fatal(err)
	}
	plan, err := e.Plan(t.Context(), pipeline.Job{Item: "promote:el9"})
	if err != nil {
		t.Fatal(err)
	}
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil { // a newer snapshot
		t.Fatal(err)
	}
	_, err = e.Start(t.Context(), plan, plan.Phrase())
	var conflict *pipeline.ConflictError
	if !errors.As(err, &conflict) || !strings.Contains(conflict.Reason, "void") {
		t.Errorf("got %v", err)
	}
	if v := e.View(); v.Targets[0].Production != "" {
		t.Errorf("production moved to %s", v.Targets[0].Production)
	}
}

func TestGates(t *testing.T) {
	cfg := setup(t)
	e := open(t, cfg, pipeline.Options{})
	var refused *pipeline.RefusedError
	if _, err := e.Plan(t.Context(), pipeline.Job{Item: "build:el9"}); !errors.As(err, &refused) {
		t.Errorf("without a release: %v", err)
	}
	if _, err := e.OpenRelease(t.Context(), "nonsense", "1.0", time.Time{}); !errors.As(err, &refused) {
		t.Errorf("unknown kind: %v", err)
	}
	if _, err := e.OpenRelease(t.Context(), "test", "", time.Time{}); !errors.As(err, &refused) {
		t.Errorf("empty version: %v", err)
	}
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "Look at it") {
		t.Errorf("blocked item: %v", err)
	}
	if err := e.Tick(t.Context(), "look", " "); !errors.As(err, &refused) {
		t.Errorf("tick without a note: %v", err)
	}
	if err := e.Waive(t.Context(), "promote:el9", "late"); !errors.As(err, &refused) {
		t.Errorf("killer waived: %v", err)
	}
	if err := e.Tick(t.Context(), "look", "seen"); err != nil {
		t.Fatal(err)
	}
	if err := e.Hold(t.Context(), "bad kernel"); err != nil {
		t.Fatal(err)
	}
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); !errors.As(err, &refused) || !strings.Contains(err.Error(), "bad kernel") {
		t.Errorf("on hold: %v", err)
	}
	if err := do(t, e, pipeline.Job{Item: "watch"}); err != nil {
		t.Errorf("a check on hold: %v", err)
	}
	var confirm *pipeline.ConfirmError
	if err := e.Lift(t.Context(), "lift"); !errors.As(err, &confirm) || confirm.Phrase != e.LiftPhrase() {
		t.Errorf("lift: %v", err)
	}
	if err := e.Lift(t.Context(), e.LiftPhrase()); err != nil {
		t.Errorf("lift: %v", err)
	}
	if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
		t.Errorf("after the hold: %v", err)
	}
	if err := e.CloseRelease(t.Context(), false, ""); !errors.As(err, &refused) {
		t.Errorf("close with items open: %v", err)
	}
	if err := e.CloseRelease(t.Context(), true, "given up"); err != nil {
		t.Errorf("abort: %v", err)
	}
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); !errors.As(err, &refused) {
		t.Errorf("a closed release opened again: %v", err)
	}

	ro := open(t, cfg, pipeline.Options{ReadOnly: true})
	for name, err := range map[string]error{
		"hold": ro.Hold(t.Context(), ""),
		"tick": ro.Tick(t.Context(), "look", "x"),
		"run":  do(t, ro, pipeline.Job{Verb: "build", Target: "el9"}),
	} {
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("read-only %s: %v", name, err)
		}
	}
}

func TestFailure(t *testing.T) {
	e := begun(t, setup(t), pipeline.Options{})
	if err := do(t, e, pipeline.Job{Item: "fails"}); err == nil {
		t.Error("a failing check passed")
	}
	it := status(t, e, "fails")
	if it.Status != checklist.StatusFailed || it.State.Run.Ended.Hint != "look at the probe" || strings.Contains(it.State.Run.Ended.Error, "\x1b") {
		t.Errorf("status %s, ended %+v", it.Status, it.State.Run.Ended)
	}
	if err := do(t, e, pipeline.Job{Item: "panics"}); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("panic: %v", err)
	}
	path, err := e.RunLog(t.Context(), e.View().Runs[0].Intent.Run)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !strings.Contains(string(b), "trade_test.go") {
		t.Errorf("the log has no trace: %v\n%s", err, b)
	}
}

func TestStaleWhenWhatItRestsOnChanges(t *testing.T) {
	cfg := setup(t)
	now := time.Now()
	e := begun(t, cfg, pipeline.Options{Now: func() time.Time { return now }})
	if err := do(t, e, pipeline.Job{Item: "watch"}); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if got := status(t, e, "watch").Status; got != checklist.StatusDone {
		t.Fatalf("status %s", got)
	}
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "watched"), []byte("two"), 0o644); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute)
	if it := status(t, e, "watch"); it.Status != checklist.StatusStale || it.Because == "" {
		t.Errorf("status %s because %q", it.Status, it.Because)
	}
}

func TestDriftBlocksUntilAdopted(t *testing.T) {
	cfg := setup(t)
	e := begun(t, cfg, pipeline.Options{})
	for range 2 {
		if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
			t.Fatal(err)
		}
	}
	if err := do(t, e, pipeline.Job{Item: "promote:el9"}); err != nil {
		t.Fatal(err)
	}
	v := e.View().Targets[0]
	other := v.Snapshots[1].ID // somebody moves production by hand
	link := filepath.Join(cfg.Path(cfg.Served), v.Path, "production")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("snapshots/"+other, link); err != nil {
		t.Fatal(err)
	}
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if drift := e.View().Targets[0].Drift; !strings.Contains(drift, other) {
		t.Errorf("drift %q", drift)
	}
	var refused *pipeline.RefusedError
	if err := do(t, e, pipeline.Job{Item: "promote:el9"}); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "adopt") {
		t.Errorf("promote over drift: %v", err)
	}
	var confirm *pipeline.ConfirmError
	if err := e.Adopt(t.Context(), "el9", ""); !errors.As(err, &confirm) {
		t.Fatalf("adopt: %v", err)
	}
	if err := e.Adopt(t.Context(), "el9", confirm.Phrase); err != nil {
		t.Fatal(err)
	}
	if drift := e.View().Targets[0].Drift; drift != "" {
		t.Errorf("drift after adopting: %q", drift)
	}
	if err := do(t, e, pipeline.Job{Item: "promote:el9"}); err != nil {
		t.Errorf("promote after adopting: %v", err)
	}
}

func TestAnotherConsoleSeesAndCancels(t *testing.T) {
	cfg := setup(t)
	block := make(chan struct{})
	first := begun(t, cfg, pipeline.Options{Makers: makers(block)})
	second := open(t, cfg, pipeline.Options{Actor: "label"})
	plan, err := first.Plan(t.Context(), pipeline.Job{Item: "build:el9"})
	if err != nil {
		t.Fatal(err)
	}
	run, err := first.Start(t.Context(), plan, "")
	if err != nil {
		t.Fatal(err)
	}
	for { // its first progress record appears by itself
		if err := second.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := second.View().Runs[0]; r.Live && !r.Own && r.Status.Phase == "build" {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	var conflict *pipeline.ConflictError
	if err := do(t, second, pipeline.Job{Item: "build:el9"}); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "neil") {
		t.Errorf("a second build: %v", err)
	}
	if err := second.Cancel(t.Context(), run.ID()); err != nil {
		t.Fatal(err)
	}
	if err := run.Wait(); err == nil {
		t.Error("a cancelled run succeeded")
	}
	if it := status(t, second, "build:el9"); it.Status != checklist.StatusCancelled || it.State.Run.CancelAsked != "label" {
		t.Errorf("status %s, asked by %q", it.Status, it.State.Run.CancelAsked)
	}
}

func TestOneOfManyConsolesWins(t *testing.T) {
	cfg := setup(t)
	e := begun(t, cfg, pipeline.Options{})
	for round := range 5 {
		if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		won := make(chan string, 8)
		consoles := make([]*pipeline.Engine, cap(won))
		plans := make([]pipeline.Plan, cap(won))
		for i := range consoles {
			var err error
			o := pipeline.Options{Actor: string(rune('a' + i))}
			if i%2 == 0 { // a trade may see that there is nothing left to do: that is a conflict, too
				o.Makers = pipeline.Makers{"rpm": strictly}
			}
			consoles[i] = open(t, cfg, o)
			if plans[i], err = consoles[i].Plan(t.Context(), pipeline.Job{Item: "promote:el9"}); err != nil {
				t.Fatal(err)
			}
		}
		for i, console := range consoles {
			wg.Go(func() {
				run, err := console.Start(t.Context(), plans[i], plans[i].Phrase())
				if err == nil {
					err = run.Wait()
				}
				var conflict *pipeline.ConflictError
				switch {
				case err == nil:
					won <- console.View().Actor
				case !errors.As(err, &conflict):
					t.Errorf("the loser was told: %v", err)
				}
			})
		}
		wg.Wait()
		if len(won) != 1 {
			t.Fatalf("round %d: %d consoles won", round, len(won))
		}
	}
}

func TestOwnTemplateWithAnErrorIsNamed(t *testing.T) {
	cfg := setup(t)
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "checklists", "bad.yaml"), []byte("name: bad\nnonsense: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	e := open(t, cfg, pipeline.Options{})
	var errs config.Errors
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); !errors.As(err, &errs) || !strings.Contains(err.Error(), "bad.yaml:2:1") {
		t.Errorf("got %v", err)
	}
}
