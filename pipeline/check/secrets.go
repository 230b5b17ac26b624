package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge"
)

// newSecrets checks that every secret of the configuration can be had here, and
// that every forge has the Actions secrets that the configuration says its
// workflows need. What they hold is not looked at and not kept.
func newSecrets(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes(); err != nil {
		return nil, err
	}
	return observation{func(ctx context.Context, _ *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
		ev := pipeline.Evidence{}
		set, all, missing := secretsHere(cfg, p)
		if all > 0 {
			ev["secrets set"] = strconv.Itoa(set)
		}
		where := []string{}
		if len(missing) > 0 {
			where = append(where, "here "+strings.Join(missing, ", "))
		}
		for i := range cfg.Forges {
			f := &cfg.Forges[i]
			if len(f.Secrets) == 0 {
				continue
			}
			missing, err := secretsThere(ctx, cfg, f, p)
			switch {
			case err != nil:
				p.Logf("%s: %v", f.Repository, err)
				where = append(where, fmt.Sprintf("of %s it cannot be told, %s", f.Repository, config.Inert(err.Error())))
			case len(missing) > 0:
				where = append(where, "in "+f.Repository+" "+strings.Join(missing, ", "))
			}
			all += len(f.Secrets)
			ev["secrets set in "+f.Repository] = strconv.Itoa(len(f.Secrets) - len(missing))
		}
		if all == 0 {
			return nil, errors.New("the configuration names no secret at all")
		}
		if len(where) > 0 {
			return ev, config.Hint(fmt.Errorf("secrets are missing: %s", strings.Join(where, "; ")),
				"set those here where gantry runs, those of a forge in its settings under Actions secrets; the run's log says what is wrong with each")
		}
		return ev, nil
	}}, nil
}

// secretsHere counts the secrets of the configuration, and names those that
// cannot be read.
func secretsHere(cfg *config.Release, p *pipeline.Progress) (set, all int, missing []string) {
	users := map[string][]string{} // by reference
	var order []config.NamedSecret
	for _, s := range cfg.Secrets() {
		if ref := s.Reference(); users[ref] == nil {
			order = append(order, s)
		}
		users[s.Reference()] = append(users[s.Reference()], s.Of)
	}
	for _, s := range order {
		of := strings.Join(slices.Compact(users[s.Reference()]), ", ")
		if b, err := s.Reveal(cfg.Dir()); err != nil {
			p.Logf("MISSING here  %s, of %s: %v", s.Reference(), of, err)
			missing = append(missing, s.Reference()+" ("+of+")")
		} else {
			clear(b)
			p.Logf("set here      %s, of %s", s.Reference(), of)
			set++
		}
	}
	return set, len(order), missing
}

// secretsThere names the secrets that a forge lacks.
func secretsThere(ctx context.Context, cfg *config.Release, f *config.Forge, p *pipeline.Progress) (missing []string, err error) {
	names, err := forge.SecretNames(ctx, cfg, f)
	if err != nil {
		return nil, err
	}
	for _, want := range f.Secrets {
		is := func(name string) bool { return strings.EqualFold(name, want) } // as forges compare them
		if slices.ContainsFunc(names, is) {
			p.Logf("set           %s in %s", want, f.Repository)
			continue
		}
		p.Logf("MISSING       %s in %s", want, f.Repository)
		missing = append(missing, want)
	}
	return missing, nil
}
