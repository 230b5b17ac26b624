// Package review compares what staging would bring to the clients of production:
// package by package in every repository, with changelogs and errata. It is what
// an operator reads on a patch day before anything is promoted.
package review

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"gantry/pipeline"
	"gantry/pipeline/repodata"
)

// side is a repository in staging or production; repo is nil where it is not there.
type side struct {
	repo *repodata.Repository
	has  packages
}

// open reads which documents a repository has.
func open(ctx context.Context, files repodata.Files) (side, error) {
	if files == nil {
		return side{}, nil
	}
	repo, err := repodata.Open(ctx, files)
	return side{repo: repo}, err
}

// load reads the packages.
func (s *side) load(ctx context.Context) error {
	s.has = packages{}
	if s.repo == nil {
		return nil
	}
	return s.repo.Packages(ctx, func(p repodata.PackageRef) error {
		s.has.add(p)
		return nil
	})
}

// same tells whether both sides have a document, of the same content.
func same(from, to side, kind string) bool {
	if from.repo == nil || to.repo == nil {
		return false
	}
	a, had := from.repo.Document(kind)
	b, has := to.repo.Document(kind)
	return had && has && a.Checksum == b.Checksum
}

// compare compares a repository of staging with that of production. Either may be
// nil.
func compare(ctx context.Context, production, staging repodata.Files, into *pipeline.ReviewedRepo) error {
	from, err := open(ctx, production)
	if err != nil {
		return named("production", err)
	}
	to, err := open(ctx, staging)
	if err != nil {
		return named("staging", err)
	}
	into.New, into.Gone = from.repo == nil, to.repo == nil
	c := &changes{}
	if !same(from, to, "primary") {
		g, ctx := errgroup.WithContext(ctx)
		g.Go(func() error { return named("production", from.load(ctx)) })
		g.Go(func() error { return named("staging", to.load(ctx)) })
		if err := g.Wait(); err != nil {
			return err
		}
		c = diff(from.has, to.has)
	}
	logs, err := changelogs(ctx, from, to, c)
	if err != nil {
		return err
	}
	errata, err := advise(ctx, from, to, c, into)
	if err != nil {
		return err
	}
	for _, list := range []struct {
		into *[]pipeline.ReviewedPackage
		from []change
	}{
		{&into.Added, c.added}, {&into.Upgraded, c.upgraded}, {&into.Downgraded, c.downgraded},
		{&into.Removed, c.removed}, {&into.Rebuilt, c.rebuilt},
	} {
		for _, one := range list.from {
			*list.into = append(*list.into, reviewed(one, logs, errata))
		}
	}
	return nil
}

// named tells in which place an error was met.
func named(place string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", place, err)
	}
	return nil
}
