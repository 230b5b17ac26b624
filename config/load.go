package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// Load reads and checks a release.yaml and fills in defaults. What is wrong with
// it comes back as Errors, all at once. Files that it names are not looked at;
// Lint does that.
func Load(file string) (*Release, error) {
	data, err := readBounded(file)
	if err != nil {
		return nil, Hint(fmt.Errorf("read the configuration: %w", err), "name it with --config, or write one: gantry init NAME")
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("find the directory of %s: %w", file, err)
	}
	return read(file, data, dir)
}

// read is Load with the bytes and the directory of the file at hand.
func read(file string, data []byte, dir string) (*Release, error) {
	r := &Release{dir: dir}
	at, err := decode(file, data, r)
	errs, _ := err.(Errors) // decode returns no other kind
	if at != nil {
		c := &checker{r: r, at: at, file: file, errs: errs, bad: map[place]bool{}}
		for _, e := range errs {
			c.bad[place{e.Line, e.Col}] = true
		}
		c.defaults()
		c.check()
		errs = c.errs
	}
	if len(errs) > 0 {
		d := decoder{errs: errs}
		return nil, d.sorted()
	}
	return r, nil
}

// checker finds what no single value shows: references, duplicates, overlaps.
type checker struct {
	r    *Release
	at   places
	file string
	errs Errors
	bad  map[place]bool // where a value could not be read
}

func (c *checker) given(at string) bool { _, ok := c.at[at]; return ok }

// sound tells whether a value was given and could be read.
func (c *checker) sound(at string) bool { p, ok := c.at[at]; return ok && !c.bad[p] }

func (c *checker) fail(at, what, hint string) {
	p, ok := c.at[at]
	for !ok && at != "" { // a default has no place: name what it is a part of
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
		p, ok = c.at[at]
	}
	c.errs = append(c.errs, Error{c.file, p.line, p.col, what, hint})
}

func (c *checker) check() {
	if c.sound("targets") && len(c.r.Targets) == 0 {
		c.fail("targets", "no target", "write at least one")
	}
	c.areas()
	c.keys()
	c.targets()
	c.trees()
	c.commands()
	c.probes()
	c.stores()
	c.registries()
	c.tunnels()
	c.forges()
	c.workflows()
	c.items()
	c.people()
	c.jobs()
	c.closures()
	c.images()
	c.torrents()
	c.fileLists()
	c.mirrors()
}

// once reports a name that came before.
func (c *checker) once(seen map[string]string, what, name, at string) {
	if name == "" {
		return // reported already
	}
	if first, ok := seen[name]; ok {
		c.fail(at+".name", fmt.Sprintf("%s %s comes twice, first on line %d", what, name, c.at[first].line), "give each its own name")
		return
	}
	seen[name] = at + ".name"
}
