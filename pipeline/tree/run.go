package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
)

// Run does what the plan says. Whatever happens to it, the tree is one that
// clients can read, and another run of the same plan, or of a new one, goes on
// from there.
func (s *syncing) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	v, err := s.again(ctx, env, plan)
	if err != nil {
		return nil, err
	}
	defer v.close()
	s.seen = nil
	if plan.Move == nil || plan.Move.To != v.id || plan.Move.From != v.chain.current {
		return nil, config.Hint(fmt.Errorf("%s of %s moved since the plan was made", s.place, s.target.Name), "plan again")
	}
	if plan.Move.From == plan.Move.To && v.half == nil {
		return evidence(v.chain.find(v.id)), nil
	}
	if err := holds(ctx, env); err != nil {
		return nil, err
	}
	if v.chain.far != nil {
		r, err := s.send(ctx, env, v, p)
		return evidence(r), err
	}
	r, home, err := s.begin(ctx, env, v)
	if err != nil {
		return nil, err
	}
	defer home.close()
	if err := s.work(ctx, env, v, r, home, p); err != nil {
		return nil, err
	}
	return evidence(r), nil
}

// holds makes sure that the run may still act.
func holds(ctx context.Context, env *pipeline.Env) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return env.Holds(ctx)
}

// again is the world of a plan: as it was seen then, a moment ago, or else seen
// anew.
func (s *syncing) again(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (v *survey, err error) {
	if v = s.seen; v == nil || v.digest != plan.Facts["changes"] {
		if v, err = s.look(ctx, env); err != nil {
			return nil, err
		}
		if v.digest != plan.Facts["changes"] {
			v.close()
			return nil, config.Hint(fmt.Errorf("%s or %s changed since the plan was made", s.from, s.place), "plan again")
		}
		return v, nil
	}
	v.from, v.to, v.root = nil, nil, nil
	from, at, err := s.source(s.from, v.edition)
	if err == nil && at != v.fromPath {
		from.close()
		err = config.Hint(fmt.Errorf("%s is at %s now, not at %s", s.from, at, v.fromPath), "plan again")
	}
	if err != nil {
		return nil, err
	}
	v.from = from
	if v.chain, err = s.chain(ctx, env, s.place); err == nil && v.chain.far == nil {
		v.root = v.chain.root
		v.to, err = destination(v.root, s.place, v.toPath)
	}
	if err == nil {
		err = s.pending(v)
	}
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// begin makes the record of the sync, or takes that of one that is half done, and
// notes what is to be done before any of it is.
func (s *syncing) begin(ctx context.Context, env *pipeline.Env, v *survey) (*record, *folder, error) {
	home, err := v.chain.home(v.id)
	if err != nil {
		return nil, nil, explained(err)
	}
	r := v.half
	if r == nil {
		r = &record{ID: v.id, Previous: v.chain.current, Target: string(s.target.Name), Place: s.place, To: v.toPath, Begun: env.Now().UTC()}
		if v.to == nil {
			for dir, _ := splitPath(v.toPath); dir != "."; dir, _ = splitPath(dir) {
				if at, err := v.root.open(dir); err == nil {
					at.close()
					break
				}
				r.Made = append(r.Made, dir)
			}
		}
	}
	s.about(env, v, r)
	if v.half == nil { // what was noted there was of a run that came to nothing
		if err := home.unlink(changesFile); err != nil && !errors.Is(err, unix.ENOENT) {
			home.close()
			return nil, nil, err
		}
	}
	err = note(home, v.changes, v.folders)
	if err == nil {
		err = v.chain.write(ctx, r)
	}
	if err == nil {
		err = s.probe(v, home)
	}
	if err != nil {
		home.close()
		return nil, nil, err
	}
	return r, home, nil
}

// about notes in the record what the sync is of, and where it begins.
func (s *syncing) about(env *pipeline.Env, v *survey, r *record) {
	r.From, r.Staged, r.Release, r.Edition, r.Run = v.fromPath, v.staged, env.Release, env.Version, env.Run
	r.Bytes, r.Repos = r.Bytes+s.bytes(v), nil
	for p, at := range v.repos {
		if at.src {
			r.Repos = append(r.Repos, p)
		}
	}
	slices.Sort(r.Repos)
	if v.half == nil {
		r.Counts = v.counts()
	}
	comes := slices.ContainsFunc(v.changes, func(c change) bool { return c.new != nil })
	if v.half == nil || comes {
		r.Phase, r.Settled = copying, time.Time{}
	}
}

func (s *syncing) bytes(v *survey) (n int64) {
	for i := range v.changes {
		if c := &v.changes[i]; c.new != nil && c.leader == "" {
			n += c.new.size
		}
	}
	return n
}

// probe makes the tree where there is none, and makes sure that files of it can
// be kept in the undo area.
func (s *syncing) probe(v *survey, home *folder) error {
	if v.to == nil {
		dir, _ := splitPath(v.toPath)
		above, err := v.root.make(dir, 0o755, nil)
		if err != nil {
			return explained(err)
		}
		above.close()
		mode := uint32(0o700) // until the top is dressed, last of all
		for _, c := range v.folders {
			if c.name == "." && c.new != nil {
				mode = c.new.mode | 0o700
			}
		}
		if err := v.root.mkdir(v.toPath, mode); err != nil && !errors.Is(err, unix.EEXIST) {
			return explained(err)
		}
		if v.to, err = destination(v.root, s.place, v.toPath); err != nil {
			return err
		}
	}
	if len(v.changes)+len(v.folders) == 0 {
		return nil // and the time of the top stays as it is
	}
	temp := newAct(nil).temp("undo")
	if err := home.link(recordFile, v.to, temp); err != nil {
		return explained(err)
	}
	return v.to.unlink(temp)
}
