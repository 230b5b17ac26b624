package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge"
)

var (
	beginWithin = 2 * time.Minute // until the workflow is dispatched
	shownWithin = 2 * time.Minute // until a run appears whose id the server did not tell
	endWithin   = 5 * time.Minute // until a run that is cancelled has ended
)

// note is what is kept of a run that was dispatched, before and after.
type note struct {
	Since time.Time `json:"since"`           // the server's clock before the dispatch
	Known []int64   `json:"known,omitempty"` // runs that were there already
	ID    int64     `json:"id,omitempty"`    // of the run, once it is known
}

func (n note) keep(ctx context.Context, env *pipeline.Env) error {
	b, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := env.Keep(ctx, string(b)); err != nil {
		return fmt.Errorf("keep which run it is: %w", err)
	}
	return nil
}

// Run dispatches the workflow as the plan says, and follows it to its end.
// Cancelling stops it there, too.
func (s *step) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	a, c, err := s.aimed(plan)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	limit := time.Duration(s.workflow.Timeout)
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it took longer than %s", limit))
	defer stop()
	f := &follower{aim: a, c: c, p: p}
	p.Phase("dispatch "+path.Base(a.workflow), steps, 0)
	id, err := f.dispatch(ctx, env)
	if err != nil {
		return nil, err
	}
	return f.follow(ctx, id)
}

// aimed is what a plan aims at, and the client for it.
func (s *step) aimed(plan pipeline.Plan) (aim, *forge.Client, error) {
	a, err := aimed(plan.Facts)
	if err != nil {
		return a, nil, err
	}
	if a.forge != string(s.forge.Name) || a.repository != s.forge.Repository || path.Base(a.workflow) != s.workflow.File {
		return a, nil, &pipeline.ConflictError{Reason: "the configuration now names another workflow than the plan", Hint: "plan again"}
	}
	c, err := forge.Open(s.cfg, &s.forge)
	return a, c, err
}

// dispatch starts the workflow, once, and finds out which run that is. What is
// needed to find it again is kept before.
func (f *follower) dispatch(ctx context.Context, env *pipeline.Env) (int64, error) {
	a, c := f.aim, f.c
	soon, stop := context.WithTimeoutCause(ctx, beginWithin, fmt.Errorf("%s did not answer within %s; nothing was dispatched", a.forge, beginWithin))
	defer stop()
	head, err := patiently(soon, f, func(ctx context.Context) (string, error) { return c.Head(ctx, a.ref) })
	if err != nil {
		return 0, err
	}
	if head != a.sha {
		return 0, &pipeline.ConflictError{
			Reason: fmt.Sprintf("%s moved from %.12s to %.12s", a.ref, a.sha, head), Hint: "look at what changed there, and plan again"}
	}
	n := note{Since: c.Clock()}
	if n.Since.IsZero() {
		n.Since = env.Now()
	}
	runs, err := patiently(soon, f, func(ctx context.Context) ([]forge.Run, error) { return a.recent(ctx, c) })
	if err != nil {
		return 0, err
	}
	if _, err := a.beside(runs); err != nil {
		return 0, err
	}
	for _, r := range runs {
		n.Known = append(n.Known, r.ID)
	}
	if err := n.keep(ctx, env); err != nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	// From here on there may be a run: cancelling waits until it is known which.
	late := context.WithoutCancel(ctx)
	id, err := c.Dispatch(late, path.Base(a.workflow), a.ref, a.sent(env.Run))
	if err != nil && !errors.Is(err, forge.ErrUnsure) {
		return 0, err
	}
	if id == 0 {
		f.p.Logf("dispatched; now to find out which run it is")
		if id, err = f.find(late, n, env.Run, err); err != nil {
			return 0, err
		}
	}
	n.ID = id
	if err := n.keep(late, env); err != nil {
		f.p.Logf("%v", err) // it can still be found as it was found now
	}
	f.p.Logf("dispatched %s of %s at %.12s: run %d", a.workflow, a.repository, a.sha, id)
	return id, nil
}

// before is enough of a listing, newest first, once it is older than a moment.
func before(at time.Time) func(forge.Run) bool {
	return func(r forge.Run) bool { return !r.Created.IsZero() && r.Created.Before(at) }
}

// find waits until the run of our dispatch appears. why is the error of a
// dispatch that nobody can tell of.
func (f *follower) find(ctx context.Context, n note, run string, why error) (int64, error) {
	ctx, stop := context.WithTimeoutCause(ctx, shownWithin, fmt.Errorf("no run of it appeared within %s", shownWithin))
	defer stop()
	for delay := time.Second; ; delay = min(2*delay, 10*time.Second) {
		m, err := patiently(ctx, f, func(ctx context.Context) (match, error) { return f.aim.match(ctx, f.c, n, run) })
		if err == nil && m.sure {
			return m.runs[0].ID, nil
		}
		if err == nil && len(m.runs) > 0 {
			err = m.unsure()
		} else if err == nil {
			err = wait(ctx, delay)
		}
		if err != nil {
			if why != nil {
				err = fmt.Errorf("%w; %w", why, err)
			}
			return 0, config.Hint(fmt.Errorf("%w: %w", pipeline.ErrUnknown, err), fmt.Sprintf("look at the runs of %s there", path.Base(f.aim.workflow)))
		}
	}
}

// match is the run that our dispatch started, or those that could be it.
type match struct {
	runs []forge.Run
	sure bool // there is one, and it is
}

func (m match) unsure() error {
	var ids []int64
	for _, r := range m.runs {
		ids = append(ids, r.ID)
	}
	return config.Hint(fmt.Errorf("which run was dispatched cannot be told from others: %v", ids), correlate)
}

// match looks for the run that our dispatch started: by the id that it was given
// to carry, and else by when, of what and by whom it was started. It does not
// guess.
func (a aim) match(ctx context.Context, c *forge.Client, n note, run string) (match, error) {
	const skew = 5 * time.Second // of the clocks behind one server
	since := n.Since.Add(-skew)
	runs, err := c.Dispatched(ctx, path.Base(a.workflow), before(since))
	if err != nil {
		return match{}, err
	}
	var sure, maybe []forge.Run
	for _, r := range runs {
		if slices.Contains(n.Known, r.ID) {
			continue
		}
		switch a.started(r, run) {
		case yes:
			sure = append(sure, r)
		case unknown:
			if a.trusted(r) == nil && a.same(r) != no {
				maybe = append(maybe, r)
			}
		}
	}
	if len(sure) > 0 || len(maybe) == 0 {
		return match{sure, len(sure) == 1}, nil
	}
	who, err := c.Login(ctx)
	if err != nil {
		return match{}, err
	}
	if who != "" { // the token of an application is of nobody
		maybe = slices.DeleteFunc(maybe, func(r forge.Run) bool { return r.Actor != who })
	}
	return match{maybe, len(maybe) == 1 && who != ""}, nil
}

const correlate = "give the workflow an input gantry_run, and show it: run-name: ... ${{ inputs.gantry_run }}"

// Look finds the run that was dispatched, and tells how it ended. While it goes
// on, nobody can tell: that is an error.
func (s *step) Look(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	a, c, err := s.aimed(plan)
	if err != nil {
		return pipeline.Seen{}, err
	}
	defer c.Close()
	n, seen, err := a.kept(ctx, c, env)
	if err != nil || n.ID == 0 {
		return seen, err
	}
	r, err := c.Run(ctx, n.ID)
	if forge.Status(err) == http.StatusNotFound {
		if _, err := c.Head(ctx, a.ref); err != nil {
			return pipeline.Seen{}, err // nothing is found: not the run's fault
		}
		return pipeline.Seen{Failed: fmt.Sprintf("run %d of %s is not there any more, and nobody can tell how it ended", n.ID, a.repository)}, nil
	}
	if err != nil {
		return pipeline.Seen{}, err
	}
	if !r.Over {
		return pipeline.Seen{}, config.Hint(fmt.Errorf("run %d of %s %w (%s)", r.ID, a.repository, pipeline.ErrGoesOn, r.Status),
			"follow it to its end: gantry resolve "+env.Run+"; stop it meanwhile: gantry cancel "+env.Run+"; its page is "+orNothing(r.URL))
	}
	jobs, err := c.Jobs(ctx, r.ID)
	if err != nil && forge.Status(err) != http.StatusNotFound {
		return pipeline.Seen{}, err
	}
	ev, err := a.verdict(r, jobs)
	if err != nil {
		return pipeline.Seen{Failed: err.Error(), Evidence: ev}, nil
	}
	return pipeline.Seen{Done: true, Evidence: ev}, nil
}

// kept is the run that was dispatched, as far as it can be told. Where it cannot,
// its id is 0, and seen is what is known.
func (a aim) kept(ctx context.Context, c *forge.Client, env *pipeline.Env) (n note, seen pipeline.Seen, err error) {
	kept, err := env.Kept(ctx)
	if err != nil || kept == "" {
		return n, seen, err // it is kept before anything is dispatched
	}
	if err := json.Unmarshal([]byte(kept), &n); err != nil || n.Since.IsZero() {
		return note{}, seen, errors.New("what was kept of the dispatch is damaged")
	}
	if n.ID != 0 {
		return n, seen, nil
	}
	m, err := a.match(ctx, c, n, env.Run)
	switch {
	case err != nil || len(m.runs) == 0:
	case m.sure:
		n.ID = m.runs[0].ID
	case slices.ContainsFunc(m.runs, func(r forge.Run) bool { return !r.Over }):
		err = m.unsure()
	default:
		seen.Failed = m.unsure().Error()
	}
	return n, seen, err
}

// Follow shows how the run goes that was dispatched, until it has ended there, for
// as long as the workflow may take. An operator who cancels stops it there.
func (s *step) Follow(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) error {
	a, c, err := s.aimed(plan)
	if err != nil {
		return err
	}
	defer c.Close()
	n, _, err := a.kept(ctx, c, env)
	if err != nil || n.ID == 0 {
		return err
	}
	limit := time.Duration(s.workflow.Timeout)
	ctx, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("it was followed for %s, and goes on there", limit))
	defer stop()
	f := &follower{aim: a, c: c, p: p}
	_, _, err = f.watch(ctx, n.ID)
	if errors.Is(context.Cause(ctx), pipeline.ErrCancelled) {
		_, err = f.stop(ctx, n.ID)
		if errors.Is(err, pipeline.ErrCancelled) {
			return nil // it has ended there
		}
	}
	if ctx.Err() == nil && !errors.Is(err, pipeline.ErrUnknown) {
		return nil // it has ended, or is not what was confirmed: Look judges
	}
	return err
}

var _ pipeline.Follower = (*step)(nil)
