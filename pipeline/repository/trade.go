// Package repository is what trades that publish snapshots have in common: what
// is staged becomes a snapshot, a pointer is moved to it, moved back, or to a
// twin that publishes the same under newer metadata; and snapshots that nobody
// needs are removed. What a snapshot is made of is the trade's affair.
package repository

import (
	"context"
	"fmt"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// The pointers of a target, which are also the words that verify takes.
const (
	Staging    = "staging"
	Production = "production"
)

// Trade is what one format of repositories adds.
type Trade interface {
	// Traits are what is always so.
	Traits() Traits
	// Key is the fingerprint of the key that clients of the target are given, and
	// Ready makes sure that its private half is here and can sign.
	Key(w *World) (fingerprint string, err error)
	Ready(w *World) error
	// Survey identifies the staged artifacts and chooses what a snapshot of them
	// would hold. It reads only.
	Survey(ctx context.Context, w *World, staged []storage.Artifact, from Lineage) (*Survey, error)
	// Twin builds a snapshot aside that publishes what another one does under newer
	// metadata, signed with the key of now.
	Twin(ctx context.Context, w *World, of *Snapshot, p *pipeline.Progress) error
	// Unfit says in words why clients would not take a snapshot as it is, or
	// nothing.
	Unfit(ctx context.Context, w *World, s *Snapshot) (string, error)
	// Certify verifies, right before a flip, the signature that clients look at
	// first.
	Certify(ctx context.Context, w *World, s *Snapshot) error
	// Lasting are the files that clients may fetch that hold the snapshot's metadata,
	// and that a snapshot which takes its place must have as well.
	Lasting(s *Snapshot) []storage.File
	// Read reads a snapshot as a client does that follows a pointer.
	Read(ctx context.Context, w *World, s *Snapshot, how Reading, p *pipeline.Progress) (pipeline.Evidence, error)
	// Pruned removes, after snapshots are gone, what only they needed. It is told
	// the snapshots that remain.
	Pruned(ctx context.Context, w *World, remain []*Snapshot, p *pipeline.Progress) error
	// Compare compares two versions: negative where a is older.
	Compare(a, b string) int
}

// Traits are what is always so of a format.
type Traits struct {
	Noun    string // what a target is: an RPM repository
	Forward bool   // clients ignore or refuse metadata older than what they have seen
	Down    string // what brings hosts to the lower version that is served: they go back with ...
	Stale   string // what clients do that hold older metadata: dnf --refresh
}

// Survey is what a build would do.
type Survey struct {
	Packages []storage.File // that the snapshot would hold, as far as can be told beforehand
	Fresh    int            // of them, those to be signed or written
	Warnings []string       // what an operator should know
	// Publish builds the snapshot, aside and whole. What the metadata of like says
	// may be copied; like may be nil.
	Publish func(ctx context.Context, like *Snapshot, p *pipeline.Progress) (pipeline.Evidence, error)
}

// Reading is how to read as a client.
type Reading struct {
	Pointer string
	Via     string // http, files, or empty: http where the target has such an address
	Sample  int    // packages to read whole; negative for all
}

// Make makes the step of an item on a target, by the verb that it uses: build,
// stage, promote, rollback, refresh, verify or prune.
//
// Options of items: "to" of rollback is the snapshot to go back to, empty for
// the one served before; "pointer" of verify is staging or production (the
// default), "via" is http or files (by default http where the target has such a
// URL), "packages" is all (the default) or sample:N.
func Make(cfg *config.Release, item checklist.Item, format config.Format, trade Trade) (pipeline.Step, error) {
	target, ok := cfg.Target(item.Target)
	if !ok {
		return nil, config.Hint(fmt.Errorf("%s: no target %q in the configuration", item.Uses, config.Inert(item.Target)),
			"name one of the targets of release.yaml")
	}
	noun := trade.Traits().Noun
	if target.Format != format {
		return nil, fmt.Errorf("%s: target %s is not %s but %q", item.Uses, target.Name, noun, target.Format)
	}
	t := step{cfg: cfg, target: target, item: item, trade: trade}
	switch item.Uses {
	case "build":
		return &build{t}, nil
	case "stage":
		return &flip{step: t, pointer: Staging, goal: stageGoal}, nil
	case "promote":
		return &flip{step: t, pointer: Production, goal: promoteGoal}, nil
	case "rollback":
		return &flip{step: t, pointer: Production, goal: rollbackGoal}, nil
	case "refresh":
		return &flip{step: t, pointer: Production, goal: refreshGoal}, nil
	case "verify":
		return newVerify(t)
	case "prune":
		return &prune{t}, nil
	}
	return nil, fmt.Errorf("%s has no %q: use build, stage, promote, rollback, refresh, verify or prune", noun, config.Inert(item.Uses))
}

// step is what every step knows: the configuration, the target and the item it
// is run for.
type step struct {
	cfg    *config.Release
	target *config.Target
	item   checklist.Item
	trade  Trade
}
