package pipeline_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// trade is the smallest trade that has everything the engine must carry: it
// builds a snapshot of one file and moves production to it.
type trade struct {
	item  checklist.Item
	cfg   *config.Release
	block chan struct{} // build waits for it, where it is not nil

	before func(*pipeline.Env) // it moves a pointer
	strict bool                // refuses to promote what production serves already
}

func makers(block chan struct{}) pipeline.Makers {
	m := func(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
		return &trade{item: item, cfg: cfg, block: block}, nil
	}
	return pipeline.Makers{"rpm": m, "check": m}
}

// beforeFlips makes steps that let something happen right before they move a pointer.
func beforeFlips(happens func(*pipeline.Env)) pipeline.Makers {
	m := func(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
		return &trade{item: item, cfg: cfg, before: happens}, nil
	}
	return pipeline.Makers{"rpm": m, "check": m}
}

func strictly(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	return &trade{item: item, cfg: cfg, strict: true}, nil
}

func (t *trade) served(env *pipeline.Env) (storage.Tree, error) {
	target, ok := t.cfg.Target(t.item.Target)
	if !ok {
		return nil, fmt.Errorf("no target %q", t.item.Target)
	}
	s, err := env.Served(target)
	if err != nil {
		return nil, err
	}
	return s.(storage.Tree), nil
}

func (t *trade) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	if t.item.Uses != "promote" && t.item.Uses != "rollback" {
		return pipeline.Plan{}, nil
	}
	s, err := t.served(env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	ids, err := s.Snapshots(ctx)
	if err != nil {
		return pipeline.Plan{}, err
	}
	if len(ids) == 0 {
		return pipeline.Plan{}, errors.New("nothing is built")
	}
	from, err := s.Pointer(ctx, "production")
	if err != nil {
		return pipeline.Plan{}, err
	}
	to := ids[len(ids)-1]
	if t.strict && from == to {
		return pipeline.Plan{}, &pipeline.RefusedError{Reason: "nothing to promote", Idle: true}
	}
	if t.item.Uses == "rollback" {
		to = ids[0]
	}
	m, digest, err := s.Manifest(ctx, to)
	if err != nil {
		return pipeline.Plan{}, err
	}
	return pipeline.Plan{
		Move:  &checklist.Move{Pointer: "production", From: from, To: to, Revision: m.Revision},
		Added: []pipeline.Change{{Name: "file"}}, Facts: map[string]string{"manifest": digest},
	}, nil
}

func (t *trade) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	switch t.item.Uses {
	case "build":
		return t.build(ctx, env, p)
	case "promote", "rollback":
		s, err := t.served(env)
		if err != nil {
			return nil, err
		}
		if t.before != nil {
			t.before(env)
		}
		if err := env.Holds(ctx); err != nil {
			return nil, err
		}
		return pipeline.Evidence{"to": plan.Move.To}, s.Flip(ctx, "production", plan.Move.From, plan.Move.To)
	case "check.fails":
		return nil, config.Hint(errors.New("the probe \x1b[31mfailed"), "look at the probe")
	case "check.panics":
		panic("boom")
	}
	return pipeline.Evidence{"seen": "yes"}, nil
}

func (t *trade) build(ctx context.Context, env *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
	p.Phase("build", pipeline.Files, 1)
	if t.block != nil {
		select {
		case <-t.block:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	s, err := t.served(env)
	if err != nil {
		return nil, err
	}
	b, err := s.Begin(ctx, env.Now(), 0)
	if err != nil {
		return nil, err
	}
	defer b.Abort()
	f, err := b.Create(ctx, "file")
	if err != nil {
		return nil, err
	}
	if _, err := f.Write([]byte(b.ID())); err != nil {
		return nil, err
	}
	file, err := f.Commit()
	if err != nil {
		return nil, err
	}
	_ = file
	m, err := b.Commit(ctx, storage.Manifest{Target: t.item.Target}, func(int64) {})
	if err != nil {
		return nil, err
	}
	p.Add(1)
	return pipeline.Evidence{"snapshot": m.ID}, nil
}

func (t *trade) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	if t.item.Uses != "check.watches" {
		return "", nil
	}
	b, err := os.ReadFile(filepath.Join(t.cfg.Dir(), "watched"))
	return string(b), err
}

const template = `
name: test
title: A test
kinds: [test]
sections:
  - id: all
    title: All
    items:
      - {id: look, title: Look at it, kind: manual, asks: what you saw}
      - {id: watch, title: Watch a file, kind: check, uses: check.watches}
      - {id: build, title: Build, kind: step, uses: build, each: target, risk: staging, needs: [look]}
      - {id: promote, title: Promote, kind: step, uses: promote, each: target, risk: production, killer: true, needs: [build]}
      - {id: fails, title: Fail, kind: check, uses: check.fails}
      - {id: panics, title: Panic, kind: check, uses: check.panics}
`

const releaseYAML = `
product: test
keys:
  - {name: k, private: "file:k", public: k.asc}
targets:
  - {name: el9, format: rpm, component: core, series: "1", os: el9-x86_64, key: k}
`

// setup writes a small release and returns its configuration.
func setup(t testing.TB) *config.Release {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("release.yaml", releaseYAML)
	write("checklists/test.yaml", template)
	write("watched", "one")
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func open(t testing.TB, cfg *config.Release, o pipeline.Options) *pipeline.Engine {
	t.Helper()
	o.Config = cfg
	if o.Makers == nil {
		o.Makers = makers(nil)
	}
	if o.Actor == "" {
		o.Actor = "neil"
	}
	e, err := pipeline.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// begun is an engine whose release is open and whose first item is ticked.
func begun(t testing.TB, cfg *config.Release, o pipeline.Options) *pipeline.Engine {
	t.Helper()
	e := open(t, cfg, o)
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := e.Tick(t.Context(), "look", "it is there"); err != nil {
		t.Fatal(err)
	}
	return e
}

// do plans a job and runs it with its phrase.
func do(t testing.TB, e *pipeline.Engine, job pipeline.Job) error {
	t.Helper()
	plan, err := e.Plan(t.Context(), job)
	if err != nil {
		return err
	}
	run, err := e.Start(t.Context(), plan, plan.Phrase())
	if err != nil {
		return err
	}
	return run.Wait()
}

func status(t testing.TB, e *pipeline.Engine, item string) checklist.ItemView {
	t.Helper()
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	it, ok := e.View().Checklist.Item(item)
	if !ok {
		t.Fatalf("no item %s", item)
	}
	return it
}

func decode[T any](t testing.TB, data []byte, into *T) *T {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
	return into
}
