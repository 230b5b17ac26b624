package tree

import (
	"context"
	"fmt"
	"path"
	"strconv"

	"gantry/config"
	"gantry/pipeline"
)

// Look tells whether the tree is the result of the plan's sync.
func (s *syncing) Look(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	if plan.Move == nil {
		return pipeline.Seen{}, nil
	}
	c, err := s.chain(ctx, env, s.place)
	if err != nil {
		return pipeline.Seen{}, err
	}
	defer c.close()
	if c.current == plan.Move.To && c.half() == nil {
		return pipeline.Seen{Done: true, Evidence: evidence(c.find(c.current))}, nil
	}
	if half := c.half(); half != nil && half.ID == plan.Move.To {
		return pipeline.Seen{Failed: c.apart(half)}, nil
	}
	return pipeline.Seen{}, nil
}

// apart says in words what is half done.
func (c *chain) apart(half *record) string {
	name := path.Base(half.To)
	if half.Phase == undoing {
		return fmt.Sprintf("%s of %s: the undo of sync %s is half done; ask for it again to go on", c.place, name, half.ID)
	}
	words := map[phase]string{
		copying: "clients see nothing of it yet", naming: "clients see a part of it",
		waiting: "clients see it, and what it removes is still there", removing: "clients see it, and a part of what it removes is still there",
		complete: "all of it is there",
	}
	return fmt.Sprintf("%s of %s: sync %s is half done, %s; ask for it again to go on, or roll back", c.place, name, half.ID, words[half.Phase])
}

// evidence is what a sync did.
func evidence(r *record) pipeline.Evidence {
	if r == nil {
		return nil
	}
	return pipeline.Evidence{
		r.Place: r.ID, "added": strconv.Itoa(r.Counts.Added), "changed": strconv.Itoa(r.Counts.Changed),
		"removed": strconv.Itoa(r.Counts.Removed), "bytes": strconv.FormatInt(r.Bytes, 10),
		"from": config.Inert(r.From), "to": config.Inert(r.To),
	}
}

// Inputs is a digest of what makes the item true: that the place is the result of
// the latest sync, and that the metadata of the source is what it was.
func (s *syncing) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	return s.inputs(ctx, env)
}
