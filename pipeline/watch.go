package pipeline

import (
	"cmp"
	"context"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/checklist"
	"gantry/config"
)

// Watched is how a probe that the dashboard looks at all the time last went.
type Watched struct {
	Name  string
	URL   string // that answered, or that was asked
	OK    bool
	Words string        // what it answered, or what is wrong
	At    time.Time     // of the look, zero before the first
	Since time.Time     // the first look that went so
	Took  time.Duration // of the look
}

// Watch looks once at every probe that is to be watched, at some of them at a
// time, and returns when all have answered. What comes is shown at once and never
// journalled. What they have of a release is of the chosen one, else of the oldest
// that is open. While one look is under way, another one returns at once.
func (e *Engine) Watch(ctx context.Context) {
	if !e.watching.TryLock() {
		return
	}
	defer e.watching.Unlock()
	e.mu.Lock()
	state := e.fold.Clone()
	release := e.chosen(state)
	if open := state.OpenReleases(); release == nil && len(open) > 0 {
		release = open[0]
	}
	e.mu.Unlock()
	id := ""
	if release != nil {
		id = release.ID
	}
	env := e.env(id, "")
	var asked errgroup.Group
	asked.SetLimit(looks)
	for _, probe := range e.o.Config.Probes {
		if !probe.Watch {
			continue
		}
		asked.Go(func() error {
			began := time.Now() // not e.o.Now: this is about effort
			ev, err := e.ask(ctx, env, probe)
			if ctx.Err() != nil {
				return nil // that says nothing about the probe
			}
			e.keepWatch(probe, ev, err, time.Since(began))
			return nil
		})
	}
	asked.Wait() // nothing there returns an error
}

// ask makes one probe as an item of a checklist does.
func (e *Engine) ask(ctx context.Context, env *Env, probe config.Probe) (ev Evidence, err error) {
	defer caught(&err)
	step, err := e.step(checklist.Item{ID: "watch", Uses: "check.http", With: map[string]string{"probe": string(probe.Name)}})
	if err != nil {
		return nil, err
	}
	return step.Run(ctx, env, Plan{}, NewProgress(nil))
}

// keepWatch keeps how a probe went, and since when it goes so.
func (e *Engine) keepWatch(probe config.Probe, ev Evidence, err error, took time.Duration) {
	now := Watched{
		Name: string(probe.Name), URL: config.Inert(cmp.Or(ev["url"], probe.URL)),
		OK: err == nil, Words: config.Inert(ev["status"]), At: e.o.Now(), Took: took,
	}
	if err != nil {
		now.Words = brief(config.Inert(err.Error()), now)
	}
	e.mu.Lock()
	before := e.watched[now.Name]
	if now.Since = before.Since; before.At.IsZero() || before.OK != now.OK {
		now.Since = now.At
	}
	e.watched[now.Name] = now
	e.mu.Unlock()
	e.signal()
}

// brief is why a probe failed without what is said beside it: its name and its URL.
func brief(words string, of Watched) string {
	words = strings.ReplaceAll(strings.TrimPrefix(words, "probe "+of.Name+": "), of.URL, "it")
	if first, rest, _ := strings.Cut(words, " "); strings.Contains(first, "://") {
		words = rest // of a URL with placeholders, which did not answer
	}
	return strings.TrimPrefix(strings.TrimPrefix(words, "it: "), "it ")
}

// watchedNow are the probes that are watched, in the order of the configuration;
// for those who hold mu.
func (e *Engine) watchedNow() []Watched {
	var all []Watched
	for _, probe := range e.o.Config.Probes {
		if !probe.Watch {
			continue
		}
		w, looked := e.watched[string(probe.Name)]
		if !looked {
			w = Watched{Name: string(probe.Name), URL: config.Inert(probe.URL), Words: "not looked yet"}
		}
		all = append(all, w)
	}
	return all
}
