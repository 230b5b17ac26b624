package tree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// outlet is a tree as the engine sees it: its syncs are snapshots that are there
// one at a time, and staging and production are each the result of one.
type outlet struct {
	cfg    *config.Release
	target *config.Target
	places []string
	far    area                   // opens places on stores
	apart  atomic.Pointer[string] // what is half done on one, when Pointer last looked
}

// Open opens where a tree is served. Roots that are missing are told of when they
// are needed, not before: the rest of a console works without them.
func Open(ctx context.Context, site pipeline.Site, t *config.Target) (storage.Served, error) {
	if t.Tree == nil {
		return nil, fmt.Errorf("target %s has no tree", t.Name)
	}
	o := &outlet{cfg: site.Config, target: t, places: []string{staging}}
	if t.Tree.Production.Root != "" {
		o.places = append(o.places, production)
	}
	if remote(o.cfg, o.area(production)) {
		s, err := site.Area(ctx, "production of "+string(t.Name), t.Tree.Production.Root)
		if err != nil {
			return nil, err
		}
		o.far = func(context.Context, string, string) (storage.Store, error) { return s, nil }
	}
	return o, nil
}

func (o *outlet) area(place string) config.Area {
	if place == production {
		return o.target.Tree.Production
	}
	return o.target.Tree.Staging
}

// Path is the root of the last of its places.
func (o *outlet) Path() string {
	a := o.area(o.places[len(o.places)-1])
	if remote(o.cfg, a) {
		return a.Root
	}
	return o.cfg.Path(a.Root)
}

// Close has nothing to close.
func (o *outlet) Close() error { return nil }

// with opens a place and reads its records.
func (o *outlet) with(ctx context.Context, place string, do func(*chain) error) error {
	if !slices.Contains(o.places, place) {
		return nil // a beta has no production, which serves nothing
	}
	c, err := openChain(ctx, o.cfg, o.far, o.area(place), string(o.target.Name), place)
	if err != nil {
		return err
	}
	defer c.close()
	return do(c)
}

// of finds the record of a sync in either place.
func (o *outlet) of(ctx context.Context, id string, do func(*chain, *record) error) error {
	found := false
	for _, place := range o.places {
		err := o.with(ctx, place, func(c *chain) error {
			r := c.find(id)
			if r == nil || found {
				return nil
			}
			found = true
			return do(c, r)
		})
		if err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("sync %.40q: %w", id, storage.ErrNotFound)
	}
	return nil
}

// Pointer is the sync that a place is the result of. It is asked for often, and
// reads no record.
func (o *outlet) Pointer(ctx context.Context, name string) (id string, err error) {
	if !slices.Contains(o.places, name) {
		return "", nil // a beta has no production, which serves nothing
	}
	if remote(o.cfg, o.area(name)) {
		return o.point(ctx, name)
	}
	root, err := openArea(o.cfg, name, o.area(name))
	if err != nil {
		return "", err
	}
	defer root.close()
	home, err := root.open(homeOf(o.area(name).Undo, string(o.target.Name), name))
	if errors.Is(err, unix.ENOENT) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at the undo area of %s: %w", name, err)
	}
	defer home.close()
	return readCurrent(home)
}

// Flip says that a place is the result of another sync. It moves no file: syncs
// and undos do, and say so themselves.
func (o *outlet) Flip(ctx context.Context, name, from, to string) error {
	return o.with(ctx, name, func(c *chain) error {
		if c.current != from {
			return fmt.Errorf("%s is the result of sync %s: %w", name, c.current, storage.ErrConflict)
		}
		if to != "" && c.find(to) == nil {
			return fmt.Errorf("sync %.40q: %w", to, storage.ErrNotFound)
		}
		return c.point(ctx, to)
	})
}

// Snapshots are the syncs of both places that came to their end, oldest first.
func (o *outlet) Snapshots(ctx context.Context) (ids []string, err error) {
	for _, place := range o.places {
		err = errors.Join(err, o.with(ctx, place, func(c *chain) error {
			for _, r := range c.done() {
				ids = append(ids, r.ID)
			}
			return nil
		}))
	}
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// Head is the record of a sync, as a manifest.
func (o *outlet) Head(ctx context.Context, id string) (*storage.Manifest, error) {
	m, _, err := o.Manifest(ctx, id)
	return m, err
}

// Manifest is the same, with the SHA-256 of the record. It lists no files: there
// are too many, and only the latest sync has them.
func (o *outlet) Manifest(ctx context.Context, id string) (m *storage.Manifest, sum string, err error) {
	return m, sum, o.of(ctx, id, func(_ *chain, r *record) error {
		b, err := json.Marshal(r)
		if err != nil {
			return err
		}
		digest := sha256.Sum256(b)
		sum = hex.EncodeToString(digest[:])
		at, err := storage.ParseID(r.ID)
		m = &storage.Manifest{ID: r.ID, Label: path.Base(r.To), CopyOf: r.Staged, Target: r.Target, Created: r.Begun, Revision: at.Unix(), Base: r.Previous, Release: r.Release,
			Extra: map[string]json.RawMessage{"sync": b}}
		return err
	})
}

// Check compares a tree with what its latest sync left. full hashes what
// repositories give digests of.
func (o *outlet) Check(ctx context.Context, id string, full bool, count func(int64)) error {
	return o.of(ctx, id, func(c *chain, r *record) error {
		if c.current != id {
			return config.Hint(fmt.Errorf("%s is the result of sync %s, not of %s", c.place, orNothing(c.current), id), "only the latest can be compared with what is there")
		}
		found, err := inspect(ctx, o.target.Tree, c, r, full, count)
		if err != nil {
			return err
		}
		return found.err()
	})
}

// Remove removes what a sync kept. One that a place is the result of stays, and
// so do those that are half done.
func (o *outlet) Remove(ctx context.Context, id string) error {
	return o.of(ctx, id, func(c *chain, r *record) error {
		if c.current == id || r == c.half() {
			return fmt.Errorf("sync %s is what %s is the result of, or half done", id, c.place)
		}
		return c.remove(ctx, id)
	})
}

// remove removes an undo area. It is out of sight before anything of it goes.
func (c *chain) remove(ctx context.Context, id string) error {
	if c.far != nil {
		return c.far.remove(ctx, id)
	}
	home, err := c.root.open(c.at)
	if err != nil {
		return err
	}
	defer home.close()
	if err := home.rename(id, home, gonePrefix+id); err != nil {
		return err
	}
	if err := home.sync(); err != nil {
		return err
	}
	return home.removeAll(gonePrefix + id)
}

// removeAll removes a directory with all it holds.
func (f *folder) removeAll(name string) error {
	err := f.unlink(name)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return nil
	}
	sub, bad := f.open(name)
	if bad != nil {
		return errors.Join(err, bad)
	}
	defer sub.close()
	names, err := sub.names(make([]byte, 32<<10))
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := sub.removeAll(n); err != nil {
			return err
		}
	}
	return f.rmdir(name)
}

// Sweep removes undo areas whose removal was interrupted, and records in the
// making.
func (o *outlet) Sweep(ctx context.Context) (err error) {
	for _, place := range o.places {
		err = errors.Join(err, o.with(ctx, place, func(c *chain) error { return c.sweep(ctx) }))
	}
	return err
}

func (c *chain) sweep(ctx context.Context) error {
	if c.far != nil {
		return c.far.sweep(ctx, c)
	}
	home, err := c.root.open(c.at)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer home.close()
	names, err := home.names(make([]byte, 32<<10))
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasPrefix(n, gonePrefix) || strings.HasPrefix(n, tempPrefix) {
			if err := home.removeAll(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// Apart tells in words what is half done.
func (o *outlet) Apart() (all []string) {
	for _, place := range o.places {
		if remote(o.cfg, o.area(place)) {
			if words := o.apart.Load(); words != nil && *words != "" {
				all = append(all, *words)
			}
			continue
		}
		err := o.with(context.Background(), place, func(c *chain) error {
			if half := c.half(); half != nil {
				all = append(all, c.apart(half))
			}
			return nil
		})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			all = append(all, config.Inert(err.Error()))
		}
	}
	return all
}

var (
	_ storage.Served = (*outlet)(nil)
	_ storage.Parted = (*outlet)(nil)
)
