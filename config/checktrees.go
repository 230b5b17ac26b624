package config

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// cleanPath tells whether p is a plain relative path that leads down.
func cleanPath(p string) bool {
	return filepath.IsLocal(p) && p == path.Clean(p) && p != "." && !strings.Contains(p, `\`) && Inert(p) == p
}

// trees checks trees one by one, and that none lies where another does.
func (c *checker) trees() {
	before := len(c.errs)
	for i := range c.r.Targets {
		if t := c.r.Targets[i].Tree; t != nil && c.r.Targets[i].Format == FormatTree {
			at := fmt.Sprintf("targets[%d].tree", i)
			c.stream(at, t)
			c.modes(at, t)
			c.contents(at, t)
			for name, a := range map[string]Area{"compose": t.Compose, "staging": t.Staging, "production": t.Production} {
				if c.given(at + "." + name) {
					c.treeArea(at+"."+name, t, a)
				}
			}
		}
	}
	if len(c.errs) == before {
		c.apart()
	}
}

// namedArea is an area of a tree and what it is called.
type namedArea struct {
	name string
	Area
}

// areas are those that a tree has.
func (t *Tree) areas() []namedArea {
	all := []namedArea{{"compose", t.Compose}, {"staging", t.Staging}, {"production", t.Production}}
	return slices.DeleteFunc(all, func(a namedArea) bool { return a.Root == "" })
}

// stream checks which editions a tree takes.
func (c *checker) stream(at string, t *Tree) {
	if t.Major < 0 || t.Major > 99 || c.given(at+".major") && c.sound(at+".major") && t.Major == 0 {
		c.fail(at+".major", fmt.Sprintf("%d is no major version", t.Major), "write one such as 9, or leave it out where any release goes there")
	}
	if !c.sound(at+".stream") && c.given(at+".stream") {
		return
	}
	if t.Stream != Stable && t.Suffix == "" {
		c.fail(at, "a "+string(t.Stream)+" has no suffix", `write suffix: such as "-BETA", so that its directories are its own`)
	}
	if t.Stream == Stable && t.Suffix != "" {
		c.fail(at+".suffix", "a stable tree has no suffix but that of its release candidates", "leave it out")
	}
	if t.Suffix != "" && !suffixForm.MatchString(t.Suffix) {
		c.fail(at+".suffix", quoted(t.Suffix)+" cannot end the name of a directory", "write one such as -BETA or -LookAhead")
	}
	switch {
	case c.given(at+".production") == (t.Stream == Stable):
	case t.Stream == Stable:
		c.fail(at, "production is missing", "write production: {root: ..., path: ...}")
	default:
		c.fail(at+".production", "a "+string(t.Stream)+" never goes to production", "leave it out")
	}
}

// onStore tells whether a place is on a store.
func onStore(a Area) bool {
	_, _, remote := splitStore(a.Root)
	return remote
}

// modes checks who may read a tree before and after its bitflip.
func (c *checker) modes(at string, t *Tree) {
	switch {
	case !c.given(at + ".closed"):
		if t.Private {
			c.fail(at+".private", "nothing says that the tree is closed until its bitflip", `write closed: "0750" too`)
		}
		return
	case !c.sound(at+".closed") || c.given(at+".open") && !c.sound(at+".open"):
	case t.Stream != Stable:
		c.fail(at+".closed", "a "+string(t.Stream)+" has no production to be closed", "leave it out")
	case onStore(t.Production):
		c.fail(at+".closed", "production is on a store, which has no modes", "leave closed, open and private out")
	case t.Closed&0o700 != 0o700:
		c.fail(at+".closed", fmt.Sprintf("with mode %04o not even its owner could write there", t.Closed), `write one such as "0750"`)
	case t.Closed&0o001 != 0:
		c.fail(at+".closed", fmt.Sprintf("with mode %04o everybody may enter: nothing would be closed", t.Closed), `write one such as "0750"`)
	}
	if c.given(at+".open") && c.sound(at+".open") && t.Open&0o005 != 0o005 {
		c.fail(at+".open", fmt.Sprintf("with mode %04o not everybody may read: nothing would be opened", t.Open), `write one such as "0755"`)
	}
}

// contents checks what a tree holds and what a sync of it leaves alone.
func (c *checker) contents(at string, t *Tree) {
	if c.sound(at+".alarm") && (t.Alarm < 0 || t.Alarm > 100) {
		c.fail(at+".alarm", fmt.Sprintf("%d is no share in percent", t.Alarm), "write 0 to 100")
	}
	if c.given(at + ".architectures") {
		c.arches(at+".architectures", t.Arch, false)
	}
	for i, repo := range t.Repos {
		if place := fmt.Sprintf("%s.repos[%d]", at, i); c.part(place, repo) && slices.Contains(t.Repos[:i], repo) {
			c.fail(place, repo+" comes twice", "keep one of them")
		}
	}
	for i, text := range t.Exclude {
		place := fmt.Sprintf("%s.exclude[%d]", at, i)
		if c.sound(place) && (!cleanPath(strings.TrimSuffix(text, "/")) || strings.HasPrefix(text, "/")) {
			c.fail(place, quoted(text)+" is neither a path in the tree nor a pattern of names", "write one such as Minimal/ or *.~tmp~, without / in front")
			continue
		}
		c.pattern(place, text)
	}
}

// treeArea checks one place of a tree.
func (c *checker) treeArea(at string, t *Tree, a Area) {
	if !c.plain(at+".root", a.Root) {
		return
	}
	if _, _, remote := splitStore(a.Root); remote {
		if !c.area(area{at + ".root", a.Root}) {
			return
		}
		if a.Mount {
			c.fail(at+".mount", "a store is never mounted", "leave it out")
		}
	} else if strings.Contains(a.Root, "://") {
		c.fail(at+".root", quoted(a.Root)+" is neither a directory nor a store", "write a directory, or store:NAME/PREFIX where stores has NAME")
	}
	if !c.sound(at + ".path") {
		return
	}
	if strings.HasSuffix(at, ".production") && strings.Contains(a.Path, "{suffix}") {
		c.fail(at+".path", quoted(a.Path)+" holds {suffix}: each release candidate would be served under a name of its own", "leave it out: what is released is {revision}")
	}
	if _, err := t.Directory(a, Edition{Major: max(t.Major, 1), Stream: t.Stream}); err != nil {
		hint := HintOf(err)
		if hint == "" {
			hint = "write one such as mirror/pub/rocky/{revision}{suffix}, without / at its ends"
		}
		c.fail(at+".path", err.Error(), hint)
	}
	if !cleanPath(a.Undo) {
		c.fail(at+".undo", quoted(a.Undo)+" is no plain path below root", "write one such as .gantry")
	}
}
