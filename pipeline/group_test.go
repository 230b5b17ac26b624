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

// faults are the targets of a matrix that something is wrong with.
type faults struct {
	broken string // cannot be moved
	rotten string // is not whole
	sour   string // is moved, and looks wrong afterwards

	checks, goOn chan bool // a check tells of itself, and waits; nil where it does not
}

// faulty is a trade with faults, which can check what it is about to serve.
type faulty struct {
	trade
	*faults
}

func (f *faulty) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	flips := plan.Move != nil
	if flips && f.item.Target == f.broken {
		return nil, errors.New("the disk is full")
	}
	ev, err := f.trade.Run(ctx, env, plan, p)
	if flips && f.item.Target == f.sour {
		return nil, errors.New("it looks wrong from outside")
	}
	return ev, err
}

func (f *faulty) Check(context.Context, *pipeline.Env, pipeline.Plan, *pipeline.Progress) error {
	if f.checks != nil {
		select {
		case f.checks <- true:
		case <-f.goOn:
		}
		<-f.goOn
	}
	if f.item.Target == f.rotten {
		return errors.New("a file has other bytes")
	}
	return nil
}

// matrix is a release of three targets that are built.
func matrix(t *testing.T) (*pipeline.Engine, *faults) {
	t.Helper()
	return matrixOf(t, setup(t))
}

func matrixOf(t *testing.T, cfg *config.Release) (*pipeline.Engine, *faults) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "release.yaml"), []byte(matrixYAML), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(cfg.Dir(), "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	wrong := &faults{}
	m := func(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
		return &faulty{trade{item: item, cfg: cfg, strict: item.Uses == "promote"}, wrong}, nil
	}
	e := begun(t, cfg, pipeline.Options{Makers: pipeline.Makers{"rpm": m, "check": m}})
	for _, target := range []string{"el8", "el9", "el10"} {
		if err := do(t, e, pipeline.Job{Item: "build:" + target}); err != nil {
			t.Fatal(err)
		}
	}
	return e, wrong
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
	e, _ := matrix(t)
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
	e, wrong := matrix(t)
	wrong.broken = "el9"
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

	wrong.broken = ""
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
	wrong.broken = "el10"
	if moved, err := together(t, e, jobs("promote", "el8", "el9", "el10")); moved != 2 || err == nil {
		t.Fatalf("%d moved: %v", moved, err)
	}
	back, err := e.Undo(t.Context(), e.View().Partial.Group)
	if err != nil || len(back) != 2 || back[0].Target != "el9" || back[1].Target != "el8" {
		t.Fatalf("undo: %+v, %v", back, err)
	}
	wrong.broken = ""
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
	e, wrong := matrix(t)
	wrong.rotten = "el10"
	moved, err := together(t, e, jobs("promote", "el8", "el9", "el10"))
	if moved != 0 || err == nil || !strings.Contains(err.Error(), "0 of 3 moved") {
		t.Fatalf("%d moved: %v", moved, err)
	}
	if got := production(e); len(got) > 0 {
		t.Errorf("served: %v", got)
	}
}

func TestGroupStopsOnHold(t *testing.T) {
	e, _ := matrix(t)
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

// Another console sees that a group goes on while nothing of it runs yet, and
// that its console died.
func TestGroupIsSeenByOthers(t *testing.T) {
	cfg := setup(t)
	e, wrong := matrixOf(t, cfg)
	checks, goOn := make(chan bool), make(chan bool)
	wrong.checks, wrong.goOn = checks, goOn
	g, err := e.PlanGroup(t.Context(), jobs("promote", "el8", "el9"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.StartGroup(t.Context(), g, g.Phrase())
	if err != nil {
		t.Fatal(err)
	}
	<-checks
	whole, err := config.Load(filepath.Join(cfg.Dir(), "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, whole, pipeline.Options{Actor: "ann"})
	if v := other.View().Group; v == nil || !v.Live || v.Own {
		t.Errorf("while it checks: %+v", v)
	}
	close(goOn)
	if moved, err := a.Wait(); moved != 2 || err != nil {
		t.Errorf("%d moved: %v", moved, err)
	}
	forge(t, cfg, "", checklist.GroupBegun, checklist.Grouped{Group: "20250101T000000Z-00000000", Verb: "promote", Targets: []string{"el8"}})
	if err := other.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if v := other.View().Group; v == nil || v.Live {
		t.Errorf("of a console that died: %+v", v)
	}
}

// A target that moved and looks wrong from outside is counted, and named among
// those to take back.
func TestGroupCountsWhatMoved(t *testing.T) {
	e, wrong := matrix(t)
	wrong.sour = "el9"
	moved, err := together(t, e, jobs("promote", "el8", "el9", "el10"))
	if moved != 2 || err == nil || !strings.Contains(err.Error(), "2 of 3 moved") {
		t.Errorf("%d moved: %v", moved, err)
	}
	hint := config.HintOf(err)
	if !strings.Contains(hint, "gantry promote el10;") || !strings.Contains(hint, "rollback --group") {
		t.Errorf("the way on: %s", hint)
	}
	if p := e.View().Partial; p == nil || !strings.Contains(p.Ended.Error, "2 of 3 moved") {
		t.Errorf("the journal says %+v", p)
	}
}

// What would keep the last of a group from moving keeps the first from moving,
// too.
func TestGroupIsFitBeforeTheFirstMoves(t *testing.T) {
	for name, spoil := range map[string]struct {
		do   func(t *testing.T, e *pipeline.Engine, cfg *config.Release) error
		says string
	}{
		"a need that is stale": {func(t *testing.T, _ *pipeline.Engine, cfg *config.Release) error {
			return os.WriteFile(filepath.Join(cfg.Dir(), "watched"), []byte("two"), 0o644)
		}, "Watch a file"},
		"another plan": {func(t *testing.T, e *pipeline.Engine, _ *config.Release) error {
			return do(t, e, pipeline.Job{Item: "build:el10"})
		}, "the plan is void"},
		"drift": {func(t *testing.T, e *pipeline.Engine, cfg *config.Release) error {
			v := e.View().Targets[2]
			return os.Symlink("snapshots/"+v.Snapshots[0].ID, filepath.Join(cfg.Path(cfg.Served), v.Path, "staging"))
		}, "drifted"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := setup(t)
			rewrite(t, cfg, "killer: true, needs: [build]", "killer: true, needs: [build, watch]")
			e, _ := matrixOf(t, cfg)
			if err := do(t, e, pipeline.Job{Item: "watch"}); err != nil {
				t.Fatal(err)
			}
			g, err := e.PlanGroup(t.Context(), jobs("promote", "el8", "el9", "el10"))
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil.do(t, e, cfg); err != nil {
				t.Fatal(err)
			}
			moved := 0
			a, err := e.StartGroup(t.Context(), g, g.Phrase())
			if err == nil {
				moved, err = a.Wait()
			}
			if moved != 0 || err == nil || !strings.Contains(err.Error(), spoil.says) {
				t.Errorf("%d moved: %v", moved, err)
			}
			if got := production(e); len(got) > 0 {
				t.Errorf("served: %v", got)
			}
		})
	}
}

// Taking a group back that stopped on the way goes on where it stopped.
func TestUndoGoesOn(t *testing.T) {
	e, wrong := matrix(t)
	if moved, err := together(t, e, jobs("promote", "el8", "el9", "el10")); moved != 3 {
		t.Fatal(err)
	}
	for _, target := range []string{"el8", "el9", "el10"} {
		if err := do(t, e, pipeline.Job{Item: "build:" + target}); err != nil {
			t.Fatal(err)
		}
	}
	before := e.View().Targets
	if moved, err := together(t, e, jobs("promote", "el8", "el9", "el10")); moved != 3 {
		t.Fatal(err)
	}
	group := e.View().Group.Group.Group
	back, err := e.Undo(t.Context(), group)
	if err != nil {
		t.Fatal(err)
	}
	wrong.broken = "el9"
	if moved, err := together(t, e, back); moved != 1 || !strings.Contains(config.HintOf(err), "gantry rollback el9 el8;") {
		t.Fatalf("%d moved back: %v (%s)", moved, err, config.HintOf(err))
	}
	wrong.broken = ""
	if back, err = e.Undo(t.Context(), group); err != nil || len(back) != 2 {
		t.Fatalf("to go on with: %+v, %v", back, err)
	}
	if moved, err := together(t, e, back); moved != 2 || err != nil {
		t.Fatalf("%d moved back: %v", moved, err)
	}
	for i, v := range e.View().Targets {
		if v.Production != before[i].Production {
			t.Errorf("%s serves %s, not %s", v.Name, v.Production, before[i].Production)
		}
	}
	var refused *pipeline.RefusedError
	if _, err := e.Undo(t.Context(), group); !errors.As(err, &refused) || !refused.Idle {
		t.Errorf("once more: %v", err)
	}
}

// A group is of moves of production, and of at least one.
func TestGroupOfOther(t *testing.T) {
	e, _ := matrix(t)
	if g, err := e.PlanGroup(t.Context(), jobs("build", "el8", "el9")); err == nil {
		t.Errorf("a group of builds: %+v", g)
	}
	g := pipeline.Group{Verb: "promote", Name: "core"}
	var refused *pipeline.RefusedError
	if _, err := e.StartGroup(t.Context(), g, g.Phrase()); !errors.As(err, &refused) {
		t.Errorf("a group of nothing: %v", err)
	}
	// The phrase of a group confirms none of its plans.
	g, err := e.PlanGroup(t.Context(), jobs("promote", "el8"))
	if err != nil {
		t.Fatal(err)
	}
	var conflict *pipeline.ConflictError
	if _, err := e.Start(t.Context(), g.Plans[0], g.Phrase()); !errors.As(err, &conflict) {
		t.Errorf("a plan with the phrase of its group: %v", err)
	}
	if _, err := e.StartGroup(t.Context(), g, g.Plans[0].Phrase()); !errors.As(err, &conflict) {
		t.Errorf("a group with the phrase of its plan: %v", err)
	}
}
