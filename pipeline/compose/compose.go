// Package compose finishes a compose and its copy in staging: it tells whether a
// compose is whole, lays a minor release out, signs the metadata of its
// repositories and moves the link that names the newest compose. It never writes
// to production, and edits no file in place: what is hard-linked elsewhere stays
// as it is there.
package compose

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// Make makes the step of an item that uses compose.id, compose.sign,
// compose.layout or compose.latest. It is about a target of format tree.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	switch item.Uses {
	case "compose.id":
		return newIdentity(cfg, item)
	case "compose.sign":
		return newSigning(cfg, item)
	case "compose.layout":
		return newLayout(cfg, item)
	case "compose.latest":
		return newLatest(cfg, item)
	}
	return nil, fmt.Errorf("item %s uses %q, which is nothing that is done to a compose", item.ID, config.Inert(item.Uses))
}

// most is how many things a plan lists one by one.
const most = 200

// list is the first of many changes.
func list(all []pipeline.Change) []pipeline.Change { return all[:min(len(all), most)] }

// digest is one of lines that hold no newline.
func digest(lines ...string) string {
	h := sha256.New()
	for _, line := range lines {
		fmt.Fprintf(h, "%q\n", line)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// halted is the reason why a run should stop here, where nothing is half done.
func halted(ctx context.Context, env *pipeline.Env) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return env.Holds(ctx)
}
