package tree

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"gantry/config"
	"gantry/pipeline"
)

// notable bounds the lists of a plan: the largest of what changes.
const notable = 40

// nameLargest names the largest of what is added, changed and removed in a plan.
func nameLargest(p *pipeline.Plan, changes []change) {
	var added, changed, removed notables
	for i := range changes {
		switch c := &changes[i]; {
		case c.old == nil:
			added.add(c)
		case c.new == nil:
			removed.add(c)
		default:
			changed.add(c)
		}
	}
	p.Added, p.Changed, p.Removed = added.told(), changed.told(), removed.told()
}

// notables are the largest of many changes.
type notables []*change

func (n *notables) add(c *change) {
	if *n = append(*n, c); len(*n) > 20*notable {
		n.cut()
	}
}

func (n *notables) cut() {
	slices.SortFunc(*n, func(a, b *change) int { return cmp.Or(cmp.Compare(b.size(), a.size()), order(*a, *b)) })
	*n = (*n)[:min(len(*n), notable)]
}

func (n *notables) told() (all []pipeline.Change) {
	n.cut()
	for _, c := range *n {
		all = append(all, c.told())
	}
	return all
}

// size is how large it is afterwards or, of what goes, was.
func (c *change) size() int64 {
	switch {
	case c.new != nil && c.leader == "":
		return c.new.size
	case c.new == nil && c.old != nil:
		return c.old.size
	}
	return 0
}

// told is a change as an operator reads it.
func (c *change) told() pipeline.Change {
	words := func(e *entry) string {
		switch {
		case e == nil:
			return ""
		case e.kind == symlink:
			return config.Inert("-> " + e.text)
		}
		return fmt.Sprintf("%d bytes of %s", e.size, time.Unix(0, e.mtime).UTC().Format(time.DateTime))
	}
	t := pipeline.Change{Name: config.Inert(c.path()), From: words(c.old), To: words(c.new), Size: c.size()}
	if c.leader != "" {
		t.To = config.Inert("= " + c.leader)
	}
	return t
}
