package storage

import (
	"context"
	"fmt"

	"gantry/config"
)

// Flip moves a pointer from one snapshot to another, atomically and durably:
// clients see the one or the other, also after a loss of power. from is the
// snapshot that is expected there, "" for none; ErrConflict says that the
// pointer is elsewhere. The caller holds the target's lock, since a symbolic
// link has no compare-and-swap of its own. It costs the same whatever the
// snapshots hold.
//
// An error leaves the pointer where it was, with one exception that the error
// names: it moved, and the disk did not confirm that it will stay so.
func (s *servedDir) Flip(ctx context.Context, name, from, to string) error {
	if err := s.headed(ctx, to); err != nil {
		return fmt.Errorf("flip %s: %w", config.Inert(name), err)
	}
	top, err := s.dir.folder("", false)
	if err != nil {
		return err
	}
	defer top.close()
	is, err := top.pointer(name)
	if err != nil {
		return err
	}
	if is != from {
		return config.Hint(fmt.Errorf("flip %s: it names %s, not %s: %w", name, orNone(is), orNone(from), ErrConflict), "plan again")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.link(name); err != nil {
		return fmt.Errorf("flip %s: %w", name, err)
	}
	Reach("flip.checked")
	temp := pointerPrefix + nonce()
	if err := top.root.Symlink(snapshotsDir+"/"+to, temp); err != nil {
		return top.fail("make a pointer", temp, linkError(err))
	}
	Reach("flip.linked")
	if err := top.root.Rename(temp, name); err != nil {
		top.remove(temp) // the error above is the one that counts; Sweep removes what stays
		return top.fail("flip", name, linkError(err))
	}
	Reach("flip.renamed")
	if err := top.sync(); err != nil {
		return top.fail("the pointer moved to "+to+", but may not outlast a loss of power: sync", "", err)
	}
	Reach("flip.synced")
	if is, err = top.pointer(name); err != nil {
		return err
	}
	if is != to {
		return fmt.Errorf("flip %s: it names %s after it was moved to %s: %w", name, orNone(is), to, ErrConflict)
	}
	return nil
}

// pointerPrefix starts the names of pointers in the making.
const pointerPrefix = ".ptr-"

func orNone(id string) string {
	if id == "" {
		return "no snapshot"
	}
	return id
}
