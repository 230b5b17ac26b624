package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"gantry/config"
)

// maxFace bounds the file that clients fetch first, in bytes.
const maxFace = 16 << 20

// pointed is where a pointer is, and the version of the object that says so.
type pointed struct {
	id, version string
	modified    time.Time // as the store has it
}

// Pointer is the id of the snapshot that a pointer names; "" where the pointer
// does not exist. A file there that is not the one of a snapshot that is there is
// an error.
func (t *storeTree) Pointer(ctx context.Context, name string) (string, error) {
	p, err := t.pointer(ctx, name)
	return p.id, err
}

func (t *storeTree) pointer(ctx context.Context, name string) (pointed, error) {
	key, err := t.pointerKey(name)
	if err != nil {
		return pointed{}, err
	}
	b, o, err := readSmall(ctx, t.store, key, maxFace)
	if errors.Is(err, ErrNotFound) {
		return pointed{}, nil
	}
	if err != nil {
		return pointed{}, fmt.Errorf("the pointer %s: %w", name, err)
	}
	where := addressOf(t.store, key)
	hint := "somebody else wrote it; put the file of a snapshot there, or move it away"
	id, err := t.face.ID(b)
	if err == nil {
		_, err = ParseID(id)
	}
	if err != nil {
		return pointed{}, config.Hint(fmt.Errorf("the pointer %s, %s, names no snapshot: %s", name, where, config.Inert(err.Error())), hint)
	}
	k, err := t.manifest(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return pointed{}, config.Hint(fmt.Errorf("the pointer %s, %s, names snapshot %s, which is not there: %w", name, where, id, ErrNotFound),
			"restore the snapshot, or point to another one: gantry snapshots shows what is there; what another program wrote there, move it away")
	}
	if err != nil {
		return pointed{}, fmt.Errorf("the pointer %s: %w", name, err)
	}
	f, err := k.file(t.face.File)
	if err == nil && digestOf(b) != f.SHA256 {
		err = errors.New("it is not the file of that snapshot")
	}
	if err != nil {
		return pointed{}, config.Hint(fmt.Errorf("the pointer %s, %s, names snapshot %s: %w", name, where, id, err), hint)
	}
	return pointed{id, o.Version, o.Modified}, nil
}

// Flip moves a pointer from one snapshot to another: what the file of the pointer
// needs is copied first, then that one object is written on condition that it is
// the one that was read, then what other clients look at. Clients see the one or
// the other. ErrConflict says that the pointer is elsewhere, and never that it
// was overwritten: of two who flip at once one is told.
//
// An error leaves the pointer where it was, unless it says that it moved.
func (t *storeTree) Flip(ctx context.Context, name, from, to string) error {
	fail := func(err error) error { return fmt.Errorf("flip %s: %w", config.Inert(name), err) }
	dir, err := t.pointerDir(name)
	if err != nil {
		return fail(err)
	}
	k, err := t.manifest(ctx, to)
	if err != nil {
		return fail(err)
	}
	face, err := t.faceOf(ctx, k)
	if err != nil {
		return fail(err)
	}
	is, err := t.pointer(ctx, name)
	if err != nil {
		return fail(err)
	}
	if is.id != from {
		return elsewhere(name, from, is.id)
	}
	Reach("storetree.flip.checked")
	if err := t.copyOut(ctx, k, dir, t.face.Copy); err != nil {
		return fail(err)
	}
	Reach("storetree.flip.copied")
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := t.point(ctx, name, is, k, face); err != nil {
		return err
	}
	Reach("storetree.flip.put")
	if err := t.copyAfter(ctx, name, k); err != nil {
		return config.Hint(fmt.Errorf("the pointer %s moved to %s, but not all that clients look at besides is there: %w", name, to, err),
			"the next run on this target copies the rest")
	}
	Reach("storetree.flip.done")
	return nil
}

// point writes the file of a pointer on condition that it is still what it was.
func (t *storeTree) point(ctx context.Context, name string, was pointed, to knownManifest, face []byte) error {
	key, err := t.pointerKey(name)
	if err != nil {
		return err
	}
	cond := IfAbsent
	if was.version != "" {
		cond = IfMatch(was.version)
	}
	_, put := t.store.Put(ctx, key, bytes.NewReader(face), cond)
	// Whatever the answer was, what counts is what is there now.
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTTL)
	defer cancel()
	is, err := t.pointer(looking, name)
	switch {
	case errors.Is(put, ErrExists), errors.Is(put, ErrConflict), errors.Is(put, ErrNotFound):
		if err != nil {
			return config.Hint(fmt.Errorf("flip %s: %w, and cannot be read: %w", name, ErrConflict, err), "plan again")
		}
		return elsewhere(name, was.id, is.id)
	case err != nil && put != nil:
		return config.Hint(fmt.Errorf("flip %s: whether it moved to %s is unknown: %w", name, to.ID, errors.Join(put, err)), "look again when the store answers")
	case err != nil:
		return fmt.Errorf("flip %s: it moved to %s, and cannot be read back: %w", name, to.ID, err)
	case is.id == to.ID:
		return t.newer(ctx, name, was, is, face) // also where only the answer was lost
	case put != nil:
		return fmt.Errorf("flip %s: it still names %s: %w", name, orNone(is.id), put)
	}
	return fmt.Errorf("flip %s: it names %s after it was moved to %s: %w", name, orNone(is.id), to.ID, ErrConflict)
}

// newer makes sure that the file of a pointer that moved has a later time than the
// one before it, in whole seconds: apt asks for it only if it was modified since,
// and a server tells it so by that time. Where both were written in one second it
// is written again in the next.
func (t *storeTree) newer(ctx context.Context, name string, was, is pointed, face []byte) error {
	if was.id == "" || is.modified.Unix() > was.modified.Unix() {
		return nil
	}
	key, err := t.pointerKey(name)
	if err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // it moved: what is left takes a moment
	time.Sleep(min(time.Until(was.modified.Truncate(time.Second).Add(time.Second)), 2*time.Second))
	for range 3 {
		o, err := t.store.Put(ctx, key, bytes.NewReader(face), IfMatch(is.version))
		if errors.Is(err, ErrConflict) {
			return nil // others moved it on
		}
		if err == nil {
			o, err = t.store.Stat(ctx, key)
		}
		if err != nil {
			return config.Hint(fmt.Errorf("the pointer %s moved, in the same second as before: %w", name, err),
				"clients that read in that second may not notice; refresh the target")
		}
		if o.Modified.Unix() > was.modified.Unix() {
			return nil
		}
		is.version = o.Version
		time.Sleep(time.Second)
	}
	return config.Hint(fmt.Errorf("the pointer %s moved, and the store dates it like the one before", name), "look at the clock of the store")
}

func elsewhere(name, from, is string) error {
	err := fmt.Errorf("flip %s: it names %s, not %s: %w", name, orNone(is), orNone(from), ErrConflict)
	if is == from {
		err = fmt.Errorf("flip %s: it was written, and names %s again: %w", name, orNone(is), ErrConflict)
	}
	return config.Hint(err, "plan again")
}

// faceOf reads the file of a snapshot that clients fetch first, and makes sure
// that it names the snapshot.
func (t *storeTree) faceOf(ctx context.Context, k knownManifest) ([]byte, error) {
	f, err := k.file(t.face.File)
	if err != nil {
		return nil, err
	}
	key, err := t.fileKey(k.ID, f.Path)
	if err != nil {
		return nil, err
	}
	b, o, err := readSmall(ctx, t.store, key, maxFace)
	if err != nil {
		return nil, err
	}
	if err := (Hashed{Object: o, SHA256: digestOf(b)}).same(f); err != nil {
		return nil, fmt.Errorf("snapshot %s: %w", k.ID, err)
	}
	if id, err := t.face.ID(b); err != nil || id != k.ID {
		return nil, fmt.Errorf("snapshot %s: its %s names %s", k.ID, f.Path, orNone(config.Inert(id)))
	}
	return b, nil
}
