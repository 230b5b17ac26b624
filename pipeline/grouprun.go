package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gantry/checklist"
	"gantry/config"
)

// Checker is a step that can make sure of what it is about to serve, without
// changing anything.
type Checker interface {
	Check(ctx context.Context, env *Env, plan Plan, p *Progress) error
}

// ActiveGroup is a group that this console is at.
type ActiveGroup struct {
	id       string
	total    int
	progress *Progress
	done     chan struct{}
	err      error // set before done is closed
	flipped  int   // likewise
}

// ID names the group.
func (a *ActiveGroup) ID() string { return a.id }

// Done is closed when the group is over and its end is in the journal.
func (a *ActiveGroup) Done() <-chan struct{} { return a.done }

// Progress is how far it is: of the run that is on, or of what comes before the
// first.
func (a *ActiveGroup) Progress() Status { return a.progress.Status() }

// Wait waits for the end and returns how many targets moved, and why not all of
// them did.
func (a *ActiveGroup) Wait() (int, error) {
	<-a.done
	return a.flipped, a.err
}

// StartGroup runs the plans of a group, which its phrase must be typed for. All
// that is to be served is verified before the first pointer moves. Then one after
// another moves; at the first that does not, the group ends, and says how far it
// came. The group goes on when ctx ends.
func (e *Engine) StartGroup(ctx context.Context, g Group, typed string) (*ActiveGroup, error) {
	if err := e.writable(); err != nil {
		return nil, err
	}
	if len(g.Plans) == 0 {
		return nil, &RefusedError{Reason: "a group without plans"}
	}
	typed = strings.TrimSpace(typed)
	if err := confirmedPhrase(g.Phrase(), typed); err != nil {
		var missing *ConfirmError
		if errors.As(err, &missing) {
			missing.Group = &g
		}
		e.refuse(ctx, Plan{Verb: g.Verb, Target: g.Name}, typed, err)
		return nil, err
	}
	begun := checklist.Grouped{Group: e.newRun(), Verb: g.Verb, Title: g.Title, Phrase: typed}
	for _, p := range g.Plans {
		begun.Targets, begun.Plans = append(begun.Targets, p.Target), append(begun.Plans, p.Digest())
	}
	if err := e.enter(); err != nil {
		return nil, err
	}
	// Others see by its lock that it goes on, also where no run of it does.
	lock, err := e.locks.Lock(ctx, "runs/"+begun.Group+"/lock")
	if err != nil {
		e.runs.Done()
		return nil, fmt.Errorf("begin group %s: %w", begun.Group, err)
	}
	release := g.Plans[0].Release
	err = e.record(ctx, release, checklist.GroupBegun, func(state checklist.State) (any, error) {
		for _, p := range g.Plans {
			if err := e.gate(ctx, state, p, nil); err != nil {
				return nil, err
			}
		}
		return begun, nil
	})
	if err != nil {
		lock.Release() // nobody waits for it
		e.runs.Done()
		return nil, err
	}
	a := &ActiveGroup{id: begun.Group, total: len(g.Plans), progress: NewProgress(nil), done: make(chan struct{})}
	e.mu.Lock()
	e.groups[a.id] = a
	e.mu.Unlock()
	e.repaint()
	go func() {
		defer e.runs.Done()
		defer close(a.done)
		defer func() {
			lock.Release() // its end is in the journal, or others see by its runs how far it came
			e.mu.Lock()
			delete(e.groups, a.id)
			e.mu.Unlock()
			e.repaint()
		}()
		ctx := context.WithoutCancel(ctx)
		a.err = e.oneAfterAnother(ctx, a, g, typed)
		var rest []string
		a.flipped, rest = e.movedBy(a.id)
		over := checklist.GroupOver{Group: a.id}
		if a.err != nil {
			a.err = config.Hint(fmt.Errorf("%d of %d moved: %w", a.flipped, a.total, a.err), wayOn(begun, a.flipped, rest, config.HintOf(a.err)))
			over.Error, over.Hint = clip(a.err.Error()), clip(config.HintOf(a.err))
		}
		if err := e.record(ctx, release, checklist.GroupEnded, func(checklist.State) (any, error) { return over, nil }); err != nil {
			a.err = errors.Join(a.err, err)
		}
	}()
	return a, nil
}

// movedBy tells how many targets a group moved, and which it did not. A run that
// failed may have moved its target all the same: the journal knows.
func (e *Engine) movedBy(group string) (int, []string) {
	e.mu.Lock()
	g := e.fold.Clone().Group(group)
	e.mu.Unlock()
	var rest []string
	for _, target := range g.Targets {
		if _, moved := g.Moved[target]; !moved {
			rest = append(rest, target)
		}
	}
	return len(g.Moved), rest
}

// wayOn is what an operator can do about a group that is not whole. Targets that
// it did not come to are named: to roll all of them back again would move those
// that it did.
func wayOn(g checklist.Grouped, flipped int, rest []string, hint string) string {
	var words []string
	if hint != "" {
		words = append(words, hint)
	}
	if len(rest) > 0 {
		words = append(words, "to go on: gantry "+g.Verb+" "+strings.Join(rest, " "))
	}
	if flipped > 0 {
		words = append(words, "to take back what moved: gantry rollback --group "+g.Group)
	}
	return strings.Join(words, "; ")
}

// oneAfterAnother makes sure of all plans of a group, then runs them.
func (e *Engine) oneAfterAnother(ctx context.Context, a *ActiveGroup, g Group, typed string) error {
	for _, plan := range g.Plans {
		if err := e.writable(); err != nil { // the console may be ending
			return err
		}
		a.progress.File(plan.Target)
		if err := e.fit(ctx, plan, a.progress); err != nil {
			return config.Hint(fmt.Errorf("%s of %s: %w", plan.Verb, plan.Target, err), config.HintOf(err))
		}
	}
	for _, plan := range g.Plans {
		run, err := e.start(ctx, plan, consent{typed: typed, group: a.id})
		if err == nil {
			a.progress.follow(run.progress)
			err = run.Wait()
			a.progress.follow(nil)
		}
		if err != nil {
			return config.Hint(fmt.Errorf("%s: %w", plan.Target, err), config.HintOf(err))
		}
	}
	return nil
}

// fit makes sure of a plan before the first of its group moves: that planning
// gives it still, that every gate is open for it, and that what it is to serve
// is whole. All of that is asked again when its turn comes.
func (e *Engine) fit(ctx context.Context, plan Plan, p *Progress) error {
	item, release, step, err := e.restep(plan)
	if err != nil {
		return err
	}
	if err := e.same(ctx, plan, item, release, step); err != nil {
		return err
	}
	inputs, err := e.needed(ctx, plan)
	if err != nil {
		return err
	}
	e.mu.Lock()
	state := e.fold.Clone()
	e.mu.Unlock()
	if err := e.gate(ctx, state, plan, inputs); err != nil {
		return err
	}
	if err := e.drifted(ctx, state, plan.Target); err != nil {
		return err
	}
	c, ok := step.(Checker)
	if !ok {
		return nil
	}
	return guardedCheck(ctx, c, e.env(plan.Release, ""), plan, p)
}

func guardedCheck(ctx context.Context, c Checker, env *Env, plan Plan, p *Progress) (err error) {
	defer caught(&err)
	return c.Check(ctx, env, plan, p)
}
