package tree

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// rollback takes the last sync of production back, or one that is half done, or
// several in their order.
type rollback struct{ step }

// Points lists the failpoints of syncs and undos. A crash at any of them leaves a
// tree that clients can read, and that either goes on from.
func Points() []string {
	return []string{
		"tree.phase.copying", "tree.mkdirs", "tree.made", "tree.saved", "tree.placed", "tree.phase.naming",
		"tree.phase.waiting", "tree.waiting", "tree.phase.removing", "tree.removed", "tree.dressed", "tree.phase.complete", "tree.pointed",
		"tree.phase.undoing", "tree.restored", "tree.phase.undone",
	}
}

// chosen are the syncs to take back, the newest first, and the one to go back to;
// "" is what there was before gantry.
func (s *rollback) chosen(c *chain) (doomed []*record, goal string, err error) {
	half := c.half()
	to := s.item.With["to"]
	switch {
	case half != nil && half.Phase == undoing:
		goal = half.Goal
	case half != nil && to == "":
		return []*record{half}, c.current, nil
	case c.current == "":
		return nil, "", &pipeline.RefusedError{Reason: fmt.Sprintf("there is no sync of production of %s to take back", s.target.Name), Hint: "see what was synced: gantry snapshots " + string(s.target.Name)}
	case to == "":
		goal = c.find(c.current).Previous
	case c.find(to) == nil || c.find(to).Phase == undone || to > c.current:
		return nil, "", config.Hint(fmt.Errorf("there is no sync %q of production of %s to go back to", config.Inert(to), s.target.Name), "see those there are: gantry snapshots "+string(s.target.Name))
	case to == c.current && half == nil:
		return nil, "", &pipeline.RefusedError{Reason: fmt.Sprintf("production of %s is the result of sync %s already", s.target.Name, to), Idle: true}
	default:
		goal = to
	}
	if goal != "" && c.find(goal) == nil {
		return nil, "", config.Hint(fmt.Errorf("what is needed to go back to sync %s of production of %s was pruned", goal, s.target.Name), "sync again from a good source")
	}
	for _, r := range slices.Backward(c.records) {
		if r.ID > goal && r.Phase != undone {
			doomed = append(doomed, r)
		}
	}
	return doomed, goal, nil
}

// look surveys what has to be taken back.
func (s *rollback) look(ctx context.Context, env *pipeline.Env) (_ *chain, undos []*undo, goal string, err error) {
	if s.tree.Production.Root == "" {
		return nil, nil, "", config.Hint(fmt.Errorf("%s has no production", s.target.Name), "only stable trees go there")
	}
	c, err := s.chain(ctx, env, production)
	if err != nil {
		return nil, nil, "", err
	}
	doomed, goal, err := s.chosen(c)
	for _, r := range doomed {
		var u *undo
		if err == nil {
			u, err = c.undo(ctx, r)
		}
		if err == nil {
			undos = append(undos, u)
		}
	}
	if err != nil {
		done(c, undos)
		return nil, nil, "", err
	}
	return c, undos, goal, nil // of one sync at least
}

// done closes what look opened.
func done(c *chain, undos []*undo) {
	for _, u := range undos {
		u.close()
	}
	c.close()
}

// Plan tells what comes back and what goes.
func (s *rollback) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	c, undos, goal, err := s.look(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer done(c, undos)
	p := pipeline.Plan{
		Counts: &pipeline.Counts{}, Facts: map[string]string{"digest": digestOf(undos)},
		Inputs: repository.Digest(c.current, goal),
	}
	if goal != c.current {
		p.Move = &checklist.Move{Pointer: production, From: c.current, To: goal}
		if at, err := storage.ParseID(goal); err == nil {
			p.Move.Revision = at.Unix()
		}
	}
	var ids []string
	for i, u := range undos {
		ids = append(ids, u.r.ID)
		if i == 0 {
			u.describe(&p)
			continue
		}
		// What a later undo finds is what this one leaves: its record says how much it is.
		p.Counts.Added, p.Counts.Removed, p.Counts.Changed = p.Counts.Added+u.r.Counts.Removed, p.Counts.Removed+u.r.Counts.Added, p.Counts.Changed+u.r.Counts.Changed
	}
	if len(undos[0].lost) > 0 {
		return pipeline.Plan{}, config.Hint(fmt.Errorf("sync %s cannot be taken back: %s that it replaced %s not kept any more: %s", ids[0],
			repository.Count(len(undos[0].lost), "file", "files"), map[bool]string{true: "is", false: "are"}[len(undos[0].lost) == 1], few(undos[0].lost)), "sync again from a good source")
	}
	if foreign := undos[0].foreign; len(foreign) > 0 {
		p.Alarms = append(p.Alarms, pipeline.Alarm{
			Word: fmt.Sprintf("changed-%d", len(foreign)),
			Text: "others wrote since the sync, which is moved to its undo area: " + config.Inert(few(foreign))})
	}
	what := "sync " + strings.Join(ids, ", then ")
	p.Title = fmt.Sprintf("Take %s of production of %s back: every client and mirror gets what was there before", what, s.target.Name)
	if half := c.half(); half != nil {
		p.Warnings = append(p.Warnings, c.apart(half))
	}
	p.Warnings = append(p.Warnings, "what hosts have installed stays; clients that hold newer metadata refresh it first: dnf --refresh")
	return p, nil
}

func digestOf(undos []*undo) string {
	sum := sha256.New()
	for i, u := range undos {
		fmt.Fprintln(sum, u.r.ID, u.r.Phase)
		if i == 0 {
			writeChanges(sum, u.changes, u.folders) // a hash takes everything
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Run takes the syncs back, the newest first. Run again, it goes on.
func (s *rollback) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	c, undos, goal, err := s.look(ctx, env)
	if err != nil {
		return nil, err
	}
	defer func() { done(c, undos) }()
	if digestOf(undos) != plan.Facts["digest"] {
		return nil, config.Hint(fmt.Errorf("production of %s changed since the plan was made", s.target.Name), "plan again")
	}
	if err := holds(ctx, env); err != nil {
		return nil, err
	}
	if c.far != nil {
		if err := c.far.move(ctx, c.current, undos[0].r.ID); err != nil {
			return nil, err
		}
	}
	for _, u := range undos { // whoever goes on knows how far back
		if u.r.Phase != undone {
			u.r.Phase, u.r.Goal, u.r.Run = undoing, goal, env.Run
			if err := c.write(ctx, u.r); err != nil {
				return nil, err
			}
		}
	}
	p.Phase("take back", pipeline.Files, int64(plan.Count().Added+plan.Count().Changed+plan.Count().Removed))
	for i, u := range undos {
		if i > 0 { // it is seen anew, after the one before it
			u.close()
			if undos[i], err = c.undo(ctx, u.r); err != nil {
				undos = undos[:i]
				return nil, err
			}
			u = undos[i]
			if len(u.foreign) > 0 { // it was not seen before, and is acknowledged in a plan of its own
				return nil, config.Hint(fmt.Errorf("others wrote since sync %s: %s", u.r.ID, few(u.foreign)), "go on: gantry rollback "+string(s.target.Name))
			}
		}
		if c.far != nil {
			err = c.far.takeBack(ctx, env, c, u, p)
		} else if err = u.run(ctx, p); err == nil {
			err = c.root.flush()
		}
		if err != nil {
			return nil, err
		}
		if i == len(undos)-1 {
			if err := c.point(ctx, goal); err != nil {
				return nil, err
			}
		}
		u.r.Phase = undone
		if err := c.write(ctx, u.r); err != nil {
			return nil, err
		}
		p.Logf("sync %s is taken back", u.r.ID)
	}
	return pipeline.Evidence{production: orNothing(goal), "undone": fmt.Sprint(len(undos))}, nil
}

func orNothing(id string) string {
	if id == "" {
		return "as it was before the first sync"
	}
	return id
}

// Look tells whether the syncs of the plan are taken back.
func (s *rollback) Look(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	c, err := s.chain(ctx, env, production)
	if err != nil {
		return pipeline.Seen{}, err
	}
	defer c.close()
	if half := c.half(); half != nil {
		return pipeline.Seen{Failed: c.apart(half)}, nil
	}
	goal := c.current
	if plan.Move != nil {
		goal = plan.Move.To
	}
	return pipeline.Seen{Done: c.current == goal, Evidence: pipeline.Evidence{production: orNothing(c.current)}}, nil
}

// Inputs is a digest of the sync that production is the result of.
func (s *rollback) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	c, err := s.chain(ctx, env, production)
	if err != nil {
		return "", err
	}
	defer c.close()
	return repository.Digest(c.current), nil
}
