package filelist

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"gantry/pipeline"
	"gantry/pipeline/walk"
)

// Reverse is the step that puts the lists with times back that were there before.
// Plain lists are not kept, and tell mirrors nothing.
func (s *step) Reverse() pipeline.Step { return &reverse{s} }

// reverse takes back what a step did.
type reverse struct{ of *step }

// Plan says how many entries go and come back.
func (r *reverse) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	s := r.of
	if err := s.quiet(ctx, env); err != nil {
		return pipeline.Plan{}, err
	}
	root, err := walk.Open(s.root, s.lists.Mount)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer root.Close()
	plan := pipeline.Plan{Counts: &pipeline.Counts{}, Facts: map[string]string{}}
	for i := range s.scopes {
		sc := &s.scopes[i]
		at, err := root.Below(sc.Dir)
		if err != nil {
			return pipeline.Plan{}, err
		}
		is, was, now, err := kept(at, sc)
		at.Close()
		if err != nil {
			return pipeline.Plan{}, err
		}
		if is == "" {
			continue
		}
		n := pipeline.Counts{Added: max(was-now, 0), Removed: max(now-was, 0)}
		plan.Parts = append(plan.Parts, pipeline.Part{Name: sc.Dir, Counts: n})
		plan.Counts.Added, plan.Counts.Removed = plan.Counts.Added+n.Added, plan.Counts.Removed+n.Removed
		plan.Facts["before "+sc.Dir] = is
		plan.Facts["entries "+sc.Dir] = fmt.Sprintf("%s, was %d", orNone(now), was)
	}
	if len(plan.Parts) == 0 {
		return pipeline.Plan{}, &pipeline.RefusedError{Reason: "no scope keeps a list from before that is another one", Hint: "write the lists anew", Idle: true}
	}
	plan.Title = fmt.Sprintf("Put %d lists with times below %s back to those from before: from then on mirrors compare with them", len(plan.Parts), s.root)
	return plan, nil
}

// kept is the list from before of a scope: which file it is, how many entries it
// has, and how many the one that is there. It is empty where there is none, or the
// same one.
func kept(at *os.Root, sc *scope) (is string, was, now int, err error) {
	if len(sc.Times) == 0 {
		return "", 0, 0, nil
	}
	is, err = identity(at, sc.old())
	if errors.Is(err, fs.ErrNotExist) {
		return "", 0, 0, nil
	}
	if err != nil {
		return "", 0, 0, err
	}
	if first, err := identity(at, sc.first()); err == nil && first == is {
		return "", 0, 0, nil
	}
	read := func(r io.Reader) (int, error) { return Parse(r, nil) }
	if was, err = there(at, sc.old(), read); err != nil {
		return "", 0, 0, fmt.Errorf("%s in scope %s is no list to go back to: %w", sc.old(), sc.Dir, err)
	}
	if now, err = there(at, sc.first(), read); err != nil {
		now = -1 // whatever it is, it is replaced
	}
	return is, was, now, nil
}

// Run puts them back, the copies first.
func (r *reverse) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	w, err := r.of.begin(ctx, env)
	if err != nil {
		return nil, err
	}
	defer w.close()
	p.Phase("put back", pipeline.Files, int64(len(plan.Parts)))
	for _, a := range w.waiting {
		want, ok := plan.Facts["before "+a.scope.Dir]
		if !ok {
			continue
		}
		is, err := identity(a.at, a.scope.old())
		if err == nil && is != want {
			err = &pipeline.ConflictError{Reason: a.scope.old() + " is another file than in the plan", Hint: "plan again"}
		}
		if err != nil {
			return nil, err
		}
		for _, name := range a.scope.Times {
			if err := a.link(a.scope.old(), name); err != nil {
				return nil, err
			}
		}
		p.Add(1)
	}
	if err := r.of.place(ctx, env, w.waiting); err != nil {
		return nil, err
	}
	return pipeline.Evidence{"scopes put back": strconv.Itoa(len(plan.Parts))}, nil
}

// Look tells whether they are back.
func (r *reverse) Look(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	return r.of.Look(ctx, env, plan)
}
