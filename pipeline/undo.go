package pipeline

import (
	"context"
	"fmt"
	"slices"

	"gantry/config"
)

// Undo is the jobs that take back what a group did: each target that it moved
// goes back to what it served before, the last one first. A target that is back
// already is left out; one that moved elsewhere is an error, and so is one that
// served nothing before.
func (e *Engine) Undo(ctx context.Context, group string) ([]Job, error) {
	if err := e.Refresh(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	state, seen := e.fold.Clone(), e.seen.targets
	e.mu.Unlock()
	g := state.Group(group)
	if g == nil {
		return nil, &RefusedError{Reason: fmt.Sprintf("no group %q", config.Inert(group)), Hint: "see them: gantry status, gantry history"}
	}
	var jobs []Job
	for _, target := range slices.Backward(g.Targets) {
		m, moved := g.Moved[target]
		if !moved {
			continue
		}
		if m.Pointer != "production" {
			return nil, &RefusedError{Reason: fmt.Sprintf("%s of %s cannot be rolled back", m.Pointer, target), Hint: "stage what is wanted there again: gantry stage"}
		}
		if at := current(state, target, m.Pointer); at != m.To {
			if m.From != "" && seen[target].origin(at) == seen[target].origin(m.From) {
				continue // it is back already
			}
			return nil, &ConflictError{
				Reason: fmt.Sprintf("%s of %s moved since, to %s", m.Pointer, target, orNothing(at)),
				Hint:   "roll targets back one by one: gantry rollback TARGET"}
		}
		if m.From == "" {
			return nil, &RefusedError{
				Reason: target + " served nothing before, so there is nothing to go back to",
				Hint:   "roll the others back one by one: gantry rollback TARGET"}
		}
		jobs = append(jobs, Job{Verb: "rollback", Target: target, To: m.From})
	}
	if len(jobs) == 0 && len(g.Moved) > 0 {
		return nil, &RefusedError{Reason: "all that group " + group + " moved is back already", Idle: true}
	}
	if len(jobs) == 0 {
		return nil, &RefusedError{Reason: "group " + group + " moved nothing"}
	}
	return jobs, nil
}
