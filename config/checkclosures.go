package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// closures checks runs of repoclosure.
func (c *checker) closures() {
	names := map[string]string{}
	for i, one := range c.r.Closures {
		at := fmt.Sprintf("closures[%d]", i)
		c.once(names, "closure", string(one.Name), at)
		refer(c, at+".command", "command", "commands", one.Command, c.r.Commands, func(x *Command) Name { return x.Name })
		if cmd, ok := c.r.Command(string(one.Command)); ok {
			argv := strings.Join(cmd.Argv, " ")
			switch {
			case len(cmd.Arch) > 0 || len(cmd.Proofs) > 0:
				c.fail(at+".command", fmt.Sprintf("command %s has architectures or proofs of its own", one.Command), "leave them out: those of the closure count, and what is listed proves it")
			case !strings.Contains(argv, "{repo}") || len(one.Arch) > 1 && !strings.Contains(argv, "{arch}"):
				c.fail(at+".command", fmt.Sprintf("command %s lacks {repo} or {arch}, so it would check the same each time", one.Command), "let its argv hold {repo}, {arch} and {requires}")
			}
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
