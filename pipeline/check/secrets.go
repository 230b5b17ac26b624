package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gantry/config"
	"gantry/pipeline"
)

// secrets checks that every secret of the configuration can be had. What they
// hold is not looked at and not kept.
func secrets(cfg *config.Release) func(context.Context, *pipeline.Env, *pipeline.Progress) (pipeline.Evidence, error) {
	return func(_ context.Context, _ *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
		var all []config.Secret
		for _, k := range cfg.Keys {
			all = append(all, k.Private, k.Passphrase)
		}
		for _, t := range cfg.Targets {
			if t.Subscriber != nil {
				all = append(all, t.Subscriber.Password)
			}
		}
		for _, c := range cfg.Commands {
			for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
				all = append(all, c.Secrets[name])
			}
		}
		for _, probe := range cfg.Probes {
			all = append(all, probe.Password)
		}
		var missing []string
		set := 0
		for _, s := range all {
			if s.IsZero() {
				continue
			}
			if _, err := s.Reveal(cfg.Dir()); err != nil {
				p.Logf("%v", err)
				missing = append(missing, s.Reference())
				continue
			}
			p.Logf("secret %s is set", s.Reference())
			set++
		}
		if len(missing) > 0 {
			return nil, config.Hint(fmt.Errorf("%d of %d secrets cannot be read: %s", len(missing), set+len(missing), strings.Join(missing, ", ")), "set them where gantry runs; the run's log says what is wrong with each")
		}
		if set == 0 {
			return nil, errors.New("the configuration names no secret at all")
		}
		return pipeline.Evidence{"secrets set": strconv.Itoa(set)}, nil
	}
}
