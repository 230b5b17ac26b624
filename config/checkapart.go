package config

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// ground is a place that must not lie in another, nor around it.
type ground struct {
	at    string // where it is written
	what  string // in words
	owner int    // the tree that it is of, -1 of none
	undo  bool   // several trees may share it
	place string // absolute, or on a store with its bucket in front
}

// apart checks that no tree lies in the directories of another, of what syncs
// replaced, or of gantry itself. Editions are many: it is tried with some whose
// directories would meet where those of any do.
func (c *checker) apart() {
	var all []ground
	for _, a := range c.r.areas() {
		all = append(all, ground{a.name, a.name + " (" + a.place + ")", -1, false, c.absolute(a.place, "")})
	}
	for i := range c.r.Targets {
		t := c.r.Targets[i].Tree
		if t == nil {
			continue
		}
		for _, a := range t.areas() {
			at := fmt.Sprintf("targets[%d].tree.%s", i, a.name)
			all = append(all, ground{at, fmt.Sprintf("what syncs of %s replace (undo: %s)", c.r.Targets[i].Name, a.Undo), i, true, c.absolute(a.Root, a.Undo)})
			for _, e := range c.editions(t) {
				dir, err := t.Directory(a.Area, e)
				if err != nil {
					return // reported already
				}
				one := ground{at, fmt.Sprintf("%s of %s (%s)", a.name, c.r.Targets[i].Name, dir), i, false, c.absolute(a.Root, dir)}
				if !slices.Contains(all, one) {
					all = append(all, one)
				}
			}
		}
	}
	told := map[[2]string]bool{}
	for n, b := range all {
		for _, a := range all[:n] {
			if b.owner < 0 || a.undo && b.undo || a.at == b.at && a.undo == b.undo || told[[2]string{a.at, b.at}] {
				continue // of one area, editions may share a directory
			}
			if below(a.place, b.place) || below(b.place, a.place) {
				told[[2]string{a.at, b.at}] = true
				c.fail(b.at, fmt.Sprintf("%s and %s overlap", a.what, b.what), "let root or path differ, so that neither lies in the other")
			}
		}
	}
}

// editions are some of those that a tree takes, which show what its paths do.
func (c *checker) editions(t *Tree) []Edition {
	majors := []int{t.Major}
	if t.Major == 0 { // any, so those of the others, too
		majors = []int{9}
		for _, other := range c.r.Targets {
			if other.Tree != nil && other.Tree.Major > 0 {
				majors = append(majors, other.Tree.Major)
			}
		}
	}
	var all []Edition
	for _, major := range majors {
		for _, minor := range []int{1, 10} {
			all = append(all, Edition{Major: major, Minor: minor, Stream: t.Stream})
			if t.Stream == Stable {
				all = append(all, Edition{Major: major, Minor: minor, Stream: Stable, RC: 1})
			}
		}
	}
	return all
}

// absolute is a place of which others can be told to lie below it.
func (c *checker) absolute(root, dir string) string {
	s, prefix, remote := c.r.StoreOf(root)
	if !remote {
		return path.Join(filepath.ToSlash(c.r.Path(root)), dir)
	}
	bucket := s.bucket()
	return "store:" + path.Join(strings.Join(bucket[:], "/"), prefix, dir)
}
