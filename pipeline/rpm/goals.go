package rpm

import (
	"context"
	"fmt"
	"slices"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// stageGoal is the snapshot that was built of what is staged now.
func stageGoal(ctx context.Context, w *world) (*snapshot, error) {
	inputs, err := w.wanted(ctx)
	if err != nil {
		return nil, err
	}
	s, err := w.built(inputs)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, config.Hint(fmt.Errorf("no snapshot of %s was built of what is staged now", w.target.Name), "build it first: gantry run build:"+string(w.target.Name))
	}
	return s, nil
}

// promoteGoal is the snapshot that staging serves.
func promoteGoal(_ context.Context, w *world) (*snapshot, error) {
	if w.staging == "" {
		return nil, config.Hint(fmt.Errorf("staging of %s serves nothing", w.target.Name), "build and stage a snapshot first")
	}
	s, err := w.snapshot(w.staging)
	if err != nil {
		return nil, err
	}
	before, err := w.current()
	if err != nil {
		return nil, err
	}
	if before != nil && samePackages(before, s) {
		return nil, &pipeline.RefusedError{
			Reason: fmt.Sprintf("nothing to promote: production of %s serves the packages of staging already (snapshot %s)", w.target.Name, before.ID),
			Hint:   "stage another build first; to publish the same packages anew: gantry refresh " + string(w.target.Name)}
	}
	return s, nil
}

// rollbackGoal is the snapshot that the item names, or the one that production
// served before the present one.
func rollbackGoal(_ context.Context, w *world) (*snapshot, error) {
	before, err := w.current()
	if err != nil {
		return nil, err
	}
	if before == nil {
		return nil, fmt.Errorf("production of %s serves nothing, so there is nothing to go back from", w.target.Name)
	}
	if id := w.item.With["to"]; id != "" {
		return w.named(id, before)
	}
	for _, p := range slices.Backward(w.history.Published) {
		if p.Snapshot == w.production || !slices.Contains(w.ids, p.Snapshot) {
			continue
		}
		s, err := w.snapshot(p.Snapshot)
		if err != nil {
			return nil, err
		}
		if !samePackages(before, s) {
			return s, nil
		}
	}
	return nil, config.Hint(fmt.Errorf("%s has no other snapshot that production served before", w.target.Name), w.available())
}

// refreshGoal is the snapshot that production serves, to be published anew: for
// clients that must see newer metadata, or a signature by a key that was renewed.
func refreshGoal(_ context.Context, w *world) (*snapshot, error) {
	s, err := w.current()
	if err == nil && s == nil {
		err = config.Hint(fmt.Errorf("production of %s serves nothing, so there is nothing to publish anew", w.target.Name), "build, stage and promote a snapshot first")
	}
	return s, err
}

// named is the snapshot that an operator asked to go back to.
func (w *world) named(id string, before *snapshot) (*snapshot, error) {
	if _, err := storage.ParseID(id); err != nil {
		return nil, config.Hint(fmt.Errorf("go back to %q: %w", config.Inert(clip(id)), err), w.available())
	}
	if !slices.Contains(w.ids, id) {
		return nil, config.Hint(fmt.Errorf("snapshot %s of %s is not there: it was pruned, or never built", id, w.target.Name), w.available())
	}
	s, err := w.snapshot(id)
	if err != nil {
		return nil, err
	}
	if samePackages(before, s) {
		return nil, config.Hint(fmt.Errorf("production of %s serves the packages of %s already (snapshot %s)", w.target.Name, id, before.ID), w.available())
	}
	return s, nil
}

// available tells which snapshots one can go back to.
func (w *world) available() string {
	var ids []string
	for _, id := range slices.Backward(w.ids) {
		if id != w.production {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return "there is no other snapshot"
	}
	return "there are " + few(ids, ", ")
}

// samePackages tells whether two snapshots offer clients the same bytes.
func samePackages(a, b *snapshot) bool {
	return slices.EqualFunc(a.packages(), b.packages(), func(x, y storage.File) bool { return x.Path == y.Path && same(x, y) })
}
