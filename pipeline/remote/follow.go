package remote

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge"
)

const (
	steps    pipeline.Unit = "steps"
	fastest                = 2 * time.Second // between two looks at a run
	slowest                = 15 * time.Second
	logsMost               = 16 << 20 // bytes of all jobs' logs that are kept
	tries                  = 3        // to read the log of a job
)

// follower follows one run.
type follower struct {
	aim  aim
	c    *forge.Client
	p    *pipeline.Progress
	told map[string]string // states that are in the log already
	logs map[int64]int     // tries to read logs; more than tries is done
	kept int               // bytes of logs
	over bool              // the jobs cannot be read; said once
	last string            // the phase
	done int64             // steps counted in it
}

// wait sleeps; it ends early, with its cause, when ctx does.
var wait = func(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// patiently asks until there is an answer: a network that is gone for a while, a
// server that is ill or was asked too often. It ends with ctx.
func patiently[T any](ctx context.Context, f *follower, ask func(context.Context) (T, error)) (T, error) {
	first := true
	for delay := time.Second; ; delay = min(2*delay, 30*time.Second) {
		v, err := ask(ctx)
		after, passing := forge.Passing(err)
		if err == nil || !passing || ctx.Err() != nil {
			if err == nil && !first {
				f.p.Logf("%s answers again", f.aim.forge)
			}
			return v, err
		}
		if first {
			f.p.Logf("%v; asking again", err)
			first = false
		}
		if over := wait(ctx, max(delay, after)); over != nil {
			return v, fmt.Errorf("%w; last: %w", over, err)
		}
	}
}

// follow watches a run until it has ended, and judges it. When ctx ends, it
// stops the run.
func (f *follower) follow(ctx context.Context, id int64) (pipeline.Evidence, error) {
	r, jobs, err := f.watch(ctx, id)
	if cause := context.Cause(ctx); errors.Is(cause, pipeline.ErrLost) && !r.Over {
		return nil, config.Hint(fmt.Errorf("%w: run %d of %s goes on there: %w", pipeline.ErrUnknown, id, f.aim.repository, cause), config.HintOf(cause))
	}
	if ctx.Err() != nil && !r.Over {
		return f.stop(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	return f.aim.verdict(r, jobs)
}

// watch looks at a run until it has ended. One that is not what was confirmed is
// stopped at once.
func (f *follower) watch(ctx context.Context, id int64) (forge.Run, []forge.Job, error) {
	was, early := "", 15
	for delay := fastest; ; delay = min(delay*5/4, slowest) {
		r, err := patiently(ctx, f, func(ctx context.Context) (forge.Run, error) { return f.c.Run(ctx, id) })
		if err != nil {
			if forge.Status(err) == http.StatusNotFound && early > 0 { // it was told of before it could be read
				early--
				if err := wait(ctx, fastest); err != nil {
					return forge.Run{}, nil, err
				}
				continue
			}
			return forge.Run{}, nil, fmt.Errorf("%w: %w", pipeline.ErrUnknown, err)
		}
		early = 0
		if wrong := f.aim.trusted(r); wrong != nil {
			if !r.Over {
				if err := f.c.Cancel(context.WithoutCancel(ctx), id); err != nil {
					wrong = fmt.Errorf("%w; it could not be stopped: %w", wrong, err)
				}
			}
			return r, nil, wrong
		}
		jobs := f.jobs(ctx, r)
		f.show(r, jobs)
		for _, j := range jobs {
			if j.Over {
				f.log(ctx, j, r.Over)
			}
		}
		if r.Over {
			return r, jobs, nil
		}
		if now := r.Status + fmt.Sprint(jobs); now != was {
			was, delay = now, fastest
		}
		if err := wait(ctx, max(delay, f.c.Pace())); err != nil {
			return r, jobs, err
		}
	}
}

// stop cancels the run and waits until it has ended there.
func (f *follower) stop(ctx context.Context, id int64) (pipeline.Evidence, error) {
	cause := context.Cause(ctx)
	f.p.Logf("%v: stopping run %d", cause, id)
	f.p.Phase("stop the run", steps, 0)
	f.last = ""
	late, end := context.WithTimeoutCause(context.WithoutCancel(ctx), endWithin, fmt.Errorf("it has not ended within %s", endWithin))
	defer end()
	_, err := patiently(late, f, func(ctx context.Context) (struct{}, error) { return struct{}{}, f.c.Cancel(ctx, id) })
	if err == nil {
		var r forge.Run
		var jobs []forge.Job
		r, jobs, err = f.watch(late, id)
		switch {
		case r.Over && err != nil:
			return evidence(r), err
		case r.Over && r.Conclusion == "success":
			return f.aim.verdict(r, jobs) // it was faster
		case r.Over:
			f.p.Logf("run %d ended: %s", id, r.Conclusion)
			return evidence(r), cause
		}
	}
	// The cause is not wrapped: what the operator must know is that the run may go on.
	if !errors.Is(err, pipeline.ErrUnknown) {
		err = fmt.Errorf("%w: %w", pipeline.ErrUnknown, err)
	}
	return nil, config.Hint(fmt.Errorf("%v, but run %d of %s may go on there: %w", cause, id, f.aim.repository, err), "stop it on its page")
}

// jobs reads the jobs of a run. Without them the run can still be followed.
func (f *follower) jobs(ctx context.Context, r forge.Run) []forge.Job {
	if f.over {
		return nil
	}
	list := func(ctx context.Context) ([]forge.Job, error) { return f.c.Jobs(ctx, r.ID) }
	jobs, err := list(ctx)
	if _, passing := forge.Passing(err); passing && r.Over {
		soon, stop := context.WithTimeoutCause(ctx, beginWithin, errors.New("no answer"))
		defer stop()
		jobs, err = patiently(soon, f, list)
	} else if passing {
		return nil
	}
	if err != nil {
		f.p.Logf("the jobs cannot be shown: %v", err)
		f.over = true
		return nil
	}
	return jobs
}

// log copies the log of a job that is over into the run's. last is that there is
// no other time.
func (f *follower) log(ctx context.Context, j forge.Job, last bool) {
	if f.logs == nil {
		f.logs = map[int64]int{}
	}
	for f.logs[j.ID] < tries && j.Conclusion != "skipped" && f.kept < logsMost {
		f.logs[j.ID]++
		lines, cut, err := f.c.Log(ctx, j.ID)
		_, passing := forge.Passing(err)
		if err != nil && (passing || forge.Status(err) == 404) && f.logs[j.ID] < tries && ctx.Err() == nil {
			if !last || wait(ctx, fastest) != nil {
				return // it may be there a moment later
			}
			continue
		}
		f.logs[j.ID] = tries
		if err != nil {
			f.p.Logf("%s: %v", j.Name, err)
			return
		}
		for _, line := range lines {
			if f.kept += len(j.Name) + len(line) + 16; f.kept >= logsMost {
				f.p.Logf("what the jobs say from here on is not kept: it is more than %d MiB", logsMost>>20)
				return
			}
			f.p.Logf("%s | %s", j.Name, line)
		}
		if cut {
			f.p.Logf("%s: the rest of its log is not kept: it is too long", j.Name)
		}
	}
}

// show tells how far the run is: the job that runs, and all steps.
func (f *follower) show(r forge.Run, jobs []forge.Job) {
	if f.told == nil {
		f.told = map[string]string{}
	}
	phase, current := "run "+strconv.FormatInt(r.ID, 10)+": "+r.Status, ""
	total, done := int64(0), int64(0)
	running := false
	for _, j := range jobs {
		f.tell(j.Name, state(j.Status, j.Conclusion))
		total += int64(max(len(j.Steps), 1))
		if len(j.Steps) == 0 && j.Over {
			done++
		}
		for _, s := range j.Steps {
			if s.Over {
				done++
			}
			if !running && !j.Over && isRunning(s.Status) {
				current = s.Name
			}
			f.tell(j.Name+" / "+s.Name, state(s.Status, s.Conclusion))
		}
		if !running && isRunning(j.Status) {
			phase, running = j.Name, true
		}
	}
	if key := phase + "\x00" + strconv.FormatInt(total, 10); key != f.last || done < f.done {
		f.p.Phase(phase, steps, total)
		f.last, f.done = key, 0
	}
	f.p.Add(done - f.done)
	f.done = done
	f.p.File(current)
}

func isRunning(status string) bool { return status == "in_progress" || status == "running" }

func state(status, conclusion string) string {
	if conclusion != "" {
		return conclusion
	}
	return status
}

// tell logs a state once, but for waiting, which says nothing.
func (f *follower) tell(what, state string) {
	if f.told[what] == state || state == "" || strings.HasPrefix(state, "queued") || state == "pending" || state == "waiting" || state == "blocked" {
		return
	}
	f.told[what] = state
	f.p.Logf("%s: %s", what, state)
}
