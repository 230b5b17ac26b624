package rpm

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
type prune struct{ trade }

// Plan lists the snapshots to remove. Kept are those that a pointer names, those
// whose files must stay served, and those that wait to be served: built after
// what staging and production name, twins for no more than a day.
func (s *prune) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	w, err := s.look(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	doomed, err := w.doomed()
	if err != nil {
		return pipeline.Plan{}, err
	}
	if len(doomed) == 0 {
		return pipeline.Plan{}, &pipeline.RefusedError{
			Reason: fmt.Sprintf("nothing to prune: every snapshot of %s is served, was served lately, or waits to be served", s.target.Name),
			Hint:   "what interrupted builds left is removed by the next build"}
	}
	freed, err := w.freed(doomed)
	if err != nil {
		return pipeline.Plan{}, err
	}
	p := pipeline.Plan{
		Title:  fmt.Sprintf("Remove %s of %s for good; nobody can go back to them", count(len(doomed), "snapshot", "snapshots"), s.target.Name),
		Facts:  map[string]string{"kept": strings.Join(w.others(doomed), " ")},
		Inputs: digest([]byte(strings.Join(doomed, " "))),
	}
	for i, id := range doomed {
		was := "never published"
		if w.published(id) {
			was = "published"
		}
		p.Removed = append(p.Removed, pipeline.Change{Name: id, From: was, Size: freed[i]})
		p.Bytes += freed[i]
	}
	return p, nil
}

// doomed are the snapshots that are not kept, oldest first.
func (w *world) doomed() ([]string, error) {
	kept := append(w.kept(), w.staging, w.production)
	var doomed []string
	for _, id := range w.ids {
		if slices.Contains(kept, id) {
			continue
		}
		if !w.published(id) && id > max(w.staging, w.production) {
			if s, err := w.snapshot(id); err != nil {
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
func (w *world) others(ids []string) []string {
	return slices.DeleteFunc(slices.Clone(w.ids), func(id string) bool { return slices.Contains(ids, id) })
}

// freed is how many bytes the removal of each snapshot frees, in their order:
// those of files that neither those that stay nor later ones of the list share.
func (w *world) freed(doomed []string) ([]int64, error) {
	held := map[string]bool{} // by device and inode
	for _, id := range w.others(doomed) {
		s, err := w.snapshot(id)
		if err != nil {
			return nil, err
		}
		for _, f := range s.Files {
			held[inode(f)] = true
		}
	}
	freed := make([]int64, len(doomed))
	for i, id := range slices.Backward(doomed) {
		s, err := w.snapshot(id)
		if err != nil {
			return nil, err
		}
		for _, f := range s.Files {
			if at := inode(f); !held[at] {
				held[at] = true
				freed[i] += f.Size
			}
		}
	}
	return freed, nil
}

// inode is the file behind a name as its manifest remembers it, the same for all
// its hard links.
func inode(f storage.File) string {
	i := strings.LastIndexByte(f.Stat, ':')
	if i < 0 {
		return f.SHA256 // never looked at; its bytes are as good
	}
	return f.Stat[:i]
}

// Run removes the snapshots of the plan and what interrupted builds left.
func (s *prune) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	w, err := s.look(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := w.served.Sweep(ctx); err != nil {
		return nil, fmt.Errorf("remove what interrupted builds left: %w", err)
	}
	p.Phase("remove", pipeline.Files, int64(len(plan.Removed)))
	removed := 0
	doomed, err := w.doomed()
	if err != nil {
		return nil, err
	}
	for _, c := range plan.Removed {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		if !slices.Contains(w.ids, c.Name) {
			continue // an earlier run got so far
		}
		if !slices.Contains(doomed, c.Name) {
			return nil, config.Hint(errors.New("snapshot "+c.Name+" is needed again since the plan was made"), "plan again")
		}
		p.File(c.Name)
		if err := w.served.Remove(ctx, c.Name); err != nil {
			return nil, err
		}
		p.Logf("removed snapshot %s", c.Name)
		p.Add(1)
		removed++
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
		if slices.Contains(w.ids, c.Name) {
			return pipeline.Seen{}, nil
		}
	}
	return pipeline.Seen{Done: true, Evidence: pipeline.Evidence{"removed": fmt.Sprint(len(plan.Removed))}}, nil
}
