package tree

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"gantry/config"
)

// rules are what a sync makes of what it finds.
type rules struct {
	skip    excludes
	owner   config.Owner
	root    bool   // may give files away
	private bool   // world bits are off until the bitflip
	keep    bool   // what the source lacks stays
	worked  bool   // the destination is worked on between syncs: see made
	closed  uint32 // mode of a new tree, where it is not that of the source
}

// wanted makes of an entry of the source what it is to be.
func (r *rules) wanted(e *entry) {
	switch {
	case r.owner.Set:
		e.uid, e.gid = uint32(r.owner.UID), uint32(r.owner.GID)
	case !r.root:
		e.owned = false
	}
	if r.private && e.kind == file {
		e.mode &^= 0o007
	}
}

// difference is what makes one tree like another.
type difference struct {
	source  []listing // what the source holds, as it is to be, sorted by path
	extra   []listing // what the source lacks and stays
	changes []change  // of files and links, sorted by path
	folders []change  // of directories that come, go, change or see changes; sorted by path
	litter  []string  // paths of files in the making of an interrupted sync
	newest  int64     // change time of the source, Unix seconds
	before  int       // files there before
	after   int       // files in the source
	repos   map[string]*repo
	held    map[string]bool // directories of the destination that hold what is left alone
}

// comparison is what one worker found.
type comparison struct {
	difference
	src, dst reader
	groups   []member
	there    []child // of the directory that is looked at, to be overwritten by the next
	packages map[string][2]int
}

// compare walks two trees side by side. dst is nil where there is none yet.
func compare(ctx context.Context, src, dst *folder, r rules) (*difference, error) {
	parts := make([]comparison, walkers())
	for i := range parts {
		parts[i].src, parts[i].dst = reader{side: "the source", top: src, skip: r.skip}, reader{side: "the destination", top: dst, skip: r.skip}
		parts[i].held, parts[i].packages, parts[i].repos = map[string]bool{}, map[string][2]int{}, map[string]*repo{}
	}
	err := walk(ctx, place{path: ".", src: true, dst: dst != nil}, func(n int, p place) ([]place, int, error) {
		return parts[n].visit(p, &r)
	})
	if err != nil {
		return nil, err
	}
	top := change{dir: ".", name: "."}
	if top.new, err = src.self(); err == nil && dst != nil {
		top.old, err = dst.self()
	}
	if err != nil {
		return nil, err
	}
	r.wanted(top.new)
	switch {
	case top.old != nil: // whoever opens and closes the tree sets it
		top.new.mode = top.old.mode
	case r.closed != 0:
		top.new.mode = r.closed
	}
	return join(parts, top, &r)
}

// visit compares one directory.
func (c *comparison) visit(p place, r *rules) (below []place, entries int, err error) {
	var here, there []child
	var from *folder
	if p.src {
		if from, err = c.src.openDir(p.path); err != nil {
			return nil, 0, err
		}
		defer from.close()
		if here, err = c.src.list(from, p.path, nil); err != nil {
			return nil, 0, err
		}
	}
	if p.dst {
		at, err := c.dst.openDir(p.path)
		if err != nil {
			return nil, 0, err
		}
		there, err = c.dst.list(at, p.path, c.there[:0])
		c.there = there
		at.close()
		if err != nil {
			return nil, 0, err
		}
		for _, name := range c.dst.litter {
			c.litter = append(c.litter, (&change{dir: p.path, name: name}).path())
		}
		if c.dst.skipped {
			c.held[p.path] = true
		}
	}
	for i := range here {
		r.wanted(&here[i].entry)
	}
	changes, groups := len(c.changes), len(c.groups)
	c.census(p.path, here, 0)
	c.census(p.path, there, 1)
	var stays []child
	i, j := 0, 0
	for i < len(here) || j < len(there) {
		var s, d *child
		switch {
		case j == len(there) || i < len(here) && here[i].name < there[j].name:
			s, i = &here[i], i+1
		case i == len(here) || there[j].name < here[i].name:
			d, j = &there[j], j+1
		default:
			s, d, i, j = &here[i], &there[j], i+1, j+1
		}
		if s == nil && (r.keep || p.stays || r.worked && p.src && made(d.name)) {
			if stays = append(stays, *d); d.kind == dir {
				below = append(below, place{path: (&change{dir: p.path, name: d.name}).path(), dst: true, stays: true})
			}
			continue
		}
		if next, ok := c.weigh(p, s, d); ok {
			below = append(below, next)
		}
	}
	if p.src && !r.root {
		if err := readable(from, c.changes[changes:], c.groups[groups:]); err != nil {
			return nil, 0, err
		}
	}
	if p.src {
		c.source = append(c.source, listing{p.path, here})
	}
	if len(stays) > 0 {
		c.extra = append(c.extra, listing{p.path, stays})
	}
	return below, len(here) + len(there), nil
}

// weigh notes what becomes of one name, and whether there is more below it.
func (c *comparison) weigh(p place, s, d *child) (place, bool) {
	ch := change{dir: p.path}
	if s != nil {
		ch.name, ch.new = s.name, &s.entry
	}
	if d != nil {
		ch.name, ch.old = d.name, &d.entry
		if s == nil || s.kind == file && s.links > 1 || !s.alike(&d.entry) || s.mtime != d.mtime { // it is needed later
			was := d.entry
			ch.old = &was
		}
	}
	next := place{path: ch.path(), src: s != nil && s.kind == dir, dst: d != nil && d.kind == dir}
	grouped := s != nil && s.kind == file && s.links > 1
	switch {
	case next.src && next.dst:
		if !ch.new.alike(ch.old) || ch.new.mtime != ch.old.mtime {
			c.folders = append(c.folders, ch)
		}
	case next.src, next.dst:
		if s != nil && d != nil { // one is a directory, one is not: both go their way
			gone, comes := ch, ch
			gone.new, comes.old = nil, nil
			c.file(gone, next.dst)
			c.file(comes, next.src)
		} else {
			c.folders = append(c.folders, ch)
		}
	case s != nil && d != nil && ch.new.alike(ch.old):
	case !grouped:
		c.changes = append(c.changes, ch)
	}
	if grouped && !next.dst {
		c.groups = append(c.groups, member{ch})
	} else if grouped {
		c.groups = append(c.groups, member{change{dir: ch.dir, name: ch.name, new: ch.new}})
	}
	return next, next.src || next.dst
}

// file notes a change where it belongs; files that have other names wait for
// them.
func (c *comparison) file(ch change, folder bool) {
	switch {
	case folder:
		c.folders = append(c.folders, ch)
	case ch.new == nil || ch.new.links < 2:
		c.changes = append(c.changes, ch)
	}
}

// readable makes sure that what is to be copied from a directory can be read,
// before a sync begins that would stop at the first that cannot.
func readable(at *folder, changes []change, groups []member) error {
	for _, m := range groups {
		changes = append(slices.Clip(changes), m.change)
	}
	for _, c := range changes {
		if c.new == nil || c.new.kind != file {
			continue
		}
		err := retry(func() error { return unix.Faccessat(at.fd, c.name, unix.R_OK, unix.AT_EACCESS) })
		if err != nil {
			return config.Hint(fmt.Errorf("the source: %w", at.fail("read", c.name, err)), "let the user of this console read it, or exclude it")
		}
	}
	return nil
}

// join makes one difference of what the workers found.
func join(parts []comparison, top change, r *rules) (*difference, error) {
	d := &difference{repos: map[string]*repo{}, held: map[string]bool{}}
	var groups []member
	packages := map[string][2]int{}
	for i := range parts {
		p := &parts[i]
		d.source, d.extra = append(d.source, p.source...), append(d.extra, p.extra...)
		d.changes, d.folders = append(d.changes, p.changes...), append(d.folders, p.folders...)
		d.litter = append(d.litter, p.litter...)
		d.newest, d.before, d.after = max(d.newest, p.src.newest), d.before+p.before, d.after+p.after
		groups = append(groups, p.groups...)
		maps.Copy(d.repos, p.repos)
		maps.Copy(d.held, p.held)
		maps.Copy(packages, p.packages)
		*p = comparison{}
	}
	byPath := func(a, b listing) int { return cmp.Compare(a.path, b.path) }
	slices.SortFunc(d.source, byPath)
	slices.SortFunc(d.extra, byPath)
	slices.Sort(d.litter)
	d.changes = append(d.changes, grouped(groups)...)
	slices.SortFunc(d.changes, order)
	for p, n := range packages {
		if at := d.repoOf(p); at != nil {
			at.here, at.there = at.here+n[0], at.there+n[1]
		}
	}
	if err := d.blocked(r); err != nil {
		return nil, err
	}
	d.withhold()
	d.touch()
	// Whatever changes, the top sees a file in the making come and go.
	if len(d.changes)+len(d.folders) > 0 || top.old == nil || top.old.mtime != top.new.mtime || !top.new.alike(top.old) {
		d.folders = append(d.folders, top)
	}
	slices.SortFunc(d.folders, func(a, b change) int { return cmp.Or(cmp.Compare(a.path(), b.path()), order(a, b)) })
	return d, nil
}

// order sorts changes by path; what goes stands before what comes in its place.
func order(a, b change) int {
	there := func(c change) int {
		if c.new != nil {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(a.dir, b.dir), cmp.Compare(a.name, b.name), cmp.Compare(there(a), there(b)))
}

// blocked refuses to make way for a file where a directory is and nothing may be
// removed.
func (d *difference) blocked(r *rules) error {
	if !r.keep {
		return nil
	}
	for _, c := range slices.Concat(d.folders, d.changes) {
		if c.new == nil {
			return config.Hint(fmt.Errorf("%s is a directory on one side and none on the other, and this tree removes nothing", c.path()),
				"move it away by hand")
		}
	}
	return nil
}

// withhold keeps directories that hold what is left alone.
func (d *difference) withhold() {
	if len(d.held) == 0 {
		return
	}
	for p := range maps.Clone(d.held) {
		for ; p != "."; p = path.Dir(p) {
			d.held[p] = true
		}
	}
	for i := range d.folders {
		if c := &d.folders[i]; c.new == nil && d.held[c.path()] && !d.comes(c.path()) {
			c.new = c.old
		}
	}
}

// remains tells whether a directory stays though the source lacks it.
func (d *difference) remains(p string) bool {
	at, found := slices.BinarySearchFunc(d.extra, path.Dir(p), func(l listing, dir string) int { return cmp.Compare(l.path, dir) })
	return found && slices.ContainsFunc(d.extra[at].here, func(c child) bool { return c.name == path.Base(p) })
}

// comes tells whether a file or link is to be at a path.
func (d *difference) comes(p string) bool {
	at, name := splitPath(p)
	_, ok := slices.BinarySearchFunc(d.changes, change{dir: at, name: name, new: &entry{}}, order)
	return ok
}

// touch adds the directories in which something comes or goes: their times move,
// and are set right afterwards. The top is seen to apart.
func (d *difference) touch() {
	known := map[string]bool{".": true}
	for _, c := range d.folders {
		known[c.path()] = true
	}
	add := func(p string) {
		if known[p] {
			return
		}
		known[p] = true
		at, name := splitPath(p)
		if e := d.folder(p); e != nil { // alike on both sides, or it were known
			d.folders = append(d.folders, change{dir: at, name: name, old: e, new: e})
		}
	}
	for _, list := range [][]change{d.changes, d.folders} {
		for i := range list {
			if c := &list[i]; c.name != "." && (c.new == nil || c.old == nil || c.new.kind != dir) {
				add(c.dir)
			}
		}
	}
}
