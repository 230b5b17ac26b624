package repository

import (
	"context"
	"fmt"
	"slices"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// stageGoal is the snapshot that was built of what is staged now.
func stageGoal(ctx context.Context, w *World) (*Snapshot, error) {
	inputs, err := w.wanted(ctx)
	if err != nil {
		return nil, err
	}
	s, err := w.built(ctx, inputs)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, config.Hint(fmt.Errorf("no snapshot of %s was built of what is staged now", w.Target.Name), "build it first: gantry run build:"+string(w.Target.Name))
	}
	return s, nil
}

// promoteGoal is the snapshot that staging serves.
func promoteGoal(ctx context.Context, w *World) (*Snapshot, error) {
	if w.Staging == "" {
		return nil, config.Hint(fmt.Errorf("staging of %s serves nothing", w.Target.Name), "build and stage a snapshot first")
	}
	s, err := w.Snapshot(ctx, w.Staging)
	if err != nil {
		return nil, err
	}
	before, err := w.Current(ctx)
	if err != nil {
		return nil, err
	}
	if before != nil && samePackages(before, s) {
		return nil, &pipeline.RefusedError{
			Reason: fmt.Sprintf("nothing to promote: production of %s serves the packages of staging already (snapshot %s)", w.Target.Name, before.ID),
			Hint:   "stage another build first; to publish the same packages anew: gantry refresh " + string(w.Target.Name), Idle: true}
	}
	return s, nil
}

// rollbackGoal is the snapshot that the item names, or the one that production
// served before the present one.
func rollbackGoal(ctx context.Context, w *World) (*Snapshot, error) {
	before, err := w.Current(ctx)
	if err != nil {
		return nil, err
	}
	if before == nil {
		return nil, fmt.Errorf("production of %s serves nothing, so there is nothing to go back from", w.Target.Name)
	}
	if id := w.Item.With["to"]; id != "" {
		return w.named(ctx, id, before)
	}
	for _, p := range slices.Backward(w.History.Published) {
		if p.Snapshot == w.Production || !slices.Contains(w.IDs, p.Snapshot) {
			continue
		}
		s, err := w.Snapshot(ctx, p.Snapshot)
		if err != nil {
			return nil, err
		}
		if !samePackages(before, s) {
			return s, nil
		}
	}
	return nil, config.Hint(fmt.Errorf("%s has no other snapshot that production served before", w.Target.Name), w.available())
}

// refreshGoal is the snapshot that production serves, to be published anew: for
// clients that must see newer metadata, or a signature by a key that was renewed.
func refreshGoal(ctx context.Context, w *World) (*Snapshot, error) {
	s, err := w.Current(ctx)
	if err == nil && s == nil {
		err = config.Hint(fmt.Errorf("production of %s serves nothing, so there is nothing to publish anew", w.Target.Name), "build, stage and promote a snapshot first")
	}
	return s, err
}

// named is the snapshot that an operator asked to go back to.
func (w *World) named(ctx context.Context, id string, before *Snapshot) (*Snapshot, error) {
	if _, err := storage.ParseID(id); err != nil {
		return nil, config.Hint(fmt.Errorf("go back to %q: %w", config.Inert(Clip(id)), err), w.available())
	}
	if !slices.Contains(w.IDs, id) {
		return nil, config.Hint(fmt.Errorf("snapshot %s of %s is not there: it was pruned, or never built", id, w.Target.Name), w.available())
	}
	s, err := w.Snapshot(ctx, id)
	if err != nil {
		return nil, err
	}
	if samePackages(before, s) {
		return nil, config.Hint(fmt.Errorf("production of %s serves the packages of %s already (snapshot %s)", w.Target.Name, id, before.ID), w.available())
	}
	return s, nil
}

// available tells which snapshots one can go back to.
func (w *World) available() string {
	var ids []string
	for _, id := range slices.Backward(w.IDs) {
		if id != w.Production {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "there is no other snapshot"
	}
	return "there are " + Few(ids, ", ")
}

// samePackages tells whether two snapshots offer clients the same bytes.
func samePackages(a, b *Snapshot) bool {
	return slices.EqualFunc(a.Packages(), b.Packages(), func(x, y storage.File) bool { return x.Path == y.Path && same(x, y) })
}
