package config

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// editionWords are placeholders of any edition, with a word for each, to try
// texts with.
func editionWords(more ...string) map[string]string {
	words := (&Tree{Suffix: "-BETA"}).Placeholders(Edition{Major: 9, Minor: 7, Stream: Beta})
	for _, one := range more {
		words[one] = "x"
	}
	return words
}

// expands checks a text with placeholders, and returns it with words in their
// place.
func (c *checker) expands(at, text string, more ...string) (string, bool) {
	out, err := Expand(text, editionWords(more...))
	if err != nil && c.sound(at) {
		c.fail(at, err.Error(), HintOf(err))
	}
	return out, err == nil
}

// closures checks runs of repoclosure.
func (c *checker) closures() {
	names := map[string]string{}
	for i, one := range c.r.Closures {
		at := fmt.Sprintf("closures[%d]", i)
		c.once(names, "closure", string(one.Name), at)
		refer(c, at+".command", "command", "commands", one.Command, c.r.Commands, func(x *Command) Name { return x.Name })
		if cmd, ok := c.r.Command(string(one.Command)); ok && !strings.Contains(strings.Join(cmd.Argv, " "), "{repo}") {
			c.fail(at+".command", fmt.Sprintf("command %s has no {repo}, so it would check the same each time", one.Command), "let its argv hold {repo}, {arch} and {requires}")
		}
		c.arches(at+".architectures", one.Arch, true)
		if c.sound(at+".repos") && len(one.Repos) == 0 {
			c.fail(at+".repos", "no repository", "write those of the compose: an empty check passes whatever is broken")
		}
		known := map[string]bool{}
		for n, repo := range one.Repos {
			place := fmt.Sprintf("%s.repos[%d]", at, n)
			if c.part(place+".name", repo.Name) && known[repo.Name] {
				c.fail(place+".name", repo.Name+" comes twice", "keep one of them")
			}
			known[repo.Name] = true
		}
		for n, repo := range one.Repos {
			for m, need := range repo.Requires {
				switch place := fmt.Sprintf("%s.repos[%d].requires[%d]", at, n, m); {
				case !c.sound(place):
				case need == repo.Name:
					c.fail(place, need+" takes from itself anyway", "leave it out")
				case !known[need]:
					c.fail(place, fmt.Sprintf("no repository %s in this list", quoted(need)), "write it as a repository of its own, or mend its name")
				}
			}
		}
	}
}

// ofClosure tells whether a command is run for each repository of a closure.
func (c *checker) ofClosure(name Name) bool {
	return slices.ContainsFunc(c.r.Closures, func(one Closure) bool { return one.Command == name })
}

var partForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$`)

// part checks one segment of a path, such as the name of a repository.
func (c *checker) part(at, name string) bool {
	if !c.sound(at) {
		return false
	}
	if !partForm.MatchString(name) || strings.Contains(name, "..") {
		c.fail(at, quoted(name)+" cannot be a name here", "write letters, digits and . _ + -, such as BaseOS")
		return false
	}
	return true
}

// jobs checks Kubernetes Jobs.
func (c *checker) jobs() {
	names := map[string]string{}
	for i, j := range c.r.Jobs {
		at := fmt.Sprintf("jobs[%d]", i)
		c.once(names, "job", string(j.Name), at)
		c.plain(at+".manifest", j.Manifest)
		if c.sound(at+".kubectl") && (len(j.Kubectl) == 0 || j.Kubectl[0] == "") {
			c.fail(at+".kubectl", "no program", "write it and its first arguments as a list: [kubectl, --context, eks]")
		}
		for n, arg := range j.Kubectl {
			c.passable(fmt.Sprintf("%s.kubectl[%d]", at, n), arg)
		}
		c.arches(at+".architectures", j.Arch, false)
		if c.sound(at+".proofs") && len(j.Proofs) == 0 {
			c.fail(at+".proofs", "no proof", "write what must be there when the job ended well: its status alone is not believed")
		}
		c.proofs(at+".proofs", j.Proofs, len(j.Arch) > 0)
		c.never(at+".never", j.Never)
	}
}

// arches checks architectures that something is done for.
func (c *checker) arches(at string, all []Arch, needed bool) {
	switch {
	case c.sound(at) && len(all) == 0 && (needed || c.given(at)):
		c.fail(at, "no architecture", "write a list such as [x86_64, aarch64]")
	case len(all) > mostArchitectures:
		c.fail(at, fmt.Sprintf("these are more than %d architectures", mostArchitectures), "write those that are built")
		return
	}
	for i, arch := range all {
		if arch != "" && slices.Contains(all[:i], arch) {
			c.fail(fmt.Sprintf("%s[%d]", at, i), fmt.Sprintf("%s comes twice", arch), "keep one of them")
		}
	}
}

var sha256Form = regexp.MustCompile(`^[0-9a-f]{64}$`)

// proofs checks what must be there after a program.
func (c *checker) proofs(at string, all []Proof, arch bool) {
	var more []string
	if arch {
		more = []string{"arch"}
	}
	for i, p := range all {
		place := fmt.Sprintf("%s[%d]", at, i)
		if c.plain(place+".files", p.Files) {
			if out, ok := c.expands(place+".files", p.Files, append(more, "version", "kind", "target")...); ok {
				c.pattern(place+".files", out)
			}
			if _, key, remote := splitStore(p.Files); remote {
				if _, _, ok := c.r.StoreOf(p.Files); !ok || key == "" {
					c.fail(place+".files", quoted(p.Files)+" names no file of a store", "write store:NAME/KEY with a name of stores")
				}
			}
		}
		if c.given(place+".count") && c.sound(place+".count") && p.Count < 1 {
			c.fail(place+".count", fmt.Sprintf("count is %d: nothing would have to be there", p.Count), "write 1 or more")
		}
		if c.given(place + ".contains") {
			if c.sound(place+".contains") && p.Contains == "" {
				c.fail(place+".contains", "every file holds an empty text", "write what each must hold, or leave the key out")
			}
			c.expands(place+".contains", p.Contains, append(more, "version", "kind", "target")...)
		}
		switch {
		case !c.given(place+".sha256") || !c.sound(place+".sha256"):
		case !sha256Form.MatchString(p.SHA256):
			c.fail(place+".sha256", "this is no SHA-256 digest", "write 64 hex digits in lower case")
		case p.Count > 1:
			c.fail(place+".sha256", "one digest is of one file, and there must be several", "leave count or sha256 out")
		}
	}
}

// pattern checks a pattern of file names.
func (c *checker) pattern(at, pattern string) {
	if _, err := path.Match(pattern, ""); errors.Is(err, path.ErrBadPattern) {
		c.fail(at, quoted(pattern)+" is no pattern", `mend its brackets, or write \[ for one that is meant`)
	}
}

// never checks where something must not be run.
func (c *checker) never(at string, n Never) {
	if !c.given(at) || !c.sound(at) {
		return
	}
	if len(n.Kinds) == 0 {
		c.fail(at, "never names no kind of release", "write kinds: [patch] or others")
	}
	if !c.given(at + ".because") {
		c.fail(at, "never gives no reason", "write because: what an operator is told")
	}
	c.words(at+".because", n.Because)
	c.kinds(at+".kinds", n.Kinds)
}

// remotely checks what a command that runs elsewhere cannot be given.
func (c *checker) remotely(at string, cmd Command) {
	if cmd.On == "" {
		return
	}
	for _, field := range []struct {
		key   string
		given bool
	}{{"secrets", len(cmd.Secrets) > 0}, {"inherit", len(cmd.Inherit) > 0}} {
		if field.given {
			c.fail(at+"."+field.key, fmt.Sprintf("the command runs at the far end of tunnel %s, which is sent no %s", cmd.On, field.key), "keep such values there, where the program can read them")
		}
	}
}
