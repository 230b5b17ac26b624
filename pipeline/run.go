package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// beat is how often a run tells other consoles of its progress and looks
// whether one of them asks it to stop.
const beat = 500 * time.Millisecond

// Active is a run of this console.
type Active struct {
	id       string
	progress *Progress
	cancel   context.CancelCauseFunc
	done     chan struct{} // closed by execute
	err      error         // set before done is closed
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

var errCancelled = errors.New("cancelled by an operator")

type work func(context.Context, *Progress) (Evidence, error)

// begin takes the locks of a run, checks every gate, writes its intent and lets
// it run. again is asked under the locks whether the plan still holds.
func (e *Engine) begin(ctx context.Context, plan Plan, typed string, again func(context.Context) error, do work) (*Active, error) {
	if err := e.writable(); err != nil {
		return nil, err
	}
	id := e.newRun()
	var held []*storage.Lock
	free := func() {
		for _, l := range held {
			l.Release()
		}
	}
	if plan.Target != "" && plan.Risk != checklist.Safe {
		l, err := e.state.Lock("locks/" + plan.Target + ".lock")
		if err != nil {
			return nil, e.busy(ctx, plan.Target, err)
		}
		held = append(held, l)
	}
	alive, err := e.state.Lock("runs/" + id + "/lock")
	if err != nil {
		free()
		return nil, fmt.Errorf("begin run %s: %w", id, err)
	}
	held = append(held, alive)
	log, err := os.OpenFile(filepath.Join(e.dir, "runs", id, "log"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o640)
	if err != nil {
		free()
		return nil, fmt.Errorf("begin the log of run %s: %w", id, err)
	}
	if again != nil {
		err = again(ctx)
	}
	if err == nil {
		err = e.intend(ctx, id, plan, typed)
	}
	if err != nil {
		log.Close()
		free()
		e.forget(id)
		return nil, err
	}
	// The run outlives whoever asked for it: only Cancel ends it.
	runCtx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	l := NewLog(log, e.o.Now)
	a := &Active{id: id, progress: NewProgress(l), cancel: cancel, done: make(chan struct{})}
	e.mu.Lock()
	e.active[id] = a
	e.mu.Unlock()
	e.repaint()
	go func() {
		defer close(a.done)
		defer e.signal()
		defer free()
		a.err = e.execute(runCtx, a, plan, do)
		if err := l.Close(); err != nil && a.err == nil {
			a.err = fmt.Errorf("the run is done, its log is not whole: %w", err)
		}
		cancel(nil)
		e.mu.Lock()
		delete(e.active, id)
		e.seen.taken = time.Time{} // what items rest on may have changed by this run
		e.mu.Unlock()
		if e.Refresh(context.WithoutCancel(ctx)) != nil {
			e.repaint() // the next look will say what is wrong
		}
	}()
	return a, nil
}

// forget removes the folder of a run that never began.
func (e *Engine) forget(id string) {
	os.RemoveAll(filepath.Join(e.dir, "runs", id))
}

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

// intend writes the intent if every gate is open in the state it follows.
func (e *Engine) intend(ctx context.Context, id string, plan Plan, typed string) error {
	storage.Reach("run.locked")
	err := e.record(ctx, plan.Release, checklist.RunIntent, func(state checklist.State) (any, error) {
		if err := e.gate(state, plan); err != nil {
			return nil, err
		}
		if plan.Target != "" && plan.Risk != checklist.Safe {
			if err := e.drifted(state, plan.Target); err != nil {
				return nil, err
			}
		}
		return checklist.Intent{
			Run: id, Item: plan.Item.ID, Verb: plan.Verb, Title: plan.Title, Target: plan.Target,
			Risk: plan.Risk, Plan: plan.Digest(), Phrase: typed, Move: plan.Move,
		}, nil
	})
	if err == nil {
		storage.Reach("run.intended")
	}
	return err
}

// execute does the work and writes how it ended.
func (e *Engine) execute(ctx context.Context, a *Active, plan Plan, do work) error {
	watching, stop := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		e.watch(watching, a)
	}()
	a.progress.Logf("%s (plan %s)", plan.Title, plan.Digest()[:12])
	evidence, err := guarded(ctx, a.progress, do)
	stop()
	<-watched
	storage.Reach("run.worked")

	end := checklist.Ended{Run: a.id, Outcome: checklist.Done, Evidence: evidence}
	switch {
	case err == nil:
		a.progress.Logf("done")
	case errors.Is(context.Cause(ctx), errCancelled):
		end.Outcome, end.Error = checklist.Cancelled, errCancelled.Error()
		err = errCancelled
		a.progress.Logf("cancelled")
	default:
		end.Outcome, end.Error, end.Hint = checklist.Failed, config.Inert(err.Error()), config.Inert(config.HintOf(err))
		a.progress.Logf("failed: %v", err)
	}
	if recErr := e.end(context.WithoutCancel(ctx), plan, end); recErr != nil {
		return fmt.Errorf("the run ended as %s, which could not be journalled: %w", end.Outcome, recErr)
	}
	storage.Reach("run.ended")
	return err
}

// guarded does the work; a panic in a trade is a failure of the run, not of the
// console.
func guarded(ctx context.Context, p *Progress, do work) (ev Evidence, err error) {
	defer func() {
		if r := recover(); r != nil {
			p.Logf("%s", debug.Stack())
			err = config.Hint(fmt.Errorf("a defect in gantry: %v", r), "its trace is in the run's log")
		}
	}()
	return do(ctx, p)
}

// end writes the end of a run: which pointer did move is read off the pointer,
// and what the item rests on is taken for later comparison.
func (e *Engine) end(ctx context.Context, plan Plan, end checklist.Ended) error {
	if plan.Move != nil {
		if s, ok := e.served[plan.Target]; ok {
			at, err := s.Pointer(plan.Move.Pointer)
			if err == nil && at == plan.Move.To && at != plan.Move.From {
				end.Move = plan.Move
				if end.Outcome == checklist.Cancelled {
					end.Outcome, end.Error = checklist.Failed, "cancelled after "+plan.Move.Pointer+" had moved to "+at
				}
			}
		}
	}
	if end.Outcome == checklist.Done && plan.Item.ID != "" {
		end.Inputs = plan.Inputs
		if plan.Move != nil {
			end.Inputs = e.inputsOf(ctx, plan)
		}
	}
	return e.record(ctx, plan.Release, checklist.RunEnded, func(state checklist.State) (any, error) {
		for _, r := range state.Runs {
			if r.Intent.Run == end.Run && r.Ended != nil {
				return nil, &ConflictError{Reason: "run " + end.Run + " was already settled as " + string(r.Ended.Outcome)}
			}
		}
		return end, nil
	})
}

func (e *Engine) inputsOf(ctx context.Context, plan Plan) string {
	step, err := e.step(plan.Item)
	if err != nil {
		return ""
	}
	o, ok := step.(Observer)
	if !ok {
		return ""
	}
	digest, err := o.Inputs(ctx, e.env(plan.Release, ""))
	if err != nil {
		return "cannot be told: " + err.Error()
	}
	return digest
}

// watch tells other consoles how a run goes and stops it when one asks.
func (e *Engine) watch(ctx context.Context, a *Active) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		e.tell(a)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		e.writing.Lock()
		err := e.read(ctx)
		e.writing.Unlock()
		if err != nil {
			continue // the run's own end will meet it, and say so
		}
		e.mu.Lock()
		asked := false
		for _, r := range e.fold.Runs {
			asked = asked || r.Intent.Run == a.id && r.CancelAsked != ""
		}
		e.mu.Unlock()
		if asked {
			a.cancel(errCancelled)
		}
	}
}

// tell leaves the progress beside the journal. It is not a fact, only a
// courtesy: what cannot be written is left out.
func (e *Engine) tell(a *Active) {
	b, err := json.Marshal(a.Progress())
	if err != nil {
		return
	}
	at := filepath.Join(e.dir, "runs", a.id, "progress.json")
	if os.WriteFile(at+".new", b, 0o640) == nil {
		_ = os.Rename(at+".new", at)
	}
}
