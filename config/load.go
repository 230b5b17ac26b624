package config

import (
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Load reads and checks a release.yaml and fills in defaults. What is wrong with
// it comes back as Errors, all at once. Files that it names are not looked at;
// Lint does that.
func Load(file string) (*Release, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, Hint(fmt.Errorf("read the configuration: %w", err), "name it with --config, or write one: gantry init NAME")
	}
	r := &Release{}
	at, err := decode(file, data, r)
	errs, _ := err.(Errors) // decode returns no other kind
	c := &checker{r: r, at: at, file: file, errs: errs}
	if at != nil {
		if r.dir, err = filepath.Abs(filepath.Dir(file)); err != nil {
			return nil, fmt.Errorf("find the directory of %s: %w", file, err)
		}
		r.defaults()
		c.check()
	}
	if len(c.errs) > 0 {
		d := decoder{errs: c.errs}
		return nil, d.sorted()
	}
	return r, nil
}

func (r *Release) defaults() {
	or(&r.State, "state")
	or(&r.Staging, "staging")
	or(&r.Served, "served")
	or(&r.Console.Theme, Dark)
	for i := range r.Targets {
		t := &r.Targets[i]
		or(&t.Policy, Accumulate)
		or(&t.Keep, 3)
		or(&t.Snapshots, 5)
		or(&t.Compress, Gzip)
		or(&t.Signatures, SignHeader)
		or(&t.Path, path.Join(string(t.Format), string(t.Component), string(t.Series), string(t.OS)))
		t.URL = strings.TrimSuffix(t.URL, "/")
	}
	for i := range r.Commands {
		or(&r.Commands[i].Timeout, Duration(time.Hour))
	}
	for i := range r.Probes {
		or(&r.Probes[i].Status, 200)
		or(&r.Probes[i].Timeout, Duration(10*time.Second))
	}
}

func or[T comparable](at *T, value T) {
	var zero T
	if *at == zero {
		*at = value
	}
}

// checker finds what no single value shows: references, duplicates, overlaps.
type checker struct {
	r    *Release
	at   places
	file string
	errs Errors
}

func (c *checker) fail(at, what, hint string) {
	p, ok := c.at[at]
	for !ok && at != "" { // a default has no place: name what it is a part of
		at = at[:max(0, strings.LastIndexAny(at, ".["))]
		p, ok = c.at[at]
	}
	c.errs = append(c.errs, Error{c.file, p.line, p.col, what, hint})
}

func (c *checker) check() {
	if c.given("targets") && len(c.r.Targets) == 0 {
		c.fail("targets", "no target", "write at least one")
	}
	c.keys()
	c.targets()
	names := map[string]string{}
	for i, cmd := range c.r.Commands {
		at := fmt.Sprintf("commands[%d]", i)
		c.once(names, "command", string(cmd.Name), at)
		if c.given(at+".argv") && (len(cmd.Argv) == 0 || cmd.Argv[0] == "") {
			c.fail(at+".argv", "no program", `write it and its arguments as a list: ["make", "check"]`)
		}
		for name := range cmd.Env {
			c.variable(at+".env."+name, name)
		}
		for name := range cmd.Secrets {
			c.variable(at+".secrets."+name, name)
		}
	}
	names = map[string]string{}
	for i, p := range c.r.Probes {
		at := fmt.Sprintf("probes[%d]", i)
		c.once(names, "probe", string(p.Name), at)
		if c.given(at + ".url") {
			c.url(at+".url", p.URL, "http", "https")
		}
		if p.Status < 100 || p.Status > 599 {
			c.fail(at+".status", fmt.Sprintf("%d is no HTTP status", p.Status), "write one from 100 to 599")
		}
		if (p.Username != "") != !p.Password.IsZero() {
			c.fail(at, "username and password go together", "write both or neither")
		}
	}
}

func (c *checker) given(at string) bool { _, ok := c.at[at]; return ok }

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

func (c *checker) variable(at, name string) {
	if name == "" || strings.ContainsAny(name, "=\x00 ") || strings.HasPrefix(name, "GANTRY_") {
		c.fail(at, fmt.Sprintf("%s cannot be a variable", quoted(name)), "use letters, digits and _, not beginning with GANTRY_")
	}
}

func (c *checker) keys() {
	names := map[string]string{}
	for i, k := range c.r.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		c.once(names, "key", string(k.Name), at)
		if c.given(at+".public") && k.Public == "" {
			c.fail(at+".public", "no path", "write the path of the armored public key")
		}
	}
}

func (c *checker) targets() {
	names, paths, staged := map[string]string{}, map[string]string{}, map[string]string{}
	for i, t := range c.r.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		c.once(names, "target", string(t.Name), at)
		if _, ok := c.r.Key(string(t.Key)); !ok && t.Key != "" {
			var known []string
			for _, k := range c.r.Keys {
				known = append(known, string(k.Name))
			}
			hint := "keys are " + strings.Join(known, ", ")
			if len(known) == 0 {
				hint = "there are no keys yet: write one under keys"
			}
			c.fail(at+".key", fmt.Sprintf("no key %s", t.Key), hint)
		}
		c.path(at, t.Path, paths)
		place := path.Join(string(t.Component), string(t.Series), string(t.Format), string(t.OS))
		if first, twice := staged[place]; twice && t.OS != "" {
			c.fail(at, fmt.Sprintf("%s is staged in the same place as on line %d: %s", t.Name, c.at[first].line, place), "let component, series or os differ")
		}
		staged[place] = at
		if t.URL != "" {
			c.url(at+".url", t.URL, "http", "https", "file")
		}
		if t.Keep < 1 {
			c.fail(at+".keep", fmt.Sprintf("keep is %d", t.Keep), "write 1 or more")
		}
		if t.Snapshots < 2 {
			c.fail(at+".snapshots", fmt.Sprintf("snapshots is %d", t.Snapshots), "write 2 or more, since a rollback needs the one before")
		}
	}
}

// path checks where a target is served: below the served directory, and not in
// or around another target.
func (c *checker) path(at, p string, seen map[string]string) {
	if !filepath.IsLocal(p) || p != path.Clean(p) || p == "." || strings.Contains(p, `\`) || Inert(p) != p {
		c.fail(at+".path", fmt.Sprintf("%s is not a plain path below served", quoted(p)), "write one such as rpm/core/2025/el9-x86_64, without .. and without / in front")
		return
	}
	for other, first := range seen {
		if p == other || strings.HasPrefix(p, other+"/") || strings.HasPrefix(other, p+"/") {
			c.fail(at+".path", fmt.Sprintf("%s overlaps the target on line %d, which is served at %s", p, c.at[first].line, other), "give each target a directory of its own")
		}
	}
	seen[p] = at
}

func (c *checker) url(at, s string, schemes ...string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || Inert(s) != s || strings.ContainsAny(s, " \n"):
		c.fail(at, fmt.Sprintf("%s is not a URL", quoted(s)), "write one such as https://pkg.example.org/rpm/core")
	case u.User != nil:
		c.fail(at, "a URL holds no credentials here", "write them as username and password, by reference")
	case u.RawQuery != "" || u.Fragment != "":
		c.fail(at, "a URL here has no ? and no #", "leave them out")
	default:
		for _, scheme := range schemes {
			if u.Scheme == scheme && (u.Host != "" || scheme == "file") {
				return
			}
		}
		c.fail(at, fmt.Sprintf("%s does not begin with %s", quoted(s), strings.Join(schemes, ":// or ")+"://"), "write the whole URL")
	}
}
