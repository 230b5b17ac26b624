package deb

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"gantry/pipeline"
	"gantry/storage"
)

// fill gives the pool the packages that it has not, and notes how it has them.
func (a *assembly) fill(ctx context.Context, packages []candidate) (added int, bytes int64, err error) {
	for _, c := range packages {
		if !c.pooled {
			bytes += c.Size
		}
	}
	a.p.Phase("pool", pipeline.Bytes, bytes)
	named, err := a.named(ctx)
	if err != nil {
		return 0, 0, err
	}
	var fresh, size atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i := range packages {
		c := &packages[i]
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if c.pooled {
				if there, err := a.pool.Has(ctx, c.File); err != nil || there {
					return err
				}
				if !c.staged() {
					return pooled(ctx, a.pool, []storage.File{c.File})
				}
				a.p.Logf("%s is gone from the pool, and is put back", c.Path)
			}
			a.p.File(c.Path)
			o, err := a.put(ctx, c)
			if errors.Is(err, storage.ErrExists) && !named[c.Path] {
				a.p.Logf("%s is what a build left that did not come to its end, and is replaced", c.Path)
				if err = a.Env.Holds(ctx); err == nil {
					err = a.pool.Remove(ctx, c.Path)
				}
				if err == nil {
					o, err = a.put(ctx, c)
				}
			}
			if err != nil {
				return err
			}
			c.Stat = o.Stamp()
			fresh.Add(1)
			size.Add(c.Size)
			return nil
		})
	}
	err = g.Wait()
	return int(fresh.Load()), size.Load(), err
}

// put gives the pool a staged package.
func (a *assembly) put(ctx context.Context, c *candidate) (storage.Object, error) {
	return a.pool.Put(ctx, c.Path, c.Size, c.SHA256, func() (io.ReadCloser, error) {
		r, err := a.Env.Staging.Open(ctx, c.artifact)
		if err != nil {
			return nil, err
		}
		return reader{ctx, r, a.p}, nil
	})
}

// named are the files of the pool that snapshots have. No client is told of another
// one any more.
func (a *assembly) named(ctx context.Context) (map[string]bool, error) {
	snapshots, err := a.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, s := range snapshots {
		for _, f := range s.Pool {
			all[f.Path] = true
		}
	}
	return all, nil
}
