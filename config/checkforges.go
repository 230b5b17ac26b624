package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	ownerForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9._-]{1,100}$`)
	actionsForm  = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`) // of secrets; GitHub keeps them in upper case
	workflowForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*\.ya?ml$`)
	inputForm    = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)
	placeholder  = regexp.MustCompile(`\{([A-Za-z0-9_]+)\}`)
)

// placeholders are the words that values of a workflow's inputs may hold.
var placeholders = []string{"target", "component", "series", "os", "suite", "version"}

func (c *checker) forges() {
	names := map[string]string{}
	for i, f := range c.r.Forges {
		at := fmt.Sprintf("forges[%d]", i)
		c.once(names, "forge", string(f.Name), at)
		switch {
		case f.Kind == Forgejo && !c.given(at+".api"):
			c.fail(at, "api is missing", "write the base URL of the API, such as https://codeberg.org/api/v1")
		case !c.sound(at + ".api"):
		case open(f.API):
			c.fail(at+".api", "a token would cross the network in clear", "write https://")
		default:
			c.url(at+".api", f.API, "https", "http")
		}
		_, name, _ := strings.Cut(f.Repository, "/")
		if c.sound(at+".repository") && (!ownerForm.MatchString(f.Repository) || name == "." || name == ".." || strings.HasSuffix(name, ".git")) {
			c.fail(at+".repository", quoted(f.Repository)+" is not a repository", "write owner/name, without .git")
		}
		given := map[string]bool{}
		for n, secret := range f.Secrets {
			switch place := fmt.Sprintf("%s.secrets[%d]", at, n); {
			case !c.sound(place):
			case !actionsForm.MatchString(secret) || strings.HasPrefix(secret, "GITHUB_"):
				c.fail(place, quoted(secret)+" cannot be the name of an Actions secret", "write the name alone: letters, digits and _, not beginning with GITHUB_")
			case given[secret]:
				c.fail(place, secret+" comes twice", "keep one of them")
			default:
				given[secret] = true
			}
		}
	}
}

func (c *checker) workflows() {
	names := map[string]string{}
	for i, w := range c.r.Workflows {
		at := fmt.Sprintf("workflows[%d]", i)
		c.once(names, "workflow", string(w.Name), at)
		refer(c, at+".forge", "forge", "forges", w.Forge, c.r.Forges, func(f *Forge) Name { return f.Name })
		if c.sound(at+".file") && !workflowForm.MatchString(w.File) {
			c.fail(at+".file", quoted(w.File)+" is not the file name of a workflow", "write one such as promote-rpm.yml, without its directory")
		}
		if c.sound(at+".ref") && !plausible(w.Ref) {
			c.fail(at+".ref", quoted(w.Ref)+" is not a branch or tag", "write one such as main or v1.2")
		}
		for _, name := range slices.Sorted(maps.Keys(w.Inputs)) {
			c.input(at+".inputs."+name, name, w.Inputs[name])
		}
	}
}

// input checks an input of a workflow and the placeholders in its value.
func (c *checker) input(at, name, value string) {
	if !c.sound(at) {
		return
	}
	if !inputForm.MatchString(name) {
		c.fail(at, quoted(name)+" cannot be the name of an input", "use letters, digits, _ and -, starting with a letter or _")
	}
	for _, m := range placeholder.FindAllStringSubmatch(value, -1) {
		if slices.Contains(placeholders, m[1]) {
			continue
		}
		hint := "write one of {" + strings.Join(placeholders, "} {") + "}"
		if near := nearest(m[1], placeholders); near != "" {
			hint = "did you mean {" + near + "}?"
		}
		c.fail(at, quoted(m[0])+" stands for nothing", hint)
	}
}

// plausible tells whether git could have a branch or tag of this name.
func plausible(ref string) bool {
	for part := range strings.SplitSeq(ref, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	return len(ref) <= 200 && Inert(ref) == ref && !strings.HasPrefix(ref, "-") && !strings.HasSuffix(ref, ".") &&
		!strings.Contains(ref, "..") && !strings.Contains(ref, "@{") && !strings.ContainsAny(ref, " \t\n~^:?*[\\")
}
