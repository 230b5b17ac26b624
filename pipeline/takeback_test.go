package pipeline_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// Undo of a promotion takes back the move that it made, and no other.
func TestUndoIsOfTheItemsOwnMove(t *testing.T) {
	cfg := setup(t)
	fails := false
	e := begun(t, cfg, pipeline.Options{Makers: beforeFlips(func(*pipeline.Env) {
		if fails {
			panic("before it took effect")
		}
	})})
	must := func(jobs ...pipeline.Job) {
		t.Helper()
		for _, job := range jobs {
			if err := do(t, e, job); err != nil {
				t.Fatalf("%+v: %v", job, err)
			}
		}
	}
	serves := func() string {
		if err := e.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		return e.View().Targets[0].Production
	}
	promote, undo := pipeline.Job{Item: "promote:el9"}, pipeline.Job{Item: "promote:el9", Undo: true}
	must(pipeline.Job{Item: "build:el9"}, promote)
	first := serves()
	must(pipeline.Job{Item: "build:el9"})

	fails = true
	if err := do(t, e, promote); err == nil || serves() != first {
		t.Fatalf("it was to fail: %v, %s", err, serves())
	}
	fails = false
	// The trade's rollback leads to the first snapshot: one that moves is needed.
	must(pipeline.Job{Verb: "rollback", Target: "el9", To: first})
	var refused *pipeline.RefusedError
	if err := do(t, e, undo); !errors.As(err, &refused) || !strings.Contains(err.Error(), "did not move production") {
		t.Errorf("a promotion that did nothing was taken back: %v", err)
	}

	must(promote)
	second := serves()
	must(pipeline.Job{Verb: "rollback", Target: "el9", To: first})
	var conflict *pipeline.ConflictError
	if err := do(t, e, undo); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "others moved it to "+first) {
		t.Errorf("what others did since was taken back: %v", err)
	}

	must(promote)
	if serves() != second {
		t.Fatal(serves())
	}
	must(undo)
	if got := status(t, e, "promote:el9").Status; serves() != first || got != checklist.StatusReady {
		t.Errorf("production %s, the item is %s", serves(), got)
	}
	if err := do(t, e, pipeline.Job{Verb: "promote", Target: "el9", Undo: true}); err == nil {
		t.Error("it was taken back twice")
	}
}

const resting = `name: test
title: Test
kinds: [test]
sections:
  - id: all
    title: All
    items:
      - {id: watch, title: The Door, kind: step, uses: check.watches, risk: staging}
      - {id: told, title: Announcement, kind: manual, asks: where, needs: [watch]}
      - {id: long, title: Something Long, kind: check, uses: check.long, needs: [told]}
`

// What rests on an item keeps it from being taken back while it runs, and is told
// of when it is done. A hold and the end of a release stop an undo like all else.
func TestUndoUnderWhatRestsOnIt(t *testing.T) {
	cfg := setup(t)
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "checklists", "test.yaml"), []byte(resting), 0o644); err != nil {
		t.Fatal(err)
	}
	is, wait := "closed", make(chan struct{})
	e := open(t, cfg, pipeline.Options{Makers: pipeline.Makers{"check": func(_ *config.Release, item checklist.Item) (pipeline.Step, error) {
		if item.Uses == "check.long" {
			return slow{wait}, nil
		}
		return door{&is, true}, nil
	}}})
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); err != nil {
		t.Fatal(err)
	}
	undo := pipeline.Job{Item: "watch", Undo: true}
	if err := do(t, e, pipeline.Job{Item: "watch"}); err != nil {
		t.Fatal(err)
	}
	plan, err := e.Plan(t.Context(), undo)
	if err != nil || len(plan.Warnings) > 0 {
		t.Fatalf("nothing rests on it: %v %v", plan.Warnings, err)
	}
	if err := e.Tick(t.Context(), "told", "in the channel"); err != nil {
		t.Fatal(err)
	}
	var conflict *pipeline.ConflictError
	if _, err := e.Start(t.Context(), plan, plan.Phrase()); !errors.As(err, &conflict) {
		t.Errorf("a plan that knew nothing of the announcement ran: %v", err)
	}
	if plan, err = e.Plan(t.Context(), undo); err != nil || len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "Announcement") {
		t.Errorf("%v %v", plan.Warnings, err)
	}

	long, err := e.Plan(t.Context(), pipeline.Job{Item: "long"})
	if err != nil {
		t.Fatal(err)
	}
	run, err := e.Start(t.Context(), long, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := do(t, e, undo); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "Something Long rests on The Door and is running") {
		t.Errorf("undone under a run: %v", err)
	}
	close(wait)
	if err := run.Wait(); err != nil {
		t.Fatal(err)
	}

	if err := e.Hold(t.Context(), "stop"); err != nil {
		t.Fatal(err)
	}
	var refused *pipeline.RefusedError
	if err := do(t, e, undo); !errors.As(err, &refused) || !strings.Contains(err.Error(), "on hold") {
		t.Errorf("undone in a hold: %v", err)
	}
	if err := e.Lift(t.Context(), e.LiftPhrase()); err != nil {
		t.Fatal(err)
	}
	release := e.View().Checklist.Release.ID
	if err := e.CloseRelease(t.Context(), true, "enough"); err != nil {
		t.Fatal(err)
	}
	if err := e.Choose(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	if err := do(t, e, undo); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "closed") || is != "open" {
		t.Errorf("undone in a closed release: %v, the door is %s", err, is)
	}
}

// slow is a step that takes as long as somebody wants.
type slow struct{ until chan struct{} }

func (slow) Plan(context.Context, *pipeline.Env) (pipeline.Plan, error) { return pipeline.Plan{}, nil }

func (s slow) Run(context.Context, *pipeline.Env, pipeline.Plan, *pipeline.Progress) (pipeline.Evidence, error) {
	<-s.until
	return nil, nil
}

// afar is a step that goes on without the console.
type afar struct{ slow }

func (afar) Run(context.Context, *pipeline.Env, pipeline.Plan, *pipeline.Progress) (pipeline.Evidence, error) {
	return nil, pipeline.ErrUnknown
}

const byName = `name: test
title: Test
kinds: [test]
sections:
  - id: all
    title: All
    items:
      - {id: job, title: The Job, kind: step, uses: job, risk: staging, with: {name: compose}}
`

// What goes on without a console is not begun a second time for another release.
func TestH17OneNameIsWorkedOnOnce(t *testing.T) {
	for _, name := range []string{"compose", strings.Repeat("compose", 9)} {
		t.Run(name, func(t *testing.T) { workedOnOnce(t, name) })
	}
}

func workedOnOnce(t *testing.T, name string) {
	cfg := setup(t)
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "checklists", "test.yaml"), []byte(strings.Replace(byName, "name: compose", "name: "+name, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	e := open(t, cfg, pipeline.Options{Makers: pipeline.Makers{"job": func(*config.Release, checklist.Item) (pipeline.Step, error) { return afar{}, nil }}})
	var ids []string
	for _, version := range []string{"1.0", "2.0"} {
		id, err := e.OpenRelease(t.Context(), "test", version, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := e.Choose(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	if err := do(t, e, pipeline.Job{Item: "job"}); !errors.Is(err, pipeline.ErrUnknown) {
		t.Fatal(err)
	}
	if err := e.Choose(t.Context(), ids[1]); err != nil {
		t.Fatal(err)
	}
	var conflict *pipeline.ConflictError
	if err := do(t, e, pipeline.Job{Item: "job"}); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "is not over") {
		t.Errorf("begun twice: %v", err)
	}
}

// What opens a release to the world is confirmed in its words, whatever item it
// is bound to.
func TestProductionIsProductionWhateverItIsBoundTo(t *testing.T) {
	for _, uses := range []string{"bitflip", "torrent.publish", "filelist", "hardlink"} {
		cfg := setup(t)
		text := strings.Replace(byName, "uses: job", "uses: "+uses, 1)
		if err := os.WriteFile(filepath.Join(cfg.Dir(), "checklists", "test.yaml"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		maker, _, _ := strings.Cut(uses, ".")
		e := open(t, cfg, pipeline.Options{Makers: pipeline.Makers{maker: func(*config.Release, checklist.Item) (pipeline.Step, error) { return slow{}, nil }}})
		if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); err != nil {
			t.Fatal(err)
		}
		plan, err := e.Plan(t.Context(), pipeline.Job{Item: "job"})
		if err != nil {
			t.Fatal(err)
		}
		var confirm *pipeline.ConfirmError
		if _, err := e.Start(t.Context(), plan, ""); !errors.As(err, &confirm) || plan.Risk != checklist.Production {
			t.Errorf("%s is %s, and began without a phrase: %v", uses, plan.Risk, err)
		}
	}
}

// Of a run that died and that nobody can look at, it is not said that it changed
// nothing.
func TestInterruptedIsNotUnchanged(t *testing.T) {
	cfg := setup(t)
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "checklists", "test.yaml"), []byte(byName), 0o644); err != nil {
		t.Fatal(err)
	}
	e := open(t, cfg, pipeline.Options{Makers: pipeline.Makers{"job": func(*config.Release, checklist.Item) (pipeline.Step, error) { return afar{}, nil }}})
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := do(t, e, pipeline.Job{Item: "job"}); !errors.Is(err, pipeline.ErrUnknown) {
		t.Fatal(err)
	}
	it := status(t, e, "job")
	if err := e.Resolve(t.Context(), it.State.Run.Intent.Run); err != nil {
		t.Fatal(err)
	}
	it = status(t, e, "job")
	if end := it.State.Run.Ended; it.Status != checklist.StatusFailed || !strings.Contains(end.Error, "does not show how far it came") || strings.Contains(end.Hint, "nothing changed") {
		t.Errorf("%s: %+v", it.Status, end)
	}
}

// hatch is a door that closes while nobody watches: its reverse is never seen to
// end.
type hatch struct{ door }

func (h hatch) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	ev, err := h.door.Run(ctx, env, plan, p)
	if err == nil && !h.open {
		err = pipeline.ErrUnknown
	}
	return ev, err
}

func (h hatch) Look(context.Context, *pipeline.Env, pipeline.Plan) (pipeline.Seen, error) {
	return pipeline.Seen{Done: h.open == (*h.is == "open")}, nil
}

func (h hatch) Reverse() pipeline.Step { return hatch{door{h.is, !h.open}} }

// An undo whose console died is settled by looking when the item is planned again,
// as any other run is.
func TestUndoThatDiedIsSettled(t *testing.T) {
	cfg := setup(t)
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "checklists", "test.yaml"), []byte(byName), 0o644); err != nil {
		t.Fatal(err)
	}
	is := "closed"
	e := open(t, cfg, pipeline.Options{Makers: pipeline.Makers{"job": func(*config.Release, checklist.Item) (pipeline.Step, error) { return hatch{door{&is, true}}, nil }}})
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := do(t, e, pipeline.Job{Item: "job"}); err != nil {
		t.Fatal(err)
	}
	if err := do(t, e, pipeline.Job{Item: "job", Undo: true}); !errors.Is(err, pipeline.ErrUnknown) {
		t.Fatal(err)
	}
	if got := status(t, e, "job").Status; got != checklist.StatusUnknown {
		t.Fatal(got)
	}
	if _, err := e.Plan(t.Context(), pipeline.Job{Item: "job"}); err != nil {
		t.Fatal(err)
	}
	if got := status(t, e, "job").Status; got != checklist.StatusReady {
		t.Errorf("it was taken back, and is %s", got)
	}
}

// Two releases that write the same take it back in turn, the last one first.
func TestUndoIsOfTheLastOfOneName(t *testing.T) {
	cfg := setup(t)
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "checklists", "test.yaml"), []byte(byName), 0o644); err != nil {
		t.Fatal(err)
	}
	is := "closed"
	e := open(t, cfg, pipeline.Options{Makers: pipeline.Makers{"job": func(*config.Release, checklist.Item) (pipeline.Step, error) { return door{&is, true}, nil }}})
	of := func(version string, undo bool) error {
		t.Helper()
		if err := e.Choose(t.Context(), "test-"+version); err != nil {
			t.Fatal(err)
		}
		return do(t, e, pipeline.Job{Item: "job", Undo: undo})
	}
	for _, version := range []string{"1.0", "2.0"} {
		if _, err := e.OpenRelease(t.Context(), "test", version, time.Time{}); err != nil {
			t.Fatal(err)
		}
		if err := of(version, false); err != nil {
			t.Fatal(err)
		}
	}
	var conflict *pipeline.ConflictError
	if err := of("1.0", true); !errors.As(err, &conflict) || !strings.Contains(err.Error(), "since for release test-2.0") {
		t.Errorf("what another release did was taken back: %v", err)
	}
	for _, version := range []string{"2.0", "1.0"} {
		if err := of(version, true); err != nil {
			t.Errorf("%s: %v", version, err)
		}
	}
}
