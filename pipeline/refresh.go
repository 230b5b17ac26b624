package pipeline

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/checklist"
	"gantry/config"
	"gantry/storage"
)

// What completed items rest on is found out by reading directories, which may
// take long, and a screen asks once a second. So it is asked again when
// something that it plainly rests on changed, or else after a while; and never so
// often that it is most of what a console does.
const (
	inputsAge  = 5 * time.Second // at least, where nothing changed
	inputsFar  = time.Minute     // the same where targets are on other machines
	idleShare  = 100             // times as long as it took, where nothing changed
	busyShare  = 10              // times as long, where something did
	inputsLast = 5 * time.Minute // at most
)

// observation is what looking found, beside the journal.
type observation struct {
	targets map[string]TargetView // pointers and snapshots, by target
	live    map[string]Status     // runs that are alive, with their progress
	dead    bool                  // a run without an end is not alive
	group   string                // the latest group, where a console is at it
	inputs  map[string]input      // by item
	looked  time.Time             // when targets were
	listed  time.Time             // when their snapshots were
	seq     uint64                // of the journal then
	rest    string                // what inputs plainly rest on, as it was
	taken   time.Time             // when inputs were
	took    time.Duration         // how long that lasted
	trouble []string
}

// input is what a completed item rests on now.
type input struct {
	run    string // that completed it
	digest string
}

// compared are the inputs to compare with what a release says: those of items
// that were not done again since they were taken.
func compared(inputs map[string]input, release *checklist.ReleaseState) map[string]string {
	now := map[string]string{}
	for id, in := range inputs {
		if st := release.Items[id]; st != nil && st.Run != nil && st.Run.Intent.Run == in.run {
			now[id] = in.digest
		}
	}
	return now
}

// Refresh reads what is new in the journal and looks at pointers, live runs and
// what the items of the release rest on. It changes nothing.
func (e *Engine) Refresh(ctx context.Context) error {
	e.looking.Lock()
	defer e.looking.Unlock()
	if _, err := e.news(ctx); err != nil {
		return err
	}
	seen := e.observe(ctx)
	if seen.dead || seen.drifts() {
		// What ended between the two readings looks like that, too.
		news, err := e.news(ctx)
		if err != nil {
			return err
		}
		if news > 0 {
			seen = e.observe(ctx)
		}
	}
	e.mu.Lock()
	e.seen = seen
	e.mu.Unlock()
	e.repaint()
	return ctx.Err()
}

func (o observation) drifts() bool {
	for _, t := range o.targets {
		if t.Drift != "" {
			return true
		}
	}
	return false
}

func (e *Engine) observe(ctx context.Context) observation {
	e.mu.Lock()
	state, before, anew, own := e.fold.Clone(), e.seen, e.anew, maps.Clone(e.active)
	e.anew = false // what is said from here on is for the next look
	last := time.Time{}
	if n := len(e.events); n > 0 {
		last = e.events[n-1].Time
	}
	e.mu.Unlock()
	now := e.o.Now()
	seen := observation{
		targets: map[string]TargetView{}, live: map[string]Status{},
		inputs: before.inputs, rest: before.rest, taken: before.taken, took: before.took, listed: before.listed,
	}
	if err := e.journal.Damage(); err != nil {
		seen.trouble = append(seen.trouble, config.Inert(err.Error())+"; nothing can be written to it")
	}
	if behind := last.Sub(now); behind > skew {
		seen.trouble = append(seen.trouble, fmt.Sprintf("the clock here is %s behind the last entry of the journal; windows and new snapshots go by it", behind.Round(time.Second)))
	}
	seen.looked = now
	again := anew || e.near() || now.Sub(before.looked) >= lookAge || now.Before(before.looked) || state.Seq != before.seq
	if seen.seq = state.Seq; !again {
		seen.targets, seen.looked = before.targets, before.looked
	}
	if again {
		whole := anew || e.near() || state.Seq != before.seq || now.Sub(before.listed) >= listAge || now.Before(before.listed)
		if seen.listed = now; !whole {
			seen.listed = before.listed
		}
		for _, v := range e.lookAll(ctx, state, before.targets, whole) {
			seen.targets[v.Name] = v
		}
	}
	for _, r := range state.Runs {
		if r.Ended != nil {
			continue
		}
		_, mine := own[r.Run]
		switch {
		case mine: // View tells of it as it is then
			seen.live[r.Run] = Status{}
		case e.alive(ctx, r.Run):
			seen.live[r.Run] = e.told(ctx, r.Run)
		default:
			seen.dead = true
		}
	}
	if n := len(state.Groups); n > 0 && state.Groups[n-1].Ended == nil && e.alive(ctx, state.Groups[n-1].Group) {
		seen.group = state.Groups[n-1].Group
	}
	release := e.chosen(state)
	if release == nil || !release.ClosedAt.IsZero() {
		seen.inputs = nil // a closed release is what it was when it was closed
		return seen
	}
	rest, age := e.rest(ctx, release, seen.targets), now.Sub(before.taken)
	wait := max(inputsAge, min(idleShare*before.took, inputsLast))
	if !e.near() {
		wait = max(wait, inputsFar)
	}
	if rest != before.rest {
		wait = min(busyShare*before.took, inputsLast)
	}
	if anew || age < 0 || age >= wait || before.taken.IsZero() {
		began := time.Now() // not e.o.Now: this is about effort
		inputs, err := e.inputs(ctx, release, func(string) bool { return true })
		if err != nil { // ctx is over
			e.mu.Lock()
			e.anew = e.anew || anew
			e.mu.Unlock()
			return seen
		}
		seen.inputs, seen.rest, seen.taken, seen.took = inputs, rest, now, time.Since(began)
	}
	return seen
}

// skew is how far apart the clocks of two consoles may be.
const skew = 2 * time.Minute

// rest is what completed items plainly rest on, as far as it is cheap to see: the
// runs that completed them, the pointers, and the names in the staging area.
func (e *Engine) rest(ctx context.Context, release *checklist.ReleaseState, targets map[string]TargetView) string {
	var b strings.Builder
	b.WriteString(release.ID)
	for _, section := range release.Checklist.Sections {
		for _, item := range section.Items {
			if st := release.Items[item.ID]; st != nil && st.Run != nil && st.Run.Ended != nil {
				b.WriteString(" " + st.Run.Intent.Run)
			}
		}
	}
	for i := range e.o.Config.Targets {
		t := &e.o.Config.Targets[i]
		v := targets[string(t.Name)]
		fmt.Fprintf(&b, " %s %s %d", v.Staging, v.Production, len(v.Snapshots))
		if d, ok := e.staging.Store().(*storage.Dir); ok {
			for _, p := range Places(t) {
				o, _ := d.Stat(ctx, strings.TrimSuffix(p.Prefix(), "/")) // one that is missing is as good
				b.WriteString(" " + o.Version)
			}
		}
	}
	return b.String()
}

var runForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$`)

// asking is how many items are asked at a time what they rest on: on a store each
// question is several requests, one after another.
const asking = 16

// inputs asks the steps of completed items what they rest on now.
func (e *Engine) inputs(ctx context.Context, release *checklist.ReleaseState, of func(item string) bool) (map[string]input, error) {
	now := map[string]input{}
	var mu sync.Mutex // guards now
	var asked errgroup.Group
	asked.SetLimit(asking)
	env := e.env(release.ID, "")
	env.Staging = e.staging.View() // several items rest on one listing
	for _, section := range release.Checklist.Sections {
		for _, item := range section.Items {
			st := release.Items[item.ID]
			if !of(item.ID) || st == nil || st.Run == nil || st.Run.Ended == nil || st.Run.Ended.Inputs == "" {
				continue
			}
			step, err := e.step(item)
			if err != nil {
				continue
			}
			o, ok := step.(Observer)
			if !ok {
				continue
			}
			asked.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				in := input{st.Run.Intent.Run, observed(ctx, o, env)}
				mu.Lock()
				now[item.ID] = in
				mu.Unlock()
				return ctx.Err()
			})
		}
	}
	if err := asked.Wait(); err != nil {
		return nil, err
	}
	return now, nil
}

// needed is what the items that a plan's item needs rest on now, however far
// away: one that is stale keeps the plan from running, as it does on a screen.
func (e *Engine) needed(ctx context.Context, plan Plan) (map[string]input, error) {
	e.mu.Lock()
	release := e.fold.Clone().Release(plan.Release)
	e.mu.Unlock()
	if plan.Item.ID == "" || release == nil {
		return nil, nil
	}
	all := map[string]bool{}
	var add func(id string)
	add = func(id string) {
		it, ok := release.Checklist.Item(id)
		if !ok || all[id] {
			return
		}
		all[id] = true
		for _, need := range it.Needs {
			add(need)
		}
		if it.Window != nil {
			add(it.Window.After)
		}
	}
	add(plan.Item.ID)
	return e.inputs(ctx, release, func(id string) bool { return all[id] && id != plan.Item.ID })
}

// chosen is the release that is worked on: the one that was named, or the only
// one that is open.
func (e *Engine) chosen(state checklist.State) *checklist.ReleaseState {
	open := state.OpenReleases()
	if e.named() == "" {
		if len(open) == 1 {
			return open[0]
		}
		return nil
	}
	return state.Release(e.named())
}
