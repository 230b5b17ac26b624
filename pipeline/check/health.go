package check

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

const atOnce = 8 // probes

// newHealth makes every probe of the configuration, many at a time and all of
// them whatever fails. Each has its own wanted status, so that what must be
// refused (401) or absent (404) is a probe like any other.
func newHealth(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes(); err != nil {
		return nil, err
	}
	return observation{func(ctx context.Context, env *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
		if len(cfg.Probes) == 0 {
			return nil, config.Hint(errors.New("no probe is configured, so nothing can be told"), "write those of the serving stack under probes in release.yaml")
		}
		p.Phase("make every probe", pipeline.Files, int64(len(cfg.Probes)))
		results := probeAll(ctx, cfg, env, p)
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		return health(cfg.Probes, results, p)
	}}, nil
}

// result is how one probe went.
type result struct {
	answer
	err error
}

func probeAll(ctx context.Context, cfg *config.Release, env *pipeline.Env, p *pipeline.Progress) []result {
	results := make([]result, len(cfg.Probes))
	var group errgroup.Group
	group.SetLimit(atOnce)
	for i, pr := range cfg.Probes {
		group.Go(func() error {
			p.File(string(pr.Name))
			a, err := probe{Probe: pr, dir: cfg.Dir()}.ask(ctx, env)
			results[i] = result{a, err}
			p.Add(1)
			return nil
		})
	}
	group.Wait() // it returns no error: each result has its own
	return results
}

// health tells how the probes went, in a table, and fails where one did.
func health(probes []config.Probe, results []result, p *pipeline.Progress) (pipeline.Evidence, error) {
	width := 0
	for _, pr := range probes {
		width = max(width, len(pr.Name))
	}
	ok, warned := 0, 0
	var failed []string
	least := -1
	for i, r := range results {
		word, notes := "OK", r.cautions
		switch {
		case r.err != nil:
			word, notes = "FAIL", []string{config.Inert(r.err.Error())}
			failed = append(failed, strings.TrimPrefix(notes[0], "probe "))
		case len(r.cautions) > 0:
			word = "WARN"
			warned++
		default:
			ok++
		}
		status := "-"
		if r.status != 0 {
			status = strconv.Itoa(r.status)
		}
		if r.days != nil {
			if least < 0 || *r.days < least {
				least = *r.days
			}
			notes = append(notes, "certificate "+days(*r.days))
		}
		p.Logf("%s", strings.TrimRight(fmt.Sprintf("%-4s  %-*s  %3s  %6s  %s", word, width, probes[i].Name, status, r.took.Round(time.Millisecond), strings.Join(notes, "; ")), " "))
	}
	ev := pipeline.Evidence{"probes": strconv.Itoa(len(probes)), "ok": strconv.Itoa(ok), "warnings": strconv.Itoa(warned), "failed": strconv.Itoa(len(failed))}
	if least >= 0 {
		ev["certificate days left"] = strconv.Itoa(least)
	}
	if len(failed) > 0 {
		return ev, config.Hint(fmt.Errorf("%d of %d probes failed: %s", len(failed), len(probes), first(failed)), "the run's log has the whole table")
	}
	return ev, nil
}
