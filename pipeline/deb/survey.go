package deb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// candidate is a package that a new snapshot may have.
type candidate struct {
	storage.File                  // as a manifest's pool has it
	artifact     storage.Artifact // as it is staged; no File where only the pool has it
	pooled       bool             // a snapshot has it, so that the pool does
}

func (c *candidate) staged() bool { return c.artifact.File != "" }

// String is name_version_arch.
func (c *candidate) String() string { return c.Name + "_" + c.Version + "_" + c.Arch }

// Survey identifies what is staged and chooses by the target's policy.
func (t trade) Survey(ctx context.Context, w *repository.World, staged []storage.Artifact, from repository.Lineage) (*repository.Survey, error) {
	candidates, err := identify(ctx, w, staged)
	if err != nil {
		return nil, err
	}
	chosen, warnings, err := choose(ctx, w, candidates)
	if err != nil {
		return nil, err
	}
	s := &repository.Survey{Warnings: warnings}
	for _, c := range chosen {
		s.Packages = append(s.Packages, c.File)
		if !c.pooled {
			s.Fresh++
		}
	}
	before, err := w.Current(ctx)
	if err != nil {
		return nil, err
	}
	if before != nil {
		until, err := validUntil(before.Manifest)
		if err != nil {
			return nil, err
		}
		if pipeline.Expiring(time.Unix(before.Revision, 0), until, w.Env.Now()) {
			s.Warnings = append(s.Warnings, fmt.Sprintf("clients accept what production serves only until %s: promote this before, or gantry refresh %s", until.Format(dateForm), w.Target.Name))
		}
	}
	s.Publish = func(ctx context.Context, like *repository.Snapshot, p *pipeline.Progress) (pipeline.Evidence, error) {
		return publish(ctx, w, chosen, from, storage.Manifest{Base: w.Production}, like, p)
	}
	return s, nil
}

// identify finds out what the staged packages are. Those whose bytes a snapshot
// has are not read.
func identify(ctx context.Context, w *repository.World, staged []storage.Artifact) ([]candidate, error) {
	known := map[string]storage.File{}
	snapshots, err := w.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range snapshots {
		for _, f := range s.Pool {
			if _, ok := known[f.SHA256]; !ok && strings.HasPrefix(f.Path, poolDir(w.Target)) {
				known[f.SHA256] = f
			}
		}
	}
	all := make([]candidate, len(staged))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, a := range staged {
		if f, ok := known[a.Digest]; ok {
			all[i] = candidate{File: f, artifact: a, pooled: true}
			continue
		}
		g.Go(func() error {
			f, err := look(gctx, w, a)
			all[i] = candidate{File: f, artifact: a}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, c := range all {
		if err := rightPlace(w.Target, c); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// look reads what a staged package says of itself.
func look(ctx context.Context, w *repository.World, a storage.Artifact) (storage.File, error) {
	if !strings.HasSuffix(a.File, ".deb") {
		return storage.File{}, config.Hint(repository.NotReleasable(a, errors.New("it is not named as a .deb")),
			"stage binary packages alone; remove it: gantry artifacts")
	}
	r, err := w.Env.Staging.Open(ctx, a)
	if err != nil {
		return storage.File{}, err
	}
	defer r.Close()
	p, err := readHead(io.LimitReader(r, a.Size))
	if err != nil {
		return storage.File{}, repository.NotReleasable(a, err)
	}
	return storage.File{
		Path: poolPath(w.Target, p), Size: a.Size, SHA256: a.Digest, Source: a.Digest,
		Name: p.Name, Version: p.Version, Arch: p.Arch,
	}, nil
}

// rightPlace refuses a package that was staged for another architecture than its
// own. One for all may be staged for any.
func rightPlace(t *config.Target, c candidate) error {
	want := strings.TrimPrefix(c.artifact.OS, string(t.Suite)+"-")
	if c.Arch == want || c.Arch == "all" {
		return nil
	}
	return config.Hint(fmt.Errorf("%s is built for %s, and it is staged in %s", &c, c.Arch, c.artifact.OS),
		"stage it for its architecture; remove it here: gantry artifacts")
}
