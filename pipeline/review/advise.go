package review

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repodata"
)

// errata are ids of advisories by package and version.
type errata map[key]map[string][]string

// advise reads the errata of both sides: those that staging brings go to into, with
// notes on what is odd, and those that name packages which differ are returned.
func advise(ctx context.Context, from, to side, c *changes, into *pipeline.ReviewedRepo) (errata, error) {
	had, err := from.ids(ctx)
	if err != nil {
		return nil, named("production", err)
	}
	r := advising{by: map[key][]change{}, had: had, left: len(had), found: errata{}, into: into}
	for _, list := range [][]change{c.added, c.upgraded} {
		for _, one := range list {
			r.by[one.key] = append(r.by[one.key], one)
			r.built = max(r.built, one.to.built)
		}
	}
	if to.repo == nil {
		return r.found, nil
	}
	has, err := to.repo.Advisories(ctx, r.take)
	if err != nil {
		return nil, named("staging", err)
	}
	slices.SortFunc(into.Advisories, func(a, b pipeline.Advisory) int { return cmp.Compare(a.ID, b.ID) })
	into.Advisories = slices.CompactFunc(into.Advisories, func(a, b pipeline.Advisory) bool { return a.ID == b.ID })
	r.note(has)
	return r.found, nil
}

// ids are those of a side's advisories, false each; nil where it has no document of
// them.
func (s *side) ids(ctx context.Context) (map[string]bool, error) {
	if s.repo == nil {
		return nil, nil
	}
	ids := map[string]bool{}
	has, err := s.repo.Advisories(ctx, func(a repodata.Advisory) error {
		ids[a.ID] = false
		return nil
	})
	if !has {
		return nil, err
	}
	return ids, err
}

// advising looks through the errata of staging.
type advising struct {
	by     map[key][]change // that an advisory may be about
	had    map[string]bool  // advisories of production: whether staging has them too
	left   int              // of them, those that were not met yet
	newest time.Time        // of all
	built  int64            // when the newest package that comes was built
	found  errata
	into   *pipeline.ReviewedRepo
}

func (r *advising) take(a repodata.Advisory) error {
	id := config.Inert(a.ID)
	if met, there := r.had[a.ID]; !there {
		one := pipeline.Advisory{ID: id, Type: config.Inert(a.Type), Severity: config.Inert(a.Severity), Title: config.Inert(a.Title)}
		for _, cve := range a.CVEs {
			one.CVEs = append(one.CVEs, config.Inert(cve))
		}
		r.into.Advisories = append(r.into.Advisories, one)
	} else if !met {
		r.had[a.ID] = true
		r.left--
	}
	if a.Time.After(r.newest) {
		r.newest = a.Time
	}
	for _, n := range a.Packages {
		k := key{n.Name, n.Arch}
		for _, c := range r.by[k] {
			evr := n.EVR()
			if repodata.CompareEVR(evr, c.to.evr) > 0 || c.from != nil && repodata.CompareEVR(evr, c.from.evr) <= 0 {
				continue
			}
			if r.found[k] == nil {
				r.found[k] = map[string][]string{}
			}
			if list := r.found[k][c.to.evr]; !slices.Contains(list, id) {
				r.found[k][c.to.evr] = append(list, id)
			}
		}
	}
	return nil
}

// note tells what is odd about the errata; has is whether staging has a document of
// them.
func (r *advising) note(has bool) {
	say := func(format string, args ...any) { r.into.Notes = append(r.into.Notes, fmt.Sprintf(format, args...)) }
	switch {
	case !has && r.had != nil:
		say("production has updateinfo, staging has none")
	case !has:
	case r.left > 0:
		say("staging lost %d of the %d advisories of production", r.left, len(r.had))
	}
	if has && !r.newest.IsZero() && r.built/day > r.newest.Unix()/day {
		say("updateinfo ends at %s, before the newest package was built: %s", r.newest.Format(time.DateOnly), time.Unix(r.built, 0).UTC().Format(time.DateOnly))
	}
}
