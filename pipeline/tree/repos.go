package tree

import (
	"path"
	"strings"
)

// repo is a directory with metadata of a repository, or what was one.
type repo struct {
	path        string
	src, dst    bool // has metadata there
	here, there int  // packages in source and destination
	changed     bool // something of it changes
}

// census counts what a directory of one side holds.
func (c *comparison) census(p string, all []child, side int) {
	n := c.packages[p]
	for i := range all {
		ch := &all[i]
		switch {
		case ch.kind == dir && ch.name == "repodata":
			at := c.repos[p]
			if at == nil {
				at = &repo{path: p}
				c.repos[p] = at
			}
			if side == 0 {
				at.src = true
			} else {
				at.dst = true
			}
		case ch.kind == file:
			if side == 0 {
				c.after++
			} else {
				c.before++
			}
			if strings.HasSuffix(ch.name, ".rpm") {
				n[side]++
			}
		}
	}
	if n != [2]int{} {
		c.packages[p] = n
	}
}

// repoOf is the repository that a directory is in, or nil.
func (d *difference) repoOf(p string) *repo {
	for ; ; p = path.Dir(p) {
		if at := d.repos[p]; at != nil || p == "." {
			return at
		}
	}
}
