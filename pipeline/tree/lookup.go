package tree

import (
	"cmp"
	"slices"

	"gantry/pipeline"
)

// folder is the entry of a directory of the source, or of one that stays.
func (d *difference) folder(p string) *entry {
	at, name := splitPath(p)
	for _, all := range [][]listing{d.source, d.extra} {
		i, ok := slices.BinarySearchFunc(all, at, func(l listing, p string) int { return cmp.Compare(l.path, p) })
		if !ok {
			continue
		}
		if c := all[i].find(name); c != nil && c.kind == dir {
			return &c.entry
		}
	}
	return nil
}

// counts are of files and links.
func (d *difference) counts() (n pipeline.Counts) {
	for i := range d.changes {
		switch c := &d.changes[i]; {
		case c.old == nil:
			n.Added++
		case c.new == nil:
			n.Removed++
		default:
			n.Changed++
		}
	}
	return n
}

// lookup is the entry of a path of the source, or nil.
func (d *difference) lookup(p string) *entry {
	at, name := splitPath(p)
	i, ok := slices.BinarySearchFunc(d.source, at, func(l listing, p string) int { return cmp.Compare(l.path, p) })
	if !ok {
		return nil
	}
	if c := d.source[i].find(name); c != nil {
		return &c.entry
	}
	return nil
}
