package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// area is one of the three directories of a release.
type area struct{ name, dir string }

func (r *Release) areas() []area {
	return []area{{"state", r.State}, {"staging", r.Staging}, {"served", r.Served}}
}

// areas checks that state, staging and served lie apart, and that no secret is
// kept where clients read.
func (c *checker) areas() {
	all, before := c.r.areas(), len(c.errs)
	for i, a := range all {
		if !c.plain(a.name, a.dir) {
			return
		}
		for _, b := range all[:i] {
			at := a.name
			if !c.given(at) || c.given(b.name) && c.at[b.name].after(c.at[at]) {
				at = b.name
			}
			if within(c.r.Path(a.dir), c.r.Path(b.dir)) || within(c.r.Path(b.dir), c.r.Path(a.dir)) {
				c.fail(at, fmt.Sprintf("%s (%s) and %s (%s) overlap", b.name, b.dir, a.name, a.dir), "give each a directory of its own, neither within the other")
			}
		}
	}
	if len(c.errs) > before {
		return
	}
	served := c.r.Path(c.r.Served)
	hidden := func(at string, s Secret) {
		if file := s.file(c.r.dir); file != "" && within(file, served) {
			c.fail(at, "this secret lies within served ("+c.r.Served+"), where every client can read it", "move it out, and take it for known to others if it was served")
		}
	}
	for i, k := range c.r.Keys {
		hidden(fmt.Sprintf("keys[%d].private", i), k.Private)
		hidden(fmt.Sprintf("keys[%d].passphrase", i), k.Passphrase)
	}
	for i, t := range c.r.Targets {
		if t.Subscriber != nil {
			hidden(fmt.Sprintf("targets[%d].subscriber.password", i), t.Subscriber.Password)
		}
	}
	for i, cmd := range c.r.Commands {
		for name, s := range cmd.Secrets {
			hidden(fmt.Sprintf("commands[%d].secrets.%s", i, name), s)
		}
	}
	for i, p := range c.r.Probes {
		hidden(fmt.Sprintf("probes[%d].password", i), p.Password)
	}
}

// within tells whether a path is a directory or lies below it; both are absolute
// and clean.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, string(filepath.Separator))+string(filepath.Separator))
}

// plain reports a path that is empty or holds control characters.
func (c *checker) plain(at, path string) bool {
	switch {
	case path == "" && c.sound(at):
		c.fail(at, "no path", "write one, or leave the key out where there is a default")
	case Inert(path) != path:
		c.fail(at, quoted(path)+" holds control characters", "write a plain path")
	default:
		return path != ""
	}
	return false
}
