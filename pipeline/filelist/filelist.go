// Package filelist writes the lists that mirrors compare to learn what changed:
// the plain one of all paths, and the one with times that quick-fedora-mirror's
// create-filelist makes. All lists of all scopes come of one walk, are written
// aside, read back and put in place by renames.
package filelist

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// step writes the lists of one configuration.
type step struct {
	cfg    *config.Release
	lists  config.FileLists
	root   string
	scopes []scope
	trees  []*config.Target // whose syncs must be over
	hidden map[place]bool   // directories below root that no mirror gets
	own    string           // target that a run of the item itself keeps busy, may be empty
}

// place is a name in a directory below the root, which is empty for the root.
type place struct{ dir, name string }

// Make makes the step of an item that uses filelist. Its option name is the name
// of the lists in the configuration.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("name"); err != nil {
		return nil, err
	}
	lists, ok := cfg.FileList(item.With["name"])
	if !ok {
		return nil, config.Hint(fmt.Errorf("item %s is about file lists %q, which the configuration does not have", item.ID, config.Inert(item.With["name"])),
			"write them under file_lists in release.yaml")
	}
	if strings.HasPrefix(lists.Root, "store:") {
		return nil, config.Hint(fmt.Errorf("file lists %s: %s is no directory", lists.Name, lists.Root), "name one as root")
	}
	s := &step{cfg: cfg, lists: *lists, root: cfg.Path(lists.Root), own: item.Target}
	var err error
	if s.scopes, err = scopes(lists); err != nil {
		return nil, err
	}
	if err := s.choose(); err != nil {
		return nil, err
	}
	return s, nil
}

// choose finds the trees whose syncs must be over, and where trees keep what syncs
// replaced: that may lie below the root, and is nobody else's business.
func (s *step) choose() error {
	for _, name := range s.lists.After {
		t, ok := s.cfg.Target(string(name))
		if !ok || t.Tree == nil || t.Tree.Production.Root == "" {
			return config.Hint(fmt.Errorf("file lists %s: %s is no tree that goes to production", s.lists.Name, name), "name targets of format tree under after")
		}
		s.trees = append(s.trees, t)
	}
	s.hidden = map[place]bool{}
	for i := range s.cfg.Targets {
		t := &s.cfg.Targets[i]
		if t.Tree == nil {
			continue
		}
		if len(s.lists.After) == 0 && t.Tree.Production.Root != "" {
			s.trees = append(s.trees, t)
		}
		for _, a := range []config.Area{t.Tree.Staging, t.Tree.Production} {
			if a.Root == "" || a.Undo == "" || strings.HasPrefix(a.Root, "store:") {
				continue
			}
			if rel, err := filepath.Rel(s.root, filepath.Join(s.cfg.Path(a.Root), a.Undo)); err == nil && filepath.IsLocal(rel) {
				dir, name := path.Split(filepath.ToSlash(rel))
				s.hidden[place{strings.TrimSuffix(dir, "/"), name}] = true
			}
		}
	}
	return nil
}

// Inputs is a digest of what production of the trees is: the lists are stale when
// one of them is synced again.
func (s *step) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	sum := sha256.New()
	for _, t := range s.trees {
		served, err := env.Served(t)
		if err != nil {
			return "", err
		}
		at, err := served.Pointer(ctx, "production")
		if err != nil {
			return "", fmt.Errorf("look at production of %s: %w", t.Name, err)
		}
		fmt.Fprintf(sum, "%s\t%s\n", t.Name, at)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// skip leaves out what is no content: names of files in the making, and what
// syncs replaced.
func (s *step) skip(dir, name string) bool {
	return strings.HasSuffix(name, tempSuffix) || strings.HasPrefix(name, ".nfs") || s.hidden[place{dir, name}]
}
