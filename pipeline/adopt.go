package pipeline

import (
	"context"
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
	for _, r := range e.interrupted(ctx, func(r *checklist.Run) bool { return r.Target == target && r.Risk != checklist.Safe }) {
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
		plan.Move = &m
		words = append(words, fmt.Sprintf("%s serves %s, where the journal says %s", m.Pointer, orNothing(m.To), orNothing(m.From)))
		parts = append(parts, m.Pointer, m.From, m.To)
	}
	plan.Title = "Adopt what " + target + " serves: " + strings.Join(words, "; ")
	phrase := "adopt " + target + " " + short(parts...)
	if strings.TrimSpace(typed) != phrase {
		return &ConfirmError{Plan: plan, Phrase: phrase, Typed: config.Inert(typed)}
	}
	for _, m := range moves {
		if m.To != "" {
			if err := s.Check(ctx, m.To, true, func(int64) {}); err != nil {
				return fmt.Errorf("%s of %s serves %s, which is not whole: %w", m.Pointer, target, m.To, err)
			}
		}
		err := e.record(ctx, "", checklist.DriftAdopted, func(state checklist.State) (any, error) {
			if current(state, target, m.Pointer) != m.From {
				return nil, &ConflictError{Reason: "the journal moved meanwhile", Hint: "look again: gantry targets"}
			}
			return checklist.Adopted{Target: target, Move: m}, nil
		})
		if err != nil {
			return err
		}
	}
	return e.Refresh(ctx)
}

// strays are the pointers of a target that are not where the journal says.
func (e *Engine) strays(ctx context.Context, s storage.Served, target string) ([]checklist.Move, error) {
	e.mu.Lock()
	state := e.fold.Clone()
	e.mu.Unlock()
	var moves []checklist.Move
	for _, pointer := range []string{"production", "staging"} {
		at, err := s.Pointer(ctx, pointer)
		if err != nil {
			return nil, fmt.Errorf("read what %s of %s serves: %w", pointer, target, err)
		}
		m := checklist.Move{Pointer: pointer, From: current(state, target, pointer), To: at}
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
