package config

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// packyardFile is config/packyard.yml of packyard: its components. It names no
// series and no operating systems; those are packyard's own defaults, below.
type packyardFile struct {
	Components []packyardComponent `yaml:"components" jsonschema:"required"`
}

// packyardComponent is a component in that file, which has the first two keys, or
// in the answer of packyard's GET /api/v1/components, which keeps components
// instead of the file in later versions and has them all.
type packyardComponent struct {
	Name          Name               `yaml:"name" jsonschema:"required"`
	Visibility    packyardVisibility `yaml:"visibility"`
	Series        []Series           `yaml:"rpm_series"`
	Families      []packyardFamily   `yaml:"rpm_os_families"`
	Architectures []Arch             `yaml:"rpm_architectures"`
	Created       string             `yaml:"created_at"` // which gantry has no use for
}

type packyardVisibility string

// UnmarshalText reads who may fetch a component.
func (v *packyardVisibility) UnmarshalText(b []byte) error {
	return choose(v, b, "public", "private")
}

type packyardFamily string

var familyForm = regexp.MustCompile(`^[a-z][a-z0-9.]{0,30}$`)

// UnmarshalText reads an operating system without its architecture.
func (f *packyardFamily) UnmarshalText(b []byte) error {
	if !familyForm.Match(b) {
		return Hint(fmt.Errorf("%s is not an operating system", quoted(string(b))), "write one such as el9")
	}
	*f = packyardFamily(b)
	return nil
}

// What packyard has where its components say nothing: the directories that its
// RPM server makes, the suites and architectures that its workflows know.
var (
	packyardSeries        = []Series{"2025"}
	packyardFamilies      = []packyardFamily{"el8", "el9", "el10", "centos10"}
	packyardArchitectures = []Arch{"x86_64"}
	packyardSuites        = []Name{"bookworm", "trixie", "jammy", "noble"}
	packyardImages        = []Arch{"x86_64", "arm64"}
)

// mostTargets is how many targets an import makes.
const mostTargets = 1000

// FromPackyard is a commented release.yaml for a product of this name, made of
// packyard's config/packyard.yml, or of the answer of its GET /api/v1/components
// saved in a file: the targets of each component. file is how errors name the
// data. What cannot be read, and every key that is not packyard's, comes back as
// Errors, all at once.
func FromPackyard(file string, data []byte, name Name) ([]byte, error) {
	d := &decoder{file: file, at: places{}}
	root, err := d.parse(data)
	if err != nil {
		return nil, err
	}
	d.at[""] = place{root.Line, root.Column}
	var of packyardFile
	list := "components"
	if root.Kind == yaml.SequenceNode {
		list = ""
		d.value(root, reflect.ValueOf(&of.Components).Elem(), list)
	} else {
		d.value(root, reflect.ValueOf(&of).Elem(), "")
	}
	if err := d.sorted(); err != nil {
		return nil, err
	}
	p := &packyard{decoder: d, list: list, names: map[Name]bool{}, lower: map[string]bool{}}
	for i, c := range of.Components {
		p.component(fmt.Sprintf("%s[%d]", list, i), c)
	}
	if len(of.Components) == 0 {
		p.wrong(list, "no component", "write at least one")
	}
	if err := d.sorted(); err != nil {
		return nil, err
	}
	return p.render(file, name, of), nil
}

// packyard makes targets of components.
type packyard struct {
	*decoder
	list    string
	names   map[Name]bool   // of targets
	lower   map[string]bool // names of components, by which images are called
	targets []packyardTarget
}

// packyardTarget is a target and what its component says of it.
type packyardTarget struct {
	Target
	private bool
}

// wrong reports what is wrong with a place, the first thing only.
func (p *packyard) wrong(at, what, hint string) {
	where := p.at[at]
	if n := len(p.errs); n > 0 && p.errs[n-1].Line == where.line && p.errs[n-1].Col == where.col {
		return
	}
	p.errs = append(p.errs, Error{p.file, where.line, where.col, what, hint})
}

// component adds the targets of a component.
func (p *packyard) component(at string, c packyardComponent) {
	lower := strings.ToLower(string(c.Name))
	switch {
	case p.lower[lower]:
		p.wrong(at+".name", fmt.Sprintf("component %s comes twice", c.Name), "keep one of them")
		return
	case !repositoryForm.MatchString(lower):
		p.wrong(at+".name", fmt.Sprintf("%s cannot be the name of an image", c.Name), "end it in a letter or digit, with single dashes and underscores in between")
		return
	}
	p.lower[lower] = true
	if !unique(p, at+".rpm_series", c.Series) || !unique(p, at+".rpm_os_families", c.Families) || !unique(p, at+".rpm_architectures", c.Architectures) {
		return
	}
	series, families, arches := c.Series, c.Families, c.Architectures
	if series == nil {
		series = packyardSeries
	}
	if families == nil {
		families = packyardFamilies
	}
	if arches == nil {
		arches = packyardArchitectures
	}
	others := series // of suites and images
	if len(others) == 0 {
		others = packyardSeries
	}
	if len(p.targets)+len(series)*len(families)*len(arches)+len(others)*(len(packyardSuites)+1) > mostTargets {
		p.wrong(at, fmt.Sprintf("this makes more than %d targets", mostTargets), "import fewer components, series and operating systems at once")
		return
	}
	private := c.Visibility != "public"
	for _, s := range series {
		for _, family := range families {
			for _, arch := range arches {
				t := Target{Format: FormatRPM, Component: c.Name, Series: s, OS: OS(string(family) + "-" + string(arch)), Key: "lts"}
				words := []string{string(c.Name), label(s, series), string(family), label(arch, arches)}
				p.add(at, t, private, words)
			}
		}
	}
	for _, s := range others {
		for _, suite := range packyardSuites {
			t := Target{Format: FormatDEB, Component: c.Name, Series: s, Suite: suite, Architectures: []Arch{"amd64"}, Key: "lts"}
			p.add(at, t, private, []string{string(c.Name), label(s, others), string(suite)})
		}
	}
	for i, s := range others {
		for _, before := range others[:i] {
			for _, tag := range []Series{"-staging", "-x86_64", "-arm64"} {
				if s == before+tag || before == s+tag {
					p.wrong(at+".rpm_series", fmt.Sprintf("images of series %s and %s would have the same tag", before, s), "rename one of them")
				}
			}
		}
		t := Target{Format: FormatOCI, Component: c.Name, Series: s, Architectures: packyardImages, Key: "images", Registry: "zot", Repository: "lts-" + lower}
		p.add(at, t, private, []string{string(c.Name), label(s, others), "image"})
	}
}

// label is a word of a list that a name needs: where there are several.
func label[T ~string](word T, all []T) string {
	if len(all) < 2 {
		return ""
	}
	return string(word)
}

// unique tells whether no entry of a list comes twice, and reports one that does.
func unique[T ~string](p *packyard, at string, all []T) bool {
	seen := map[T]bool{}
	for i, one := range all {
		if seen[one] {
			p.wrong(fmt.Sprintf("%s[%d]", at, i), fmt.Sprintf("%s comes twice", one), "keep one of them")
			return false
		}
		seen[one] = true
	}
	return true
}

// add adds a target, named by those words that are not empty.
func (p *packyard) add(at string, t Target, private bool, words []string) {
	name := strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "-")
	name = strings.ReplaceAll(name, ".", "-")
	t.Name = Name(name)
	for n := 2; p.names[t.Name]; n++ {
		t.Name = Name(fmt.Sprintf("%s-%d", name, n))
	}
	if !nameForm.MatchString(string(t.Name)) {
		p.wrong(at, fmt.Sprintf("a target of it would be called %s, which is too long", t.Name), "shorten the component, series or operating system")
	}
	p.names[t.Name] = true
	p.targets = append(p.targets, packyardTarget{t, private})
}
