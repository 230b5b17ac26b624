package config

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

func (c *checker) keys() {
	names := map[string]string{}
	for i, k := range c.r.Keys {
		at := fmt.Sprintf("keys[%d]", i)
		c.once(names, "key", string(k.Name), at)
		c.public(at, k.Public, k.Private, "gpg --armor --export")
	}
	names = map[string]string{}
	for i, k := range c.r.CosignKeys {
		at := fmt.Sprintf("cosign_keys[%d]", i)
		c.once(names, "cosign key", string(k.Name), at)
		c.public(at, k.Public, k.Private, "cosign public-key --key")
	}
}

// public checks that the file clients are given is not that of the private key.
func (c *checker) public(at, public string, private Secret, export string) {
	if c.plain(at+".public", public) && c.r.Path(public) == private.file(c.r.dir) {
		c.fail(at+".public", "this is the file of the private key, and clients are given it", "export the public half: "+export)
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
		c.tunnel(at+".on", cmd.On)
		c.remotely(at, cmd)
		c.arches(at+".architectures", cmd.Arch, false)
		if len(cmd.Arch) == 0 && slices.ContainsFunc(cmd.Argv, func(a string) bool { return strings.Contains(a, "{arch}") }) && !c.ofClosure(cmd.Name) {
			c.fail(at+".argv", "{arch} stands for nothing here", "write architectures: for each of which the command is run")
		}
		c.proofs(at+".proofs", cmd.Proofs, len(cmd.Arch) > 0)
		c.never(at+".never", cmd.Never)
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
		if c.given(at+".certificate") && strings.HasPrefix(p.URL, "http://") {
			c.fail(at+".certificate", "a plain http server has no certificate", "write https:// in url, or leave the key out")
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
		c.fail(at, "a URL holds no credentials here", "write them apart, by reference")
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
