package review

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"gantry/pipeline/repodata"
)

// key is what stays the same of a package from version to version.
type key struct{ name, arch string }

// version is one version of a package in a repository.
type version struct {
	evr            string
	sha256, source string
	size, built    int64
	module         bool
}

// packages are the packages of a repository, all versions of each.
type packages map[key][]version

// add takes a package of a repository's metadata.
func (p packages) add(r repodata.PackageRef) {
	k := key{r.Name, r.Arch}
	p[k] = append(p[k], version{
		evr: r.EVR(), sha256: r.SHA256, source: r.Source, size: r.Size, built: r.Built,
		module: strings.Contains(r.Release, "module"),
	})
}

// change is a package that differs. One that was added has no from, one that was
// removed no to.
type change struct {
	key
	from, to *version
}

// changes are all packages of a repository that differ.
type changes struct {
	added, upgraded, downgraded, removed, rebuilt []change
}

// diff compares the packages of a repository with those that production has.
func diff(from, to packages) *changes {
	var c changes
	for k, is := range to {
		c.compare(k, from[k], is)
	}
	for k, was := range from {
		if _, kept := to[k]; !kept {
			c.compare(k, was, nil)
		}
	}
	for _, list := range [][]change{c.added, c.upgraded, c.downgraded, c.removed, c.rebuilt} {
		slices.SortFunc(list, func(a, b change) int {
			return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.arch, b.arch), repodata.CompareEVR(b.evr(), a.evr()))
		})
	}
	return &c
}

// evr is the version that a change is about.
func (c change) evr() string {
	if c.to != nil {
		return c.to.evr
	}
	return c.from.evr
}

// compare compares the versions of one package. Where repositories keep older
// versions beside the newest, it is the newest that tells whether the package goes
// up or down. Versions of modules do so each for itself, since several streams lie
// side by side: each follows the next lower version.
func (c *changes) compare(k key, was, is []version) {
	newestFirst := func(a, b version) int { return repodata.CompareEVR(b.evr, a.evr) }
	was, is = once(was, newestFirst), once(is, newestFirst)
	had, has := byVersion(was), byVersion(is)
	follows := map[string]bool{} // versions of production that others take the place of
	step := func(list *[]change, from, to *version) {
		follows[from.evr] = true
		*list = append(*list, change{k, from, to})
	}
	down := len(was) > 0 && len(is) > 0 && newestFirst(is[0], was[0]) > 0
	if down {
		step(&c.downgraded, &was[0], &is[0])
	}
	for i := range is {
		to := &is[i]
		same := had[to.evr]
		lower := sort.Search(len(was), func(i int) bool { return newestFirst(*to, was[i]) < 0 })
		switch {
		case same != nil && slices.ContainsFunc(was, to.is):
		case same != nil:
			c.rebuilt = append(c.rebuilt, change{k, same, to})
		case i == 0 && down:
		case lower < len(was) && (i == 0 || to.module):
			step(&c.upgraded, &was[lower], to)
		default:
			c.added = append(c.added, change{k, nil, to})
		}
	}
	for i := range was {
		if has[was[i].evr] == nil && !follows[was[i].evr] {
			c.removed = append(c.removed, change{k, &was[i], nil})
		}
	}
}

// is tells whether two are the same version, of the same content.
func (v version) is(other version) bool { return v.evr == other.evr && v.sha256 == other.sha256 }

// once sorts versions, each once: metadata may name one package at several places.
func once(all []version, order func(a, b version) int) []version {
	slices.SortStableFunc(all, func(a, b version) int {
		return cmp.Or(order(a, b), strings.Compare(a.evr, b.evr), strings.Compare(a.sha256, b.sha256))
	})
	return slices.CompactFunc(all, version.is)
}

// byVersion finds versions by their name.
func byVersion(all []version) map[string]*version {
	by := make(map[string]*version, len(all))
	for i := range all {
		by[all[i].evr] = &all[i]
	}
	return by
}
