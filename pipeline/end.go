package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

var (
	errCancelled = errors.New("cancelled by an operator")
	errLost      = config.Hint(errors.New("the lock of the run was lost: this console could not renew it in time"),
		"another console may be at it now; look what happened: gantry runs")
)

// most bounds the texts of a run's end, in bytes: an end that is too long for
// the journal could never be written.
const most = 4 << 10

// execute does the work and writes how it ended.
func (e *Engine) execute(ctx context.Context, a *Active, plan Plan, do work) error {
	watching, stop := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		e.watch(watching, a)
	}()
	a.progress.Logf("%s (plan %s)", plan.Title, plan.Digest()[:12])
	evidence, err := guarded(ctx, a, do)
	stop()
	<-watched
	storage.Reach("run.worked")

	if errors.Is(err, ErrUnknown) {
		a.progress.Logf("%v", err)
		hint := "look how it ended: gantry resolve " + a.id
		if why := config.HintOf(err); why != "" {
			hint = why + "; then " + hint
		}
		return config.Hint(err, hint)
	}
	end := checklist.Ended{Run: a.id, Outcome: checklist.Done, Evidence: evidence}
	switch {
	case err == nil:
	case errors.Is(context.Cause(ctx), errLost):
		if !errors.Is(err, errLost) { // it knows only that it was stopped
			err = config.Hint(fmt.Errorf("%w: %w", errLost, err), config.HintOf(errLost))
		}
		end.Outcome, end.Error, end.Hint = checklist.Failed, err.Error(), config.HintOf(err)
	case errors.Is(context.Cause(ctx), errCancelled):
		end.Outcome, end.Error = checklist.Cancelled, errCancelled.Error()
		if !errors.Is(err, errCancelled) && !errors.Is(err, context.Canceled) {
			end.Error += ": " + err.Error() // it stopped with something to say
			end.Hint = config.HintOf(err)
		}
		err = errCancelled
	default:
		end.Outcome, end.Error, end.Hint = checklist.Failed, err.Error(), config.HintOf(err)
	}
	was := end.Outcome
	ctx = context.WithoutCancel(ctx)
	recErr := e.moved(ctx, plan, &end)
	if end.Outcome != was {
		err = config.Hint(errors.New(end.Error), end.Hint) // the pointer knows better
	}
	if end.Outcome == checklist.Done {
		a.progress.Logf("done")
	} else {
		a.progress.Logf("%s: %s", end.Outcome, end.Error)
	}
	if recErr == nil {
		recErr = e.end(ctx, plan, end)
	}
	var settled *settledError
	if errors.As(recErr, &settled) {
		err = settled.against(end, err)
		a.progress.Logf("%v", err)
		return err
	}
	if recErr != nil {
		// No more is known than the intent: the run is unknown until somebody looks.
		recErr = fmt.Errorf("the run ended as %s, which could not be journalled: %w", end.Outcome, recErr)
		a.progress.Logf("%v", recErr)
		hint := "then look what it did: gantry resolve " + a.id
		if why := config.HintOf(recErr); why != "" {
			hint = why + "; " + hint
		}
		return config.Hint(errors.Join(recErr, err), hint)
	}
	storage.Reach("run.ended")
	return err
}

// guarded does the work; a panic in a trade is a failure of the run, not of the
// console.
func guarded(ctx context.Context, a *Active, do work) (ev Evidence, err error) {
	defer func() {
		if r := recover(); r != nil {
			a.progress.Logf("%s", debug.Stack())
			err = config.Hint(defect(r), "its trace is in the run's log")
		}
	}()
	return do(ctx, a.id, a.progress)
}

// caught is deferred where a trade is asked outside a run: what it panics at,
// such as foreign data that nobody thought of, does not end the console.
func caught(err *error) {
	if r := recover(); r != nil {
		*err = defect(r)
	}
}

func defect(r any) error { return fmt.Errorf("a defect in gantry: %v", r) }

// moved reads off the pointer of a plan whether it did move, whatever the work
// said, and makes the end of the run say so. An error is that nobody can tell.
func (e *Engine) moved(ctx context.Context, plan Plan, end *checklist.Ended) error {
	if plan.Move == nil {
		return nil
	}
	pointer, from, to := plan.Move.Pointer, plan.Move.From, plan.Move.To
	s, ok := e.served[plan.Target]
	if !ok {
		end.Outcome = checklist.Failed
		end.Error = fmt.Sprintf("nobody can tell whether %s moved: the configuration has no target %s any more", pointer, plan.Target)
		end.Hint = "bring the target back; what it serves is then compared with the journal"
		return nil
	}
	at, err := s.Pointer(ctx, pointer)
	if stray := (*storage.Stray)(nil); errors.As(err, &stray) {
		at, err = config.Inert(stray.Is), nil // somebody else moved it, which is known
	}
	if err != nil {
		return fmt.Errorf("read where %s of %s is: %w", pointer, plan.Target, err)
	}
	switch {
	case at == to && at != from:
		end.Move = plan.Move
		if end.Outcome == checklist.Cancelled {
			end.Outcome, end.Error = checklist.Failed, fmt.Sprintf("%s had moved to %s when it was stopped: %s", pointer, at, end.Error)
		}
	case at != to && (at != from || end.Outcome == checklist.Done):
		words := fmt.Sprintf("%s serves %s, where it was to go from %s to %s", pointer, orNothing(at), orNothing(from), to)
		if end.Outcome != checklist.Done && end.Error != "" {
			words = end.Error + "; " + words
		}
		end.Outcome, end.Error = checklist.Failed, words
		end.Hint = "find out who moved it; to go on from what is served now: gantry adopt " + plan.Target
	}
	return nil
}

// end writes the end of a run, with what its item rests on, for later
// comparison.
func (e *Engine) end(ctx context.Context, plan Plan, end checklist.Ended) error {
	if end.Outcome == checklist.Done && plan.Item.ID != "" && !plan.Undo {
		end.Inputs = plan.Inputs
		if plan.Move != nil {
			end.Inputs = e.inputsOf(ctx, plan)
		}
	}
	end.Error, end.Hint = clip(end.Error), clip(end.Hint)
	for name, value := range end.Evidence {
		end.Evidence[name] = clip(value)
	}
	return e.record(ctx, plan.Release, checklist.RunEnded, func(state checklist.State) (any, error) {
		for _, r := range state.Runs {
			if r.Intent.Run == end.Run && r.Ended != nil {
				return nil, &settledError{r, plan.Target}
			}
		}
		return end, nil
	})
}

// settledError says that another console found out how a run ended, while this
// one had lost its locks and could not say so.
type settledError struct {
	run    *checklist.Run
	target string
}

func (e *settledError) Error() string {
	return fmt.Sprintf("run %s was settled by another console, as %s", e.run.Run, e.run.Ended.Outcome)
}

// against compares how the run did end with how it was settled. err is what went
// wrong with it. Where a pointer moved after somebody had looked, the journal
// does not know: what is served drifted, and that blocks the next move.
func (e *settledError) against(end checklist.Ended, err error) error {
	switch was := e.run.Ended; {
	case end.Move != nil && was.Move == nil:
		return config.Hint(errors.Join(&ConflictError{Reason: fmt.Sprintf("%s, and %s of %s moved to %s after that", e, end.Move.Pointer, e.target, end.Move.To)}, err),
			"look at what is served; to go on from there: gantry adopt "+e.target)
	case was.Outcome == end.Outcome:
		return err
	}
	return config.Hint(errors.Join(&ConflictError{Reason: e.Error()}, err), "look what others did: gantry history")
}

// clip makes foreign text harmless and short enough for the journal.
func clip(text string) string {
	text = config.Inert(text[:min(len(text), most)])
	return strings.ToValidUTF8(text[:min(len(text), 2*most)], "")
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
	return observed(ctx, o, e.env(plan.Release, ""))
}

// observed is what a step rests on now. What cannot be told differs from every
// digest: the item is stale.
func observed(ctx context.Context, o Observer, env *Env) string {
	digest, err := asked(ctx, o, env)
	if err != nil {
		return "cannot be told: " + clip(err.Error())
	}
	return digest
}

func asked(ctx context.Context, o Observer, env *Env) (digest string, err error) {
	defer caught(&err)
	return o.Inputs(ctx, env)
}
