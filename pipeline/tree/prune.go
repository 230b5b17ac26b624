package tree

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
)

// prune removes what old syncs kept.
type prune struct{ step }

// each opens the places that the tree has.
func (s *prune) each(ctx context.Context, env *pipeline.Env, do func(*chain) error) error {
	o := &outlet{cfg: s.cfg, target: s.target, places: []string{staging}, far: env.Area}
	if s.tree.Production.Root != "" {
		o.places = append(o.places, production)
	}
	for _, place := range o.places {
		if err := o.with(ctx, place, do); err != nil {
			return err
		}
	}
	return nil
}

// doomed are the syncs whose undo areas go: all but the newest ones, and those
// that were taken back. While a sync is half done, nothing goes.
func (s *prune) doomed(c *chain) []string {
	if c.half() != nil {
		return nil
	}
	kept := c.done()
	kept = kept[max(0, len(kept)-s.target.Snapshots):]
	var ids []string
	for i, r := range c.records {
		if c.far != nil && r == c.latest(r.To, c.current) {
			continue // what an edition holds is known by it alone
		}
		if !slices.Contains(kept, r) && r.ID != c.current && (r.Phase != undone || i < len(c.records)-1) {
			ids = append(ids, r.ID) // the newest stays in any case: ids only rise
		}
	}
	return ids
}

// Plan lists the undo areas that go.
func (s *prune) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	p := pipeline.Plan{Facts: map[string]string{}}
	var all []string
	err := s.each(ctx, env, func(c *chain) error {
		for _, id := range s.doomed(c) {
			all = append(all, c.place+"/"+id)
			r := c.find(id)
			p.Removed = append(p.Removed, pipeline.Change{Name: c.place + "/" + id, From: config.Inert(fmt.Sprintf("%s, %s", r.To, r.Phase))})
		}
		return nil
	})
	if err != nil {
		return p, err
	}
	if len(all) == 0 {
		return p, &pipeline.RefusedError{Reason: fmt.Sprintf("nothing to prune: no more than %d syncs of %s are kept", s.target.Snapshots, s.target.Name), Idle: true}
	}
	p.Title = fmt.Sprintf("Remove what %s of %s kept; nobody can take them back", repository.Count(len(all), "sync", "syncs"), s.target.Name)
	p.Inputs = repository.Digest(all...)
	return p, nil
}

// Run removes them.
func (s *prune) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	p.Phase("remove", pipeline.Files, int64(len(plan.Removed)))
	removed := 0
	err := s.each(ctx, env, func(c *chain) error {
		if err := c.sweep(ctx); err != nil {
			return err
		}
		doomed := s.doomed(c)
		for _, gone := range plan.Removed {
			place, id, _ := strings.Cut(gone.Name, "/")
			if place != c.place || !slices.Contains(doomed, id) {
				continue
			}
			if err := holds(ctx, env); err != nil {
				return err
			}
			p.File(gone.Name)
			if err := c.remove(ctx, id); err != nil {
				return err
			}
			p.Logf("removed what sync %s kept", id)
			p.Add(1)
			removed++
		}
		return nil
	})
	return pipeline.Evidence{"removed": fmt.Sprint(removed)}, err
}

// Look tells whether all of the plan are gone.
func (s *prune) Look(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	seen := pipeline.Seen{Done: true, Evidence: pipeline.Evidence{"removed": fmt.Sprint(len(plan.Removed))}}
	err := s.each(ctx, env, func(c *chain) error {
		for _, gone := range plan.Removed {
			if place, id, _ := strings.Cut(gone.Name, "/"); place == c.place && c.find(id) != nil {
				seen = pipeline.Seen{}
			}
		}
		return nil
	})
	return seen, err
}
