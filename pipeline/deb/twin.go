package deb

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// Twin publishes the packages of a snapshot under a newer Date, with the key of
// now. No package is read: the indexes are those of the snapshot.
func (trade) Twin(ctx context.Context, w *repository.World, of *repository.Snapshot, p *pipeline.Progress) error {
	key, err := repository.PublicKey(w.Config, w.Target)
	if err != nil {
		return err
	}
	p.Phase("check "+of.ID, pipeline.Bytes, repository.Total(of.Files))
	if err := w.Served.Check(ctx, of.ID, false, p.Add); err != nil {
		return err
	}
	from := of.Lineage
	from.Key = key.Fingerprint()
	m := storage.Manifest{Base: w.Production, TwinOf: of.Root()}
	ev, err := publish(ctx, w, candidates(of), from, m, of, p)
	if err != nil {
		return fmt.Errorf("build a twin of snapshot %s: %w", of.ID, err)
	}
	p.Logf("snapshot %s is a twin of %s", ev["snapshot"], of.ID)
	return nil
}

// Pruned removes from the pool what no snapshot names any more.
func (trade) Pruned(ctx context.Context, w *repository.World, remain []*repository.Snapshot, p *pipeline.Progress) error {
	needed := map[string]bool{}
	for _, s := range remain {
		for _, f := range s.Pool {
			needed[f.Path] = true
		}
	}
	return poolOf(w).prune(ctx, poolDir(w.Target), needed, p)
}

// prune removes the files below a directory that are not needed.
func (p pool) prune(ctx context.Context, dir string, needed map[string]bool, progress *pipeline.Progress) error {
	var doomed []string
	for o, err := range p.root.List(ctx, p.key(dir)+"/") {
		if err != nil {
			return fmt.Errorf("list the pool: %w", err)
		}
		if path := strings.TrimPrefix(o.Key, p.at+"/"); !needed[path] {
			doomed = append(doomed, o.Key)
		}
	}
	slices.Sort(doomed)
	for _, key := range doomed {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if err := p.root.Delete(ctx, key); err != nil {
			return fmt.Errorf("remove %s from the pool: %w", key, err)
		}
		progress.Logf("removed %s, which no snapshot names", key)
	}
	return nil
}
