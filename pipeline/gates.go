package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"gantry/checklist"
	"gantry/config"
)

// writable refuses what changes anything in a console that may only look.
func (e *Engine) writable() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mayWrite()
}

// mayWrite is writable for those who hold mu.
func (e *Engine) mayWrite() error {
	switch {
	case e.o.ReadOnly:
		return &RefusedError{Reason: "this console is read-only", Hint: "start it without --read-only, and without console.read_only in release.yaml"}
	case e.draining:
		return &RefusedError{Reason: "this console is ending", Hint: "start it again: gantry"}
	}
	return nil
}

// gate tells why a plan may not run in a state, or nil. It is asked right
// before the intent is written, for the very state that the intent follows.
// inputs are what the items that it needs rest on now.
func (e *Engine) gate(ctx context.Context, state checklist.State, plan Plan, inputs map[string]input) error {
	if state.Hold != nil && plan.Risk != checklist.Safe {
		return &RefusedError{
			Reason: fmt.Sprintf("on hold since %s by %s: %s", state.Hold.Time.Format("15:04 MST"), state.Hold.Actor, orNone(state.Hold.Reason)),
			Hint:   "lift it when the reason is gone: gantry hold --lift"}
	}
	if open := underWay(state, plan); open != nil {
		return &ConflictError{
			Reason: fmt.Sprintf("%s of %s by %s on %s is not over (run %s)", open.Verb, cmp.Or(plan.Target, plan.Item.Title), config.Inert(open.Actor), config.Inert(open.Host), open.Run),
			Hint:   "wait for it, cancel it (gantry cancel RUN), or, if its console died, settle it: gantry resolve RUN"}
	}
	if plan.Release == "" {
		return nil
	}
	release := state.Release(plan.Release)
	if release == nil || !release.ClosedAt.IsZero() {
		return &ConflictError{Reason: "release " + plan.Release + " is closed", Hint: "begin another: gantry open KIND VERSION"}
	}
	if plan.Item.ID == "" {
		return nil
	}
	view := state.View(plan.Release, checklist.Observed{Now: e.o.Now(), Live: func(run string) bool { return e.alive(ctx, run) }, Inputs: compared(inputs, release)})
	it, ok := view.Item(plan.Item.ID)
	if !ok {
		return &ConflictError{Reason: "release " + plan.Release + " has no item " + plan.Item.ID + " any more"}
	}
	if plan.Undo {
		for _, on := range view.RestOn(plan.Item.ID) {
			if on.Status == checklist.StatusRunning || on.Status == checklist.StatusUnknown {
				return &ConflictError{Reason: fmt.Sprintf("%s rests on %s and is %s", on.Title, plan.Item.Title, on.Status),
					Hint: "let it end, or cancel it: gantry runs"}
			}
		}
		switch it.Status {
		case checklist.StatusDone, checklist.StatusStale, checklist.StatusFailed, checklist.StatusCancelled:
			return nil
		}
		return &RefusedError{Reason: fmt.Sprintf("there is nothing to take back: %s is %s", plan.Item.Title, it.Status), Hint: "see what was done: gantry history"}
	}
	switch it.Status {
	case checklist.StatusBlocked:
		return &RefusedError{Reason: plan.Item.Title + " is blocked: " + it.Because, Hint: "do that first, or waive it with a reason: gantry skip ITEM --reason ..."}
	case checklist.StatusWaiting:
		return waiting(it)
	case checklist.StatusRunning:
		return &ConflictError{Reason: plan.Item.Title + " is running already", Hint: "watch it: gantry runs"}
	case checklist.StatusUnknown:
		return &RefusedError{Reason: plan.Item.Title + " was begun and nobody knows how it ended", Hint: "look: gantry resolve " + it.State.Open().Run}
	case checklist.StatusWaived:
		return &RefusedError{Reason: plan.Item.Title + " is waived", Hint: "take the waiver back first: gantry clear ITEM"}
	}
	if it.Barred != "" {
		return &RefusedError{Reason: plan.Item.Title + " may not be done again now: " + it.Barred, Hint: "do that first"}
	}
	return nil
}

// underWay is a run that may change what a plan would change and whose end the
// journal does not know, or nil. That of the plan's own item shows in its status.
func underWay(state checklist.State, plan Plan) *checklist.Run {
	if plan.Risk == checklist.Safe {
		return nil
	}
	if plan.Target != "" {
		return state.OpenRun(plan.Target)
	}
	for _, r := range state.Runs {
		if name := about(state, r); r.Ended == nil && name != "" && name == subject(plan) && !plan.of(r) {
			return r
		}
	}
	return nil
}

// about is the subject of a run without a target that may change something.
func about(state checklist.State, r *checklist.Run) string {
	release := state.Release(r.Release)
	if r.Target != "" || r.Risk == checklist.Safe || release == nil {
		return ""
	}
	item, _ := release.Checklist.Item(r.Item)
	return subject(Plan{Item: item})
}

// of tells whether a run is one of the plan's item.
func (p Plan) of(r *checklist.Run) bool { return r.Release == p.Release && r.Item == p.Item.ID }

func orNone(s string) string {
	if s == "" {
		return "no reason given"
	}
	return config.Inert(s)
}

// drifted refuses a flip of a target that serves what the journal does not say.
func (e *Engine) drifted(ctx context.Context, state checklist.State, target string) error {
	t, ok := e.o.Config.Target(target)
	if !ok {
		return nil
	}
	v := TargetView{}
	if p := state.Targets[target]; p != nil {
		v.Journal = *p
	}
	var err error
	if v.Production, err = e.served[target].Pointer(ctx, "production"); err == nil {
		v.Staging, err = e.served[target].Pointer(ctx, "staging")
	}
	if err != nil {
		v.unclear(err)
	}
	if v.Unseen != "" {
		return config.Hint(fmt.Errorf("it cannot be told what %s serves: %w", t.Name, err), config.HintOf(err))
	}
	words := v.Drift
	if words == "" {
		words = drift(v, nil)
	}
	if words == "" {
		return nil
	}
	return &RefusedError{
		Reason: fmt.Sprintf("%s drifted: %s", t.Name, words),
		Hint:   "find out who moved it; to go on from what is served now: gantry adopt " + string(t.Name)}
}

var phraseForm = regexp.MustCompile(`^\S+ \+\d+( ~\d+)? -\d+( ![a-z0-9_-]+)* [0-9a-f]{6}$`)

// IsPhrase tells whether what was typed has the form of a phrase, of whatever
// plan: whoever typed it has seen one.
func IsPhrase(typed string) bool { return phraseForm.MatchString(strings.TrimSpace(typed)) }

// confirmed checks what was typed against the phrase of a plan.
func confirmed(plan Plan, typed string) error {
	err := confirmedPhrase(plan.Phrase(), typed)
	var missing *ConfirmError
	if errors.As(err, &missing) {
		missing.Plan = plan
	}
	return err
}

func confirmedPhrase(phrase, typed string) error {
	typed = strings.TrimSpace(typed)
	switch {
	case typed == phrase:
		return nil
	case IsPhrase(typed):
		return &ConflictError{
			Reason: fmt.Sprintf("%q confirms another plan; this one is %q", config.Inert(typed), phrase),
			Hint:   "read this plan, then type its phrase"}
	default:
		return &ConfirmError{Phrase: phrase, Typed: config.Inert(typed)}
	}
}
