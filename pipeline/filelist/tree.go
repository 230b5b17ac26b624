package filelist

import (
	"strings"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/walk"
)

// tree is what lists are made of: what was found by walking, with the lists that
// will be there in the place of those that were.
type tree struct {
	of   map[*walk.Dir]*scope
	made map[*scope][]made
	torn map[*scope]bool // scopes whose first list with times cannot be read: that is none to go back to
}

// made is a list that will be there.
type made struct {
	name       string
	size, time int64
}

// record is an entry as the list with times has it.
type record struct {
	time int64  // when content or inode changed last, Unix seconds
	kind string // f, d or l; with - where not everybody may read it, else * where that is so of a directory above it
	size int64
}

// paths visits every path below a directory as find does: a directory before
// what is in it. The path is good until visit returns.
func (t *tree) paths(top *walk.Dir, visit func(path []byte)) {
	var descend func(d *walk.Dir, path []byte)
	descend = func(d *walk.Dir, path []byte) {
		s := t.of[d]
		if s != nil {
			for _, m := range t.made[s] {
				visit(append(path, m.name...))
			}
		}
		for i := range d.Entries {
			e := &d.Entries[i]
			if s != nil && s.has(e.Name) || e.Dir != nil && e.Dir.Gone {
				continue
			}
			path := append(path, e.Name...)
			visit(path)
			if e.Dir != nil {
				descend(e.Dir, append(path, '/'))
			}
		}
	}
	descend(top, make([]byte, 0, 4096))
}

// times visits every entry below a directory that mirrors can have, as
// create-filelist does: what is in a directory before itself. Left out are what
// the group may not read, links that lead nowhere, and the lists of the top
// directory itself.
func (t *tree) times(top *walk.Dir, visit func(path []byte, r record)) {
	var descend func(d *walk.Dir, path []byte, closed bool)
	descend = func(d *walk.Dir, path []byte, closed bool) {
		s := t.of[d]
		if s != nil && d != top {
			for _, m := range t.made[s] {
				visit(append(path, m.name...), record{m.time, kind('f', 0o644, closed), m.size})
			}
		}
		for i := range d.Entries {
			e := &d.Entries[i]
			if s != nil && s.has(e.Name) || !offered(e) {
				continue
			}
			path := append(path, e.Name...)
			if e.Dir != nil {
				descend(e.Dir, append(path, '/'), closed || e.Mode&unix.S_IROTH == 0)
			}
			visit(path, record{max(e.Modified, e.Changed) / 1e9, kind(letter(e), e.Mode, closed), e.Size})
		}
	}
	descend(top, make([]byte, 0, 4096), false)
}

// offered tells whether the group that serves mirrors can read an entry, or what
// it leads to.
func offered(e *walk.Entry) bool {
	mode := e.Mode
	if e.Kind() == unix.S_IFLNK {
		mode = e.Target
	}
	return mode&unix.S_IRGRP != 0 && (e.Dir == nil || !e.Dir.Gone)
}

func letter(e *walk.Entry) byte {
	switch e.Kind() {
	case unix.S_IFDIR:
		return 'd'
	case unix.S_IFLNK:
		return 'l'
	}
	return 'f'
}

// kinds are the words for types of entries: open to all, not, and below what is
// not.
var kinds = map[byte][3]string{'f': {"f", "f-", "f*"}, 'd': {"d", "d-", "d*"}, 'l': {"l", "l-", "l*"}}

func kind(letter byte, mode uint32, closed bool) string {
	words := kinds[letter]
	switch {
	case mode&unix.S_IROTH == 0:
		return words[1]
	case closed:
		return words[2]
	}
	return words[0]
}

// sound refuses a tree that no list can tell of: a path with a TAB or a line
// break is two to every reader, and what cannot be read would be missing.
func sound(top *walk.Dir) error {
	for i := range top.Entries {
		e := &top.Entries[i]
		if strings.ContainsAny(e.Name, "\t\n") {
			at := e.Name
			if dir := top.Path(); dir != "" {
				at = dir + "/" + at
			}
			return refused("a name holds a TAB or a line break, which no client of the lists can read: "+config.Inert(quote(at)), "rename or remove it")
		}
		if e.Dir == nil {
			continue
		}
		if e.Dir.Unreadable && offered(e) {
			return refused(config.Inert(quote(e.Dir.Path()))+" cannot be read here, and mirrors can", "run gantry as a user who may read it")
		}
		if err := sound(e.Dir); err != nil {
			return err
		}
	}
	return nil
}

func refused(reason, hint string) error { return &pipeline.RefusedError{Reason: reason, Hint: hint} }
