// Package bitflip makes an edition public that mirrors hold already: its
// directory in production was closed to the world while it was synced, and is
// opened by one change of its mode. Where a tree keeps its files private too,
// they get their world bits back before that.
package bitflip

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/walk"
	"gantry/storage"
)

// flip opens the directory of an edition, or closes it again.
type flip struct {
	cfg    *config.Release
	target *config.Target
	open   bool
}

// Make makes the step of an item that uses bitflip: it opens the edition of the
// release in the production of the tree that the item is about. Its reverse closes
// it again.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes(); err != nil {
		return nil, err
	}
	t, ok := cfg.Target(item.Target)
	if !ok || t.Tree == nil {
		return nil, fmt.Errorf("item %s flips the bits of %q, which is no tree", item.ID, config.Inert(item.Target))
	}
	return flip{cfg, t, true}, nil
}

// Reverse closes what was opened, or opens it again.
func (f flip) Reverse() pipeline.Step { return flip{f.cfg, f.target, !f.open} }

// place is the directory of an edition in production.
type place struct {
	root, path string // both absolute; path is below root
	edition    config.Edition
	mode       uint32 // its permission bits
	is         inode
}

// name is what operators call it.
func (p place) name() string { return p.edition.Revision() }

// find looks where the edition is. What could not be flipped whatever its modes
// are is refused.
func (f flip) find(env *pipeline.Env) (p place, err error) {
	tree := f.target.Tree
	if p.edition, err = config.ParseEdition(env.Version); err != nil {
		return p, err
	}
	if !tree.Serves(p.edition) || tree.Production.Root == "" {
		return p, &pipeline.RefusedError{Reason: fmt.Sprintf("%s is in no production of %s", env.Version, f.target.Name), Hint: "only what is stable goes to production"}
	}
	if _, _, remote := f.cfg.StoreOf(tree.Production.Root); remote {
		return p, &pipeline.RefusedError{Reason: fmt.Sprintf("production of %s is on a store, which has no directory to open", f.target.Name),
			Hint: "publish there by promoting when the time has come, and tick this with what you saw"}
	}
	dir, err := tree.Directory(tree.Production, p.edition)
	if err != nil {
		return p, err
	}
	p.root = f.cfg.Path(tree.Production.Root)
	p.path = filepath.Join(p.root, filepath.FromSlash(dir))
	root, err := walk.Open(p.root, tree.Production.Mount)
	if err != nil {
		return p, err
	}
	defer root.Close()
	var st unix.Stat_t
	switch err := unix.Lstat(p.path, &st); {
	case errors.Is(err, fs.ErrNotExist):
		return p, &pipeline.RefusedError{Reason: p.path + " is not there", Hint: "sync the edition to production first"}
	case err != nil:
		return p, fmt.Errorf("look at %s: %w", p.path, err)
	case uint32(st.Mode)&unix.S_IFMT != unix.S_IFDIR:
		return p, &pipeline.RefusedError{Reason: p.path + " is no directory", Hint: "a link's own mode keeps nobody out: put the edition's directory there"}
	}
	p.mode, p.is = uint32(st.Mode)&0o7777, inode{uint64(st.Dev), st.Ino}
	below, err := root.Below(dir) // a link on the way leads to what another tree serves
	if err != nil {
		return p, err
	}
	defer below.Close()
	return p, nil
}

// wanted is the mode that the directory gets, from the one that it has: setuid,
// setgid and sticky bits stay.
func (f flip) wanted(mode uint32) (uint32, error) {
	to := uint32(f.target.Tree.Open)
	if !f.open {
		to = uint32(f.target.Tree.Closed)
	}
	if to == 0 {
		return 0, &pipeline.RefusedError{Reason: fmt.Sprintf("tree %s has no mode for a closed directory", f.target.Name), Hint: `write closed: "0750" under tree in release.yaml`}
	}
	return to | mode&0o7000, nil
}

// settled refuses while a sync is at the tree, or was interrupted.
func (f flip) settled(ctx context.Context, env *pipeline.Env) (sync string, err error) {
	name := string(f.target.Name)
	if slices.Contains(env.Busy(), name) {
		return "", &pipeline.RefusedError{Reason: name + " is being worked on", Hint: "wait for that run: gantry runs"}
	}
	served, err := env.Served(f.target)
	if err != nil {
		return "", err
	}
	if sync, err = served.Pointer(ctx, "production"); err != nil {
		return "", fmt.Errorf("look at the last sync of %s: %w", name, err)
	}
	if parted, ok := served.(storage.Parted); ok {
		if apart := parted.Apart(); len(apart) > 0 {
			return "", &pipeline.RefusedError{Reason: name + " is in the middle of a sync: " + strings.Join(apart, "; "), Hint: "let the sync end first"}
		}
	}
	return sync, nil
}

// Inputs is the mode of the directory: the item is done as long as it is so.
func (f flip) Inputs(_ context.Context, env *pipeline.Env) (string, error) {
	p, err := f.find(env)
	return octal(p.mode), err
}

func octal(mode uint32) string { return fmt.Sprintf("%04o", mode) }

// top opens the directory itself, never through a link, and no other one that took
// its place since it was found.
func (p place) top() (*os.File, error) {
	f, err := os.OpenFile(p.path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err == nil {
		var st unix.Stat_t
		if err = unix.Fstat(int(f.Fd()), &st); err == nil && (inode{uint64(st.Dev), st.Ino}) != p.is {
			err = errAnother
		}
		if err != nil {
			f.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the directory of %s: %w", p.name(), err)
	}
	return f, nil
}
