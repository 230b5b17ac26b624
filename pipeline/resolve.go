package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

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
	if r.Ended == nil && !e.alive(ctx, run) {
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

// LogPath is where a run's log is on this machine, if it is.
func (e *Engine) LogPath(run string) (string, error) {
	if !runForm.MatchString(run) {
		return "", fmt.Errorf("%q is not the name of a run", config.Inert(run))
	}
	return filepath.Join(e.local, run, "log"), nil
}

// RunLog is LogPath of a log that is there: that of a run of another machine,
// whose state is on a store, is fetched first.
func (e *Engine) RunLog(ctx context.Context, run string) (string, error) {
	at, err := e.LogPath(run)
	if err != nil {
		return "", err
	}
	if _, near := e.state.(*storage.Dir); near {
		return at, nil
	}
	if _, err := os.Stat(at); err == nil {
		return at, nil
	}
	return at, e.fetchLog(ctx, run, at)
}

// endless are the runs that a filter takes and whose end the journal does not
// know, oldest first; those of this console are not among them.
func (e *Engine) endless(of func(*checklist.Run) bool) []*checklist.Run {
	e.mu.Lock()
	defer e.mu.Unlock()
	var all []*checklist.Run
	for _, r := range e.fold.Runs {
		if r.Ended == nil && of(r) && e.active[r.Intent.Run] == nil {
			all = append(all, r)
		}
	}
	return all
}

// settle looks at the interrupted runs that keep an item from being done: those
// of its target, and its own last one.
func (e *Engine) settle(ctx context.Context, item checklist.Item, release *checklist.ReleaseState) error {
	last := ""
	if release != nil && item.ID != "" {
		if open := release.Items[item.ID].Open(); open != nil {
			last = open.Intent.Run
		}
	}
	_, leases := e.locks.(*storage.Leases)
	for _, r := range e.endless(func(r *checklist.Run) bool {
		return r.Intent.Run == last || item.Target != "" && r.Target == item.Target && r.Risk != checklist.Safe
	}) {
		// Whether the holder of a lease lives is not seen at first sight: to take it is
		// to wait until that is seen.
		if !leases && e.alive(ctx, r.Intent.Run) {
			continue
		}
		err := e.Resolve(ctx, r.Intent.Run)
		if leases && (errors.As(err, new(*ConflictError)) || errors.As(err, new(*RefusedError))) {
			continue // a console is at it
		}
		if err != nil {
			return err
		}
	}
	return nil
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
	if _, ok := e.served[r.Target]; ok && r.Ended == nil && r.Risk != checklist.Safe {
		// Its console held the target as well, and whoever looks needs it to stand still.
		lock, err := e.locks.Lock(ctx, "locks/"+r.Target+".lock")
		if err != nil {
			return e.busy(ctx, r.Target, err)
		}
		defer lock.Release()
	}
	return e.settled(ctx, r)
}

// settled is Resolve for those who hold the lock of the run's target.
func (e *Engine) settled(ctx context.Context, r *checklist.Run) error {
	if r.Ended != nil {
		return nil
	}
	run := r.Intent.Run
	if runForm.MatchString(run) { // another form is nobody's: no console gave it
		lock, err := e.locks.Lock(ctx, "runs/"+run+"/lock")
		if errors.Is(err, storage.ErrLocked) {
			return &RefusedError{Reason: "a console is at run " + run, Hint: "wait for it, or cancel it: gantry cancel " + run}
		}
		if err != nil {
			return fmt.Errorf("look at run %s: %w", run, err)
		}
		defer lock.Release()
	}
	plan, err := e.kept(ctx, r)
	if err != nil {
		return err
	}
	end := checklist.Ended{Run: run, Looked: true, Outcome: checklist.Failed,
		Error: "interrupted before it took effect", Hint: "nothing changed; run it again"}
	seen, err := e.sight(ctx, run, plan)
	if err != nil {
		return fmt.Errorf("look at what run %s did: %w", run, err)
	}
	if seen.Done {
		end.Outcome, end.Error, end.Hint, end.Evidence = checklist.Done, "", "", seen.Evidence
	} else if seen.Failed != "" {
		end.Error, end.Hint, end.Evidence = seen.Failed, "", seen.Evidence
	}
	if err := e.moved(ctx, plan, &end); err != nil {
		return fmt.Errorf("look at what run %s did: %w", run, err)
	}
	err = e.end(ctx, plan, end)
	if errors.As(err, new(*settledError)) {
		return nil // another console looked first
	}
	return err
}

var digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// kept is the plan of a run: what its intent says and, where the plan is still
// beside the journal, what else was confirmed. Without that, or with another
// plan in its place, there is the pointer named in the intent to look at, which
// is all that counts.
func (e *Engine) kept(ctx context.Context, r *checklist.Run) (Plan, error) {
	plan := Plan{Release: r.Release, Verb: r.Verb, Title: r.Title, Target: r.Target, Risk: r.Risk, Move: r.Move, Undo: r.Undo}
	if !digestForm.MatchString(r.Plan) {
		return plan, nil
	}
	f, _, err := e.state.Open(ctx, "plans/"+r.Plan+".json", storage.Range{})
	var b []byte
	if err == nil {
		defer f.Close()
		b, err = io.ReadAll(io.LimitReader(f, 256<<20))
	}
	if err != nil && away(err) { // it may be there: nobody could look
		return plan, fmt.Errorf("read the plan of run %s: %w", r.Run, err)
	}
	var p Plan
	if err != nil || json.Unmarshal(b, &p) != nil || p.Digest() != r.Plan || p.Target != r.Target || !sameMove(p.Move, r.Move) {
		return plan, ctx.Err()
	}
	return p, nil
}

func sameMove(a, b *checklist.Move) bool { return a == b || a != nil && b != nil && *a == *b }

// sight looks whether the effect of a plan is there.
func (e *Engine) sight(ctx context.Context, run string, plan Plan) (seen Seen, err error) {
	defer caught(&err)
	if plan.Item.Uses != "" {
		if step, err := e.stepOf(plan.Item, plan.Undo); err == nil {
			if l, ok := step.(Looker); ok {
				return l.Look(ctx, e.env(plan.Release, run), plan)
			}
			if plan.Move == nil && plan.Risk != checklist.Safe && plan.Verb != "build" { // nobody sees an unfinished build
				return Seen{Failed: "interrupted, and it does not show how far it came: run it again, which goes on from there"}, nil
			}
		}
	}
	if runForm.MatchString(run) {
		if text, err := e.keptBy(ctx, run); err != nil || text != "" {
			return Seen{}, errors.Join(err, config.Hint(errors.New("what it left to be found again by can be read by its own step alone, which cannot be made any more"),
				"bring back what the configuration said of it when it began"))
		}
	}
	s, ok := e.served[plan.Target]
	if plan.Move == nil || !ok {
		return Seen{}, nil
	}
	at, err := s.Pointer(ctx, plan.Move.Pointer)
	if errors.As(err, new(*storage.Stray)) {
		return Seen{}, nil
	}
	return Seen{Done: err == nil && at == plan.Move.To}, err
}
