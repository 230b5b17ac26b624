package review

import (
	"context"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repodata"
)

// logs are changelogs by the digest of their package.
type logs map[string][]repodata.Change

// changelogs reads the changelogs of the packages that go up, as they were and as
// they are.
func changelogs(ctx context.Context, from, to side, c *changes) (logs, error) {
	all := logs{}
	was, is := map[string]bool{}, map[string]bool{}
	for _, u := range c.upgraded {
		was[u.from.sha256], is[u.to.sha256] = true, true
	}
	if len(is) == 0 {
		return all, nil
	}
	old, anew := logs{}, logs{}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return named("production", from.repo.Changelogs(ctx, was, old.take)) })
	g.Go(func() error { return named("staging", to.repo.Changelogs(ctx, is, anew.take)) })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, u := range c.upgraded {
		all[u.to.sha256] = fresh(old[u.from.sha256], anew[u.to.sha256], u.from.built)
	}
	return all, nil
}

func (l logs) take(sha256 string, log []repodata.Change) error {
	l[sha256] = log
	return nil
}

const day = 24 * 60 * 60

// fresh are the entries of a changelog that its package has got since an older
// version, the newest first. Metadata holds the last entries of each, whose times
// tools move by seconds: so it is days and texts that are compared. Where the older
// one has no entry, it is when it was built that counts.
func fresh(old, log []repodata.Change, built int64) []repodata.Change {
	type entry struct{ author, text string }
	had := map[entry]bool{}
	since := built
	for i, e := range old {
		had[entry{e.Author, e.Text}] = true
		if since = max(since, e.Time); i == 0 {
			since = e.Time
		}
	}
	var all []repodata.Change
	for _, e := range log {
		if e.Time/day >= since/day && !had[entry{e.Author, e.Text}] {
			all = append(all, e)
		}
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b repodata.Change) int { return int(b.Time/day - a.Time/day) })
	return all
}

// reviewed is a change as an operator sees it.
func reviewed(c change, l logs, ids map[key]map[string][]string) pipeline.ReviewedPackage {
	p := pipeline.ReviewedPackage{Name: c.name, Arch: c.arch}
	if c.from != nil {
		p.From, p.Source = c.from.evr, c.from.source
	}
	if c.to == nil {
		return p
	}
	p.To, p.Source, p.Size = c.to.evr, c.to.source, c.to.size
	p.Advisories = ids[c.key][c.to.evr]
	if c.from == nil || c.from.evr == c.to.evr {
		return p
	}
	for _, e := range l[c.to.sha256] {
		p.Changelog = append(p.Changelog, pipeline.LogEntry{Time: time.Unix(e.Time, 0).UTC(), Author: config.Inert(e.Author), Text: lines(e.Text)})
	}
	return p
}

// lines makes every line of a foreign text harmless.
func lines(text string) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	for i := range all {
		all[i] = config.Inert(strings.TrimRight(all[i], " \t\r"))
	}
	return strings.Join(all, "\n")
}
