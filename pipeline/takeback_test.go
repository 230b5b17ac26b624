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
