package config

import (
	"fmt"
	"net/netip"
	"net/url"
)

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
