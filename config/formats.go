package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// packaged are the formats whose targets are built from staged artifacts.
var packaged = []Format{FormatRPM, FormatDEB, FormatOCI}

// fields are the keys of a target that not every format has. Those that a format
// needs come with it; all others of the table are refused.
var fields = []struct {
	key       string
	need, may []Format
}{
	{"component", packaged, nil},
	{"series", packaged, nil},
	{"key", packaged, []Format{FormatTree}},
	{"tree", []Format{FormatTree}, nil},
	{"os", []Format{FormatRPM}, nil},
	{"suite", []Format{FormatDEB}, nil},
	{"architectures", []Format{FormatDEB, FormatOCI}, nil},
	{"registry", []Format{FormatOCI}, nil},
	{"repository", nil, []Format{FormatOCI}},
	{"path", nil, []Format{FormatRPM, FormatDEB}},
	{"url", nil, []Format{FormatRPM, FormatDEB, FormatOCI, FormatTree}},
	{"origin", nil, []Format{FormatDEB}},
	{"label", nil, []Format{FormatDEB}},
	{"valid_for", nil, []Format{FormatDEB}},
	{"expect", nil, []Format{FormatRPM, FormatDEB}},
	{"policy", nil, []Format{FormatRPM, FormatDEB}},
	{"keep", nil, []Format{FormatRPM, FormatDEB}},
	{"compress", nil, []Format{FormatRPM, FormatDEB}},
	{"signatures", nil, []Format{FormatRPM}},
}

var (
	packageForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+~-]{0,127}$`)
	repositoryForm = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`) // as the OCI distribution specification has it
)

// debian are names of architectures that others use.
var debian = map[Arch]Arch{"x86_64": "amd64", "aarch64": "arm64", "i686": "i386", "x86": "i386", "ppc64le": "ppc64el", "armv7": "armhf", "armv7hl": "armhf"}

// format checks that a target has what its format needs and nothing that its
// format has no use for.
func (c *checker) format(at string, t *Target) {
	if t.Format == "" {
		return // reported already
	}
	for _, f := range fields {
		given, needed := c.given(at+"."+f.key), slices.Contains(f.need, t.Format)
		switch {
		case needed && !given:
			c.fail(at, f.key+" is missing", "write "+f.key+": ...")
		case given && !needed && !slices.Contains(f.may, t.Format):
			c.fail(at+"."+f.key, fmt.Sprintf("targets of format %s have no %s", t.Format, f.key), "leave it out")
		}
	}
	if t.Format == FormatDEB || t.Format == FormatOCI {
		c.architectures(at+".architectures", t)
	}
	seen := map[string]bool{}
	for i, name := range t.Expect {
		switch place := fmt.Sprintf("%s.expect[%d]", at, i); {
		case !c.sound(place):
		case !packageForm.MatchString(name):
			c.fail(place, quoted(name)+" is not the name of a package", "write the name alone, without version and architecture")
		case seen[name]:
			c.fail(place, name+" comes twice", "keep one of them")
		}
		seen[name] = true
	}
	switch t.Format {
	case FormatDEB:
		c.field(at+".origin", t.Origin)
		c.field(at+".label", t.Label)
		if c.sound(at+".valid_for") && time.Duration(t.ValidFor) < time.Hour {
			c.fail(at+".valid_for", "clients would refuse the suite within the hour", "write 1h or more; some days leave time to refresh it")
		}
	case FormatOCI:
		refer(c, at+".registry", "registry", "registries", t.Registry, c.r.Registries, func(g *Registry) Name { return g.Name })
		if t.Component != "" && !repositoryForm.MatchString(t.Repository) || len(t.Repository) > 255 {
			c.fail(at+".repository", quoted(t.Repository)+" cannot be the name of an image", "write repository: in lower case, such as packyard/core")
		}
	}
}

// mostArchitectures is more than any distribution has.
const mostArchitectures = 64

// architectures checks that each is written once, in the words of its format.
func (c *checker) architectures(at string, t *Target) {
	if c.sound(at) && len(t.Architectures) == 0 {
		c.fail(at, "no architecture", "write a list such as [amd64, arm64]")
	}
	if len(t.Architectures) > mostArchitectures {
		c.fail(at, fmt.Sprintf("these are more than %d architectures", mostArchitectures), "write those that are built")
		return
	}
	for i, arch := range t.Architectures {
		place := fmt.Sprintf("%s[%d]", at, i)
		better, foreign := debian[arch]
		switch {
		case arch == "": // reported already
		case slices.Contains(t.Architectures[:i], arch):
			c.fail(place, fmt.Sprintf("%s comes twice", arch), "keep one of them")
		case t.Format == FormatDEB && slices.Contains([]Arch{"all", "any", "source"}, arch):
			c.fail(place, fmt.Sprintf("%s is not an architecture", arch), "leave it out: packages of architecture all join every other one")
		case t.Format == FormatDEB && foreign:
			c.fail(place, fmt.Sprintf("Debian has no architecture %s", arch), "write "+string(better))
		case t.Format == FormatDEB && strings.Contains(string(arch), "_"):
			c.fail(place, fmt.Sprintf("Debian has no architecture %s", arch), "write one such as amd64 or arm64")
		case t.Format == FormatOCI && arch == "staging":
			c.fail(place, "staging is the tag of what is not in production yet", "write one such as amd64 or arm64")
		case t.Format == FormatOCI && slices.ContainsFunc(t.Architectures[:i], func(a Arch) bool { return alike(a, arch) }):
			c.fail(place, fmt.Sprintf("%s is the architecture of another name before it", arch), "keep one of them")
		}
	}
}

// alike tells whether two names are of one architecture.
func alike(a, b Arch) bool {
	return debian[a] == b || debian[b] == a || debian[a] != "" && debian[a] == debian[b]
}

// field checks the value of a field in an APT Release.
func (c *checker) field(at, s string) {
	if c.sound(at) && (strings.TrimSpace(s) != s || s == "" || Inert(s) != s || len(s) > 200) {
		c.fail(at, quoted(s)+" cannot be written into a Release", "write a few words on one line")
	}
}
