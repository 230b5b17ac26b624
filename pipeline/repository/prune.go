package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// prune removes snapshots that nobody needs any more.
type prune struct{ step }

// Plan lists the snapshots to remove. Kept are those that a pointer names, those
// whose files must stay served, and those that wait to be served: built after
// what staging and production name, twins for no more than a day.
func (s *prune) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	w, err := s.look(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	doomed, err := w.doomed(ctx)
	if err != nil {
		return pipeline.Plan{}, err
	}
	if len(doomed) == 0 {
		return pipeline.Plan{}, &pipeline.RefusedError{
			Reason: fmt.Sprintf("nothing to prune: every snapshot of %s is served, was served lately, or waits to be served", s.target.Name),
			Hint:   "what interrupted builds left is removed by the next build"}
	}
	freed, err := w.freed(ctx, doomed)
	if err != nil {
		return pipeline.Plan{}, err
	}
	p := pipeline.Plan{
		Title:  fmt.Sprintf("Remove %s of %s for good; nobody can go back to them", Count(len(doomed), "snapshot", "snapshots"), s.target.Name),
		Facts:  map[string]string{"kept": strings.Join(w.others(doomed), " ")},
		Inputs: Digest(doomed...),
	}
	for i, id := range doomed {
		was := "never published"
		if w.Published(id) {
			was = "published"
		}
		p.Removed = append(p.Removed, pipeline.Change{Name: id, From: was, Size: freed[i]})
		p.Bytes += freed[i]
	}
	return p, nil
}

// doomed are the snapshots that are not kept, oldest first.
func (w *World) doomed(ctx context.Context) ([]string, error) {
	kept := append(w.Kept(), w.Staging, w.Production)
	var doomed []string
	for _, id := range w.IDs {
		if slices.Contains(kept, id) {
			continue
		}
		if !w.Published(id) && id > max(w.Staging, w.Production) {
			if s, err := w.Snapshot(ctx, id); err != nil {
				return nil, err
			} else if !w.stale(s) {
				continue // it waits to be served
			}
		}
		doomed = append(doomed, id)
	}
	return doomed, nil
}

// others are the snapshots that are not in a list.
func (w *World) others(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(w.IDs), func(id string) bool { return slices.Contains(ids, id) })
}

// freed is how many bytes the removal of each snapshot frees, in their order:
// those of files that neither those that stay nor later ones of the list share.
func (w *World) freed(ctx context.Context, doomed []string) ([]int64, error) {
	held := map[string]bool{} // by device and inode
	for _, id := range w.others(doomed) {
		s, err := w.Snapshot(ctx, id)
		if err != nil {
			return nil, err
		}
		for at := range s.inodes() {
			held[at] = true
		}
	}
	freed := make([]int64, len(doomed))
	for i, id := range slices.Backward(doomed) {
		s, err := w.Snapshot(ctx, id)
		if err != nil {
			return nil, err
		}
		for at, size := range s.inodes() {
			if !held[at] {
				held[at] = true
				freed[i] += size
			}
		}
	}
	return freed, nil
}

// all are the files of a snapshot and those it names outside itself.
func (s *Snapshot) all() []storage.File { return slices.Concat(s.Files, s.Pool) }

// inodes are the files behind the names of a snapshot, as its manifest remembers
// them, with their sizes: the same for all hard links of one, and for all who name
// one of a pool. On a store every snapshot has the others to itself.
func (s *Snapshot) inodes() map[string]int64 {
	all := map[string]int64{}
	for _, f := range s.Files {
		at := s.ID + "/" + f.Path
		if i := strings.LastIndexByte(f.Stat, ':'); i >= 0 && !strings.HasPrefix(f.Stat, "store:") {
			at = f.Stat[:i]
		}
		all[at] = f.Size
	}
	for _, f := range s.Pool {
		all["pool "+f.Path] = f.Size
	}
	return all
}

// Run removes the snapshots of the plan and what interrupted builds left.
func (s *prune) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	w, err := s.look(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := w.Served.Sweep(ctx); err != nil {
		return nil, fmt.Errorf("remove what interrupted builds left: %w", err)
	}
	p.Phase("remove", pipeline.Files, int64(len(plan.Removed)))
	removed := 0
	doomed, err := w.doomed(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range plan.Removed {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if !slices.Contains(w.IDs, c.Name) {
			continue // an earlier run got so far
		}
		if !slices.Contains(doomed, c.Name) {
			return nil, config.Hint(errors.New("snapshot "+c.Name+" is needed again since the plan was made"), "plan again")
		}
		p.File(c.Name)
		if err := env.Holds(ctx); err != nil {
			return nil, err
		}
		if err := w.Served.Remove(ctx, c.Name); err != nil {
			return nil, err
		}
		p.Logf("removed snapshot %s", c.Name)
		p.Add(1)
		removed++
	}
	var remain []*Snapshot
	for _, id := range w.IDs {
		if slices.ContainsFunc(plan.Removed, func(c pipeline.Change) bool { return c.Name == id }) {
			continue
		}
		s, err := w.Snapshot(ctx, id)
		if err != nil {
			return nil, err
		}
		remain = append(remain, s)
	}
	if err := s.trade.Pruned(ctx, w, remain, p); err != nil {
		return nil, err
	}
	return pipeline.Evidence{"removed": fmt.Sprint(removed), "bytes": fmt.Sprint(plan.Bytes)}, nil
}

// Look tells whether every snapshot of the plan is gone.
func (s *prune) Look(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	w, err := s.look(ctx, env)
	if err != nil {
		return pipeline.Seen{}, err
	}
	for _, c := range plan.Removed {
		if slices.Contains(w.IDs, c.Name) {
			return pipeline.Seen{}, nil
		}
	}
	return pipeline.Seen{Done: true, Evidence: pipeline.Evidence{"removed": fmt.Sprint(len(plan.Removed))}}, nil
}
