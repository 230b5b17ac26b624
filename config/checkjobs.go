package config

import (
	"fmt"
	"slices"
	"strings"
)

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
			place := fmt.Sprintf("%s.kubectl[%d]", at, n)
			c.passable(place, arg)
			// Plans show the arguments, and the journal keeps them.
			if flag, _, _ := strings.Cut(arg, "="); flag == "--token" || flag == "--password" {
				c.fail(place, flag+" is a credential, which every plan would show", "let the kubeconfig hold it, and name that: --kubeconfig or --context")
			}
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
