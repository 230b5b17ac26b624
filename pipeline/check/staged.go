package check

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// newStaged checks that artifacts are staged for the item's target, or for every
// target, and that they are intact: every package has a sidecar, every sidecar a
// package, and the digests are equal.
func newStaged(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := knows(item); err != nil {
		return nil, err
	}
	about, err := targets(cfg, item)
	if err != nil {
		return nil, err
	}
	return watched{
		observation{func(ctx context.Context, env *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
			return staged(ctx, env, about, p)
		}},
		func(ctx context.Context, env *pipeline.Env) (string, error) {
			all, err := list(ctx, env, about)
			return storage.Fingerprint(all), err
		},
	}, nil
}

func place(t *config.Target) storage.Place {
	return storage.Place{Component: string(t.Component), Series: string(t.Series), Format: string(t.Format), OS: string(t.OS)}
}

func list(ctx context.Context, env *pipeline.Env, about []*config.Target) ([]storage.Artifact, error) {
	var all []storage.Artifact
	for _, t := range about {
		as, err := env.Staging.List(ctx, place(t))
		if err != nil {
			return nil, fmt.Errorf("list what is staged for %s: %w", t.Name, err)
		}
		all = append(all, as...)
	}
	return all, nil
}

func staged(ctx context.Context, env *pipeline.Env, about []*config.Target, p *pipeline.Progress) (pipeline.Evidence, error) {
	var all []storage.Artifact
	for _, t := range about {
		as, err := list(ctx, env, []*config.Target{t})
		if err != nil {
			return nil, err
		}
		all = append(all, as...)
		if len(as) == 0 {
			return nil, config.Hint(fmt.Errorf("nothing is staged for %s", t.Name), "stage its packages: gantry stage "+string(t.Name)+" FILE...")
		}
	}
	var size int64
	for _, a := range all {
		size += a.Size
	}
	p.Phase("verify what is staged", pipeline.Bytes, size)
	all, err := env.Staging.VerifyAll(ctx, all, p.Add, p.File)
	if err != nil {
		return nil, err
	}
	var odd []string
	for _, a := range all {
		if a.Verdict != storage.Verified {
			line := config.Inert(a.File) + ": " + string(a.Verdict)
			if a.Detail != "" {
				line += ", " + config.Inert(a.Detail)
			}
			p.Logf("%s", line)
			odd = append(odd, line)
		}
	}
	if len(odd) > 0 {
		return nil, config.Hint(errors.New(some(odd, len(all))), "stage these again with their checksums, or remove them; the run's log names all")
	}
	return pipeline.Evidence{
		"artifacts":   strconv.Itoa(len(all)),
		"bytes":       strconv.FormatInt(size, 10),
		"fingerprint": storage.Fingerprint(all),
	}, nil
}

// some names the first of many.
func some(odd []string, of int) string {
	const most = 5
	text := fmt.Sprintf("%d of %d artifacts are not as they must be: %s", len(odd), of, strings.Join(odd[:min(most, len(odd))], "; "))
	if len(odd) > most {
		text += fmt.Sprintf("; and %d more", len(odd)-most)
	}
	return text
}
