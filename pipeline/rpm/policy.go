package rpm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"gantry/config"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// choose decides which packages the new snapshot holds: the staged ones, and by
// the policy accumulate those of production too, as many versions of each as
// the target keeps. It refuses packages that cannot stand beside each other or
// beside what clients hold already. Warnings are what an operator should know.
func (w *world) choose(ctx context.Context, staged []candidate, key string) (chosen []candidate, warnings []string, err error) {
	if chosen, warnings, err = unique(staged); err != nil {
		return nil, nil, err
	}
	if err := w.unserved(ctx, chosen); err != nil {
		return nil, nil, err
	}
	if w.Target.Policy == config.Accumulate {
		base, err := w.Current(ctx)
		if err != nil {
			return nil, nil, err
		}
		if base != nil {
			if chosen, err = accumulate(chosen, base, key); err != nil {
				return nil, nil, err
			}
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
	slices.SortFunc(chosen, func(a, b candidate) int { return cmp.Compare(a.path(), b.path()) })
	if err := apart(chosen); err != nil {
		return nil, nil, err
	}
	return chosen, warnings, nil
}

// unique leaves one of staged files that are the same package; other bytes of
// the same package are an error.
func unique(staged []candidate) (chosen []candidate, warnings []string, err error) {
	at := map[repodata.NEVRA]int{}
	for _, c := range staged {
		i, twice := at[c.NEVRA]
		if !twice {
			at[c.NEVRA] = len(chosen)
			chosen = append(chosen, c)
			continue
		}
		first := chosen[i].artifact
		if first.Digest != c.artifact.Digest {
			return nil, nil, config.Hint(
				fmt.Errorf("%s is staged twice with other bytes: %s and %s", c, config.Inert(clip(first.File)), config.Inert(clip(c.artifact.File))),
				"remove the wrong one, or give it a release number of its own")
		}
		warnings = append(warnings, fmt.Sprintf("%s is staged twice, as %s and %s; it is served once", c, config.Inert(clip(first.File)), config.Inert(clip(c.artifact.File))))
	}
	return chosen, warnings, nil
}

// unserved refuses a staged package whose name is that of one which clients may
// hold or fetch, with other bytes: they would keep the old one for good, or meet
// a digest that is not the one they were told.
func (w *world) unserved(ctx context.Context, staged []candidate) error {
	served := map[string]storage.File{} // by path
	in := map[string]string{}           // the snapshot, by path
	for _, id := range append(w.Kept(), w.Staging) {
		if id == "" {
			continue
		}
		s, err := w.Snapshot(ctx, id)
		if err != nil {
			return err
		}
		for _, f := range s.Files {
			if _, ok := served[f.Path]; !ok && f.Name != "" {
				served[f.Path], in[f.Path] = f, id
			}
		}
	}
	for _, c := range staged {
		f, ok := served[c.path()]
		if !ok || f.Source == c.source() {
			continue
		}
		hint := "give the new build a higher release number, and stage that"
		if f.Version != c.EVR() {
			return config.Hint(fmt.Errorf("%s has the file name of %s-%s.%s, which snapshot %s serves: they differ in the epoch alone", c, f.Name, f.Version, f.Arch, in[f.Path]), hint)
		}
		return config.Hint(fmt.Errorf("%s is served by snapshot %s with other bytes", c, in[f.Path]), hint)
	}
	return nil
}

// accumulate adds the packages of the base that are not staged anew.
func accumulate(staged []candidate, base *repository.Snapshot, key string) ([]candidate, error) {
	all := slices.Clone(staged)
	have := map[repodata.NEVRA]bool{}
	for _, c := range staged {
		have[c.NEVRA] = true
	}
	there, err := candidates(base, key)
	for _, c := range there {
		if !have[c.NEVRA] {
			all = append(all, c)
		}
	}
	return all, err
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
			return cmp.Or(repodata.CompareEVR(b.EVR(), a.EVR()), cmp.Compare(b.EVR(), a.EVR()))
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
		if a, b := sorted[i-1], sorted[i]; a.path() == b.path() {
			return config.Hint(fmt.Errorf("%s and %s have the same file name: they differ in the epoch alone", a, b),
				"give one of them another version or release number")
		}
	}
	return nil
}
