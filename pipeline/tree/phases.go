package tree

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// work brings the changes to the tree, in the order that clients need.
func (s *syncing) work(ctx context.Context, env *pipeline.Env, v *survey, r *record, home *folder, p *pipeline.Progress) error {
	kept, err := home.make(filesDir, 0o700, nil)
	if err != nil {
		return explained(err)
	}
	defer kept.close()
	a := newAct(p)
	a.dst, a.from, a.kept = v.to, v.from, kept
	a.put, a.save, a.drop, a.unit = fetch, save, shelve, pipeline.Bytes
	p.Phase("copy to "+s.place, pipeline.Bytes, s.bytes(v))
	if v.half != nil {
		p.Logf("going on with sync %s, which is %s", r.ID, r.Phase)
	}
	for _, left := range v.litter {
		dir, name := splitPath(left)
		if at, err := a.dst.open(dir); err == nil {
			err = at.unlink(name)
			at.close()
			if err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
		}
	}
	if v.changes, v.folders, err = a.clear(ctx, v.changes, v.folders); err != nil {
		return err
	}
	if err := a.mkdirs(v.folders); err != nil {
		return err
	}
	storage.Reach("tree.mkdirs")
	listed := make(chan error, 1)
	go func() { listed <- v.list(home) }()
	err = s.publish(ctx, env, a, v, r, p)
	if bad := <-listed; err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	if err := s.removals(ctx, env, a, v, r, p); err != nil {
		return err
	}
	return s.finish(ctx, env, a, v, r, home, p)
}

// publish brings in what is new: content, then what names it, then what names
// that. Each is durable before the next.
func (s *syncing) publish(ctx context.Context, env *pipeline.Env, a *act, v *survey, r *record, p *pipeline.Progress) error {
	if r.Phase != copying && r.Phase != naming {
		return nil // nothing is new
	}
	if err := a.place(ctx, v.changes, content); err != nil {
		return err
	}
	if err := a.dst.flush(); err != nil {
		return explained(err)
	}
	if err := holds(ctx, env); err != nil {
		return err
	}
	if r.Phase != naming {
		r.Phase = naming
		if err := v.chain.write(ctx, r); err != nil {
			return err
		}
	}
	p.Logf("the packages are there; metadata follows")
	for _, at := range []stage{metadata, heads} {
		if slices.ContainsFunc(v.changes, func(c change) bool { return c.new != nil && stageOf(c.dir, c.name, c.new.kind) == at }) {
			if err := a.place(ctx, v.changes, at); err != nil {
				return err
			}
			if err := a.dst.flush(); err != nil {
				return explained(err)
			}
		}
	}
	return nil
}

// removals waits until clients had time to forget the old metadata, and removes
// what the source has not.
func (s *syncing) removals(ctx context.Context, env *pipeline.Env, a *act, v *survey, r *record, p *pipeline.Progress) error {
	going := 0
	for i := range v.changes {
		if v.changes[i].new == nil {
			going++
		}
	}
	if r.Settled.IsZero() {
		r.Settled = env.Now().UTC()
	}
	if going > 0 {
		if r.Phase != removing {
			r.Phase = waiting
		}
		if err := v.chain.write(ctx, r); err != nil {
			return err
		}
		if s.place == production {
			if err := s.wait(ctx, env, r, p); err != nil {
				return err
			}
		}
		if err := holds(ctx, env); err != nil {
			return err
		}
		r.Phase = removing
		if err := v.chain.write(ctx, r); err != nil {
			return err
		}
		a.unit = pipeline.Files
		p.Phase("remove from "+s.place, pipeline.Files, int64(going))
		if err := a.remove(ctx, v.changes); err != nil {
			return err
		}
	}
	stay, err := a.prune(v.folders)
	if err == nil && len(stay) > 0 {
		p.Logf("not empty, so they stay: %s", few(stay))
	}
	return err
}

// wait waits until the grace is over, by the record: a run that goes on waits for
// the rest.
func (s *syncing) wait(ctx context.Context, env *pipeline.Env, r *record, p *pipeline.Progress) error {
	end := r.Settled.Add(time.Duration(s.tree.Grace))
	left := end.Sub(env.Now())
	if left <= 0 {
		return nil
	}
	left = min(left, time.Duration(s.tree.Grace)) // a clock that was set back does not make it longer
	p.Phase("wait before removals", "seconds", int64(left/time.Second))
	p.File("they begin at " + end.Local().Format(time.TimeOnly))
	p.Logf("removals begin at %s", end.Local().Format(time.DateTime))
	storage.Reach("tree.waiting")
	over := time.NewTimer(left)
	defer over.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-over.C:
			return nil
		case <-tick.C:
			p.Add(1)
		case <-ctx.Done():
			return config.Hint(context.Cause(ctx), "run it again: it waits for the rest, then removes")
		}
	}
}

// finish sets the times of directories, makes all durable and the sync the one
// that the tree is the result of.
func (s *syncing) finish(ctx context.Context, env *pipeline.Env, a *act, v *survey, r *record, home *folder, p *pipeline.Progress) error {
	if err := a.dress(v.folders); err != nil {
		return err
	}
	if err := a.dst.flush(); err != nil {
		return explained(err)
	}
	storage.Reach("tree.dressed")
	if v.half != nil { // several runs did it
		all, err := merged(home)
		if err != nil {
			return err
		}
		r.Counts = all.counts()
	}
	r.Phase, r.Completed = complete, env.Now().UTC()
	if err := v.chain.write(ctx, r); err != nil {
		return err
	}
	if err := v.chain.point(ctx, r.ID); err != nil {
		return err
	}
	p.Logf("%s of %s is the result of sync %s", s.place, s.target.Name, r.ID)
	return nil
}
