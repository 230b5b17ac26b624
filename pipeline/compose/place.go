package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/walk"
)

// place is an area of a tree: where compose, staging or production of it lie.
type place struct {
	cfg    *config.Release
	target *config.Target
	name   string
	area   config.Area
}

// areas are those that a step may write to.
var areas = []string{"compose", "staging"}

// placeOf is the area that an item's option in names, staging without it.
func placeOf(cfg *config.Release, item checklist.Item, allowed ...string) (place, error) {
	t, ok := cfg.Target(item.Target)
	if !ok || t.Format != config.FormatTree || t.Tree == nil {
		return place{}, config.Hint(fmt.Errorf("item %s: %s is about a tree, and %q is none", item.ID, item.Uses, config.Inert(item.Target)),
			"bind it to a target of format tree")
	}
	name, given := item.With["in"]
	if !given {
		name = "staging"
	}
	if !slices.Contains(allowed, name) {
		return place{}, config.Hint(fmt.Errorf("item %s: %s does not work in %q", item.ID, item.Uses, config.Inert(name)),
			"write in: "+strings.Join(allowed, " or in: "))
	}
	return place{cfg, t, name, t.Tree.Compose}.at(name), nil
}

// at is another area of the same tree.
func (p place) at(name string) place {
	p.name = name
	switch name {
	case "compose":
		p.area = p.target.Tree.Compose
	case "staging":
		p.area = p.target.Tree.Staging
	case "production":
		p.area = p.target.Tree.Production
	}
	return p
}

// edition is what is released.
func (p place) edition(env *pipeline.Env) (config.Edition, error) {
	e, err := config.ParseEdition(env.Version)
	if err == nil && p.target.Tree.Major != 0 && !p.target.Tree.Serves(e) {
		err = fmt.Errorf("%s does not take %s %s", p.target.Name, e.Stream, e.Revision())
	}
	return e, err
}

// directory is where the edition lies below the root of the area. Production
// never knows of release candidates.
func (p place) directory(e config.Edition) (string, error) {
	if p.name == "production" {
		e.RC = 0
	}
	return p.target.Tree.Directory(p.area, e)
}

// mounted opens the root of the area. What must be mounted and is not is refused,
// since what is there then is the disk below.
func (p place) mounted() (*walk.Root, error) {
	if p.area.Root == "" {
		return nil, fmt.Errorf("%s has no %s", p.target.Name, p.name)
	}
	if _, _, remote := p.cfg.StoreOf(p.area.Root); remote || strings.HasPrefix(p.area.Root, "store:") {
		return nil, config.Hint(fmt.Errorf("%s of %s is on a store, and this is done in a directory", p.name, p.target.Name),
			"do it in the area that the store is made like")
	}
	mount, err := walk.Open(p.cfg.Path(p.area.Root), p.area.Mount)
	if err != nil {
		return nil, fmt.Errorf("%s of %s: %w", p.name, p.target.Name, err)
	}
	return mount, nil
}

// root is the root of the area, to make and replace files in it.
func (p place) root() (*os.Root, error) {
	mount, err := p.mounted()
	if err != nil {
		return nil, err
	}
	defer mount.Close()
	return os.OpenRoot(mount.Path())
}

// open opens the directory of the edition. That of a compose may be reached by a
// link, as the tools that compose leave it; one of staging may not: a link there
// names the directory of another version, or of another tree.
func (p place) open(env *pipeline.Env) (*os.Root, error) {
	e, err := p.edition(env)
	if err != nil {
		return nil, err
	}
	dir, err := p.directory(e)
	if err != nil {
		return nil, err
	}
	root, err := p.mounted()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	at := filepath.Join(root.Path(), filepath.FromSlash(dir))
	fi, err := os.Lstat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, config.Hint(fmt.Errorf("%s of %s holds no %s", p.name, p.target.Name, dir), "compose or sync it first; or open the release of the version that is there")
	}
	if err == nil && p.name != "compose" && fi.Mode()&fs.ModeSymlink != 0 {
		to, _ := os.Readlink(at) // for the words alone
		return nil, config.Hint(fmt.Errorf("%s is a link to %s, which is another version", at, config.Inert(to)), "open the release of that version")
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s of %s: %w", p.name, p.target.Name, err)
	}
	if p.name != "compose" {
		below, err := root.Below(dir) // no link leads on the way either
		if err != nil {
			return nil, fmt.Errorf("open %s of %s: %w", p.name, p.target.Name, err)
		}
		below.Close()
	}
	opened, err := os.OpenRoot(at)
	if err != nil {
		return nil, fmt.Errorf("open %s of %s: %w", p.name, p.target.Name, err)
	}
	return opened, nil
}
