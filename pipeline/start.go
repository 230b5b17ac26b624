package pipeline

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// Plan computes what a job would change. Where something must be built aside
// first, it is, as a run of its own. Interrupted runs of the target are settled
// by looking.
func (e *Engine) Plan(ctx context.Context, job Job) (Plan, error) {
	if err := e.Refresh(ctx); err != nil {
		return Plan{}, err
	}
	item, release, step, err := e.find(job)
	if err != nil {
		return Plan{}, err
	}
	if e.writable() == nil {
		if err := e.settle(ctx, item, release); err != nil {
			return Plan{}, err
		}
	}
	plan, err := e.plan(ctx, item, release, step, job.Undo)
	if !errors.Is(err, ErrUnprepared) {
		return plan, err
	}
	prep, ok := step.(Preparer)
	if !ok {
		return Plan{}, err
	}
	if err := e.prepare(ctx, prep, item, release); err != nil {
		return Plan{}, err
	}
	return e.plan(ctx, item, release, step, job.Undo)
}

func (e *Engine) find(job Job) (checklist.Item, *checklist.ReleaseState, Step, error) {
	e.mu.Lock()
	state := e.fold.Clone()
	e.mu.Unlock()
	item, release, err := e.item(state, job)
	if err != nil {
		return item, nil, nil, err
	}
	if item.Kind == checklist.Manual {
		return item, nil, nil, &RefusedError{
			Reason: item.Title + " is done by a person, not by the console",
			Hint:   "say what you saw: gantry tick " + item.ID + " --note ..."}
	}
	step, err := e.stepOf(item, job.Undo)
	return item, release, step, err
}

func (e *Engine) plan(ctx context.Context, item checklist.Item, release *checklist.ReleaseState, step Step, undo bool) (p Plan, err error) {
	defer caught(&err)
	id := ""
	if release != nil {
		id = release.ID
	}
	p, err = step.Plan(ctx, e.env(id, ""))
	if err != nil {
		return Plan{}, fmt.Errorf("plan %s: %w", strings.ToLower(item.Title), err)
	}
	p.Release, p.Item, p.Verb, p.Target, p.Risk = id, item, item.Uses, item.Target, risk(item)
	if p.Undo = undo; undo {
		p.Verb = "undo"
	}
	if p.Move != nil {
		p.Risk = graver(p.Risk, checklist.Staging)
		if p.Move.Pointer != "staging" {
			p.Risk = checklist.Production
		}
	}
	if p.Title == "" && undo {
		p.Title = "Undo: " + item.Title
	} else if p.Title == "" {
		p.Title = item.Title
	}
	if o, ok := step.(Observer); ok && p.Inputs == "" {
		if p.Inputs, err = o.Inputs(ctx, e.env(id, "")); err != nil {
			return Plan{}, fmt.Errorf("plan %s: %w", strings.ToLower(item.Title), err)
		}
	}
	if undo {
		err = e.takeBack(ctx, &p)
	}
	return p, err
}

// prepare runs what must be built aside before a plan can be made.
func (e *Engine) prepare(ctx context.Context, prep Preparer, item checklist.Item, release *checklist.ReleaseState) error {
	plan := Plan{
		Item: checklist.Item{}, Verb: "prepare", Title: "Build aside what " + strings.ToLower(item.Title) + " needs",
		Target: item.Target, Risk: checklist.Staging,
	}
	if release != nil {
		plan.Release = release.ID
	}
	ready := func(ctx context.Context) error { // nothing is built for what may not be done
		of := Plan{Release: plan.Release, Item: item, Verb: item.Uses, Target: item.Target, Risk: risk(item)}
		inputs, err := e.needed(ctx, of)
		if err != nil {
			return err
		}
		if _, err := e.news(ctx); err != nil {
			return err
		}
		e.mu.Lock()
		state := e.fold.Clone()
		e.mu.Unlock()
		return e.gate(ctx, state, of, inputs)
	}
	a, err := e.begin(ctx, plan, consent{}, ready, func(ctx context.Context, run string, p *Progress) (Evidence, error) {
		return nil, prep.Prepare(ctx, e.env(plan.Release, run), p)
	})
	if err != nil {
		return err
	}
	select {
	case <-a.done:
		return a.err
	case <-ctx.Done(): // the run goes on, and Plan finds what it built another time
		return fmt.Errorf("wait for run %s: %w", a.id, ctx.Err())
	}
}

// Start runs a plan. The world is planned again first, and where that gives
// another plan, this one is void. A plan that changes production runs only with
// its phrase typed. The run goes on when ctx ends; Cancel stops it.
func (e *Engine) Start(ctx context.Context, plan Plan, typed string) (*Active, error) {
	return e.start(ctx, plan, consent{typed: strings.TrimSpace(typed)})
}

// consent is what an operator typed for a plan, or for the group that it is of.
type consent struct{ typed, group string }

func (e *Engine) start(ctx context.Context, plan Plan, given consent) (*Active, error) {
	if err := e.writable(); err != nil {
		return nil, err
	}
	item, release, step, err := e.restep(plan)
	if err != nil {
		return nil, err
	}
	// A phrase is asked for only where it would help: the gates come first, and
	// once more when the intent is written.
	e.mu.Lock()
	state := e.fold.Clone()
	e.mu.Unlock()
	if err := e.gate(ctx, state, plan, nil); err != nil {
		return nil, err
	}
	if given.group == "" && (plan.Guarded() || risk(item) == checklist.Production) {
		if err := confirmed(plan, given.typed); err != nil {
			e.refuse(ctx, plan, given.typed, err)
			return nil, err
		}
	}
	again := func(ctx context.Context) error { return e.same(ctx, plan, item, release, step) }
	if _, err := e.state.Put(ctx, "plans/"+plan.Digest()+".json", strings.NewReader(marshal(plan)), storage.Always); err != nil {
		return nil, fmt.Errorf("keep the plan: %w", err)
	}
	return e.begin(ctx, plan, given, again, func(ctx context.Context, run string, p *Progress) (Evidence, error) {
		return step.Run(ctx, e.env(plan.Release, run), plan, p)
	})
}

// same plans again, by what the journal and the world say now, and makes a plan
// void where that gives another one.
func (e *Engine) same(ctx context.Context, plan Plan, item checklist.Item, release *checklist.ReleaseState, step Step) error {
	if _, err := e.news(ctx); err != nil { // a plan rests on what the journal says, too
		return err
	}
	now, err := e.plan(ctx, item, release, step, plan.Undo)
	if errors.As(err, new(*RefusedError)) || errors.Is(err, ErrUnprepared) {
		// It could be planned before: somebody was faster, and this one lost.
		return &ConflictError{
			Reason: "the plan is void: " + err.Error(),
			Hint:   "look at who moved what: gantry history"}
	}
	if err != nil {
		return err
	}
	if now.Digest() != plan.Digest() {
		return &ConflictError{
			Reason: "the plan is void, " + difference(plan, now),
			Hint:   "look at the new plan: gantry plan " + argument(plan)}
	}
	return nil
}

// restep finds the item, release and step of a plan that was made before.
func (e *Engine) restep(plan Plan) (checklist.Item, *checklist.ReleaseState, Step, error) {
	e.mu.Lock()
	state := e.fold.Clone()
	e.mu.Unlock()
	var release *checklist.ReleaseState
	if plan.Release != "" {
		if release = state.Release(plan.Release); release == nil {
			return plan.Item, nil, nil, &ConflictError{Reason: "release " + plan.Release + " is not there any more"}
		}
	}
	item := plan.Item
	if item.ID != "" {
		known := false // the item is the journal's, whatever the plan says of it
		if release != nil {
			item, known = release.Checklist.Item(item.ID)
		}
		if !known {
			return plan.Item, nil, nil, &ConflictError{Reason: "release " + plan.Release + " has no item " + config.Inert(plan.Item.ID)}
		}
	}
	step, err := e.stepOf(item, plan.Undo)
	return item, release, step, err
}

// argument is how an operator names what a plan is about.
func argument(plan Plan) string {
	if plan.Item.ID != "" {
		return plan.Item.ID
	}
	return plan.Verb + ":" + plan.Target
}

func marshal(plan Plan) string {
	b, err := json.Marshal(plan)
	if err != nil {
		panic("a plan holds only strings and numbers: " + err.Error())
	}
	return string(b)
}

// difference says in words what made a plan void.
func difference(was, is Plan) string {
	switch {
	case was.Move != nil && is.Move != nil && was.Move.From != is.Move.From:
		return fmt.Sprintf("%s moved: it was %s and is %s", was.Move.Pointer, orNothing(was.Move.From), orNothing(is.Move.From))
	case was.Move != nil && is.Move != nil && was.Move.To != is.Move.To:
		return fmt.Sprintf("it would now go to %s, not to %s", orNothing(is.Move.To), orNothing(was.Move.To))
	case was.Inputs != is.Inputs:
		return "what it rests on changed"
	default:
		return "it would now do something else"
	}
}

// refuse records that somebody tried; what cannot be recorded is still refused.
func (e *Engine) refuse(ctx context.Context, plan Plan, typed string, why error) {
	if typed == "" {
		return // asking for the phrase is no attempt
	}
	typed = config.Inert(strings.ToValidUTF8(typed[:min(len(typed), 200)], ""))
	_ = e.record(ctx, plan.Release, checklist.Refused, func(checklist.State) (any, error) {
		return checklist.Refusal{Verb: plan.Verb, Target: plan.Target, Plan: plan.Digest(), Typed: typed, Reason: why.Error()}, nil
	})
}

// newRun names a run by its time and 8 random hex digits.
func (e *Engine) newRun() string {
	var b [4]byte
	rand.Read(b[:])
	return e.o.Now().UTC().Format("20060102T150405Z") + "-" + hex.EncodeToString(b[:])
}
