package config

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

func (c *checker) keys() {
	names := map[string]string{}
	for i, k := range c.r.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		c.once(names, "key", string(k.Name), at)
		if c.plain(at+".public", k.Public) && c.r.Path(k.Public) == k.Private.file(c.r.dir) {
			c.fail(at+".public", "this is the file of the private key, and clients are given it", "export the public half: gpg --armor --export")
		}
	}
}

func (c *checker) targets() {
	names, staged := map[string]string{}, map[string]string{}
	for i, t := range c.r.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		c.once(names, "target", string(t.Name), at)
		c.reference(at+".key", t.Key)
		if c.given(at+".path") && !c.sound(at+".path") || !c.given(at+".path") && t.Path == "" {
			c.r.Targets[i].Path = "" // what is missing for it is reported already
		} else {
			c.path(i)
		}
		if t.Component != "" && t.Series != "" && t.Format != "" && t.OS != "" {
			place := path.Join(string(t.Component), string(t.Series), string(t.Format), string(t.OS))
			if first, twice := staged[place]; twice {
				c.fail(at, fmt.Sprintf("%s is staged in the same place as on line %d: %s", t.Name, c.at[first].line, place), "let component, series or os differ")
			} else {
				staged[place] = at
			}
		}
		if c.sound(at + ".url") {
			c.url(at+".url", t.URL, "http", "https", "file")
		}
		if t.Keep < 1 && c.sound(at+".keep") {
			c.fail(at+".keep", fmt.Sprintf("keep is %d", t.Keep), "write 1 or more")
		}
		if t.Snapshots < 2 && c.sound(at+".snapshots") {
			c.fail(at+".snapshots", fmt.Sprintf("snapshots is %d", t.Snapshots), "write 2 or more, since a rollback needs the one before")
		}
		if t.Subscriber != nil {
			c.username(at+".subscriber.username", t.Subscriber.Username)
		}
	}
}

// reference checks that a key of this name is there.
func (c *checker) reference(at string, name Name) {
	if _, ok := c.r.Key(string(name)); ok || name == "" || c.given("keys") && !c.sound("keys") {
		return
	}
	var known []string
	for _, k := range c.r.Keys {
		if k.Name == "" {
			return // it may be the one that could not be read
		}
		known = append(known, string(k.Name))
	}
	hint := "keys are " + strings.Join(known, ", ")
	if len(known) == 0 {
		hint = "there are no keys yet: write one under keys"
	}
	c.fail(at, fmt.Sprintf("no key %s", name), hint)
}

// path checks where a target is served: below the served directory, and not in
// or around an earlier target.
func (c *checker) path(i int) {
	p, at := c.r.Targets[i].Path, fmt.Sprintf("targets[%d].path", i)
	if !filepath.IsLocal(p) || p != path.Clean(p) || p == "." || strings.Contains(p, `\`) || Inert(p) != p {
		c.fail(at, fmt.Sprintf("%s is not a plain path below served", quoted(p)), "write one such as rpm/core/2025/el9-x86_64, without .. and without / in front")
		c.r.Targets[i].Path = ""
		return
	}
	for n, other := range c.r.Targets[:i] {
		if other.Path != "" && (p == other.Path || strings.HasPrefix(p, other.Path+"/") || strings.HasPrefix(other.Path, p+"/")) {
			line := c.at[fmt.Sprintf("targets[%d]", n)].line
			c.fail(at, fmt.Sprintf("%s overlaps the target on line %d, which is served at %s", p, line, other.Path), "give each target a directory of its own")
			return
		}
	}
}

func (c *checker) commands() {
	names := map[string]string{}
	for i, cmd := range c.r.Commands {
		at := fmt.Sprintf("commands[%d]", i)
		c.once(names, "command", string(cmd.Name), at)
		if c.sound(at+".argv") && (len(cmd.Argv) == 0 || cmd.Argv[0] == "" && c.sound(at+".argv[0]")) {
			c.fail(at+".argv", "no program", `write it and its arguments as a list: ["make", "check"]`)
		}
		for n, arg := range cmd.Argv {
			c.passable(fmt.Sprintf("%s.argv[%d]", at, n), arg)
		}
		if c.given(at + ".dir") {
			c.plain(at+".dir", cmd.Dir)
		}
		given := map[string]string{}
		for _, name := range slices.Sorted(maps.Keys(cmd.Env)) {
			c.variable(given, at+".env."+name, name)
			c.passable(at+".env."+name, cmd.Env[name])
		}
		for n, name := range cmd.Inherit {
			c.variable(given, fmt.Sprintf("%s.inherit[%d]", at, n), name)
		}
		for _, name := range slices.Sorted(maps.Keys(cmd.Secrets)) {
			c.variable(given, at+".secrets."+name, name)
		}
	}
}

// variable checks the name of a variable, which is given once.
func (c *checker) variable(given map[string]string, at, name string) {
	first, twice := given[name]
	switch {
	case !variableForm.MatchString(name) || strings.HasPrefix(name, "GANTRY_"):
		if c.sound(at) { // what could not be read is reported already
			c.fail(at, fmt.Sprintf("%s cannot be a variable", quoted(name)), "use letters, digits and _, not beginning with GANTRY_")
		}
	case twice:
		c.fail(at, fmt.Sprintf("%s has a value already, on line %d", name, c.at[first].line), "keep one of them")
	default:
		given[name] = at
	}
}

// passable reports text that no program can be given.
func (c *checker) passable(at, text string) {
	if strings.ContainsRune(text, 0) {
		c.fail(at, "no program can be given a NUL byte", "leave it out")
	}
}

func (c *checker) probes() {
	names := map[string]string{}
	for i, p := range c.r.Probes {
		at := fmt.Sprintf("probes[%d]", i)
		c.once(names, "probe", string(p.Name), at)
		if c.sound(at + ".url") {
			c.url(at+".url", p.URL, "http", "https")
		}
		if c.sound(at+".status") && (p.Status < 100 || p.Status > 599) {
			c.fail(at+".status", fmt.Sprintf("%d is no HTTP status", p.Status), "write one from 100 to 599")
		}
		if c.sound(at+".contains") && p.Contains == "" {
			c.fail(at+".contains", "every page holds an empty text", "write what it must hold, or leave the key out")
		}
		c.username(at+".username", p.Username)
		if c.given(at+".username") != c.given(at+".password") {
			c.fail(at, "username and password go together", "write both or neither")
		}
	}
}

// username checks one that was given for basic authentication, which ends it at
// the first colon.
func (c *checker) username(at, name string) {
	if c.sound(at) && (name == "" || strings.Contains(name, ":") || Inert(name) != name) {
		c.fail(at, "this cannot be a username", "write one without colons and control characters")
	}
}

// url checks a URL; it is repeated only where it cannot hold credentials.
func (c *checker) url(at, s string, schemes ...string) {
	shown := "this"
	if !strings.ContainsAny(s, "@?#%") {
		shown = quoted(s)
	}
	u, err := url.Parse(s)
	switch {
	case err != nil || Inert(s) != s || strings.ContainsAny(s, " \n"):
		c.fail(at, shown+" is not a URL", "write one such as https://pkg.example.org/rpm/core")
	case u.User != nil:
		c.fail(at, "a URL holds no credentials here", "write them as username and password, by reference")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		c.fail(at, "a URL here has no ? and no #", "leave them out")
	default:
		for _, scheme := range schemes {
			if u.Scheme == scheme && (u.Hostname() != "" || scheme == "file") {
				return
			}
		}
		c.fail(at, fmt.Sprintf("%s does not begin with %s", shown, strings.Join(schemes, ":// or ")+"://"), "write the whole URL")
	}
}
