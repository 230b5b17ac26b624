// Package tree makes one directory tree like another, as mirrors expect it:
// packages first, then metadata, removals after a while; everything that is
// replaced or removed is kept aside, so that a sync can be taken back.
package tree

import (
	"fmt"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// Make makes the step of an item on a tree, by the verb that it uses: stage
// makes staging like the compose, promote makes production like staging,
// rollback takes the last sync of production back, verify compares a place with
// what its last sync left, prune removes what old syncs kept. Production is a
// directory, or a prefix of a store, where files alone can be: links to files
// become files, and modes, owners and times are those of the store.
//
// Options of items: "to" of rollback is the sync to go back to, empty for the one
// before the last; "pointer" of verify is staging or production (the default),
// "packages" is all (the default) or none, which compares sizes and times alone.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	target, ok := cfg.Target(item.Target)
	if !ok {
		return nil, config.Hint(fmt.Errorf("%s: no target %q in the configuration", item.Uses, config.Inert(item.Target)), "name one of the targets of release.yaml")
	}
	if target.Format != config.FormatTree || target.Tree == nil {
		return nil, fmt.Errorf("%s: target %s is no tree but %q", item.Uses, target.Name, target.Format)
	}
	if target.Tree.Private && target.Tree.Closed == 0 {
		return nil, config.Hint(fmt.Errorf("target %s: private files need a closed directory", target.Name), `set closed, such as "0750"`)
	}
	s := step{cfg: cfg, target: target, tree: target.Tree, item: item}
	switch item.Uses {
	case "stage":
		return &syncing{step: s, from: compose, place: staging}, nil
	case "promote":
		return &syncing{step: s, from: staging, place: production}, nil
	case "rollback":
		return &rollback{s}, nil
	case "verify":
		return newVerify(s)
	case "prune":
		return &prune{s}, nil
	}
	return nil, fmt.Errorf("a tree has no %q: use stage, promote, rollback, verify or prune", config.Inert(item.Uses))
}
