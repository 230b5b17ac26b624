package repository

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"gantry/pipeline"
	"gantry/storage"
)

// differences is what changes for clients between two sets of packages.
type differences struct {
	added, changed, removed []pipeline.Change
	bytes                   int64 // size of what is added or changed

	versions func(a, b string) int
}

// compare tells what becomes of the packages before, by name and architecture.
// Of several versions of a package the newest ones are compared; the others are
// added or removed.
func compare(before, after []storage.File, versions func(a, b string) int) differences {
	type pair struct{ before, after []storage.File }
	all := map[string]*pair{}
	sort := func(files []storage.File, into func(*pair) *[]storage.File) {
		for _, f := range files {
			name := f.Name + "." + f.Arch
			if all[name] == nil {
				all[name] = &pair{}
			}
			list := into(all[name])
			*list = append(*list, f)
		}
	}
	sort(before, func(p *pair) *[]storage.File { return &p.before })
	sort(after, func(p *pair) *[]storage.File { return &p.after })
	d := differences{versions: versions}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		d.add(name, all[name].before, all[name].after)
	}
	return d
}

// add compares the versions of one package.
func (d *differences) add(name string, before, after []storage.File) {
	gone, come := without(before, after), without(after, before)
	d.newestFirst(gone)
	d.newestFirst(come)
	d.newestFirst(before)
	d.newestFirst(after)
	if len(before) > 0 && len(after) > 0 {
		was, is := before[0], after[0]
		if !same(was, is) {
			d.changed = append(d.changed, pipeline.Change{
				Name: name, From: was.Version, To: is.Version, Size: is.Size, Down: d.versions(is.Version, was.Version) < 0})
			// A version that was there before and is the newest now is no news.
			if len(come) > 0 && same(come[0], is) {
				d.bytes += is.Size
				come = come[1:]
			}
			if len(gone) > 0 && same(gone[0], was) {
				gone = gone[1:]
			}
		}
	}
	for _, f := range come {
		d.added = append(d.added, pipeline.Change{Name: name, To: f.Version, Size: f.Size})
		d.bytes += f.Size
	}
	for _, f := range gone {
		d.removed = append(d.removed, pipeline.Change{Name: name, From: f.Version})
	}
}

// same tells whether two files are the same package to a client. What is not
// signed yet is like nothing that is.
func same(a, b storage.File) bool {
	return a.Version == b.Version && a.SHA256 == b.SHA256 && a.Size == b.Size && a.Source == b.Source
}

// without is those of a that are not in b.
func without(a, b []storage.File) []storage.File {
	return slices.DeleteFunc(slices.Clone(a), func(f storage.File) bool {
		return slices.ContainsFunc(b, func(g storage.File) bool { return same(f, g) })
	})
}

func (d *differences) newestFirst(files []storage.File) {
	slices.SortFunc(files, func(a, b storage.File) int {
		return cmp.Or(d.versions(b.Version, a.Version), cmp.Compare(a.Path, b.Path))
	})
}

// put writes the differences into a plan, with the warnings that they call for.
func (d differences) put(p *pipeline.Plan, before int) {
	p.Added, p.Changed, p.Removed, p.Bytes = d.added, d.changed, d.removed, d.bytes
	var down []string
	for _, c := range d.changed {
		if c.Down {
			down = append(down, fmt.Sprintf("%s %s to %s", c.Name, c.From, c.To))
		}
	}
	if len(down) > 0 {
		p.Warnings = append(p.Warnings, Count(len(down), "package goes", "packages go")+" down in version: "+Few(down, ", "))
	}
	var gone []string
	for _, c := range d.removed {
		gone = append(gone, c.Name+" "+c.From)
	}
	if len(gone) > 0 {
		p.Warnings = append(p.Warnings, Count(len(gone), "package is", "packages are")+" removed from what clients are offered: "+Few(gone, ", "))
	}
	if before > 0 && len(d.removed)+len(d.changed) >= before && len(d.changed) == 0 {
		p.Warnings = append(p.Warnings, "nothing stays of what production serves now")
	}
}

// empty tells whether clients would see no change.
func (d differences) empty() bool { return len(d.added)+len(d.changed)+len(d.removed) == 0 }
