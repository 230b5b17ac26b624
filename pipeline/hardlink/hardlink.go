// Package hardlink makes files of a tree one that have the same bytes, as
// hardlink(1) does with --respect-xattrs: same device, size, owner, mode and time,
// and attributes and content compared byte by byte right before. A name is
// replaced by a rename, so it is there at every moment.
package hardlink

import (
	"context"
	"fmt"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/walk"
	"gantry/storage"
)

// kept are words in the names of files and directories that stay files of their
// own: what is edited in place later, metadata of repositories with its
// signatures first of all, would be edited everywhere.
var kept = []string{".xml", ".treeinfo", ".discinfo", "CHECKSUM"}

const tempSuffix = ".~tmp~" // mirrors leave names that end so alone

// step makes one the files of an edition of a tree.
type step struct {
	cfg    *config.Release
	target *config.Target
	in     string // production, staging or compose
	area   config.Area
}

// Make makes the step of an item that uses hardlink, about a target that is a
// tree. Its option in is the place where it works: production (default), staging
// or compose.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("in"); err != nil {
		return nil, err
	}
	t, ok := cfg.Target(item.Target)
	if !ok || t.Tree == nil {
		return nil, config.Hint(fmt.Errorf("item %s is about %q, which is no tree of the configuration", item.ID, config.Inert(item.Target)),
			"hard links are made in targets of format tree")
	}
	s := &step{cfg: cfg, target: t, in: item.With["in"]}
	switch s.in {
	case "", "production":
		s.in, s.area = "production", t.Tree.Production
	case "staging":
		s.area = t.Tree.Staging
	case "compose":
		s.area = t.Tree.Compose
	default:
		return nil, config.Hint(fmt.Errorf("item %s: %q is no place of a tree", item.ID, config.Inert(s.in)), "known are production, staging and compose")
	}
	if s.area.Root == "" || strings.HasPrefix(s.area.Root, "store:") {
		return nil, config.Hint(fmt.Errorf("item %s: %s of %s is no directory", item.ID, s.in, t.Name), "hard links are made in directories")
	}
	return s, nil
}

// open opens the edition's directory. What is in the middle of a sync is refused.
func (s *step) open(ctx context.Context, env *pipeline.Env) (*walk.Root, error) {
	edition, err := config.ParseEdition(env.Version)
	if err != nil {
		return nil, err
	}
	if s.target.Tree.Major != 0 && !s.target.Tree.Serves(edition) {
		return nil, fmt.Errorf("%s is no edition of %s", config.Inert(env.Version), s.target.Name)
	}
	dir, err := s.target.Tree.Directory(s.area, edition)
	if err != nil {
		return nil, err
	}
	served, err := env.Served(s.target)
	if err != nil {
		return nil, err
	}
	if s.in != "compose" {
		if _, err := served.Pointer(ctx, s.in); err != nil {
			return nil, fmt.Errorf("look at %s of %s: %w", s.in, s.target.Name, err)
		}
	}
	if parted, ok := served.(storage.Parted); ok {
		if apart := parted.Apart(); len(apart) > 0 {
			return nil, &pipeline.RefusedError{
				Reason: fmt.Sprintf("%s is in the middle of a sync: %s", s.target.Name, strings.Join(apart, "; ")),
				Hint:   "bring the sync to its end, then plan again"}
		}
	}
	root, err := walk.Open(s.cfg.Path(s.area.Root), s.area.Mount)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return root.Sub(dir)
}

// Inputs is what the place serves: the links are stale when it is synced again.
// A compose has no pointer to tell by.
func (s *step) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	if s.in == "compose" {
		return "", nil
	}
	served, err := env.Served(s.target)
	if err != nil {
		return "", err
	}
	at, err := served.Pointer(ctx, s.in)
	if err != nil {
		return "", fmt.Errorf("look at %s of %s: %w", s.in, s.target.Name, err)
	}
	return at, nil
}
