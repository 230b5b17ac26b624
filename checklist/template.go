package checklist

import (
	"embed"
	"path"
	"slices"
	"strings"

	"gantry/config"
)

// Template is a checklist before it is resolved for a release: what a YAML file
// holds. Parse makes it.
type Template struct {
	Name     string            `yaml:"name"`
	Title    string            `yaml:"title"`
	Kinds    []string          `yaml:"kinds"` // of the releases it serves
	Owner    string            `yaml:"owner"`
	Contacts []Contact         `yaml:"contacts"`
	Channels []string          `yaml:"channels"`
	Sections []TemplateSection `yaml:"sections"`
}

// TemplateSection is a section of a template.
type TemplateSection struct {
	ID    string         `yaml:"id"`
	Title string         `yaml:"title"`
	Note  string         `yaml:"note"`
	Items []TemplateItem `yaml:"items"`
}

// TemplateItem is an item of a template; its fields are those of Item. With
// Each it stands for one item per target, and {target} in its title, asks and
// help for the target's name.
type TemplateItem struct {
	ID     string            `yaml:"id"`
	Title  string            `yaml:"title"`
	Kind   Kind              `yaml:"kind"`
	Uses   string            `yaml:"uses"`
	With   map[string]string `yaml:"with"`
	Needs  []string          `yaml:"needs"`
	Window *TemplateWindow   `yaml:"window"`
	Risk   Risk              `yaml:"risk"` // safe unless given; a step must give it
	Killer bool              `yaml:"killer"`
	Asks   string            `yaml:"asks"`
	Wants  Wants             `yaml:"wants"`
	Help   string            `yaml:"help"`
	Who    string            `yaml:"who"`
	Each   string            `yaml:"each"` // target, or nothing

	Formats []string `yaml:"formats"` // of the targets that it is for; all without

	only []string // names of targets that it is for; all without
}

// TemplateWindow is a window as it is written, with spans such as 24h or 2d.
type TemplateWindow struct {
	After  string          `yaml:"after"`
	Before string          `yaml:"before"`
	Opens  config.Duration `yaml:"opens"`
	Closes config.Duration `yaml:"closes"`
}

// Parse reads a template strictly. Its error is a config.Errors: everything that
// was found, each with file:line:col. file is only named, never read.
func Parse(file string, data []byte) (*Template, error) {
	t := &Template{}
	if err := config.Decode(file, data, t); err != nil {
		return nil, err
	}
	if err := lint(file, data, t); err != nil {
		return nil, err
	}
	for n := range t.Sections {
		section := &t.Sections[n]
		section.Note = strings.Join(strings.Fields(section.Note), " ")
		for i := range section.Items {
			it := &section.Items[i]
			it.Help = strings.TrimSpace(it.Help)
			if it.Risk == "" {
				it.Risk = Safe
			}
		}
	}
	inert(t)
	return t, nil
}

// Serves tells whether the template is for releases of a kind.
func (t *Template) Serves(kind string) bool { return slices.Contains(t.Kinds, kind) }

//go:embed templates/*.yaml
var builtin embed.FS

// Builtin are the templates that gantry brings, in the order of their names.
func Builtin() []*Template {
	entries, err := builtin.ReadDir("templates")
	if err != nil {
		panic(err) // the program was not built whole
	}
	var all []*Template
	for _, entry := range entries {
		name := path.Join("templates", entry.Name())
		data, err := builtin.ReadFile(name)
		if err != nil {
			panic(err)
		}
		t, err := Parse(name, data)
		if err != nil {
			panic(err)
		}
		all = append(all, t)
	}
	return all
}

// Find is the template of Builtin that has a name, or else the first that
// serves a kind of that name.
func Find(name string) (*Template, bool) {
	all := Builtin()
	for _, t := range all {
		if t.Name == name {
			return t, true
		}
	}
	for _, t := range all {
		if t.Serves(name) {
			return t, true
		}
	}
	return nil, false
}
