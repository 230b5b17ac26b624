package config

import (
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"
)

var (
	itemForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)                     // of ids, as checklists have them
	usesForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}(\.[a-z][a-z0-9-]{0,31})?$`) // as checklists have it
)

// items checks what does items of the checklists.
func (c *checker) items() {
	for i, b := range c.r.Items {
		at := fmt.Sprintf("items[%d]", i)
		if c.sound(at+".item") && !itemForm.MatchString(b.Item) {
			c.fail(at+".item", quoted(b.Item)+" is not the id of an item", "write one of gantry status --all, such as hardlink-run")
		}
		if c.sound(at+".uses") && !usesForm.MatchString(b.Uses) {
			c.fail(at+".uses", quoted(b.Uses)+" does nothing", "write promote, command, job, image.check or another")
		}
		c.kinds(at+".kinds", b.Kinds)
		for n, name := range b.Targets {
			place := fmt.Sprintf("%s.targets[%d]", at, n)
			c.about(place, name)
			if t, ok := c.r.Target(string(name)); ok && b.OfTree() && t.Format != FormatTree {
				c.fail(place, fmt.Sprintf("%s is about trees, and %s is none", b.Uses, name), "name targets of format tree")
			}
		}
		c.refers(at, b)
	}
}

// about checks that a target is there.
func (c *checker) about(at string, name Name) {
	refer(c, at, "target", "targets", name, c.r.Targets, func(t *Target) Name { return t.Name })
}

// refers checks that what a binding names is there.
func (c *checker) refers(at string, b Binding) {
	maker, _, _ := strings.Cut(b.Uses, ".")
	key := "name"
	switch {
	case b.Uses == "check.http":
		key = "probe"
	case maker == "command" && b.With["name"] == "":
		key = "command"
	}
	place, name := at+".with."+key, Name(b.With[key])
	switch {
	case maker == "command":
		refer(c, place, "command", "commands", name, c.r.Commands, func(x *Command) Name { return x.Name })
	case b.Uses == "check.http":
		refer(c, place, "probe", "probes", name, c.r.Probes, func(x *Probe) Name { return x.Name })
	case b.Uses == "check.mirrors":
		refer(c, place, "list of mirrors", "mirrors", name, c.r.Mirrors, func(x *Mirrors) Name { return x.Name })
	case maker == "job":
		refer(c, place, "job", "jobs", name, c.r.Jobs, func(x *Job) Name { return x.Name })
	case maker == "closure":
		refer(c, place, "closure", "closures", name, c.r.Closures, func(x *Closure) Name { return x.Name })
	case maker == "filelist":
		refer(c, place, "file list", "file_lists", name, c.r.FileLists, func(x *FileLists) Name { return x.Name })
	case maker == "image":
		refer(c, place, "matrix of images", "images", name, c.r.Images, func(x *Images) Name { return x.Name })
		c.everyTree(place, b, name)
	case maker == "torrent":
		refer(c, place, "torrents", "torrents", name, c.r.Torrents, func(x *Torrents) Name { return x.Name })
		if t, ok := find(c.r.Torrents, string(name), func(x *Torrents) Name { return x.Name }); ok {
			c.everyTree(place, b, t.Images)
		}
	default:
		return
	}
	if name == "" {
		if key == "command" {
			key = "name"
		}
		c.fail(at, b.Uses+" does not say which", "write with: {"+key+": ...}")
	}
}

// everyTree checks that each tree of a binding has a matrix of images of a name.
func (c *checker) everyTree(at string, b Binding, matrix Name) {
	if !slices.ContainsFunc(c.r.Images, func(im Images) bool { return im.Name == matrix }) {
		return // reported already
	}
	for i := range c.r.Targets {
		t := &c.r.Targets[i]
		if t.Format != FormatTree || len(b.Targets) > 0 && !slices.Contains(b.Targets, t.Name) {
			continue
		}
		if _, ok := c.r.ImagesOf(string(matrix), string(t.Name)); !ok {
			c.fail(at, fmt.Sprintf("%s has no matrix of images %s", t.Name, matrix), "write one under images, or name the trees that have one in targets of the item")
			return
		}
	}
}

// kinds checks kinds of releases.
func (c *checker) kinds(at string, kinds []string) {
	for i, kind := range kinds {
		place := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case !c.sound(place):
		case !nameForm.MatchString(kind):
			c.fail(place, quoted(kind)+" is not a kind of release", "write one such as final or patch")
		case slices.Contains(kinds[:i], kind):
			c.fail(place, kind+" comes twice", "keep one of them")
		}
	}
}

// people checks whom checklists name.
func (c *checker) people() {
	c.words("people.owner", c.r.People.Owner)
	for i, p := range c.r.People.Contacts {
		at := fmt.Sprintf("people.contacts[%d]", i)
		c.words(at+".name", p.Name)
		c.words(at+".address", p.Address)
		if _, err := mail.ParseAddress(p.Address); err != nil && c.sound(at+".address") && strings.Contains(strings.TrimPrefix(p.Address, "@"), "@") {
			c.fail(at+".address", quoted(p.Address)+" is no address", "write one such as releng@example.org, or @name")
		}
	}
	for i, channel := range c.r.People.Channels {
		c.words(fmt.Sprintf("people.channels[%d]", i), channel)
	}
}

// words checks a text that is shown on one line.
func (c *checker) words(at, text string) {
	if c.sound(at) && (strings.TrimSpace(text) == "" || Inert(text) != text || len(text) > 200) {
		c.fail(at, quoted(text)+" cannot be shown", "write a few words on one line")
	}
}
