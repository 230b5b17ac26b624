package deb

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"gantry/config"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// identity is what makes two packages the same one to dpkg.
type identity struct{ name, version, arch string }

func (c *candidate) identity() identity { return identity{c.Name, c.Version, c.Arch} }

// choose decides which packages the new snapshot has: the staged ones, and by
// the policy accumulate those of production too, as many versions of each as the
// target keeps. It refuses packages that cannot stand beside each other or
// beside what clients hold already. Warnings are what an operator should know.
func choose(ctx context.Context, w *repository.World, staged []candidate) (chosen []candidate, warnings []string, err error) {
	if chosen, warnings, err = unique(staged); err != nil {
		return nil, nil, err
	}
	if err := unserved(ctx, w, chosen); err != nil {
		return nil, nil, err
	}
	if w.Target.Policy == config.Accumulate {
		base, err := w.Current(ctx)
		if err != nil {
			return nil, nil, err
		}
		if base != nil {
			chosen = accumulate(w.Target, chosen, base)
		}
		var left []candidate
		if chosen, left = newest(chosen, w.Target.Keep); len(left) > 0 {
			names := make([]string, len(left))
			for i, c := range left {
				names[i] = c.String()
			}
			warnings = append(warnings, fmt.Sprintf("staged, and left out since newer versions fill the %d that are kept: %s", w.Target.Keep, repository.Few(names, ", ")))
		}
	}
	slices.SortFunc(chosen, func(a, b candidate) int { return cmp.Compare(a.Path, b.Path) })
	if err := apart(chosen); err != nil {
		return nil, nil, err
	}
	return chosen, warnings, nil
}

// unique leaves one of staged files that are the same package, as those for all
// architectures are that were staged for each; other bytes are an error.
func unique(staged []candidate) (chosen []candidate, warnings []string, err error) {
	at := map[identity]int{}
	for _, c := range staged {
		i, twice := at[c.identity()]
		if !twice {
			at[c.identity()] = len(chosen)
			chosen = append(chosen, c)
			continue
		}
		first := chosen[i].artifact
		if first.Digest != c.artifact.Digest {
			return nil, nil, config.Hint(
				fmt.Errorf("%s is staged twice with other bytes: %s and %s", &c, shown(first), shown(c.artifact)),
				"remove the wrong one, or give it a version of its own")
		}
		if first.Place == c.artifact.Place {
			warnings = append(warnings, fmt.Sprintf("%s is staged twice, as %s and %s; it is served once", &c, shown(first), shown(c.artifact)))
		}
	}
	return chosen, warnings, nil
}

// shown is an artifact for a message.
func shown(a storage.Artifact) string {
	return a.OS + "/" + config.Inert(repository.Clip(a.File))
}

// unserved refuses a staged package whose version or file is that of one which a
// snapshot has, with other bytes. Clients that hold the old one would keep it for
// good, or meet a digest that is not the one they were told; and the pool has one
// place for both.
func unserved(ctx context.Context, w *repository.World, staged []candidate) error {
	served := map[string]storage.File{} // by path
	in := map[string]string{}           // the snapshot, by path
	snapshots, err := w.Snapshots(ctx)
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		for _, f := range s.Pool {
			if _, ok := served[f.Path]; !ok {
				served[f.Path], in[f.Path] = f, s.ID
			}
		}
	}
	versions := map[identity]string{} // paths
	for path, f := range served {
		versions[identity{f.Name, f.Version, f.Arch}] = path
	}
	for _, c := range staged {
		path := c.Path
		f, ok := served[path]
		if !ok {
			path, ok = versions[c.identity()] // from another source package
			f = served[path]
		}
		if !ok || f.SHA256 == c.SHA256 {
			continue
		}
		hint := "give the new build a higher version, and stage that"
		if !w.Published(in[path]) {
			hint += "; production never served that snapshot, and once a later one is staged it can be pruned"
		}
		if f.Version != c.Version {
			return config.Hint(fmt.Errorf("%s has the file name of %s_%s_%s, which snapshot %s has: they differ in the epoch alone", &c, f.Name, f.Version, f.Arch, in[path]), hint)
		}
		return config.Hint(fmt.Errorf("%s is in snapshot %s with other bytes", &c, in[path]), hint)
	}
	return nil
}

// accumulate adds the packages of the base that are not staged anew and that the
// target still has an index for.
func accumulate(t *config.Target, staged []candidate, base *repository.Snapshot) []candidate {
	all := slices.Clone(staged)
	have := map[identity]bool{}
	for _, c := range staged {
		have[c.identity()] = true
	}
	archs := append(architectures(t), "all")
	for _, c := range candidates(base) {
		if !have[c.identity()] && slices.Contains(archs, c.Arch) {
			all = append(all, c)
		}
	}
	return all
}

// candidates are the packages of a snapshot.
func candidates(s *repository.Snapshot) []candidate {
	all := make([]candidate, len(s.Pool))
	for i, f := range s.Pool {
		all[i] = candidate{File: f, pooled: true}
	}
	return all
}

// newest keeps the newest versions of each package and architecture. left are
// those of the others that are staged.
func newest(all []candidate, keep int) (kept, left []candidate) {
	groups := map[string][]candidate{}
	for _, c := range all {
		key := c.Name + "." + c.Arch
		groups[key] = append(groups[key], c)
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		group := groups[key]
		slices.SortStableFunc(group, func(a, b candidate) int {
			return cmp.Or(CompareVersions(b.Version, a.Version), cmp.Compare(b.Version, a.Version))
		})
		for i, c := range group {
			switch {
			case i < keep:
				kept = append(kept, c)
			case c.staged():
				left = append(left, c)
			}
		}
	}
	return kept, left
}

// apart refuses packages that would have the same file, given them sorted by it.
func apart(sorted []candidate) error {
	for i := 1; i < len(sorted); i++ {
		if a, b := sorted[i-1], sorted[i]; a.Path == b.Path {
			return config.Hint(fmt.Errorf("%s and %s have the same file name: they differ in the epoch alone", &a, &b),
				"give one of them another version")
		}
	}
	return nil
}
