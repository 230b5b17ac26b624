package config

import (
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"strings"
)

// area is one of the three places of a release.
type area struct{ name, place string }

func (r *Release) areas() []area {
	return []area{{"state", r.State}, {"staging", r.Staging}, {"served", r.Served}}
}

// areas checks that state, staging and served lie apart, and that no secret is
// kept where clients read.
func (c *checker) areas() {
	all, before := c.r.areas(), len(c.errs)
	for i, a := range all {
		if !c.area(a) {
			return
		}
		for _, b := range all[:i] {
			at := a.name
			if !c.given(at) || c.given(b.name) && c.at[b.name].after(c.at[at]) {
				at = b.name
			}
			if c.overlap(a.place, b.place) {
				own := "directory"
				if _, _, remote := splitStore(a.place); remote {
					own = "prefix"
				}
				c.fail(at, fmt.Sprintf("%s (%s) and %s (%s) overlap", b.name, b.place, a.name, a.place), "give each a "+own+" of its own, neither within the other")
			}
		}
	}
	if _, _, remote := splitStore(c.r.Served); remote || len(c.errs) > before {
		return
	}
	served := c.r.Path(c.r.Served)
	for _, s := range c.r.Secrets() {
		if file := s.file(c.r.dir); file != "" && within(file, served) {
			c.fail(s.Path, "this secret lies within served ("+c.r.Served+"), where every client can read it", "move it out, and take it for known to others if it was served")
		}
	}
}

// area checks how a place is written, and tells whether it can be compared.
func (c *checker) area(a area) bool {
	if !c.plain(a.name, a.place) {
		return false
	}
	name, prefix, remote := splitStore(a.place)
	const hint = "write store:NAME or store:NAME/PREFIX, where stores has NAME"
	switch {
	case !remote && strings.Contains(a.place, "://"):
		c.fail(a.name, quoted(a.place)+" is neither a directory nor a store", hint)
	case !remote:
		return true
	case !nameForm.MatchString(name):
		c.fail(a.name, quoted(a.place)+" names no store", hint)
	case strings.HasSuffix(a.place, "/") || prefix != "" && (prefix != path.Clean(prefix) || !filepath.IsLocal(prefix) || prefix == "." || strings.Contains(prefix, `\`)):
		c.fail(a.name, quoted(a.place)+" has a prefix that is not plain", "write one such as store:NAME/packyard/state, without .. and without / at its ends")
	default:
		before := len(c.errs)
		refer(c, a.name, "store", "stores", Name(name), c.r.Stores, func(s *Store) Name { return s.Name })
		_, known := c.r.Store(name)
		return known && len(c.errs) == before
	}
	return false
}

// overlap tells whether two places are the same or one holds the other. Stores
// are told apart by server and bucket, not by name.
func (c *checker) overlap(a, b string) bool {
	s, one, remoteA := c.r.StoreOf(a)
	t, two, remoteB := c.r.StoreOf(b)
	switch {
	case remoteA != remoteB:
		return false
	case !remoteA:
		return within(c.r.Path(a), c.r.Path(b)) || within(c.r.Path(b), c.r.Path(a))
	}
	return s.bucket() == t.bucket() && (below(one, two) || below(two, one))
}

// bucket is what tells the bucket of a store from that of another.
func (s *Store) bucket() [3]string {
	server := s.Endpoint
	if u, err := url.Parse(s.Endpoint); err == nil {
		server = strings.ToLower(u.Host)
	}
	return [3]string{string(s.Tunnel), server, s.Bucket}
}

// below tells whether a prefix is another or lies below it.
func below(prefix, top string) bool {
	return top == "" || prefix == top || strings.HasPrefix(prefix, top+"/")
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
