package hardlink

import (
	"cmp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/pipeline/walk"
)

// inode is a file with the names that it has in the tree.
type inode struct {
	*walk.Entry
	names []name
}

// name is one name of a file.
type name struct {
	dir  *walk.Dir
	base string
}

func (n name) path() string {
	if dir := n.dir.Path(); dir != "" {
		return dir + "/" + n.base
	}
	return n.base
}

// frees is how much room it frees when all of its names in the tree go to another
// file: nothing where it has more names than those.
func (f *inode) frees() int64 {
	if int(f.Links) > len(f.names) {
		return 0
	}
	return f.Size
}

// keeps tells whether what has a name, or is below it, stays a file of its own.
func keeps(_, name string) bool {
	return strings.HasSuffix(name, tempSuffix) || slices.ContainsFunc(kept, func(word string) bool { return strings.Contains(name, word) })
}

// group are files that could be one: all is alike that can be seen from outside.
// The one that others go to comes first: that with the most names, which is the
// fewest renames, and of several the first in the tree.
type group []*inode

// groups finds the groups of a tree, in order.
func groups(top *walk.Dir) []group {
	type file struct {
		*walk.Entry
		dir *walk.Dir
	}
	var files []file
	var descend func(d *walk.Dir)
	descend = func(d *walk.Dir) {
		for i := range d.Entries {
			e := &d.Entries[i]
			if e.Dir != nil {
				descend(e.Dir)
			} else if e.Kind() == unix.S_IFREG && e.Size > 0 {
				files = append(files, file{e, d})
			}
		}
	}
	descend(top)
	slices.SortStableFunc(files, func(a, b file) int {
		return cmp.Or(outside(a.Entry, b.Entry), cmp.Compare(a.Inode, b.Inode))
	})
	var all []group
	var g group
	done := func() {
		if len(g) > 1 {
			slices.SortStableFunc(g, func(a, b *inode) int {
				return cmp.Or(cmp.Compare(len(b.names), len(a.names)), strings.Compare(a.names[0].path(), b.names[0].path()))
			})
			all = append(all, g)
		}
		g = nil
	}
	for i, f := range files {
		if i > 0 && outside(files[i-1].Entry, f.Entry) != 0 {
			done()
		}
		if len(g) == 0 || g[len(g)-1].Inode != f.Inode {
			g = append(g, &inode{Entry: f.Entry})
		}
		g[len(g)-1].names = append(g[len(g)-1].names, name{f.dir, f.Name})
	}
	done()
	return all
}

// outside orders files by what must be the same: one file has one owner, mode and
// time, so that no name looks otherwise than before.
func outside(a, b *walk.Entry) int {
	return cmp.Or(cmp.Compare(a.Size, b.Size), cmp.Compare(a.Modified, b.Modified), cmp.Compare(a.Mode, b.Mode),
		cmp.Compare(a.UID, b.UID), cmp.Compare(a.GID, b.GID), cmp.Compare(a.Device, b.Device))
}
