package pipeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// Causes that the context of a run ends with.
var (
	ErrCancelled = errCancelled // an operator asked for it: what was started is to stop
	ErrLost      = errLost      // another console may be at the run: what was started goes on
)

// ErrGoesOn is what Look of a Follower wraps while what a run started goes on.
var ErrGoesOn = errors.New("goes on there")

// Follower is a Looker whose effect takes place elsewhere, where it goes on
// without the console.
type Follower interface {
	// Follow tells how it goes until it has ended, or ctx has. Where ErrCancelled
	// ends ctx, it is stopped; in any other case it goes on.
	Follow(ctx context.Context, env *Env, plan Plan, p *Progress) error
}

// Follow is Resolve of a run that may go on elsewhere: it waits for its end, and
// others see its progress and may cancel it meanwhile. It ends early, and the run
// goes on, when ctx ends or this console does.
func (e *Engine) Follow(ctx context.Context, run string) error {
	err := e.Resolve(ctx, run)
	if !errors.Is(err, ErrGoesOn) {
		return err
	}
	if over := e.follow(ctx, run); over != nil {
		return over
	}
	return e.Resolve(ctx, run)
}

func (e *Engine) follow(ctx context.Context, run string) error {
	r, err := e.run(ctx, run)
	if err != nil || r.Ended != nil {
		return err
	}
	plan, err := e.kept(ctx, r)
	if err != nil {
		return err
	}
	step, err := e.stepOf(plan.Item, plan.Undo)
	if err != nil {
		return err
	}
	f, ok := step.(Follower)
	if !ok {
		return fmt.Errorf("run %s cannot be followed from here", run)
	}
	if err := e.enter(); err != nil {
		return err
	}
	defer e.runs.Done()
	a := &Active{id: run} // not one of this console: to leave it is not to stop it
	free, err := e.join(ctx, a, r)
	if err != nil {
		return err
	}
	defer free()
	ctx, a.cancel = context.WithCancelCause(ctx)
	defer a.cancel(nil)
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		e.watch(watching, a)
	}()
	ending := make(chan struct{})
	go func() {
		defer close(ending)
		e.leave(watching, a)
	}()
	a.progress.Logf("%s follows it", e.o.Actor)
	err = f.Follow(ctx, e.env(plan.Release, run), plan, a.progress)
	stop()
	<-watched
	<-ending
	if err != nil {
		a.progress.Logf("%v", err)
	}
	return errors.Join(err, e.keepLog(context.WithoutCancel(ctx), a))
}

// leave ends the following of a run when this console ends.
func (e *Engine) leave(ctx context.Context, a *Active) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := e.writable(); err != nil {
			a.cancel(err)
			return
		}
	}
}

// join takes the locks of a run that nobody is at, and opens its log.
func (e *Engine) join(ctx context.Context, a *Active, r *checklist.Run) (free func(), err error) {
	var held []func()
	free = func() {
		for _, let := range held {
			let()
		}
	}
	defer func() {
		if err != nil {
			free()
		}
	}()
	keys := []string{"runs/" + a.id + "/lock"}
	if _, ok := e.served[r.Target]; ok && r.Risk != checklist.Safe {
		keys = append([]string{"locks/" + r.Target + ".lock"}, keys...)
	}
	for _, key := range keys {
		lock, err := e.locks.Lock(ctx, key)
		if errors.Is(err, storage.ErrLocked) {
			return free, &RefusedError{Reason: "a console is at run " + a.id, Hint: "wait for it, or cancel it: gantry cancel " + a.id}
		}
		if err != nil {
			return free, fmt.Errorf("follow run %s: %w", a.id, err)
		}
		held = append(held, func() { lock.Release() })
		a.locks = append(a.locks, lock)
	}
	at := filepath.Join(e.local, a.id)
	if err := os.MkdirAll(at, 0o755); err != nil {
		return free, fmt.Errorf("follow run %s: %w", a.id, err)
	}
	if a.folder, err = os.OpenRoot(at); err != nil {
		return free, fmt.Errorf("follow run %s: %w", a.id, err)
	}
	held = append(held, func() { a.folder.Close() })
	file, err := a.folder.OpenFile("log", os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return free, config.Hint(fmt.Errorf("open the log of run %s: %w", a.id, err), "look at "+at)
	}
	log := NewLog(file, e.o.Now)
	held = append(held, func() { log.Close() })
	a.progress = NewProgress(log)
	return free, nil
}
