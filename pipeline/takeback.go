package pipeline

import (
	"context"
	"fmt"
	"strings"

	"gantry/checklist"
)

// takeBack makes sure that a plan which takes back what an item did takes back
// that: what production was made since by others is not the item's. What rests on
// the item and is done already is said in the plan.
func (e *Engine) takeBack(ctx context.Context, plan *Plan) error {
	if plan.Item.ID == "" {
		return &RefusedError{Reason: "only what an item of a release did can be taken back", Hint: "a target goes back with: gantry rollback TARGET"}
	}
	e.mu.Lock()
	state := e.fold.Clone()
	e.mu.Unlock()
	view := state.View(plan.Release, checklist.Observed{Now: e.o.Now(), Live: func(run string) bool { return e.alive(ctx, run) }})
	if it, ok := view.Item(plan.Item.ID); ok && plan.Item.Uses == "promote" {
		if err := tookBack(plan, it.State); err != nil {
			return err
		}
	}
	if r := since(state, *plan); r != nil {
		return &ConflictError{Reason: fmt.Sprintf("%s was done since for release %s: what that left is not what there was before this", r.Title, r.Release),
			Hint: "take that back first, or do this anew: gantry undo " + r.Item + " --release " + r.Release}
	}
	var done []string
	for _, it := range view.RestOn(plan.Item.ID) {
		if it.Status == checklist.StatusDone || it.Status == checklist.StatusStale {
			done = append(done, it.Title)
		}
	}
	if n := len(done); n > 0 {
		const most = 5
		words := strings.Join(done[:min(n, most)], ", ")
		if n > most {
			words += fmt.Sprintf(" and %d more", n-most)
		}
		plan.Warnings = append(plan.Warnings, "done already, and resting on what is taken back: "+words)
	}
	return nil
}

// tookBack compares the move that takes a promotion back with the one that the
// promotion made, if it made one and nobody took that back already.
func tookBack(plan *Plan, st *checklist.ItemState) error {
	if st == nil || st.Run == nil || st.Run.Ended == nil {
		return nil // the gate says what there is to say
	}
	made := st.Run.Ended.Move
	if u := st.Undo; u != nil && u.Ended != nil && u.Ended.Move != nil {
		made = nil
	}
	hint := "look what it serves: gantry history; it goes back with: gantry rollback " + plan.Target
	switch {
	case made == nil && plan.Move == nil:
		return nil // what was begun and did not end is taken back
	case made == nil:
		return &RefusedError{Reason: fmt.Sprintf("%s did not move production of %s, so there is nothing of it to take back", plan.Item.Title, plan.Target), Hint: hint}
	case plan.Move == nil:
		return &RefusedError{Reason: fmt.Sprintf("production of %s is in the middle of what came after %s", plan.Target, plan.Item.Title), Hint: hint}
	case plan.Move.From != made.To:
		return &ConflictError{Reason: fmt.Sprintf("%s moved production of %s to %s, and others moved it to %s since", plan.Item.Title, plan.Target, made.To, orNothing(plan.Move.From)), Hint: hint}
	}
	return nil
}

// since is a run by which another item did what the plan's item does after that,
// where both write the same, or nil. Steps on targets know by themselves what is
// theirs.
func since(state checklist.State, plan Plan) *checklist.Run {
	own := false
	var last *checklist.Run
	for _, r := range state.Runs {
		if plan.Target != "" || about(state, r) == "" || about(state, r) != subject(plan) {
			continue
		}
		if plan.of(r) {
			own, last = true, nil
			continue
		}
		if st := state.Release(r.Release).Items[r.Item]; own && st != nil && st.Run == r && r.Ended != nil && r.Ended.Outcome == checklist.Done {
			last = r
		}
	}
	return last
}
