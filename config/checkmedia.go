package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// images checks matrices of images.
func (c *checker) images() {
	seen := map[[2]Name]string{}
	for i, im := range c.r.Images {
		at := fmt.Sprintf("images[%d]", i)
		c.treeOf(at+".target", im.Target)
		key := [2]Name{im.Name, im.Target}
		if first, twice := seen[key]; twice && im.Name != "" {
			c.fail(at+".name", fmt.Sprintf("%s of %s comes twice, first on line %d", im.Name, im.Target, c.at[first].line), "give each its own name, or another target")
		} else {
			seen[key] = at + ".name"
		}
		if c.sound(at+".in") && !slices.Contains([]string{"compose", "staging", "production"}, im.In) {
			c.fail(at+".in", quoted(im.In)+" is no place of a tree", "write compose, staging or production")
		}
		if t, ok := c.r.Target(string(im.Target)); ok && t.Tree != nil && im.In == "production" && t.Tree.Production.Root == "" {
			c.fail(at+".in", fmt.Sprintf("%s has no production", im.Target), "write compose or staging")
		}
		if dir, ok := c.expands(at+".dir", im.Dir, "arch", "variant"); ok && c.sound(at+".dir") && !cleanPath(dir) {
			c.fail(at+".dir", quoted(im.Dir)+" is no directory below that of the edition", "write one such as isos/{arch}")
		}
		if file, ok := c.expands(at+".file", im.File, "arch", "variant"); ok && c.sound(at+".file") {
			if file == "" || strings.ContainsAny(file, `/\`) || Inert(file) != file {
				c.fail(at+".file", quoted(im.File)+" is no file name", "write one such as Rocky-{revision}-{arch}-{variant}.iso")
			}
			c.pattern(at+".file", file)
		}
		c.matrix(at, im)
		c.filename(at+".checksum", im.Checksum)
	}
}

// matrix checks that each image of a matrix has a name of its own.
func (c *checker) matrix(at string, im Images) {
	c.arches(at+".architectures", im.Arch, true)
	for n, variant := range im.Variants {
		place := fmt.Sprintf("%s.variants[%d]", at, n)
		if c.part(place, variant) && slices.Contains(im.Variants[:n], variant) {
			c.fail(place, variant+" comes twice", "keep one of them")
		}
	}
	for _, axis := range []struct {
		word string
		many bool
	}{{"{arch}", len(im.Arch) > 1}, {"{variant}", len(im.Variants) > 1}} {
		if axis.many && c.sound(at+".file") && !strings.Contains(im.Dir+im.File, axis.word) {
			c.fail(at+".file", "several images would have the same name", "let file or dir hold "+axis.word)
		}
	}
	if strings.Contains(im.Dir+im.File, "{variant}") && len(im.Variants) == 0 && !c.given(at+".variants") {
		c.fail(at, "there are no variants, and {variant} is one of them", "write variants: [boot, minimal, dvd]")
	}
	for n, except := range im.Except {
		arch, variant, _ := strings.Cut(except, "/")
		if place := fmt.Sprintf("%s.except[%d]", at, n); c.sound(place) && (!slices.Contains(im.Arch, Arch(arch)) || !slices.Contains(im.Variants, variant)) {
			c.fail(place, quoted(except)+" is none of this matrix", "write ARCHITECTURE/VARIANT of the lists above")
		}
	}
}

// treeOf checks that a target is there and is a tree.
func (c *checker) treeOf(at string, name Name) {
	c.about(at, name)
	if t, ok := c.r.Target(string(name)); ok && t.Format != FormatTree && t.Format != "" {
		c.fail(at, fmt.Sprintf("%s is of format %s", name, t.Format), "name a target of format tree")
	}
}

// filename checks the plain name of a file.
func (c *checker) filename(at, name string) {
	if c.sound(at) && (!cleanPath(name) || strings.Contains(name, "/") || strings.HasSuffix(name, "~")) {
		c.fail(at, quoted(name)+" is no file name", "write a plain name, without a directory")
	}
}

// torrents checks what torrents are made of and where they wait.
func (c *checker) torrents() {
	names := map[string]string{}
	for i, t := range c.r.Torrents {
		at := fmt.Sprintf("torrents[%d]", i)
		c.once(names, "torrents", string(t.Name), at)
		refer(c, at+".images", "matrix of images", "images", t.Images, c.r.Images, func(x *Images) Name { return x.Name })
		dirs := []area{{"held", t.Held}, {"data", t.Data}, {"publish", t.Publish}}
		for n, a := range dirs {
			if !c.plain(at+"."+a.name, a.place) {
				continue
			}
			for _, b := range dirs[:n] {
				if b.place != "" && c.overlap(a.place, b.place) {
					c.fail(at+"."+a.name, fmt.Sprintf("%s (%s) and %s (%s) overlap", b.name, b.place, a.name, a.place), "give each a directory of its own: what lies in publish is seeded at once")
				}
			}
		}
		if c.sound(at+".trackers") && len(t.Trackers) == 0 {
			c.fail(at+".trackers", "no tracker", "write at least one, such as udp://tracker.example.org:1337/announce")
		}
		for n, tracker := range t.Trackers {
			if place := fmt.Sprintf("%s.trackers[%d]", at, n); c.sound(place) {
				c.url(place, tracker, "udp", "http", "https")
			}
		}
		if c.given(at + ".comment") {
			c.words(at+".comment", t.Comment)
			c.expands(at+".comment", t.Comment, "arch", "variant", "revision_")
		}
		if c.given(at+".piece") && c.sound(at+".piece") && !isPiece(t.Piece) {
			c.fail(at+".piece", quoted(t.Piece)+" is no size of a piece", "write a power of two from 16KiB to 64MiB, such as 1MiB")
		}
	}
}

// isPiece tells whether a size is one that clients of torrents take.
func isPiece(s string) bool {
	for unit, shift := range map[string]int{"KiB": 10, "MiB": 20} {
		if digits, ok := strings.CutSuffix(s, unit); ok {
			n, err := strconv.ParseUint(digits, 10, 16)
			size := n << shift
			return err == nil && n&(n-1) == 0 && size >= 16<<10 && size <= 64<<20
		}
	}
	return false
}

// fileLists checks lists that mirrors compare.
func (c *checker) fileLists() {
	names := map[string]string{}
	for i, f := range c.r.FileLists {
		at := fmt.Sprintf("file_lists[%d]", i)
		c.once(names, "file list", string(f.Name), at)
		if _, _, remote := splitStore(f.Root); c.plain(at+".root", f.Root) && remote {
			c.fail(at+".root", "lists are made of directories, and this is a store", "name a directory")
		}
		if c.sound(at+".shrink") && (f.Shrink < 0 || f.Shrink > 100) {
			c.fail(at+".shrink", fmt.Sprintf("%d is no share in percent", f.Shrink), "write 0 to 100")
		}
		for n, name := range f.After {
			c.treeOf(fmt.Sprintf("%s.after[%d]", at, n), name)
		}
		if c.sound(at+".scopes") && len(f.Scopes) == 0 {
			c.fail(at+".scopes", "no scope", `write at least one, such as {dir: ., full: fullfilelist}`)
		}
		dirs := map[string]string{}
		for n, s := range f.Scopes {
			c.scope(fmt.Sprintf("%s.scopes[%d]", at, n), s, dirs)
		}
	}
}

// scope checks a directory with lists of its own.
func (c *checker) scope(at string, s Scope, dirs map[string]string) {
	switch first, twice := dirs[s.Dir]; {
	case !c.sound(at + ".dir"):
	case s.Dir != "." && !cleanPath(s.Dir):
		c.fail(at+".dir", quoted(s.Dir)+" is no directory below root", "write one such as mirror/pub/rocky, or . for the root")
	case twice:
		c.fail(at+".dir", fmt.Sprintf("%s comes twice, first on line %d", s.Dir, c.at[first].line), "write its lists in one place")
	default:
		dirs[s.Dir] = at + ".dir"
	}
	if s.Full == "" && len(s.Times) == 0 && !c.given(at+".full") {
		c.fail(at, "the directory gets no list", "write full: fullfilelist or times: [fullfiletimelist]")
	}
	c.filename(at+".full", s.Full)
	taken := map[string]bool{s.Full: s.Full != ""}
	for i, name := range s.Times {
		place := fmt.Sprintf("%s.times[%d]", at, i)
		c.filename(place, name)
		if c.sound(place) && (taken[name] || i == 0 && taken[name+"-old"]) {
			c.fail(place, name+" is the name of another list", "give each its own")
		}
		taken[name] = true
		if i == 0 {
			taken[name+"-old"] = true
		}
	}
}

// mirrors checks lists of mirrors.
func (c *checker) mirrors() {
	names := map[string]string{}
	for i, m := range c.r.Mirrors {
		at := fmt.Sprintf("mirrors[%d]", i)
		c.once(names, "list of mirrors", string(m.Name), at)
		c.treeOf(at+".target", m.Target)
		if list, ok := c.expands(at+".list", m.List, "repo", "part", "arch"); ok && c.sound(at+".list") {
			u, err := url.Parse(list)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || Inert(list) != list {
				c.fail(at+".list", "this is not the URL of a mirror list", "write one such as https://mirrors.example.org/mirrorlist?repo={repo}-{major}&arch={arch}, without credentials")
			}
		}
		if c.sound(at+".repos") && len(m.Repos) == 0 {
			c.fail(at+".repos", "no repository", "write what mirrors answer for, such as BaseOS/x86_64/os")
		}
		for n, repo := range m.Repos {
			if place := fmt.Sprintf("%s.repos[%d]", at, n); c.sound(place) && !cleanPath(repo) {
				c.fail(place, quoted(repo)+" is no directory below that of the edition", "write one such as BaseOS/x86_64/os")
			}
		}
		if c.sound(at+".percent") && (m.Percent < 1 || m.Percent > 100) {
			c.fail(at+".percent", fmt.Sprintf("%d is no share in percent", m.Percent), "write 1 to 100")
		}
		for n, network := range m.Networks {
			if place := fmt.Sprintf("%s.networks[%d]", at, n); c.sound(place) {
				if _, err := netip.ParsePrefix(network); err != nil {
					c.fail(place, quoted(network)+" is no network", "write one such as 10.0.0.0/8")
				}
			}
		}
	}
}
