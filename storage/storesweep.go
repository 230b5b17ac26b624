package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gantry/config"
)

// stale is the age at which the mark of a build that was given up for dead is
// removed: whoever still wrote to it has long been told.
const stale = time.Hour

// Remove deletes a snapshot that no pointer names, and the copies of its files
// that clients read where no other snapshot holds them. The caller holds the
// target's lock. The copies go first: they can be made again from the snapshot,
// and without it nobody would know them.
func (t *storeTree) Remove(ctx context.Context, id string) error {
	fail := func(err error) error { return fmt.Errorf("remove snapshot %s: %w", config.Inert(id), err) }
	if _, err := ParseID(id); err != nil {
		return fmt.Errorf("remove a snapshot: %w", err)
	}
	for _, name := range t.pointers() {
		at, err := t.Pointer(ctx, name)
		if err != nil {
			return fail(err) // who knows what it names
		}
		if at == id {
			return config.Hint(fail(fmt.Errorf("%s names it", name)), "what is served is never removed; flip the pointer first")
		}
	}
	gone, err := t.manifest(ctx, id)
	if err != nil {
		return fail(err)
	}
	if err := t.removeCopies(ctx, gone); err != nil {
		return fail(err)
	}
	Reach("storetree.copies.removed")
	if err := t.clear(ctx, id); err != nil {
		return fail(err)
	}
	Reach("storetree.removed")
	return nil
}

// removeCopies deletes the copies of files that no other snapshot holds.
func (t *storeTree) removeCopies(ctx context.Context, gone knownManifest) error {
	drop := map[string]bool{}
	for _, f := range gone.Files {
		if f.Path != t.face.File && (t.face.Copy != nil && t.face.Copy(f.Path) || t.face.After != nil && t.face.After(f.Path)) {
			drop[f.Path] = true
		}
	}
	if len(drop) == 0 {
		return nil
	}
	ids, err := t.Snapshots(ctx)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if id == gone.ID {
			continue
		}
		k, err := t.manifest(ctx, id)
		if err != nil {
			return err
		}
		for _, f := range k.Files {
			delete(drop, f.Path)
		}
	}
	if len(drop) == 0 {
		return nil
	}
	for _, name := range t.pointers() {
		dir, err := t.pointerDir(name)
		if err != nil {
			return err
		}
		if err := t.clearBelow(ctx, dir+"/", func(path string) bool { return drop[path] }); err != nil {
			return err
		}
	}
	return nil
}

// Sweep removes what builds and removals left behind that did not come to their
// end, and ends flips that moved their pointer and then could not copy the rest.
// Builds that are alive stay; where that has to be found out it takes a while.
// The caller holds the target's lock.
func (t *storeTree) Sweep(ctx context.Context) error {
	all, err := t.survey(ctx)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(f *found) bool { return f.complete && !f.building })
	err = each(ctx, len(all), func(ctx context.Context, i int) error {
		if err := t.sweepOne(ctx, all[i].id); err != nil {
			return fmt.Errorf("sweep snapshot %s: %w", all[i].id, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.endFlips(ctx)
}

// sweepOne removes what there is of a build under that id when nobody is at it.
func (t *storeTree) sweepOne(ctx context.Context, id string) error {
	// The lease is there before the first key of a build, and after the last but
	// the manifest. So they are looked at in this order.
	key := t.lockKey(id)
	is, o, err := t.leases.read(ctx, key)
	building := err == nil
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	certain := true // that nobody writes there any more
	if building {
		_, last, err := t.leases.outlast(ctx, key, is, o)
		if errors.Is(err, ErrLocked) {
			return nil
		}
		if errors.Is(err, ErrNotFound) {
			return nil // it came to its end meanwhile
		}
		if err != nil {
			return err
		}
		is = last
		certain = is.State == leaseReleased || t.leases.self.sees(is.Holder) == dead
	}
	if complete, err := t.complete(ctx, id); err != nil {
		return err
	} else if complete {
		return t.remove(ctx, key)
	}
	if certain {
		if certain, err = t.unmarked(ctx, id); err != nil {
			return err
		}
	} else if err := t.mark(ctx, id); err != nil {
		return err
	}
	Reach("storetree.sweep.marked")
	if certain {
		if err := t.clear(ctx, id); err != nil {
			return err
		}
	} else if err := t.clearBelow(ctx, t.files(id).dir, func(path string) bool { return path != manifestName }); err != nil {
		return err
	}
	Reach("storetree.sweep.cleared")
	return t.remove(ctx, key)
}

// mark puts an empty manifest where the one of a build would go: if its builder
// was only slow, its Commit fails.
func (t *storeTree) mark(ctx context.Context, id string) error {
	key, err := t.fileKey(id, manifestName)
	if err != nil {
		return err
	}
	_, err = t.store.Put(ctx, key, bytes.NewReader(nil), IfAbsent)
	if !errors.Is(err, ErrExists) {
		return err
	}
	complete, err := t.complete(ctx, id)
	if err == nil && complete {
		err = fmt.Errorf("it was committed just now: %w", ErrConflict)
	}
	return err
}

// unmarked tells whether a mark is old, or not there.
func (t *storeTree) unmarked(ctx context.Context, id string) (bool, error) {
	key, err := t.fileKey(id, manifestName)
	if err != nil {
		return false, err
	}
	o, err := t.store.Stat(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return time.Since(o.Modified) > stale, err
}

// endFlips copies what a flip copies after it moved a pointer.
func (t *storeTree) endFlips(ctx context.Context) error {
	if t.face.After == nil {
		return nil
	}
	for _, name := range t.pointers() {
		p, err := t.pointer(ctx, name)
		if err != nil || p.id == "" {
			continue // who looks at the pointer says so
		}
		k, err := t.manifest(ctx, p.id)
		if err != nil {
			return err
		}
		if err := t.copyAfter(ctx, name, k); err != nil {
			return fmt.Errorf("end the flip of %s to %s: %w", name, p.id, err)
		}
	}
	return nil
}
