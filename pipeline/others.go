package pipeline

import (
	"context"
	"slices"

	"gantry/checklist"
)

// openViews are the releases that are worked on, the oldest first.
func (e *Engine) openViews(ctx context.Context) []checklist.View {
	e.mu.Lock()
	state, inputs := e.fold.Clone(), e.seen.inputs
	e.mu.Unlock()
	var all []checklist.View
	for _, r := range state.OpenReleases() {
		all = append(all, state.View(r.ID, checklist.Observed{
			Now: e.o.Now(), Live: func(run string) bool { return e.alive(ctx, run) }, Inputs: compared(inputs, r),
		}))
	}
	return all
}

// busyTargets are those that a run other than one's own may be changing, or was
// when its console died.
func (e *Engine) busyTargets(own string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []string
	for _, r := range e.fold.Runs {
		if r.Ended == nil && r.Run != own && r.Target != "" && r.Risk != checklist.Safe && !slices.Contains(all, r.Target) {
			all = append(all, r.Target)
		}
	}
	return all
}
