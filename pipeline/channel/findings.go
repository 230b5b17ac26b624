package channel

import (
	"fmt"

	"gantry/config"
)

// Finding is what is odd about a staged file.
type Finding struct {
	File string // as it was given
	What string // in words, safe to show
}

// Early are the findings for pre-releases among packages.
func Early(format config.Format, staged []Package) []Finding {
	var found []Finding
	for _, p := range staged {
		if mark, pre := Prerelease(format, p.Version); pre {
			found = append(found, Finding{p.File, "a pre-release: " + config.Inert(mark)})
		}
	}
	return found
}

// Against are the findings for packages that are older than production's, and
// for those that are there already with other bytes. compare orders versions as
// the format does.
func Against(staged, production []Package, compare func(a, b string) int) []Finding {
	type key struct{ name, arch string }
	there := map[key][]Package{}
	for _, p := range production {
		at := key{p.Name, p.Arch}
		there[at] = append(there[at], p)
	}
	var found []Finding
	for _, p := range staged {
		newest := ""
		for _, q := range there[key{p.Name, p.Arch}] {
			if newest == "" || compare(q.Version, newest) > 0 {
				newest = q.Version
			}
			if compare(q.Version, p.Version) == 0 && p.Digest != "" && q.Digest != "" && p.Digest != q.Digest {
				found = append(found, Finding{p.File, fmt.Sprintf("production has %s %s with other bytes", config.Inert(p.Name), config.Inert(p.Version))})
			}
		}
		if newest != "" && compare(p.Version, newest) < 0 {
			found = append(found, Finding{p.File, fmt.Sprintf("lower than production's %s", config.Inert(newest))})
		}
	}
	return found
}
