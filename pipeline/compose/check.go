package compose

import (
	"context"
	"fmt"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// identity checks which compose an area holds: that of compose must have ended
// and be of the edition; staging must hold that one, production that of staging.
type identity struct{ place }

func newIdentity(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("in"); err != nil {
		return nil, err
	}
	p, err := placeOf(cfg, item, "compose", "staging", "production")
	return &identity{p}, err
}

// Plan is empty: looking changes nothing.
func (s *identity) Plan(context.Context, *pipeline.Env) (pipeline.Plan, error) {
	return pipeline.Plan{}, nil
}

// Run looks.
func (s *identity) Run(_ context.Context, env *pipeline.Env, _ pipeline.Plan, _ *pipeline.Progress) (pipeline.Evidence, error) {
	is, err := s.held(env)
	if err != nil {
		return nil, err
	}
	ev := pipeline.Evidence{s.name: is.text}
	source, ok := map[string]string{"staging": "compose", "production": "staging"}[s.name]
	if !ok {
		return ev, nil
	}
	of := identity{s.at(source)}
	wanted, err := of.held(env)
	if err != nil {
		return ev, err
	}
	ev[source] = wanted.text
	if is.text != wanted.text {
		return ev, config.Hint(fmt.Errorf("%s holds %s, and %s is %s", s.name, is.text, source, wanted.text), "sync it, or open the release of the version that is there")
	}
	return ev, nil
}

// held is the compose that the area holds, which must be of the edition.
func (s *identity) held(env *pipeline.Env) (id, error) {
	e, err := s.edition(env)
	if err != nil {
		return id{}, err
	}
	root, err := s.open(env)
	if err != nil {
		return id{}, err
	}
	defer root.Close()
	is, err := identify(root)
	if err == nil && is.revision != e.Revision() {
		err = fmt.Errorf("it is %s, a compose of %s, and the release is of %s", is.text, is.revision, e.Revision())
	}
	if err == nil && s.name == "compose" {
		err = ended(root.Name())
	}
	if err != nil {
		return id{}, fmt.Errorf("%s of %s: %w", s.name, s.target.Name, err)
	}
	return is, nil
}

// Inputs is the id of the compose that the area holds, and of the one that it is
// made like.
func (s *identity) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	ev, err := s.Run(ctx, env, pipeline.Plan{}, nil)
	if err != nil {
		return "", err
	}
	return digest(ev["compose"], ev["staging"], ev["production"]), nil
}
