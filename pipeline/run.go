package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// Active is a run of this console.
type Active struct {
	id       string
	folder   *os.Root // of its log and progress, beside the journal
	progress *Progress
	cancel   context.CancelCauseFunc
	done     chan struct{}  // closed by execute
	locks    []storage.Lock // of its target and of itself
	told     time.Time      // when others were told of the progress, on a store
	err      error          // set before done is closed
}

// ID names the run.
func (a *Active) ID() string { return a.id }

// Done is closed when the run is over and its end is in the journal.
func (a *Active) Done() <-chan struct{} { return a.done }

// Progress is how far it is.
func (a *Active) Progress() Status { return a.progress.Status() }

// Wait waits for the end and returns what went wrong, if something did.
func (a *Active) Wait() error {
	<-a.done
	return a.err
}

// aftermath is how long a run that is over may take to bring its log to a store
// and to look round, where the store does not answer.
const aftermath = time.Minute

// work is what a run does; run is its id.
type work func(ctx context.Context, run string, p *Progress) (Evidence, error)

// begin lets a run begin, if every gate is open. ready is asked under the locks
// whether what the run is for still holds. Close waits for the run from here on.
func (e *Engine) begin(ctx context.Context, plan Plan, given consent, ready func(context.Context) error, do work) (*Active, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	a, free, err := e.intended(ctx, plan, given, ready)
	if err != nil {
		e.runs.Done()
		return nil, err
	}
	// The run outlives whoever asked for it: only Cancel ends it.
	runCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	a.cancel = cancel
	e.mu.Lock()
	e.active[a.id] = a
	e.mu.Unlock()
	e.repaint()
	go func() {
		defer e.runs.Done()
		defer close(a.done)
		defer e.signal()
		a.err = e.execute(runCtx, a, plan, do)
		after, enough := context.WithTimeout(context.WithoutCancel(ctx), aftermath)
		defer enough()
		err := a.progress.log.Close()
		if err = errors.Join(err, e.keepLog(after, a)); err != nil && a.err == nil {
			a.err = fmt.Errorf("the run is done, its log is not whole: %w", err)
		}
		cancel(nil)
		free() // its end is journalled, or it is unknown: either way others may go on
		e.mu.Lock()
		delete(e.active, a.id)
		e.anew = true
		e.mu.Unlock()
		if e.Refresh(after) != nil {
			e.repaint() // the next look will say what is wrong
		}
	}()
	return a, nil
}

// enter counts a run among those that Close waits for, unless none may begin.
func (e *Engine) enter() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.mayWrite(); err != nil {
		return err
	}
	e.runs.Add(1) // before Close can see that there is none: it sets draining under mu first
	return nil
}

// intended takes the locks of a run, makes its folder and writes its intent.
// free lets all of that go; where there is an error, it has been.
func (e *Engine) intended(ctx context.Context, plan Plan, given consent, ready func(context.Context) error) (_ *Active, free func(), err error) {
	id := e.newRun()
	var locks []storage.Lock
	var folder *os.Root
	release := func() {
		var letting sync.WaitGroup
		for _, l := range locks {
			letting.Go(func() { l.Release() }) // what cannot be released ends with this process, or is outlasted
		}
		letting.Wait()
		if folder != nil {
			folder.Close()
		}
	}
	defer func() {
		if err != nil {
			release()
		}
	}()
	hold := func(key string) error {
		l, err := e.locks.Lock(ctx, key)
		if err == nil {
			locks = append(locks, l)
		}
		return err
	}
	if plan.Risk != checklist.Safe {
		if name := subject(plan); name != "" {
			if err := hold("locks/" + name + ".lock"); err != nil {
				return nil, nil, e.busy(ctx, name, err)
			}
		}
	}
	if err := ready(ctx); err != nil {
		return nil, nil, err
	}
	if err := hold("runs/" + id + "/lock"); err != nil {
		return nil, nil, fmt.Errorf("begin run %s: %w", id, err)
	}
	at := filepath.Join(e.local, id)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return nil, nil, fmt.Errorf("begin run %s: %w", id, err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(at) // of a run that never began
		}
	}()
	if folder, err = os.OpenRoot(at); err != nil {
		return nil, nil, fmt.Errorf("begin run %s: %w", id, err)
	}
	log, err := folder.OpenFile("log", os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return nil, nil, fmt.Errorf("begin the log of run %s: %w", id, err)
	}
	if err := e.intend(ctx, id, plan, given, locks); err != nil {
		log.Close()
		return nil, nil, err
	}
	return &Active{id: id, folder: folder, progress: NewProgress(NewLog(log, e.o.Now)), done: make(chan struct{}), locks: locks}, release, nil
}

// subject is what a plan is about, and what no other run may be about at the same
// time: its target or, without one, what does it and under which name, so that
// the items of two releases do not write the same files.
func subject(plan Plan) string {
	if plan.Target != "" || plan.Item.Uses == "" {
		return plan.Target
	}
	name := plan.Item.Uses
	_, err := config.ParseName(strings.ReplaceAll(name, ".", "-"))
	if with := plan.Item.With["name"]; with != "" && err == nil {
		_, err = config.ParseName(with)
		name += "." + with
	}
	if err != nil {
		return "" // it is no name of the configuration: the step refuses it
	}
	return "uses." + name
}

// busy tells who holds the lock of a target.
func (e *Engine) busy(ctx context.Context, target string, err error) error {
	if !errors.Is(err, storage.ErrLocked) {
		return fmt.Errorf("take the lock of %s: %w", target, err)
	}
	who := "another console"
	if e.Refresh(ctx) == nil {
		e.mu.Lock()
		if r := e.fold.OpenRun(target); r != nil {
			who = fmt.Sprintf("%s of %s by %s on %s (run %s)", r.Verb, target, r.Actor, r.Host, r.Run)
		}
		e.mu.Unlock()
	}
	return &ConflictError{Reason: target + " is busy: " + who, Hint: "wait for it, or cancel it: gantry cancel RUN"}
}

// intend writes the intent if every gate is open in the state it follows. What
// the intent is about to move is where the plan has it by the journal as well:
// so of two whose plans are alike one is let, even where locks fail.
func (e *Engine) intend(ctx context.Context, id string, plan Plan, given consent, locks []storage.Lock) error {
	storage.Reach("run.locked")
	inputs, err := e.needed(ctx, plan)
	if err != nil {
		return err
	}
	err = e.record(ctx, plan.Release, checklist.RunIntent, func(state checklist.State) (any, error) {
		if err := e.writable(); err != nil { // it may be ending since
			return nil, err
		}
		if err := e.gate(ctx, state, plan, inputs); err != nil {
			return nil, err
		}
		if plan.Target != "" && plan.Risk != checklist.Safe {
			if err := e.drifted(ctx, state, plan.Target); err != nil {
				return nil, err
			}
		}
		if m := plan.Move; m != nil && current(state, plan.Target, m.Pointer) != m.From {
			return nil, &ConflictError{
				Reason: fmt.Sprintf("the plan is void: by the journal %s of %s is at %s, not at %s", m.Pointer, plan.Target,
					orNothing(current(state, plan.Target, m.Pointer)), orNothing(m.From)),
				Hint: "look at who moved what: gantry history"}
		}
		if lost(locks) {
			return nil, errLost
		}
		return checklist.Intent{
			Run: id, Item: plan.Item.ID, Verb: plan.Verb, Title: plan.Title, Target: plan.Target,
			Risk: plan.Risk, Plan: plan.Digest(), Phrase: given.typed, Group: given.group, Move: plan.Move, Undo: plan.Undo,
		}, nil
	})
	if err == nil {
		storage.Reach("run.intended")
	}
	return err
}

// lost tells whether one of the locks was taken away.
func lost(locks []storage.Lock) bool {
	for _, l := range locks {
		select {
		case <-l.Lost(): // nil where that cannot be
			return true
		default:
		}
	}
	return false
}

// holds makes sure that a run of this console holds its locks at this moment.
func (e *Engine) holds(ctx context.Context, run string) error {
	e.mu.Lock()
	a := e.active[run]
	e.mu.Unlock()
	if a == nil {
		return fmt.Errorf("no run %s is at work here", config.Inert(run))
	}
	for _, l := range a.locks {
		if err := l.Confirm(ctx); errors.Is(err, storage.ErrConflict) {
			a.cancel(errLost)
			return fmt.Errorf("%w: %w", errLost, err)
		} else if err != nil {
			return fmt.Errorf("make sure that nobody took the lock of the run: %w", err)
		}
	}
	return nil
}
