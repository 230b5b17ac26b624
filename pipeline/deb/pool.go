package deb

import (
	"context"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// poolOf is where the packages of a suite lie: paths in it are relative to the
// archive, which the pool shares with the suites.
func poolOf(w *repository.World) *storage.Pool { return storage.NewPool(w.Env.Root, w.Target.Path) }

// pooled makes sure that files are in the pool with the bytes they should have.
func pooled(ctx context.Context, pool *storage.Pool, files []storage.File) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * runtime.GOMAXPROCS(0))
	for _, f := range files {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			there, err := pool.Has(ctx, f)
			if err == nil && !there {
				err = config.Hint(fmt.Errorf("the package %s is gone from the pool", f.Path), "build again, which puts back what is staged")
			}
			return err
		})
	}
	return g.Wait()
}

// prunePool removes the packages of a suite that are not needed.
func prunePool(ctx context.Context, env *pipeline.Env, pool *storage.Pool, dir string, needed map[string]bool, p *pipeline.Progress) error {
	var doomed []string
	for o, err := range pool.List(ctx, dir) {
		if err != nil {
			return fmt.Errorf("list the pool: %w", err)
		}
		if !needed[o.Key] {
			doomed = append(doomed, o.Key)
		}
	}
	for _, path := range doomed {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		// Whoever took the lock may have built a snapshot that names it.
		if err := env.Holds(ctx); err != nil {
			return err
		}
		if err := pool.Remove(ctx, path); err != nil {
			return err
		}
		p.Logf("removed %s, which no snapshot names", path)
	}
	return nil
}
