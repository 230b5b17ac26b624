package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// door is a step whose effect is a word, which it can take back.
type door struct {
	is   *string
	open bool
}

func (d door) Plan(context.Context, *pipeline.Env) (pipeline.Plan, error) {
	p := pipeline.Plan{Facts: map[string]string{"is": *d.is}}
	if d.open {
		p.Alarms = []pipeline.Alarm{{Word: "lets-in", Text: "everybody may come in"}}
	}
	return p, nil
}

func (d door) Run(context.Context, *pipeline.Env, pipeline.Plan, *pipeline.Progress) (pipeline.Evidence, error) {
	*d.is = map[bool]string{true: "open", false: "closed"}[d.open]
	return nil, nil
}

func (d door) Reverse() pipeline.Step { return door{d.is, !d.open} }

// What a step did is taken back like any other step is run, and the item is to be
// done anew; alarms are part of the phrase, whatever the risk.
func TestUndo(t *testing.T) {
	is := "closed"
	m := makers(nil)
	m["check"] = func(*config.Release, checklist.Item) (pipeline.Step, error) { return door{&is, true}, nil }
	e := open(t, setup(t), pipeline.Options{Makers: m})
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); err != nil {
		t.Fatal(err)
	}
	refused := func(j pipeline.Job) {
		t.Helper()
		var no *pipeline.RefusedError
		if err := do(t, e, j); !errors.As(err, &no) {
			t.Errorf("%+v was not refused: %v", j, err)
		}
	}
	refused(pipeline.Job{Item: "watch", Undo: true})
	plan, err := e.Plan(t.Context(), pipeline.Job{Item: "watch"})
	if err != nil {
		t.Fatal(err)
	}
	if want := "check.watches +0 -0 !lets-in " + plan.Digest()[:6]; plan.Phrase() != want || !pipeline.IsPhrase(want) {
		t.Errorf("the phrase is %q, want %q", plan.Phrase(), want)
	}
	var confirm *pipeline.ConfirmError
	if _, err := e.Start(t.Context(), plan, ""); !errors.As(err, &confirm) {
		t.Errorf("an alarm was not asked for: %v", err)
	}
	if err := do(t, e, pipeline.Job{Item: "watch"}); err != nil {
		t.Fatal(err)
	}
	if got := status(t, e, "watch").Status; is != "open" || got != checklist.StatusDone {
		t.Fatalf("done: %s and %s", is, got)
	}
	if err := do(t, e, pipeline.Job{Item: "watch", Undo: true}); err != nil {
		t.Fatal(err)
	}
	if got := status(t, e, "watch").Status; is != "closed" || got != checklist.StatusReady {
		t.Errorf("undone: %s and %s", is, got)
	}
	refused(pipeline.Job{Item: "watch", Undo: true})
}

// A console works on one of several open releases, and on another when it is told.
func TestChoose(t *testing.T) {
	e := open(t, setup(t), pipeline.Options{Makers: makers(nil)})
	var ids []string
	for _, version := range []string{"1.0", "2.0"} {
		id, err := e.OpenRelease(t.Context(), "test", version, time.Time{})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if e.View().Checklist.Release != nil {
		t.Error("one of two releases was chosen by itself")
	}
	for _, id := range ids {
		if err := e.Choose(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if got := e.View().Checklist.Release; got == nil || got.ID != id {
			t.Errorf("chose %s, works on %v", id, got)
		}
	}
	var no *pipeline.RefusedError
	if err := e.Choose(t.Context(), "test-3.0"); !errors.As(err, &no) {
		t.Errorf("a release that is not there: %v", err)
	}
}
