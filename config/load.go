package config

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Load reads and checks a release.yaml and fills in defaults. What is wrong with
// it comes back as Errors, all at once. Files that it names are not looked at;
// Lint does that.
func Load(file string) (*Release, error) {
	data, err := readBounded(file)
	if err != nil {
		return nil, Hint(fmt.Errorf("read the configuration: %w", err), "name it with --config, or write one: gantry init NAME")
	}
	r := &Release{}
	at, err := decode(file, data, r)
	errs, _ := err.(Errors) // decode returns no other kind
	if at != nil {
		if r.dir, err = filepath.Abs(filepath.Dir(file)); err != nil {
			return nil, fmt.Errorf("find the directory of %s: %w", file, err)
		}
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

// defaults fills in what was not given. What was given stays, for check to judge.
func (c *checker) defaults() {
	r := c.r
	or(c, "state", &r.State, "state")
	or(c, "staging", &r.Staging, "staging")
	or(c, "served", &r.Served, "served")
	or(c, "console.theme", &r.Console.Theme, Dark)
	for i := range r.Targets {
		t, at := &r.Targets[i], fmt.Sprintf("targets[%d].", i)
		or(c, at+"policy", &t.Policy, Accumulate)
		or(c, at+"keep", &t.Keep, 3)
		or(c, at+"snapshots", &t.Snapshots, 5)
		or(c, at+"compress", &t.Compress, Gzip)
		or(c, at+"signatures", &t.Signatures, SignHeader)
		if t.Format != "" && t.Component != "" && t.Series != "" && t.OS != "" {
			or(c, at+"path", &t.Path, path.Join(string(t.Format), string(t.Component), string(t.Series), string(t.OS)))
		}
		t.URL = strings.TrimSuffix(t.URL, "/")
	}
	for i := range r.Commands {
		or(c, fmt.Sprintf("commands[%d].timeout", i), &r.Commands[i].Timeout, Duration(time.Hour))
	}
	for i := range r.Probes {
		or(c, fmt.Sprintf("probes[%d].status", i), &r.Probes[i].Status, 200)
		or(c, fmt.Sprintf("probes[%d].timeout", i), &r.Probes[i].Timeout, Duration(10*time.Second))
	}
}

func or[T any](c *checker, at string, into *T, value T) {
	if !c.given(at) {
		*into = value
	}
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
	c.commands()
	c.probes()
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
