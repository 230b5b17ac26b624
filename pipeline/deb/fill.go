package deb

import (
	"context"
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
			o, err := a.pool.Put(ctx, c.Path, c.Size, c.SHA256, func() (io.ReadCloser, error) {
				r, err := a.Env.Staging.Open(ctx, c.artifact)
				if err != nil {
					return nil, err
				}
				return reader{ctx, r, a.p}, nil
			})
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
