package pipeline

import (
	"context"
	"fmt"
	"strings"

	"gantry/checklist"
	"gantry/config"
)

// Tick records that the operator saw a manual item to be true, and what they
// saw; without a note it is refused.
func (e *Engine) Tick(ctx context.Context, item, note string) error {
	note = strings.TrimSpace(note)
	if note == "" {
		return &RefusedError{Reason: "a tick needs what you saw", Hint: "give the value, link or count: gantry tick " + item + " --note ..."}
	}
	return e.mark(ctx, item, checklist.ItemTicked, func(it checklist.ItemView) (any, error) {
		if it.Kind != checklist.Manual {
			return nil, &RefusedError{Reason: it.Title + " is not ticked by hand: the console does it", Hint: "gantry run " + it.ID}
		}
		switch it.Status {
		case checklist.StatusBlocked:
			return nil, &RefusedError{Reason: it.Title + " is blocked: " + it.Because}
		case checklist.StatusWaiting:
			return nil, waiting(it)
		case checklist.StatusWaived:
			return nil, &RefusedError{Reason: it.Title + " is waived", Hint: "take the waiver back first: gantry clear " + it.ID}
		}
		if it.Barred != "" {
			return nil, &RefusedError{Reason: it.Title + " may not be ticked again now: " + it.Barred}
		}
		if err := it.Accepts(note); err != nil {
			return nil, &RefusedError{Reason: err.Error(), Hint: config.HintOf(err)}
		}
		return checklist.Ticked{Item: it.ID, Note: note}, nil
	})
}

// Waive records that an item is skipped, and why. Killer items may not be.
func (e *Engine) Waive(ctx context.Context, item, reason string) error {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return &RefusedError{Reason: "a waiver needs a reason", Hint: "gantry skip " + item + " --reason ..."}
	}
	return e.mark(ctx, item, checklist.ItemWaived, func(it checklist.ItemView) (any, error) {
		switch {
		case it.Killer:
			return nil, &RefusedError{Reason: it.Title + " may not be waived", Hint: "do it, or close the release: gantry close --abort"}
		case it.Status == checklist.StatusRunning || it.Status == checklist.StatusUnknown:
			return nil, &RefusedError{Reason: it.Title + " is " + string(it.Status)}
		}
		return checklist.Waived{Item: it.ID, Reason: reason}, nil
	})
}

// waiting refuses an item whose window has not opened.
func waiting(it checklist.ItemView) error {
	return &RefusedError{Reason: it.Title + " is waiting: " + it.Because, Hint: "where it cannot wait, say why: gantry early " + it.ID + " --reason ..."}
}

// Early records that an item which waits for its window may be done before that,
// and why.
func (e *Engine) Early(ctx context.Context, item, reason string) error {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return &RefusedError{Reason: "opening early needs a reason", Hint: "gantry early " + item + " --reason ..."}
	}
	return e.mark(ctx, item, checklist.ItemEarly, func(it checklist.ItemView) (any, error) {
		if it.Status != checklist.StatusWaiting {
			return nil, &RefusedError{Reason: it.Title + " is " + string(it.Status) + ": only what waits for its window can be opened early"}
		}
		return checklist.Early{Item: it.ID, Reason: reason}, nil
	})
}

// Clear takes a tick, a waiver or an early opening back.
func (e *Engine) Clear(ctx context.Context, item, reason string) error {
	return e.mark(ctx, item, checklist.ItemCleared, func(it checklist.ItemView) (any, error) {
		if it.State == nil || it.State.Ticked == nil && it.State.Waived == nil && it.State.Early == nil {
			return nil, &RefusedError{Reason: it.Title + " is neither ticked nor waived"}
		}
		return checklist.Cleared{Item: it.ID, Reason: strings.TrimSpace(reason)}, nil
	})
}

// mark records what a person says of an item of the chosen release.
func (e *Engine) mark(ctx context.Context, item, kind string, decide func(checklist.ItemView) (any, error)) error {
	if err := e.writable(); err != nil {
		return err
	}
	release, err := e.working(ctx)
	if err != nil {
		return err
	}
	return e.record(ctx, release, kind, func(state checklist.State) (any, error) {
		if r := state.Release(release); r == nil || !r.ClosedAt.IsZero() {
			return nil, &ConflictError{Reason: "release " + release + " is closed"}
		}
		view := state.View(release, checklist.Observed{Now: e.o.Now(), Live: func(run string) bool { return e.alive(ctx, run) }})
		it, ok := view.Item(item)
		if !ok {
			return nil, &RefusedError{Reason: fmt.Sprintf("release %s has no item %q", release, config.Inert(item)), Hint: "see its items: gantry status"}
		}
		return decide(it)
	})
}

// working is the id of the release that is worked on.
func (e *Engine) working(ctx context.Context) (string, error) {
	if _, err := e.news(ctx); err != nil {
		return "", err
	}
	e.mu.Lock()
	state := e.fold.Clone()
	e.mu.Unlock()
	release := e.chosen(state)
	if release == nil {
		if e.named() != "" {
			return "", &RefusedError{Reason: fmt.Sprintf("no release %q", config.Inert(e.named())), Hint: "see those there are: gantry status"}
		}
		return "", e.noRelease(state)
	}
	return release.ID, nil
}
