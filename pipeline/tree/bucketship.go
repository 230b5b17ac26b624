package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// shipment brings changes to a tree on a store. No object is ever seen half
// written, and none is written over or deleted that is not what the plan saw.
type shipment struct {
	*ledger
	v     *survey // nil for an undo
	r     *record
	notes *notes
	kept  map[string]bool // paths of what is kept of this sync
	p     *pipeline.Progress
	put   func(ctx context.Context, c *change) (*entry, error)
	unit  pipeline.Unit // that its progress counts
	undo  bool          // it takes the sync back: what it replaces is kept only where others put it there
}

// newShipment begins the work on a sync; d is what it noted before.
func (l *ledger) newShipment(ctx context.Context, r *record, d *deeds, p *pipeline.Progress) (*shipment, error) {
	s := &shipment{ledger: l, r: r, p: p, kept: map[string]bool{}, notes: &notes{l: l, id: r.ID, part: d.parts + 1, all: map[string]*entry{}}}
	prefix := l.of(r.ID, filesDir) + "/"
	for o, err := range l.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		s.kept[strings.TrimPrefix(o.Key, prefix)] = true
	}
	return s, nil
}

func (s *shipment) key(p string) string { return s.r.To + "/" + p }

// each does something to changes, several at a time.
func (a *shipment) each(ctx context.Context, list []change, do func(ctx context.Context, c *change) error) error {
	all, group := errgroup.WithContext(ctx)
	all.SetLimit(transfers)
	for i := range list {
		if group.Err() != nil {
			break
		}
		all.Go(func() error {
			if err := group.Err(); err != nil {
				return err
			}
			a.p.File(list[i].path())
			return do(group, &list[i])
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// place brings objects of a stage into their places: copies of others after those,
// and repomd.xml of a repository right after its signature.
func (a *shipment) place(ctx context.Context, list []change, at stage) error {
	var first, copies []change
	var signs map[string][]*change
	for i := range list {
		c := &list[i]
		switch {
		case c.new == nil || stageOf(c.dir, c.name, file) != at:
		case at == heads:
			if signs == nil {
				signs = map[string][]*change{}
			}
			if signs[c.dir] == nil {
				first = append(first, *c) // one for each repository
			}
			signs[c.dir] = append(signs[c.dir], c)
		case c.leader != "":
			copies = append(copies, *c)
		default:
			first = append(first, *c)
		}
	}
	do := a.replace
	if at == heads {
		do = func(ctx context.Context, c *change) error {
			all := signs[c.dir]
			slices.SortStableFunc(all, func(a, b *change) int { return strings.Compare(headOrder(a), headOrder(b)) })
			for _, c := range all {
				if err := a.replace(ctx, c); err != nil {
					return err
				}
			}
			return nil
		}
	}
	err := a.each(ctx, first, do)
	if err == nil {
		err = a.each(ctx, copies, a.replace)
	}
	if err == nil {
		err = a.notes.flush(ctx)
	}
	return err
}

// headOrder sorts repomd.xml after all that belongs to it.
func headOrder(c *change) string {
	if c.name == "repomd.xml" {
		return "2"
	}
	return "1" + c.name
}

// replace puts an object in its place, after what is there is kept.
func (a *shipment) replace(ctx context.Context, c *change) error {
	if err := a.save(ctx, c); err != nil {
		return err
	}
	e, err := a.put(ctx, c)
	if err != nil {
		return moved(c, err)
	}
	storage.Reach("tree.placed")
	if a.unit == pipeline.Files {
		a.p.Add(1)
	}
	return a.notes.add(ctx, c.path(), e)
}

// moved says what it means that an object is not what the plan saw.
func moved(c *change, err error) error {
	err = fmt.Errorf("%s: %w", c.path(), err)
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrNotFound) {
		return config.Hint(fmt.Errorf("somebody else wrote there since the plan was made: %w", err), "plan again: what is done stays done")
	}
	return err
}

// save keeps what is written over or deleted: what the sync found there, and apart
// from it what others put there in its midst.
func (a *shipment) save(ctx context.Context, c *change) error {
	if c.old == nil || a.undo && !c.foreign {
		return nil
	}
	p, in := c.path(), filesDir
	if a.undo {
		in = asideDir
	} else if t := a.before(p); t != nil {
		switch {
		case c.foreign:
			in = asideDir
		case t.old == nil:
			return nil // its own
		}
	}
	if in == filesDir && a.kept[p] {
		return nil
	}
	o, err := a.Copy(ctx, a.key(p), a.of(a.r.ID, in)+"/"+p)
	if err == nil && o.Size != c.old.size {
		err = storage.ErrConflict
	}
	if err != nil {
		return moved(c, err)
	}
	storage.Reach("tree.saved")
	return nil
}

// before is what earlier runs of the sync noted of a path, or nil.
func (a *shipment) before(p string) *trace {
	if a.v == nil || a.v.stock.half == nil {
		return nil
	}
	return a.v.stock.half.traces[p]
}

// drop deletes an object, after it is kept.
func (a *shipment) drop(ctx context.Context, c *change) error {
	err := a.save(ctx, c)
	if err == nil {
		err = a.asPlanned(ctx, c)
	}
	if err != nil {
		return err
	}
	if err := a.Delete(ctx, a.key(c.path())); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	storage.Reach("tree.removed")
	if a.unit == pipeline.Files {
		a.p.Add(1)
	}
	return nil
}

// asPlanned makes sure that a key holds what the plan saw: stores have no
// conditions for deletions, nor for copies.
func (a *shipment) asPlanned(ctx context.Context, c *change) error {
	o, err := a.Stat(ctx, a.key(c.path()))
	switch {
	case c.old == nil && errors.Is(err, storage.ErrNotFound):
		return nil
	case err == nil && (c.old == nil || o.Version != c.old.text):
		err = storage.ErrConflict
	}
	if err != nil {
		return moved(c, err)
	}
	return nil
}
