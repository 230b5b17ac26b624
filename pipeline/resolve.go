package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// Cancel asks a run to stop, whichever console is at it. It stops at the next
// point where nothing is half done.
func (e *Engine) Cancel(ctx context.Context, run string) error {
	if e.o.ReadOnly {
		return e.writable()
	}
	r, err := e.run(ctx, run)
	if err != nil {
		return err
	}
	if r.Ended == nil && !e.alive(run) {
		return &RefusedError{Reason: "nobody is at run " + run + " any more", Hint: "find out how it ended: gantry resolve " + run}
	}
	err = e.record(ctx, r.Release, checklist.RunCancel, func(state checklist.State) (any, error) {
		for _, r := range state.Runs {
			if r.Intent.Run == run && r.Ended != nil {
				return nil, &ConflictError{Reason: fmt.Sprintf("run %s is over: %s", run, r.Ended.Outcome)}
			}
		}
		return checklist.CancelAsked{Run: run}, nil
	})
	if err != nil {
		return err
	}
	e.mu.Lock()
	a := e.active[run]
	e.mu.Unlock()
	if a != nil {
		a.cancel(errCancelled)
	}
	return nil
}

func (e *Engine) run(ctx context.Context, run string) (*checklist.Run, error) {
	if err := e.Refresh(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.fold.Clone().Runs {
		if r.Intent.Run == run {
			return r, nil
		}
	}
	return nil, &RefusedError{Reason: fmt.Sprintf("no run %q", config.Inert(run)), Hint: "see them: gantry runs"}
}

// RunLog is the path of a run's log.
func (e *Engine) RunLog(run string) (string, error) {
	if !runForm.MatchString(run) {
		return "", fmt.Errorf("%q is not the name of a run", config.Inert(run))
	}
	return e.dir + "/runs/" + run + "/log", nil
}

// settle looks at the interrupted runs of a target.
func (e *Engine) settle(ctx context.Context, target string) error {
	e.mu.Lock()
	open := e.fold.Clone().OpenRun(target)
	e.mu.Unlock()
	if open == nil || e.alive(open.Intent.Run) {
		return nil
	}
	return e.Resolve(ctx, open.Intent.Run)
}

// Resolve finds out how a run ended whose console died, by looking, and records
// it. Nothing is done again.
func (e *Engine) Resolve(ctx context.Context, run string) error {
	if err := e.writable(); err != nil {
		return err
	}
	r, err := e.run(ctx, run)
	if err != nil {
		return err
	}
	if r.Ended != nil {
		return nil
	}
	if !runForm.MatchString(run) {
		return &RefusedError{Reason: fmt.Sprintf("%q is not the name of a run", config.Inert(run))}
	}
	lock, err := e.state.Lock("runs/" + run + "/lock")
	if errors.Is(err, storage.ErrLocked) {
		return &RefusedError{Reason: "a console is at run " + run, Hint: "wait for it, or cancel it: gantry cancel " + run}
	}
	if err != nil {
		return fmt.Errorf("look at run %s: %w", run, err)
	}
	defer lock.Release()

	plan, err := e.kept(ctx, r)
	if err != nil {
		return err
	}
	end := checklist.Ended{Run: run, Looked: true, Outcome: checklist.Failed,
		Error: "interrupted before it took effect", Hint: "nothing changed; run it again"}
	seen, err := e.sight(ctx, plan)
	if err != nil {
		return fmt.Errorf("look at what run %s did: %w", run, err)
	}
	if seen.Done {
		end.Outcome, end.Error, end.Hint, end.Evidence = checklist.Done, "", "", seen.Evidence
	}
	err = e.end(ctx, plan, end)
	var settled *ConflictError
	if errors.As(err, &settled) {
		return nil // another console looked first
	}
	return err
}

// kept reads the plan of a run. A run without one has no effect that outlasts
// it but the pointer named in its intent.
func (e *Engine) kept(ctx context.Context, r *checklist.Run) (Plan, error) {
	plan := Plan{Release: r.Release, Verb: r.Verb, Title: r.Title, Target: r.Target, Risk: r.Risk, Move: r.Move}
	if len(r.Plan) != 64 || r.Verb == "prepare" {
		return plan, nil
	}
	f, _, err := e.state.Open(ctx, "plans/"+r.Plan+".json", storage.Range{})
	if errors.Is(err, storage.ErrNotFound) {
		return plan, nil
	}
	if err != nil {
		return plan, fmt.Errorf("read the plan of run %s: %w", r.Intent.Run, err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return plan, fmt.Errorf("read the plan of run %s: %w", r.Intent.Run, err)
	}
	var p Plan
	if err := json.Unmarshal(b, &p); err != nil || p.Digest() != r.Plan {
		return plan, nil // not the plan that was confirmed
	}
	return p, nil
}

// sight looks whether the effect of a plan is there.
func (e *Engine) sight(ctx context.Context, plan Plan) (Seen, error) {
	if plan.Item.Uses != "" {
		if step, err := e.step(plan.Item); err == nil {
			if l, ok := step.(Looker); ok {
				return l.Look(ctx, e.env(plan.Release, ""), plan)
			}
		}
	}
	if plan.Move == nil || e.served[plan.Target] == nil {
		return Seen{}, nil
	}
	at, err := e.served[plan.Target].Pointer(plan.Move.Pointer)
	return Seen{Done: err == nil && at == plan.Move.To}, err
}
