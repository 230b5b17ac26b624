package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
)

// Hold stops the line: from its entry on nothing begins that a tester or client
// could see. Anybody may set it, also from a console that is ending. Where there
// is one, the reasons add up, so that who lifts it reads all of them.
func (e *Engine) Hold(ctx context.Context, reason string) error {
	if e.o.ReadOnly {
		return e.writable()
	}
	reason = strings.TrimSpace(reason)
	err := e.record(ctx, "", checklist.HoldSet, func(state checklist.State) (any, error) {
		before := state.Hold
		switch {
		case before == nil:
			return checklist.Held{Reason: reason}, nil
		case before.Actor == e.o.Actor && (reason == "" || before.Reason == reason):
			return nil, errHeld
		}
		return checklist.Held{Reason: fmt.Sprintf("%s; and since %s by %s: %s", orNone(reason),
			before.Time.UTC().Format("15:04 MST"), before.Actor, orNone(before.Reason))}, nil
	})
	if errors.Is(err, errHeld) {
		return nil
	}
	return err
}

// errHeld ends a Hold that would say nothing new.
var errHeld = errors.New("held already")

// LiftPhrase is what an operator types to lift the present hold; empty without one.
func (e *Engine) LiftPhrase() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return liftPhrase(e.fold.Hold)
}

func liftPhrase(h *checklist.Hold) string {
	if h == nil {
		return ""
	}
	return "lift " + short(h.Actor, h.Reason, h.Time.UTC().Format(time.RFC3339Nano))
}

// short is six hex digits of what names a thing.
func short(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:3])
}

// Lift ends the present hold, whose phrase must be typed.
func (e *Engine) Lift(ctx context.Context, typed string) error {
	if err := e.writable(); err != nil {
		return err
	}
	return e.record(ctx, "", checklist.HoldLifted, func(state checklist.State) (any, error) {
		phrase := liftPhrase(state.Hold)
		if phrase == "" {
			return nil, &RefusedError{Reason: "there is no hold"}
		}
		if strings.TrimSpace(typed) != phrase {
			return nil, &ConfirmError{
				Plan:   Plan{Verb: "lift", Title: fmt.Sprintf("Lift the hold of %s: %s", state.Hold.Actor, orNone(state.Hold.Reason)), Risk: checklist.Production},
				Phrase: phrase, Typed: config.Inert(typed)}
		}
		return checklist.Held{Reason: state.Hold.Reason}, nil
	})
}
