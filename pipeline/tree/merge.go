package tree

import (
	"cmp"
	"maps"
	"slices"

	"gantry/pipeline"
)

// trace is what a sync did at one path, in all its runs.
type trace struct {
	old  *entry   // before it; nil for nothing
	news []*entry // what its runs put there, nil for nothing; the last counts
}

// traces are what a sync did, by path.
type traces map[string]*trace

// merged reads what a sync noted before it acted.
func merged(home *folder) (traces, error) {
	all, last := traces{}, map[string]int{}
	err := noted(home, func(batch int, c change) error {
		p := c.path()
		t := all[p]
		switch {
		case t == nil:
			all[p] = &trace{c.old, []*entry{c.new}}
		case last[p] == batch: // one goes, another kind comes: two lines
			t.news[len(t.news)-1] = cmp.Or(t.news[len(t.news)-1], c.new)
			if len(t.news) == 1 {
				t.old = cmp.Or(t.old, c.old)
			}
		default:
			t.news = append(t.news, c.new)
		}
		last[p] = batch
		return nil
	})
	return all, err
}

// counts are of files and links.
func (all traces) counts() (n pipeline.Counts) {
	for _, t := range all {
		was, is := t.old != nil && t.old.kind != dir, t.new() != nil && t.new().kind != dir
		switch {
		case was && is:
			n.Changed++
		case is:
			n.Added++
		case was:
			n.Removed++
		}
	}
	return n
}

// new is what the sync left.
func (t *trace) new() *entry { return t.news[len(t.news)-1] }

// left tells whether what is there is what one of the runs of the sync put there.
func (t *trace) left(has *entry) bool {
	return slices.ContainsFunc(t.news, func(e *entry) bool { return e.holds(has) })
}

// was tells whether what is there is what was there before the sync.
func (t *trace) was(has *entry) bool {
	if t.old == nil || has == nil {
		return t.old == nil && has == nil
	}
	switch {
	case !t.old.holds(has):
		return false
	case t.old.kind == file:
		return t.old.ino == has.ino
	}
	return t.old.kind != symlink || t.old.mtime == has.mtime
}

func (all traces) paths() []string { return slices.Sorted(maps.Keys(all)) }
