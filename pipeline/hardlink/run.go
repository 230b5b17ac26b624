package hardlink

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"

	"gantry/config"
	"gantry/pipeline"
)

// Run compares again, and links what is the same right away. What is one already
// is nothing to do, so it may be run again.
func (s *step) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	r, err := s.open(ctx, env)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p.Phase("walk", pipeline.Files, 0)
	f, err := find(ctx, r, p)
	if err != nil {
		return nil, err
	}
	if err := env.Holds(ctx); err != nil {
		return nil, err
	}
	if err := sweep(r, f.waiting); err != nil {
		return nil, err
	}
	p.Phase("compare and link", pipeline.Bytes, f.bytes)
	var planned, linked, saved atomic.Int64
	planned.Store(int64(plan.Count().Changed))
	failed, err := f.compare(ctx, r, p, func(c *comparer, _ int, two pair) error {
		p.File(config.Inert(two.goes.names[0].path()))
		frees := two.goes.frees()
		if planned.Add(-int64(len(two.goes.names))) < 0 {
			return &pipeline.ConflictError{Reason: "more files are the same than the plan says", Hint: "wait until nobody writes to the tree, and plan again"}
		}
		n, err := c.link(two.stays, two.goes)
		linked.Add(int64(n))
		planned.Add(int64(len(two.goes.names))) // those that did not, such as for being on another mount
		if err == nil {
			saved.Add(frees)
		}
		return err
	})
	ev := pipeline.Evidence{"files linked": strconv.FormatInt(linked.Load(), 10), "bytes saved": strconv.FormatInt(saved.Load(), 10)}
	for _, warning := range warnings(f.blind, failed) {
		p.Logf("%s", warning)
	}
	if err != nil {
		return ev, fmt.Errorf("after %d names: %w", linked.Load(), err)
	}
	if n := len(failed); n > 0 {
		ev["files left alone"] = strconv.Itoa(n)
	}
	p.Logf("%d names were linked, which saves %s", linked.Load(), size(saved.Load()))
	return ev, nil
}
