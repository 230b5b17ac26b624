// Package check is what the console observes: keys, staged artifacts, free
// space, secrets, HTTP. A check that could not be made has failed.
package check

import (
	"context"
	"fmt"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// Make makes the step of an item that uses check.key, check.cosign,
// check.secrets, check.staging, check.staged, check.space, check.http,
// check.health or check.mirrors.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	switch item.Uses {
	case "check.key":
		return newKey(cfg, item)
	case "check.cosign":
		return newCosign(cfg, item)
	case "check.staging":
		return newReach(cfg, item)
	case "check.staged":
		return newStaged(cfg, item)
	case "check.space":
		return newSpace(cfg, item)
	case "check.secrets":
		return newSecrets(cfg, item)
	case "check.http":
		return newProbe(cfg, item)
	case "check.health":
		return newHealth(cfg, item)
	case "check.mirrors":
		return newMirrors(cfg, item)
	}
	return nil, fmt.Errorf("item %s uses %q, which is no check", item.ID, config.Inert(item.Uses))
}

// observation is a check whose plan is to look.
type observation struct {
	run func(context.Context, *pipeline.Env, *pipeline.Progress) (pipeline.Evidence, error)
}

// Plan is empty: looking changes nothing.
func (o observation) Plan(context.Context, *pipeline.Env) (pipeline.Plan, error) {
	return pipeline.Plan{}, nil
}

// Run looks.
func (o observation) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	return o.run(ctx, env, p)
}

// watched is a check whose result rests on what can change later.
type watched struct {
	observation
	inputs func(context.Context, *pipeline.Env) (string, error)
}

// Inputs is a digest of what the result rests on.
func (w watched) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	return w.inputs(ctx, env)
}

// scope is what an item is about: its own target, or those of the release.
type scope struct{ own *config.Target }

func newScope(cfg *config.Release, item checklist.Item) (scope, error) {
	if item.Target == "" {
		return scope{}, nil
	}
	t, ok := cfg.Target(item.Target)
	if !ok {
		return scope{}, fmt.Errorf("item %s is about target %q, which the configuration does not have", item.ID, config.Inert(item.Target))
	}
	return scope{t}, nil
}

// targets are those that the item is about.
func (s scope) targets(env *pipeline.Env) []*config.Target {
	if s.own != nil {
		return []*config.Target{s.own}
	}
	return env.Targets()
}
