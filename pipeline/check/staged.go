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
	"gantry/pipeline/channel"
	"gantry/storage"
)

// newStaged checks that what must be is staged for the targets that the item is
// about, that it is intact, and that a final release holds no pre-release. Every
// package has a sidecar, every sidecar a package, and the digests are equal.
func newStaged(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes(); err != nil {
		return nil, err
	}
	about, err := newScope(cfg, item)
	if err != nil {
		return nil, err
	}
	return watched{
		observation{func(ctx context.Context, env *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
			return staged(ctx, env, about.targets(env), p)
		}},
		func(ctx context.Context, env *pipeline.Env) (string, error) {
			all, err := list(ctx, env, about.targets(env))
			return storage.Fingerprint(all), err
		},
	}, nil
}

// list lists what is staged for targets, each place once.
func list(ctx context.Context, env *pipeline.Env, about []*config.Target) ([]storage.Artifact, error) {
	var all []storage.Artifact
	seen := map[storage.Place]bool{}
	for _, t := range about {
		for _, place := range pipeline.Places(t) {
			if seen[place] {
				continue
			}
			seen[place] = true
			as, err := env.Staging.List(ctx, place)
			if err != nil {
				return nil, fmt.Errorf("list what is staged for %s: %w", t.Name, err)
			}
			all = append(all, as...)
		}
	}
	return all, nil
}

func staged(ctx context.Context, env *pipeline.Env, about []*config.Target, p *pipeline.Progress) (pipeline.Evidence, error) {
	all, err := list(ctx, env, about)
	if err != nil {
		return nil, err
	}
	m := NewMatrix(about, all)
	if len(m.Lacking) > 0 { // which needs no hashing
		p.Logf("%s", m)
		for _, l := range m.Lacking {
			p.Logf("%s", l)
		}
		return m.evidence(all), config.Hint(errors.New(first(m.Lacking)), "stage it: gantry stage TARGET FILE...")
	}
	var size int64
	for _, a := range all {
		size += a.Size
	}
	p.Phase("verify what is staged", pipeline.Bytes, size)
	if all, err = env.Staging.VerifyAll(ctx, all, p.Add, p.File); err != nil {
		return nil, err
	}
	m = NewMatrix(about, all)
	p.Logf("%s", m)
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
		return m.evidence(all), config.Hint(errors.New(some(odd, len(all))), "stage these again with their checksums, or remove them; the run's log names all")
	}
	if early := prereleases(env, all); len(early) > 0 {
		for _, line := range early {
			p.Logf("%s", line)
		}
		return m.evidence(all), config.Hint(fmt.Errorf("for the wrong channel: %s", some(early, len(all))), "remove them and stage the final packages; or waive this with the reason")
	}
	return m.evidence(all), nil
}

// prereleases are the artifacts that a final release must not hold.
func prereleases(env *pipeline.Env, all []storage.Artifact) []string {
	if env.Release == "" || !channel.Final(strings.TrimSuffix(env.Release, "-"+env.Version), env.Version) {
		return nil
	}
	var lines []string
	for _, a := range all {
		format := config.Format(a.Format)
		if pkg, ok := channel.Split(format, a.File); ok {
			for _, f := range channel.Early(format, []channel.Package{pkg}) {
				lines = append(lines, config.Inert(f.File)+": "+f.What)
			}
		}
	}
	return lines
}

// evidence is what was staged: in all, and for each target.
func (m *Matrix) evidence(all []storage.Artifact) pipeline.Evidence {
	var size int64
	for _, a := range all {
		size += a.Size
	}
	ev := pipeline.Evidence{
		"artifacts":   strconv.Itoa(len(all)),
		"bytes":       strconv.FormatInt(size, 10),
		"fingerprint": storage.Fingerprint(all),
	}
	for _, row := range m.Rows {
		for i, c := range row.Cells {
			if len(c.Targets) > 0 {
				ev["staged "+m.Columns[i]+" "+row.Name] = c.String()
			}
		}
	}
	return ev
}

// some names the first of many.
func some(odd []string, of int) string {
	return fmt.Sprintf("%d of %d artifacts are not as they must be: %s", len(odd), of, first(odd))
}

// first are the first lines of many.
func first(lines []string) string {
	const most = 5
	text := strings.Join(lines[:min(most, len(lines))], "; ")
	if len(lines) > most {
		text += fmt.Sprintf("; and %d more", len(lines)-most)
	}
	return text
}
