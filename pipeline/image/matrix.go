package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline/walk"
)

// Matrix is what images an edition has: a cell for every variant and architecture.
type Matrix struct {
	Name     config.Name
	Checksum string // name of the files that hold the checksums
	Variants []string
	Arch     []config.Arch
	Cells    []Cell // by variant, then by architecture

	root, dir string // of the area, absolute, and of the edition below it
	mount     bool   // the root must be mounted
}

// Cell is one image that there must be.
type Cell struct {
	Variant string // may be empty
	Arch    config.Arch
	Dir     string // absolute
	File    string // its name; * stands for a date or number
	Latest  string // name of the link to it that stays from edition to edition, empty where it has none
	at      string // Dir, below the directory of the edition
	form    *regexp.Regexp
}

// Title names the cell in words.
func (c Cell) Title() string { return strings.TrimSpace(c.Variant + " " + string(c.Arch)) }

// Is tells whether a file of that name is the image.
func (c Cell) Is(name string) bool { return c.form.MatchString(name) }

// Find is the matrix that an item names, of the tree that it is about.
func Find(cfg *config.Release, item checklist.Item, name string) (*config.Images, *config.Tree, error) {
	t, ok := cfg.Target(item.Target)
	if !ok || t.Tree == nil {
		return nil, nil, config.Hint(fmt.Errorf("item %s is about no tree", item.ID), "bind it to a target of format tree")
	}
	for i := range cfg.Images {
		if im := &cfg.Images[i]; string(im.Name) == name && im.Target == t.Name {
			return im, t.Tree, nil
		}
	}
	return nil, nil, config.Hint(fmt.Errorf("item %s: images has no matrix %q for tree %s", item.ID, config.Inert(name), t.Name),
		"name one of images under with: {name: ...}")
}

// NewMatrix is the matrix of a version in an area of the tree: compose, staging or
// production.
func NewMatrix(cfg *config.Release, im *config.Images, tree *config.Tree, area, version string) (*Matrix, error) {
	e, err := config.ParseEdition(version)
	if err != nil {
		return nil, err
	}
	place, ok := map[string]config.Area{"compose": tree.Compose, "staging": tree.Staging, "production": tree.Production}[area]
	if !ok || place.Root == "" {
		return nil, config.Hint(fmt.Errorf("tree %s has no %q to look for images in", im.Target, config.Inert(area)),
			"write compose, staging or production; a beta or lookahead has no production")
	}
	if strings.HasPrefix(place.Root, "store:") {
		return nil, config.Hint(fmt.Errorf("the %s of tree %s is on a store: images are read from directories", area, im.Target), "name an area that is a directory")
	}
	dir, err := tree.Directory(place, e)
	if err != nil {
		return nil, err
	}
	m := &Matrix{Name: im.Name, Checksum: im.Checksum, Variants: im.Variants, Arch: im.Arch,
		root: cfg.Path(place.Root), dir: dir, mount: place.Mount}
	l := layout{im, filepath.Join(m.root, dir), tree.Placeholders(e)}
	if len(m.Variants) == 0 {
		m.Variants = []string{""}
	}
	for _, variant := range m.Variants {
		for _, arch := range m.Arch {
			if slices.Contains(im.Except, string(arch)+"/"+variant) || variant == "" && slices.Contains(im.Except, string(arch)) {
				continue
			}
			c, err := l.cell(variant, arch)
			if err != nil {
				return nil, fmt.Errorf("images %s: %w", im.Name, err)
			}
			m.Cells = append(m.Cells, c)
		}
	}
	if len(m.Cells) == 0 {
		return nil, config.Hint(fmt.Errorf("images %s names no image", im.Name), "write its architectures and variants")
	}
	return m, nil
}

// open opens the directory of the edition. What must be mounted and is not is not
// looked into: what is there then is the disk below.
func (m *Matrix) open() (*os.Root, error) {
	root, err := walk.Open(m.root, m.mount)
	if err != nil {
		return nil, err
	}
	if err := root.Close(); err != nil {
		return nil, err
	}
	return os.OpenRoot(filepath.Join(m.root, filepath.FromSlash(m.dir)))
}

// layout is how the cells of a matrix are laid out.
type layout struct {
	*config.Images
	base  string
	words map[string]string
}

func (l layout) cell(variant string, arch config.Arch) (Cell, error) {
	l.words["arch"], l.words["variant"] = string(arch), variant
	c := Cell{Variant: variant, Arch: arch}
	dir, err1 := config.Expand(l.Dir, l.words)
	file, err2 := config.Expand(l.File, l.words)
	if err := errors.Join(err1, err2); err != nil {
		return c, err
	}
	if !filepath.IsLocal(dir) {
		return c, fmt.Errorf("%q is no directory below the edition", config.Inert(dir))
	}
	if err := plain(file); err != nil {
		return c, err
	}
	c.at, c.Dir, c.File = dir, filepath.Join(l.base, dir), file
	c.form = regexp.MustCompile(`^` + strings.ReplaceAll(regexp.QuoteMeta(file), `\*`, `[0-9]+(?:[._-][0-9]+)*`) + `$`)
	latest, err := l.latest(variant)
	if err != nil || latest == file || strings.Contains(file, "*") {
		return c, err
	}
	c.Latest = latest
	return c, plain(latest)
}

// latest is the name of an image without what changes from edition to edition: it
// comes from the pattern and not from the name, in which 8.1 could be found in
// 8.10. dvd1 is called dvd, as it is where a release has but one.
func (l layout) latest(variant string) (string, error) {
	words := map[string]string{}
	for k, v := range l.words {
		words[k] = v
	}
	words["revision"], words["suffix"] = words["major"]+"-latest", ""
	if variant == "dvd1" {
		words["variant"] = "dvd"
	}
	if !strings.Contains(l.File, "{revision}") {
		return config.Expand(l.File, l.words)
	}
	return config.Expand(l.File, words)
}
