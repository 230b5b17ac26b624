package hardlink

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/walk"
)

const (
	shown  = 50 // names that a plan lists
	warned = 10 // files that could not be compared that it names
)

// found is the tree, as it is to be worked on.
type found struct {
	groups  []group
	bytes   int64 // of all their files
	waiting []name
	blind   []string // directories that cannot be read
}

// find walks the tree and finds files that could be one.
func find(ctx context.Context, r *walk.Root, p *pipeline.Progress) (*found, error) {
	f := &found{}
	var mu sync.Mutex
	left := map[[2]string]bool{} // links that wait since another run
	o := walk.Options{Skip: func(dir, name string) bool {
		if !keeps(dir, name) {
			return false
		}
		if isTemp(name) {
			mu.Lock()
			left[[2]string{dir, name}] = true
			mu.Unlock()
		}
		return true
	}}
	if p != nil {
		o.Count = p.Add
	}
	top, err := walk.Read(ctx, r, o)
	if err != nil {
		return nil, err
	}
	for at := range left {
		dir := at[0]
		if dir == "" {
			dir = "."
		}
		if d := top.Find(dir); d != nil {
			f.waiting = append(f.waiting, name{d, at[1]})
		}
	}
	f.blind = blind(top, nil)
	f.groups = groups(top)
	for _, g := range f.groups {
		f.bytes += int64(len(g)) * g[0].Size
	}
	return f, nil
}

func blind(d *walk.Dir, all []string) []string {
	if d.Unreadable {
		all = append(all, d.Path())
	}
	for i := range d.Entries {
		if below := d.Entries[i].Dir; below != nil {
			all = blind(below, all)
		}
	}
	return all
}

// pair is a file whose names go to another one.
type pair struct{ stays, goes *inode }

// compare compares the files of all groups on all processors. work is called for
// each pair, by several goroutines, each with its own comparer.
func (f *found) compare(ctx context.Context, r *walk.Root, p *pipeline.Progress, work func(c *comparer, group int, two pair) error) (failed []unread, err error) {
	var next atomic.Int64
	per := make([][]unread, len(f.groups))
	working, ctx := errgroup.WithContext(ctx)
	count := func(int64) {}
	if p != nil {
		count = p.Add
	}
	for range runtime.GOMAXPROCS(0) {
		working.Go(func() error {
			c := newComparer(r)
			defer c.folders.Close()
			for i := int(next.Add(1) - 1); i < len(f.groups); i = int(next.Add(1) - 1) {
				var err error
				per[i], err = c.sort(ctx, f.groups[i], count, func(stays, goes *inode) error { return work(c, i, pair{stays, goes}) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = working.Wait()
	return slices.Concat(per...), err
}

// Plan compares everything that a run would, and changes nothing.
func (s *step) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	if slices.Contains(env.Busy(), string(s.target.Name)) {
		return pipeline.Plan{}, &pipeline.RefusedError{
			Reason: string(s.target.Name) + " is in the middle of a run", Hint: "wait for it, or settle it: gantry runs; then plan again"}
	}
	r, err := s.open(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer r.Close()
	f, err := find(ctx, r, nil)
	if err != nil {
		return pipeline.Plan{}, err
	}
	per := make([][]pair, len(f.groups)) // each written by who compares the group
	failed, err := f.compare(ctx, r, nil, func(_ *comparer, group int, two pair) error {
		per[group] = append(per[group], two)
		return nil
	})
	if err != nil {
		return pipeline.Plan{}, err
	}
	pairs := slices.Concat(per...)
	plan := summary(pairs)
	plan.Warnings = warnings(f.blind, failed)
	plan.Title = "Make sure that no two files in " + r.Path() + " have the same bytes: now none do"
	if len(pairs) > 0 {
		plan.Title = fmt.Sprintf("Hardlink %d names in %s to files with the same bytes: saves %s", plan.Counts.Changed, r.Path(), size(plan.Bytes))
	}
	return plan, nil
}

// summary is what becomes of pairs, as a plan has it: every name counts as a
// change, and bytes are those that are saved.
func summary(pairs []pair) pipeline.Plan {
	plan := pipeline.Plan{Counts: &pipeline.Counts{}}
	parts := map[string]*pipeline.Part{}
	sum := sha256.New()
	for _, two := range pairs {
		stays := two.stays.names[0].path()
		for i, n := range two.goes.names {
			path := n.path()
			fmt.Fprintf(sum, "%q %q %d %d\n", path, stays, two.goes.Size, two.goes.Modified)
			saved := int64(0)
			if i == 0 {
				saved = two.goes.frees()
			}
			at := part(path)
			if parts[at] == nil {
				parts[at] = &pipeline.Part{Name: at}
			}
			parts[at].Changed++
			parts[at].Bytes += saved
			plan.Counts.Changed++
			plan.Bytes += saved
			plan.Changed = append(plan.Changed, pipeline.Change{Name: path, To: "link to " + stays, Size: saved})
		}
	}
	slices.SortFunc(plan.Changed, func(a, b pipeline.Change) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), strings.Compare(a.Name, b.Name))
	})
	plan.Changed = slices.Clone(plan.Changed[:min(len(plan.Changed), shown)])
	for i := range plan.Changed {
		plan.Changed[i].Name, plan.Changed[i].To = config.Inert(plan.Changed[i].Name), config.Inert(plan.Changed[i].To)
	}
	for _, at := range slices.Sorted(maps.Keys(parts)) {
		plan.Parts = append(plan.Parts, *parts[at])
	}
	plan.Facts = map[string]string{"links": hex.EncodeToString(sum.Sum(nil)), "saves": strconv.FormatInt(plan.Bytes, 10) + " bytes"}
	return plan
}

// part is the repository and architecture that a path lies in.
func part(path string) string {
	words := strings.SplitN(path, "/", 3)
	words = words[:len(words)-1] // what is below, or the file itself
	if len(words) == 0 {
		return "."
	}
	return config.Inert(strings.Join(words, "/"))
}

func warnings(blind []string, failed []unread) []string {
	var all []string
	for _, dir := range blind {
		all = append(all, "cannot be read, so nothing in it is linked: "+config.Inert(dir))
	}
	for _, f := range failed {
		all = append(all, fmt.Sprintf("is left alone: %s: %s", config.Inert(f.file.names[0].path()), f.err))
	}
	if len(all) > warned {
		all = append(all[:warned], fmt.Sprintf("and %d more", len(all)-warned))
	}
	return all
}

func size(n int64) string {
	if n < 10<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}
