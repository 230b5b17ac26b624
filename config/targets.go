package config

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

func (c *checker) targets() {
	names, staged, tags := map[string]string{}, map[string]string{}, map[string]string{}
	for i, t := range c.r.Targets {
		at := fmt.Sprintf("targets[%d]", i)
		c.once(names, "target", string(t.Name), at)
		c.format(at, &t)
		c.signer(at+".key", &t)
		switch {
		case t.Format != FormatRPM && t.Format != FormatDEB:
			c.r.Targets[i].Path = ""
		case c.given(at+".path") && !c.sound(at+".path") || !c.given(at+".path") && t.Path == "":
			c.r.Targets[i].Path = "" // what is missing for it is reported already
		default:
			c.path(i)
		}
		c.staged(at, &t, staged)
		c.tags(at, &t, tags)
		if c.sound(at+".url") && t.Format != FormatOCI {
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

// signer checks that the key of a target is there, and of the kind that signs
// its format.
func (c *checker) signer(at string, t *Target) {
	_, pgp := c.r.Key(string(t.Key))
	_, image := c.r.CosignKey(string(t.Key))
	switch {
	case t.Format == FormatOCI && pgp && !image:
		c.fail(at, fmt.Sprintf("%s is an OpenPGP key, and images are signed with a cosign key", t.Key), "name one of cosign_keys")
	case t.Format != FormatOCI && t.Format != "" && image && !pgp:
		c.fail(at, fmt.Sprintf("%s is a cosign key, and %s repositories are signed with an OpenPGP key", t.Key, t.Format), "name one of keys")
	case t.Format == FormatOCI:
		refer(c, at, "cosign key", "cosign_keys", t.Key, c.r.CosignKeys, func(k *CosignKey) Name { return k.Name })
	case t.Format != "" || !image:
		refer(c, at, "key", "keys", t.Key, c.r.Keys, func(k *Key) Name { return k.Name })
	}
}

// staged checks that no other target takes artifacts from the same places.
func (c *checker) staged(at string, t *Target, seen map[string]string) {
	if t.Component == "" || t.Series == "" || t.Format == "" {
		return // reported already
	}
	var shared []string
	first := ""
	for _, last := range t.Places() {
		if last == "" || strings.HasPrefix(last, "-") || strings.HasSuffix(last, "-") && t.Format == FormatDEB {
			continue // the operating system, suite or architecture could not be read
		}
		place := path.Join(string(t.Component), string(t.Series), string(t.Format), last)
		if other, twice := seen[place]; !twice {
			seen[place] = at
		} else if other != at {
			shared, first = append(shared, place), other
		}
	}
	if len(shared) > 0 {
		differ := map[Format]string{FormatRPM: "os", FormatDEB: "suite", FormatOCI: "architectures"}[t.Format]
		c.fail(at, fmt.Sprintf("%s is staged in the same place as on line %d: %s", t.Name, c.at[first].line, strings.Join(shared, ", ")), "let component, series or "+differ+" differ")
	}
}

// tags checks that the tags of an image are no other target's.
func (c *checker) tags(at string, t *Target, seen map[string]string) {
	g, ok := c.r.Registry(string(t.Registry))
	if t.Format != FormatOCI || !ok || t.Repository == "" || t.Series == "" {
		return
	}
	mine := []string{string(t.Series), string(t.Series) + "-staging"}
	for _, arch := range t.Architectures {
		mine = append(mine, string(t.Series)+"-"+string(arch))
	}
	for _, tag := range mine {
		image := fmt.Sprintf("%s %s/%s:%s", g.Tunnel, strings.ToLower(g.Host), t.Repository, tag)
		if first, twice := seen[image]; twice && first != at {
			c.fail(at, fmt.Sprintf("the tag %s of %s is moved by the target on line %d", tag, t.Repository, c.at[first].line), "let series or repository differ")
			return
		}
		seen[image] = at
	}
}

// path checks where a target is served: below the served directory, and not in
// or around an earlier target. Suites of one APT repository share its directory.
func (c *checker) path(i int) {
	t, at := &c.r.Targets[i], fmt.Sprintf("targets[%d].path", i)
	p := t.Path
	if !filepath.IsLocal(p) || p != path.Clean(p) || p == "." || strings.Contains(p, `\`) || Inert(p) != p {
		c.fail(at, fmt.Sprintf("%s is not a plain path below served", quoted(p)), "write one such as rpm/core/2025/el9-x86_64, without .. and without / in front")
		t.Path = ""
		return
	}
	for n := range i {
		other := &c.r.Targets[n]
		if other.Path == "" || !below(p, other.Path) && !below(other.Path, p) {
			continue
		}
		line := c.at[fmt.Sprintf("targets[%d]", n)].line
		switch {
		case p != other.Path || t.Format != FormatDEB || other.Format != FormatDEB:
			c.fail(at, fmt.Sprintf("%s overlaps the target on line %d, which is served at %s", p, line, other.Path), "give each target a directory of its own")
		case t.Suite == "" || other.Suite == "":
			continue // reported already
		case t.Suite == other.Suite:
			c.fail(at, fmt.Sprintf("suite %s of %s is that of the target on line %d", t.Suite, p, line), "let suite or path differ")
		case t.Suite == other.Suite+"-staging" || other.Suite == t.Suite+"-staging":
			c.fail(at, fmt.Sprintf("suites %s and %s of %s meet in dists, where gantry keeps the staged one of each as SUITE-staging", t.Suite, other.Suite, p), "let path differ")
		default:
			continue
		}
		return
	}
}
