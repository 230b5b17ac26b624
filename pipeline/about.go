package pipeline

import (
	"slices"

	"gantry/config"
)

// about are the targets that a release is about: those that its items name. It
// is all that are configured outside a release, and in one without such items.
func (e *Engine) about(release string) []*config.Target {
	e.mu.Lock()
	r := e.fold.Clone().Release(release)
	e.mu.Unlock()
	var named []string
	if r != nil {
		for _, section := range r.Checklist.Sections {
			for _, item := range section.Items {
				named = append(named, item.Target)
			}
		}
	}
	var some, all []*config.Target
	for i := range e.o.Config.Targets {
		t := &e.o.Config.Targets[i]
		all = append(all, t)
		if slices.Contains(named, string(t.Name)) {
			some = append(some, t)
		}
	}
	if len(some) == 0 {
		return all
	}
	return some
}
