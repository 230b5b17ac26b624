package review

import (
	"context"
	"fmt"
	"maps"
	"path"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
)

// Trees reviews a target that is a directory tree: every repository below what
// staging has of the edition, against what production has of it.
func Trees(ctx context.Context, env *pipeline.Env, t *config.Target) (*pipeline.Review, error) {
	edition, err := editionOf(ctx, env, t)
	if err != nil {
		return nil, err
	}
	r := pipeline.Review{Target: string(t.Name), Repos: []pipeline.ReviewedRepo{}}
	if t.Tree.Production.Root == "" {
		return nil, &pipeline.RefusedError{Reason: fmt.Sprintf("%s never goes to production", t.Name), Hint: "there is nothing to compare staging with"}
	}
	if r.To, err = t.Tree.Directory(t.Tree.Staging, edition); err == nil {
		r.From, err = t.Tree.Directory(t.Tree.Production, edition)
	}
	if err != nil {
		return nil, fmt.Errorf("review %s: %w", t.Name, err)
	}
	staging, err := reach(ctx, env, t.Tree.Staging, r.To)
	if err != nil {
		return nil, fmt.Errorf("staging of %s: %w", t.Name, err)
	}
	defer staging.close()
	production, err := reach(ctx, env, t.Tree.Production, r.From)
	if err != nil {
		return nil, fmt.Errorf("production of %s: %w", t.Name, err)
	}
	defer production.close()
	switch {
	case len(staging.repos) == 0:
		return nil, &pipeline.RefusedError{Reason: fmt.Sprintf("staging of %s has no repository in %s", t.Name, r.To), Hint: "sync to staging first, or look at the roots in release.yaml"}
	case len(production.repos) == 0:
		r.Notes = append(r.Notes, fmt.Sprintf("production has no repository in %s: all is new", r.From))
	}
	if err := reviewAll(ctx, production, staging, t.Tree.Arch, &r); err != nil {
		return nil, fmt.Errorf("review %s: %w", t.Name, err)
	}
	return &r, nil
}

// reviewAll compares the repositories of both places, a few at a time. One that
// cannot be compared says so, and the others are.
func reviewAll(ctx context.Context, production, staging *place, arches []config.Arch, r *pipeline.Review) error {
	paths := slices.Sorted(maps.Keys(staging.repos))
	for at := range production.repos {
		if !staging.repos[at] {
			paths = append(paths, at)
		}
	}
	slices.Sort(paths)
	repos := make([]pipeline.ReviewedRepo, len(paths))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, runtime.GOMAXPROCS(0)/2)) // each reads two sides at once
	for i, at := range paths {
		g.Go(func() error {
			repos[i] = about(at, arches)
			err := compare(ctx, production.files(at), staging.files(at), &repos[i])
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err != nil {
				repos[i] = about(at, arches)
				repos[i].Error = config.Inert(err.Error())
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, repo := range repos {
		// What installers see is a copy of the first day, of interest when it moves.
		if path.Base(repo.Path) != "kickstart" || repo.Differs() {
			r.Repos = append(r.Repos, repo)
		}
	}
	return nil
}
