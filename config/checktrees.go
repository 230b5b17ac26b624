package config

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// cleanPath tells whether p is a plain relative path that leads down.
func cleanPath(p string) bool {
	return filepath.IsLocal(p) && p == path.Clean(p) && p != "." && !strings.Contains(p, `\`) && Inert(p) == p
}

// tree checks a tree: its places, and that no two of them overlap. Placeholders
// are tried with an edition of the tree.
func (c *checker) trees() {
	for i := range c.r.Targets {
		t := c.r.Targets[i].Tree
		if t == nil || c.r.Targets[i].Format != FormatTree {
			continue
		}
		at := fmt.Sprintf("targets[%d].tree", i)
		if t.Major < 0 || t.Major > 99 {
			c.fail(at+".major", fmt.Sprintf("%d is no major version", t.Major), "write one such as 9")
		}
		if t.Stream != Stable && t.Suffix == "" {
			c.fail(at, "a "+string(t.Stream)+" has no suffix", `write suffix: such as "-BETA", so that its directories are its own`)
		}
		if t.Stream == Stable && t.Suffix != "" {
			c.fail(at+".suffix", "a stable tree has no suffix but that of its release candidates", "leave it out")
		}
		if t.Alarm < 0 || t.Alarm > 100 {
			c.fail(at+".alarm", fmt.Sprintf("%d is no share in percent", t.Alarm), "write 0 to 100")
		}
		if (t.Production.Root != "") != (t.Stream == Stable) {
			if t.Stream == Stable {
				c.fail(at, "production is missing", "write production: {root: ..., path: ...}")
			} else {
				c.fail(at+".production", "a "+string(t.Stream)+" never goes to production", "leave it out")
			}
		}
		for _, a := range []struct {
			name string
			area Area
		}{{"compose", t.Compose}, {"staging", t.Staging}, {"production", t.Production}} {
			if a.area.Root != "" {
				c.treeArea(at+"."+a.name, t, a.area)
			}
		}
	}
}

// treeArea checks one place of a tree.
func (c *checker) treeArea(at string, t *Tree, a Area) {
	if _, _, remote := splitStore(a.Root); remote {
		if _, _, ok := c.r.StoreOf(a.Root); !ok {
			c.fail(at+".root", fmt.Sprintf("%s names no store", quoted(a.Root)), "write store:NAME/PREFIX with a name of stores")
		}
		if a.Mount {
			c.fail(at+".mount", "a store is never mounted", "leave it out")
		}
	}
	dir, err := t.Directory(a, Edition{Major: max(t.Major, 1), Stream: t.Stream})
	if err != nil {
		c.fail(at+".path", err.Error(), HintOf(err))
		return
	}
	if !cleanPath(a.Undo) {
		c.fail(at+".undo", fmt.Sprintf("%s is no plain path below root", quoted(a.Undo)), "write one such as .gantry")
	} else if below(a.Undo, dir) || below(dir, a.Undo) {
		c.fail(at+".undo", "what syncs replaced would lie in the tree that mirrors read", "write one beside it, such as .gantry")
	}
}
