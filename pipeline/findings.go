package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline/channel"
	"gantry/storage"
)

// Findings tells what looks wrong about staged artifacts, by their keys: packages
// older than those in production, with other bytes than those of the same
// version there, and, where the release that is worked on is a final one,
// pre-releases. Those of a target whose production cannot be read say so. It goes by the names of files, as builders give them: a package
// is read when a snapshot is built.
func (e *Engine) Findings(ctx context.Context, artifacts []storage.Artifact) (map[string][]string, error) {
	e.mu.Lock()
	release := e.chosen(e.fold.Clone())
	e.mu.Unlock()
	final := release != nil && channel.Final(release.Kind, release.Version)
	all := make([][]channel.Finding, len(e.o.Config.Targets))
	looking, ctx := errgroup.WithContext(ctx)
	looking.SetLimit(looks)
	for i := range e.o.Config.Targets {
		t := &e.o.Config.Targets[i]
		at := Places(t)
		var staged []channel.Package
		for _, a := range artifacts {
			if p, ok := channel.Split(t.Format, a.File); ok && slices.Contains(at, a.Place) {
				p.File, p.Version, p.Digest = a.Key(), unepoched(p.Version), a.Digest
				staged = append(staged, p)
			}
		}
		if len(staged) == 0 {
			continue
		}
		if final {
			all[i] = channel.Early(t.Format, staged)
		}
		compare := e.o.Trades[t.Format].Compare
		if compare == nil {
			continue
		}
		looking.Go(func() error {
			there, err := e.produced(ctx, t)
			if err == nil {
				all[i] = append(all[i], channel.Against(staged, there, compare)...)
				return nil
			}
			for _, p := range staged { // what could not be looked at is no good sign
				all[i] = append(all[i], channel.Finding{File: p.File, What: "not compared with production: " + clip(err.Error())})
			}
			return ctx.Err()
		})
	}
	if err := looking.Wait(); err != nil {
		return nil, err
	}
	found := map[string][]string{}
	for _, f := range slices.Concat(all...) {
		found[f.File] = append(found[f.File], f.What)
	}
	return found, nil
}

// produced are the packages that production of a target serves, by the digests
// they had when they were staged.
func (e *Engine) produced(ctx context.Context, t *config.Target) ([]channel.Package, error) {
	s := e.served[string(t.Name)]
	id, err := s.Pointer(ctx, "production")
	if err != nil || id == "" {
		return nil, err
	}
	m, _, err := s.Manifest(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read what production of %s serves: %w", t.Name, err)
	}
	var all []channel.Package
	for _, f := range slices.Concat(m.Files, m.Pool) {
		if f.Package() {
			all = append(all, channel.Package{Name: f.Name, Version: unepoched(f.Version), Arch: f.Arch, Digest: f.Source})
		}
	}
	return all, nil
}

// unepoched is a version without its epoch, which names of files do not have.
func unepoched(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		return rest
	}
	return version
}
