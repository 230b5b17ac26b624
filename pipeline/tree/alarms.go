package tree

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"gantry/pipeline"
	"gantry/pipeline/repository"
)

// alarms are what an operator must acknowledge apart: a repository that is gone
// or empty, and too many removals.
func (s *syncing) alarms(v *survey, removed int) []pipeline.Alarm {
	const most = 3 // one word each; more come as one
	lost := v.lost(s)
	var all []pipeline.Alarm
	if len(lost) > most {
		all = append(all, pipeline.Alarm{
			Word: fmt.Sprintf("lost-%d-repositories", len(lost)),
			Text: fmt.Sprintf("%d repositories are missing or have no packages in %s: %s", len(lost), s.from, few(lost))})
	} else {
		for _, p := range lost {
			all = append(all, pipeline.Alarm{
				Word: "lost-" + word(p),
				Text: fmt.Sprintf("%s is missing or has no packages in %s", p, s.from)})
		}
	}
	if removed > 0 && removed*100 > v.before*s.tree.Alarm {
		all = append(all, pipeline.Alarm{
			Word: "removes-many",
			Text: fmt.Sprintf("it removes %d of %d files, more than %d percent", removed, v.before, s.tree.Alarm)})
	}
	return all
}

// lost are the repositories that the destination has, or every edition has, and
// the source has not, or has without packages.
func (v *survey) lost(s *syncing) []string {
	lost := map[string]bool{}
	for _, at := range v.repos {
		switch {
		case s.tree.Keep || !at.dst:
		case !at.src && v.remains(at.path):
		case !at.src, at.here == 0 && at.there > 0:
			lost[at.path] = true
		}
	}
	for _, name := range s.tree.Repos {
		for _, arch := range s.tree.Arch {
			p := path.Join(name, string(arch), "os")
			at := v.repos[p]
			if at == nil || !at.src && !(s.tree.Keep && at.dst) || at.src && at.here == 0 {
				lost[p] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(lost))
}

// word is a path as an operator types it.
func word(p string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(p) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if text := b.String(); text != "" && !strings.HasSuffix(text, "-") {
			b.WriteByte('-')
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}

func few(all []string) string { return repository.Few(all, ", ") }
