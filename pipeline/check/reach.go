package check

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// newReach checks that state, staging area and served tree are there, whether
// directories or stores behind a tunnel, and that registries answer.
func newReach(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes(); err != nil {
		return nil, err
	}
	about, err := newScope(cfg, item)
	if err != nil {
		return nil, err
	}
	return observation{func(ctx context.Context, env *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
		places := env.Reach(ctx)
		if len(places) == 0 {
			return nil, errors.New("there is no place to look for")
		}
		ev := pipeline.Evidence{}
		var failed []string
		var cause error
		seen := func(name, address string, err error) {
			address = config.Inert(address)
			if err == nil {
				p.Logf("OK    %-20s  %s", name, address)
				ev[name] = address
				return
			}
			p.Logf("FAIL  %-20s  %s: %v", name, address, err)
			failed = append(failed, fmt.Sprintf("%s (%s): %s", name, address, config.Inert(err.Error())))
			if cause == nil {
				cause = err
			}
		}
		for _, r := range places {
			seen(r.Name, r.Address, r.Err)
		}
		for _, t := range about.targets(env) {
			if t.Format != config.FormatOCI {
				continue
			}
			served, err := env.Served(t)
			address := t.Repository
			if err == nil {
				address = served.Path()
				_, err = served.Pointer(ctx, "production")
			}
			seen("image "+string(t.Name), address, err)
		}
		if cause == nil {
			return ev, nil
		}
		hint := config.HintOf(cause)
		if hint == "" {
			hint = "is the server up, and does the tunnel reach it?"
		}
		return ev, config.Hint(fmt.Errorf("cannot be reached: %s", strings.Join(failed, "; ")), hint)
	}}, nil
}
