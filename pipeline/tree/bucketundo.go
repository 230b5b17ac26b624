package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// undo finds out what has to be done at each path to take a sync back. It changes
// nothing.
func (l *ledger) undo(ctx context.Context, r *record) (*undo, error) {
	u := &undo{r: r, back: map[string]*entry{}}
	var err error
	if u.notes, err = l.deeds(ctx, r.ID); err != nil {
		return nil, err
	}
	left, err := l.tree(ctx, r.ID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err // without one it came to no end
	}
	whole := err == nil
	here, err := l.below(ctx, r.To+"/")
	if err != nil {
		return nil, err
	}
	kept, err := l.below(ctx, l.of(r.ID, filesDir)+"/")
	if err != nil {
		return nil, err
	}
	for _, p := range u.notes.paths() {
		t, has := u.notes.traces[p], here[p]
		mine := u.notes.placed[p]
		if e := left[p]; e != nil {
			mine = append(mine, e)
		}
		if t.restored(has, mine) {
			if e := t.old; e != nil {
				u.back[p] = &entry{kind: file, size: e.size, mtime: e.mtime, sum: e.sum, text: has.text}
			}
			continue
		}
		c := change{old: has, new: t.old}
		c.dir, c.name = splitPath(p)
		if has != nil && !t.brought(has, mine, whole, r.Phase == undoing) {
			c.foreign = true
			u.foreign = append(u.foreign, p)
		}
		if t.old != nil && (kept[p] == nil || kept[p].size != t.old.size) {
			u.lost = append(u.lost, p)
		}
		u.changes = append(u.changes, c)
	}
	slices.SortFunc(u.changes, order)
	return u, nil
}

// below lists what is below a prefix.
func (l *ledger) below(ctx context.Context, prefix string) (map[string]*entry, error) {
	all := map[string]*entry{}
	for o, err := range l.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		if len(all) == maxEntries {
			return nil, fmt.Errorf("more than %d objects", maxEntries)
		}
		all[strings.TrimPrefix(o.Key, prefix)] = object(o)
	}
	return all, nil
}

// restored tells whether what is there is what was there before the sync: it was
// not reached yet, or was copied back.
func (t *trace) restored(has *entry, mine []*entry) bool {
	if t.old == nil || has == nil {
		return t.old == nil && has == nil
	}
	if has.size != t.old.size {
		return false
	}
	return has.text == t.old.text || slices.ContainsFunc(mine, func(e *entry) bool {
		return e.text == has.text && e.mtime == t.old.mtime && (e.sum == nil) == (t.old.sum == nil) && (e.sum == nil || *e.sum == *t.old.sum)
	})
}

// brought tells whether the sync put there what is there, or its undo. What a
// console that died could not note is told by its size.
func (t *trace) brought(has *entry, mine []*entry, whole, undoing bool) bool {
	if slices.ContainsFunc(mine, func(e *entry) bool { return e.text == has.text && e.size == has.size }) {
		return true
	}
	if undoing && t.old != nil && t.old.size == has.size {
		return true
	}
	return !whole && slices.ContainsFunc(t.news, func(e *entry) bool { return e != nil && e.size == has.size })
}

// takeBack takes a sync back, in the order that readers need: what was there is
// there again before what names it, and what only the sync named goes last. It
// may be run again wherever it stopped, after another survey.
func (l *ledger) takeBack(ctx context.Context, env *pipeline.Env, c *chain, u *undo, p *pipeline.Progress) error {
	if len(u.lost) > 0 {
		return config.Hint(fmt.Errorf("%d files that sync %s replaced are not kept any more: %s", len(u.lost), u.r.ID, few(u.lost)),
			"somebody removed them below "+l.of(u.r.ID, filesDir))
	}
	a, err := l.newShipment(ctx, u.r, u.notes, p)
	if err != nil {
		return err
	}
	a.put, a.unit, a.undo = a.restore, pipeline.Files, true
	for _, at := range []stage{content, metadata, heads} {
		if err == nil {
			err = a.holds(ctx, env)
		}
		if err == nil {
			err = a.place(ctx, u.changes, at)
		}
	}
	if err == nil {
		err = a.holds(ctx, env)
	}
	if err == nil {
		err = a.each(ctx, slices.DeleteFunc(slices.Clone(u.changes), func(c change) bool { return c.new != nil }), a.drop)
	}
	if bad := a.notes.flush(context.WithoutCancel(ctx)); err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	storage.Reach("tree.restored")
	return a.relist(ctx, c, u)
}

// restore copies back what was kept.
func (a *shipment) restore(ctx context.Context, c *change) (*entry, error) {
	if err := a.asPlanned(ctx, c); err != nil {
		return nil, err
	}
	p := c.path()
	o, err := a.Copy(ctx, a.of(a.r.ID, filesDir)+"/"+p, a.key(p))
	if err == nil && o.Size != c.new.size {
		err = storage.ErrConflict
	}
	return &entry{kind: file, size: c.new.size, mtime: c.new.mtime, sum: c.new.sum, text: o.Version}, err
}

// relist notes by which versions what was copied back is known, with the sync
// before: stores may give the same bytes another one.
func (a *shipment) relist(ctx context.Context, c *chain, u *undo) error {
	var before *record
	for _, r := range c.records {
		if r.To == u.r.To && r.ID < u.r.ID && r.Phase != undone {
			before = r
		}
	}
	if before == nil {
		return nil
	}
	left, err := a.tree(ctx, before.ID)
	if err != nil {
		return err
	}
	for _, some := range []map[string]*entry{u.back, a.notes.all} {
		for p, e := range some {
			if left[p] != nil && e.sum != nil { // what others had put there stays theirs
				left[p] = e
			}
		}
	}
	return a.ledger.list(ctx, before.ID, left)
}
