package pipeline_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

const matrixYAML = `
product: test
keys:
  - {name: k, private: "file:k", public: k.asc}
targets:
  - {name: el8, format: rpm, component: core, series: "1", os: el8-x86_64, key: k}
  - {name: el9, format: rpm, component: core, series: "1", os: el9-x86_64, key: k}
  - {name: el10, format: rpm, component: core, series: "1", os: el10-x86_64, key: k}
`

// faulty is a trade whose promotion of one target fails while it is broken, and
// that can check what it is about to serve.
type faulty struct {
	trade
	broken, rotten *string // targets
}

func (f *faulty) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	if f.item.Uses == "promote" && f.item.Target == *f.broken {
		return nil, errors.New("the disk is full")
	}
	return f.trade.Run(ctx, env, plan, p)
}

func (f *faulty) Check(context.Context, *pipeline.Env, pipeline.Plan, *pipeline.Progress) error {
	if f.item.Target == *f.rotten {
		return errors.New("a file has other bytes")
	}
	return nil
}

// matrix is a release of three targets that are built.
func matrix(t *testing.T) (e *pipeline.Engine, broken, rotten *string) {
	t.Helper()
	cfg := setup(t)
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "release.yaml"), []byte(matrixYAML), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(cfg.Dir(), "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	broken, rotten = new(string), new(string)
	m := func(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
		return &faulty{trade{item: item, cfg: cfg, strict: item.Uses == "promote"}, broken, rotten}, nil
	}
	e = begun(t, cfg, pipeline.Options{Makers: pipeline.Makers{"rpm": m, "check": m}})
	for _, target := range []string{"el8", "el9", "el10"} {
		if err := do(t, e, pipeline.Job{Item: "build:" + target}); err != nil {
			t.Fatal(err)
		}
	}
	return e, broken, rotten
}

func jobs(verb string, targets ...string) []pipeline.Job {
	var all []pipeline.Job
	for _, target := range targets {
		all = append(all, pipeline.Job{Verb: verb, Target: target})
	}
	return all
}

// together plans a group, confirms it and waits for its end.
func together(t *testing.T, e *pipeline.Engine, all []pipeline.Job) (int, error) {
	t.Helper()
	g, err := e.PlanGroup(t.Context(), all)
	if err != nil {
		return 0, err
	}
	a, err := e.StartGroup(t.Context(), g, g.Phrase())
	if err != nil {
		return 0, err
	}
	defer e.Refresh(t.Context())
	return a.Wait()
}

func production(e *pipeline.Engine) (served []string) {
	for _, v := range e.View().Targets {
		if v.Production != "" {
			served = append(served, v.Name)
		}
	}
	return served
}

func TestGroupMovesAll(t *testing.T) {
	e, _, _ := matrix(t)
	g, err := e.PlanGroup(t.Context(), jobs("promote", "el8", "el9", "el10"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(g.Phrase(), "core +3 -0 ") || !pipeline.IsPhrase(g.Phrase()) {
		t.Errorf("phrase %q", g.Phrase())
	}
	var confirm *pipeline.ConfirmError
	var conflict *pipeline.ConflictError
	if _, err := e.StartGroup(t.Context(), g, ""); !errors.As(err, &confirm) || confirm.Group == nil || confirm.Phrase != g.Phrase() {
		t.Errorf("without a phrase: %v", err)
	}
	for _, other := range []string{g.Plans[0].Phrase(), "core +3 -0 000000"} {
		if _, err := e.StartGroup(t.Context(), g, other); !errors.As(err, &conflict) {
			t.Errorf("with the phrase of another: %v", err)
		}
	}
	if got := production(e); len(got) > 0 {
		t.Fatalf("served before anybody confirmed: %v", got)
	}
	if moved, err := together(t, e, jobs("promote", "el8", "el9", "el10")); moved != 3 || err != nil {
		t.Fatalf("%d moved: %v", moved, err)
	}
	if got := production(e); len(got) != 3 {
		t.Errorf("served: %v", got)
	}
	if e.View().Partial != nil {
		t.Error("it is whole, and shown as partial")
	}
	var refused *pipeline.RefusedError
	if _, err := e.PlanGroup(t.Context(), jobs("promote", "el8", "el9", "el10")); !errors.As(err, &refused) {
		t.Errorf("again: %v", err)
	}
}

func TestGroupStopsHonestlyGoesOnAndBack(t *testing.T) {
	e, broken, _ := matrix(t)
	*broken = "el9"
	moved, err := together(t, e, jobs("promote", "el8", "el9", "el10"))
	if moved != 1 || err == nil || !strings.Contains(err.Error(), "1 of 3 moved") || !strings.Contains(err.Error(), "the disk is full") {
		t.Fatalf("%d moved: %v", moved, err)
	}
	if got := production(e); len(got) != 1 || got[0] != "el8" {
		t.Errorf("served: %v", got)
	}
	partial := e.View().Partial
	if partial == nil || len(partial.Moved) != 1 || partial.Ended == nil || !strings.Contains(partial.Ended.Error, "1 of 3") {
		t.Fatalf("partial: %+v", partial)
	}

	// It served nothing before: that cannot be taken back.
	var refused *pipeline.RefusedError
	if _, err := e.Undo(t.Context(), partial.Group); !errors.As(err, &refused) {
		t.Errorf("undo: %v", err)
	}

	*broken = ""
	g, err := e.PlanGroup(t.Context(), jobs("promote", "el8", "el9", "el10"))
	if err != nil || len(g.Plans) != 2 || len(g.Left) != 1 {
		t.Fatalf("the rest: %d plans, left out %q: %v", len(g.Plans), g.Left, err)
	}
	if moved, err := together(t, e, jobs("promote", "el8", "el9", "el10")); moved != 2 || err != nil {
		t.Fatalf("%d moved: %v", moved, err)
	}
	if e.View().Partial != nil {
		t.Error("it is whole, and shown as partial")
	}

	// The next release stops at the last one, and is taken back as a group.
	for _, target := range []string{"el8", "el9", "el10"} {
		if err := do(t, e, pipeline.Job{Item: "build:" + target}); err != nil {
			t.Fatal(err)
		}
	}
	before := e.View().Targets
	*broken = "el10"
	if moved, err := together(t, e, jobs("promote", "el8", "el9", "el10")); moved != 2 || err == nil {
		t.Fatalf("%d moved: %v", moved, err)
	}
	back, err := e.Undo(t.Context(), e.View().Partial.Group)
	if err != nil || len(back) != 2 || back[0].Target != "el9" || back[1].Target != "el8" {
		t.Fatalf("undo: %+v, %v", back, err)
	}
	*broken = ""
	if moved, err := together(t, e, back); moved != 2 || err != nil {
		t.Fatalf("%d moved back: %v", moved, err)
	}
	for i, v := range e.View().Targets {
		if v.Production != before[i].Production {
			t.Errorf("%s serves %s, not %s", v.Name, v.Production, before[i].Production)
		}
	}
}

// One that is not whole keeps all of them from moving.
func TestGroupIsVerifiedTogether(t *testing.T) {
	e, _, rotten := matrix(t)
	*rotten = "el10"
	moved, err := together(t, e, jobs("promote", "el8", "el9", "el10"))
	if moved != 0 || err == nil || !strings.Contains(err.Error(), "0 of 3 moved") {
		t.Fatalf("%d moved: %v", moved, err)
	}
	if got := production(e); len(got) > 0 {
		t.Errorf("served: %v", got)
	}
}

func TestGroupStopsOnHold(t *testing.T) {
	e, _, _ := matrix(t)
	g, err := e.PlanGroup(t.Context(), jobs("promote", "el8", "el9"))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Hold(t.Context(), "smoke"); err != nil {
		t.Fatal(err)
	}
	var refused *pipeline.RefusedError
	if _, err := e.StartGroup(t.Context(), g, g.Phrase()); !errors.As(err, &refused) {
		t.Errorf("on hold: %v", err)
	}
}
