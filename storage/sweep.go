package storage

import (
	"context"
	"fmt"
	"strings"

	"gantry/config"
)

// Remove deletes a snapshot that no pointer names. The caller holds the target's
// lock. The snapshot first loses its name, so that it is whole or gone.
func (s *servedDir) Remove(ctx context.Context, id string) error {
	if _, err := ParseID(id); err != nil {
		return fmt.Errorf("remove a snapshot: %w", err)
	}
	top, err := s.dir.folder("", false)
	if err != nil {
		return err
	}
	defer top.close()
	names, err := top.names()
	if err != nil {
		return top.fail("list", "", err)
	}
	for _, e := range names {
		to, err := top.root.Readlink(e.name)
		if err != nil {
			continue // not a link
		}
		// Any link that mentions it counts, whoever made it.
		if strings.Contains(to, id) {
			return config.Hint(fmt.Errorf("remove snapshot %s: %s names it", id, config.Inert(e.name)), "what is served is never removed; flip the pointer first")
		}
	}
	f, err := s.dir.folder(snapshotsDir, false)
	if err != nil {
		return err
	}
	defer f.close()
	if err := ctx.Err(); err != nil {
		return err
	}
	temp := tempPrefix + nonce()
	if err := f.renameNew(id, temp); err != nil {
		return f.fail("remove snapshot", id, err)
	}
	Reach("remove.renamed")
	if err := f.sync(); err != nil {
		return f.fail("sync", "", err)
	}
	Reach("remove.synced")
	if err := f.root.RemoveAll(temp); err != nil {
		return f.fail("remove", temp, err)
	}
	return nil
}

// Sweep removes what builds, flips and removals left behind that did not come to
// their end. Builds that are alive stay. The caller holds the target's lock.
func (s *servedDir) Sweep(ctx context.Context) error {
	top, err := s.dir.folder("", false)
	if err != nil {
		return err
	}
	defer top.close()
	if err := top.sweep(ctx, pointerPrefix); err != nil {
		return err
	}
	f, err := s.dir.folder(snapshotsDir, false)
	if err != nil {
		return err
	}
	defer f.close()
	return f.sweep(ctx, tempPrefix)
}
