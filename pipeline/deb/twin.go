package deb

import (
	"context"
	"fmt"

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
	return prunePool(ctx, w.Env, poolOf(w), poolDir(w.Target), needed, p)
}
