package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
)

// Group is the plans of several targets under one confirmation: verified
// together, then run one after another.
type Group struct {
	Verb  string   `json:"verb"`
	Name  string   `json:"name"` // what the phrase begins with
	Title string   `json:"title"`
	Plans []Plan   `json:"plans"`          // in the order they run
	Left  []string `json:"left,omitempty"` // targets that need no move, each with the reason
}

// Digest is the SHA-256 of the plans' digests in lower-case hex.
func (g Group) Digest() string {
	h := sha256.New()
	fmt.Fprintln(h, g.Verb, g.Name)
	for _, p := range g.Plans {
		fmt.Fprintln(h, p.Digest())
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Phrase is what an operator types to confirm the group, as Plan.Phrase of all
// its plans together: "core +40 ~3 -2 7f3a9c".
func (g Group) Phrase() string {
	var added, changed, removed int
	for _, p := range g.Plans {
		added, changed, removed = added+len(p.Added), changed+len(p.Changed), removed+len(p.Removed)
	}
	return phrase(g.Name, added, changed, removed, g.Digest())
}

// Checker is a step that can make sure of what it is about to serve, without
// changing anything.
type Checker interface {
	Check(ctx context.Context, env *Env, plan Plan, p *Progress) error
}

// PlanGroup plans a verb for several targets. Those for which nothing is to be
// done are left out; where a plan cannot be made, there is no group.
func (e *Engine) PlanGroup(ctx context.Context, jobs []Job) (Group, error) {
	if len(jobs) == 0 {
		return Group{}, &RefusedError{Reason: "no target is named", Hint: "targets are " + e.targetNames()}
	}
	g := Group{Verb: jobs[0].Verb, Name: e.groupName(jobs)}
	for _, job := range jobs {
		if job.Verb != g.Verb || slices.ContainsFunc(g.Plans, func(p Plan) bool { return p.Target == job.Target }) {
			return Group{}, fmt.Errorf("a group is of one verb, and of each target once: %s %s", job.Verb, config.Inert(job.Target))
		}
		plan, err := e.Plan(ctx, job)
		var idle *RefusedError
		if errors.As(err, &idle) && idle.Idle {
			g.Left = append(g.Left, job.Target+": "+idle.Reason)
			continue
		}
		if err != nil {
			return Group{}, config.Hint(fmt.Errorf("%s: %w", job.Target, err), config.HintOf(err))
		}
		if plan.Move == nil || plan.Move.Pointer != "production" {
			return Group{}, fmt.Errorf("a group moves what production serves, which %s does not", config.Inert(job.Verb))
		}
		g.Plans = append(g.Plans, plan)
	}
	if len(g.Plans) == 0 {
		return Group{}, &RefusedError{Reason: "nothing to " + g.Verb + ": " + strings.Join(g.Left, "; ")}
	}
	names := make([]string, len(g.Plans))
	for i, p := range g.Plans {
		names[i] = p.Target
	}
	verb := strings.ToUpper(g.Verb[:1]) + g.Verb[1:]
	if g.Title = verb + " " + names[0]; len(names) > 1 {
		g.Title = fmt.Sprintf("%s %d targets, one after another: %s", verb, len(names), strings.Join(names, ", "))
	}
	return g, nil
}

// groupName is the component that all targets of the jobs are of, else the
// product.
func (e *Engine) groupName(jobs []Job) string {
	name := ""
	for _, job := range jobs {
		t, ok := e.o.Config.Target(job.Target)
		if !ok || name != "" && name != string(t.Component) {
			return string(e.o.Config.Product)
		}
		name = string(t.Component)
	}
	return name
}

// Undo is the jobs that take back what a group did: each target that it moved
// goes back to what it served before, the last one first. A target that is back
// already is left out; one that moved elsewhere is an error, and so is one that
// served nothing before.
func (e *Engine) Undo(ctx context.Context, group string) ([]Job, error) {
	if err := e.Refresh(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	state, seen := e.fold.Clone(), e.seen.targets
	e.mu.Unlock()
	g := state.Group(group)
	if g == nil {
		return nil, &RefusedError{Reason: fmt.Sprintf("no group %q", config.Inert(group)), Hint: "see them: gantry status, gantry history"}
	}
	var jobs []Job
	for _, target := range slices.Backward(g.Targets) {
		m, moved := g.Moved[target]
		if !moved {
			continue
		}
		if m.Pointer != "production" {
			return nil, &RefusedError{Reason: fmt.Sprintf("%s of %s cannot be rolled back", m.Pointer, target), Hint: "stage what is wanted there again: gantry stage"}
		}
		if at := current(state, target, m.Pointer); at != m.To {
			if m.From != "" && seen[target].origin(at) == seen[target].origin(m.From) {
				continue // it is back already
			}
			return nil, &ConflictError{
				Reason: fmt.Sprintf("%s of %s moved since, to %s", m.Pointer, target, orNothing(at)),
				Hint:   "roll targets back one by one: gantry rollback TARGET"}
		}
		if m.From == "" {
			return nil, &RefusedError{
				Reason: target + " served nothing before, so there is nothing to go back to",
				Hint:   "roll the others back one by one: gantry rollback TARGET"}
		}
		jobs = append(jobs, Job{Verb: "rollback", Target: target, To: m.From})
	}
	if len(jobs) == 0 && len(g.Moved) > 0 {
		return nil, &RefusedError{Reason: "all that group " + group + " moved is back already", Idle: true}
	}
	if len(jobs) == 0 {
		return nil, &RefusedError{Reason: "group " + group + " moved nothing"}
	}
	return jobs, nil
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
	release := g.Plans[0].Release
	err := e.record(ctx, release, checklist.GroupBegun, func(state checklist.State) (any, error) {
		for _, p := range g.Plans {
			if err := e.gate(ctx, state, p, nil); err != nil {
				return nil, err
			}
		}
		return begun, nil
	})
	if err != nil {
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
	version := ""
	if release != nil {
		version = release.Version
	}
	return guardedCheck(ctx, c, e.env(plan.Release, version, ""), plan, p)
}

func guardedCheck(ctx context.Context, c Checker, env *Env, plan Plan, p *Progress) (err error) {
	defer caught(&err)
	return c.Check(ctx, env, plan, p)
}
