package rpm

import (
	"fmt"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// The pointers of a target, which are also the words that verify takes.
const (
	staging    = "staging"
	production = "production"
)

// trade is what every step of this trade knows: the configuration, the target
// and the item it is run for.
type trade struct {
	cfg    *config.Release
	target *config.Target
	item   checklist.Item
}

// Make makes the step of an item on an RPM target, by the verb that it uses:
// build, stage, promote, rollback, refresh, verify or prune.
//
// A target serves packages of its own architecture and noarch ones. Those of an
// architecture that it could run besides, such as i686 on x86_64, are refused:
// nothing says that a release is meant to be multilib, and a package that went
// astray is the likelier reason.
//
// Options of items: "to" of rollback is the snapshot to go back to, empty for
// the one served before; "pointer" of verify is staging or production (the
// default), "via" is http or files (by default http where the target has such a
// URL), "packages" is all (the default) or sample:N.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	target, ok := cfg.Target(item.Target)
	if !ok {
		return nil, config.Hint(fmt.Errorf("%s: no target %q in the configuration", item.Uses, config.Inert(item.Target)),
			"name one of the targets of release.yaml")
	}
	if target.Format != config.FormatRPM {
		return nil, fmt.Errorf("%s: target %s is not an RPM repository but %q", item.Uses, target.Name, target.Format)
	}
	t := trade{cfg: cfg, target: target, item: item}
	switch item.Uses {
	case "build":
		return &build{t}, nil
	case "stage":
		return &flip{trade: t, pointer: staging, goal: stageGoal}, nil
	case "promote":
		return &flip{trade: t, pointer: production, goal: promoteGoal}, nil
	case "rollback":
		return &flip{trade: t, pointer: production, goal: rollbackGoal}, nil
	case "refresh":
		return &flip{trade: t, pointer: production, goal: refreshGoal}, nil
	case "verify":
		return newVerify(t)
	case "prune":
		return &prune{t}, nil
	}
	return nil, fmt.Errorf("an RPM repository has no %q: use build, stage, promote, rollback, refresh, verify or prune", config.Inert(item.Uses))
}
