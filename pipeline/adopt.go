package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// Adopt accepts what a target serves although the journal says otherwise, so
// that work can go on from there. What is adopted is hashed first. Its phrase
// must be typed.
func (e *Engine) Adopt(ctx context.Context, target, typed string) error {
	if err := e.writable(); err != nil {
		return err
	}
	s, ok := e.served[target]
	if !ok {
		return &RefusedError{Reason: fmt.Sprintf("no target %q", config.Inert(target)), Hint: "targets are " + e.targetNames()}
	}
	lock, err := e.locks.Lock(ctx, "locks/"+target+".lock")
	if err != nil {
		return e.busy(ctx, target, err)
	}
	defer lock.Release()
	if err := e.Refresh(ctx); err != nil {
		return err
	}
	// What an interrupted run did is its own doing, not drift.
	for _, r := range e.endless(func(r *checklist.Run) bool { return r.Target == target && r.Risk != checklist.Safe }) {
		if err := e.settled(ctx, r); err != nil {
			return err
		}
	}
	moves, err := e.strays(ctx, s, target)
	if err != nil {
		return err
	}
	plan := Plan{Verb: "adopt", Target: target, Risk: checklist.Production}
	var words, parts []string
	for _, m := range moves {
		plan.Move = &m.Move
		words = append(words, fmt.Sprintf("%s serves %s, where the journal says %s", m.Pointer, m.is(), orNothing(m.From)))
		parts = append(parts, m.Pointer, m.From, m.To, m.found.Digest)
		for _, w := range m.found.Words {
			plan.Warnings = append(plan.Warnings, config.Inert(m.Pointer+": "+w))
		}
	}
	plan.Title = "Adopt what " + target + " serves: " + strings.Join(words, "; ")
	phrase := "adopt " + target + " " + short(parts...)
	if strings.TrimSpace(typed) != phrase {
		return &ConfirmError{Plan: plan, Phrase: phrase, Typed: config.Inert(typed)}
	}
	for _, m := range moves {
		if m.stray != nil {
			if err := e.take(ctx, s, target, &m); err != nil {
				return err
			}
		} else if m.To != "" {
			if err := s.Check(ctx, m.To, true, func(int64) {}); err != nil {
				return fmt.Errorf("%s of %s serves %s, which is not whole: %w", m.Pointer, target, m.To, err)
			}
		}
		err := e.record(ctx, "", checklist.DriftAdopted, func(state checklist.State) (any, error) {
			if current(state, target, m.Pointer) != m.From {
				return nil, &ConflictError{Reason: "the journal moved meanwhile", Hint: "look again: gantry targets"}
			}
			return checklist.Adopted{Target: target, Move: m.Move}, nil
		})
		if err != nil {
			return err
		}
	}
	return e.Refresh(ctx)
}

// drifting is a pointer that is not where the journal says.
type drifting struct {
	checklist.Move
	stray *storage.Stray // where it names what others put there; To is empty then
	found storage.Found
}

// is what the pointer serves, in words.
func (d drifting) is() string {
	if d.stray != nil {
		return config.Inert(d.stray.Is) + ", which gantry did not publish,"
	}
	return orNothing(d.To)
}

// take makes a snapshot of what others put there.
func (e *Engine) take(ctx context.Context, s storage.Served, target string, d *drifting) error {
	e.mu.Lock()
	state := e.fold.Clone()
	e.mu.Unlock()
	after := int64(0)
	if p := state.Targets[target]; p != nil {
		after = p.Revision
	}
	id, err := s.(storage.Taker).Take(ctx, d.Pointer, d.found.Digest, e.o.Now(), after)
	if errors.Is(err, storage.ErrConflict) {
		return &ConflictError{Reason: err.Error(), Hint: "look at what is there now: gantry adopt " + target}
	}
	if err != nil {
		return err
	}
	at, err := storage.ParseID(id)
	d.To, d.Revision = id, at.Unix()
	return err
}

// strays are the pointers of a target that are not where the journal says.
func (e *Engine) strays(ctx context.Context, s storage.Served, target string) ([]drifting, error) {
	e.mu.Lock()
	state := e.fold.Clone()
	e.mu.Unlock()
	var moves []drifting
	for _, pointer := range []string{"production", "staging"} {
		at, err := s.Pointer(ctx, pointer)
		m := drifting{Move: checklist.Move{Pointer: pointer, From: current(state, target, pointer), To: at}}
		if taker, ok := s.(storage.Taker); ok && errors.As(err, &m.stray) {
			found, err := taker.Find(ctx, pointer)
			if err != nil {
				return nil, err
			}
			m.found = *found
			moves = append(moves, m)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read what %s of %s serves: %w", pointer, target, err)
		}
		if m.From == m.To {
			continue
		}
		if at != "" {
			manifest, _, err := s.Manifest(ctx, at)
			if err != nil {
				return nil, fmt.Errorf("%s of %s names %s: %w", pointer, target, at, err)
			}
			m.Revision = manifest.Revision
		}
		moves = append(moves, m)
	}
	if len(moves) == 0 {
		return nil, &RefusedError{Reason: "nothing to adopt: " + target + " serves what the journal says"}
	}
	return moves, nil
}

func current(state checklist.State, target, pointer string) string {
	if p := state.Targets[target]; p != nil {
		return p.Current[pointer]
	}
	return ""
}
