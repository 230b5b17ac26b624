package pipeline

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"gantry/checklist"
	"gantry/config"
)

// inputsAge is how old the digests of what items rest on may be; to take them
// reads directories, and a screen asks once a second.
const inputsAge = 5 * time.Second

// observation is what looking found, beside the journal.
type observation struct {
	targets map[string]TargetView // pointers and snapshots, by target
	live    map[string]Status     // runs that are alive, with their progress
	inputs  map[string]string     // by item
	taken   time.Time             // when inputs were
	trouble []string
}

// Refresh reads what is new in the journal and looks at pointers, live runs and
// what the items of the release rest on. It changes nothing.
func (e *Engine) Refresh(ctx context.Context) error {
	e.writing.Lock()
	err := e.read(ctx)
	e.writing.Unlock()
	if err != nil {
		return err
	}
	seen := e.observe(ctx)
	if seen.drifts() { // a flip between the two readings looks like drift: read both again
		e.writing.Lock()
		err = e.read(ctx)
		e.writing.Unlock()
		if err != nil {
			return err
		}
		seen = e.observe(ctx)
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
	state, before := e.fold.Clone(), e.seen
	e.mu.Unlock()
	now := e.o.Now()
	seen := observation{targets: map[string]TargetView{}, live: map[string]Status{}, inputs: before.inputs, taken: before.taken}
	if err := e.journal.Damage(); err != nil {
		seen.trouble = append(seen.trouble, config.Inert(err.Error())+"; nothing can be written to it")
	}
	for i := range e.o.Config.Targets {
		t := &e.o.Config.Targets[i]
		v := e.look(ctx, t, state.Targets[string(t.Name)])
		if state.OpenRun(v.Name) != nil {
			v.Drift = "" // a run is about to say what it did
		}
		seen.targets[v.Name] = v
	}
	for _, r := range state.Runs {
		if r.Ended == nil && e.alive(r.Run) {
			seen.live[r.Run] = e.progress(r.Run)
		}
	}
	if release := e.chosen(state); release != nil && (now.Sub(before.taken) >= inputsAge || now.Before(before.taken)) {
		seen.inputs, seen.taken = e.inputs(ctx, state, release), now
	}
	return seen
}

// look reads what a target serves and compares it with the journal.
func (e *Engine) look(ctx context.Context, t *config.Target, p *checklist.Pointers) TargetView {
	v := TargetView{Name: string(t.Name), Format: string(t.Format), Path: t.Path, URL: t.URL, Place: place(t)}
	if p != nil {
		v.Journal = *p
	}
	s := e.served[v.Name]
	ids, err := s.Snapshots(ctx)
	if err != nil {
		v.Drift = config.Inert(err.Error())
		return v
	}
	for name, at := range map[string]*string{"staging": &v.Staging, "production": &v.Production} {
		if *at, err = s.Pointer(name); err != nil {
			v.Drift = config.Inert(err.Error())
		}
	}
	if v.Drift == "" {
		v.Drift = drift(v)
	}
	for _, id := range slices.Backward(ids) {
		sv := SnapshotView{ID: id, Current: id == v.Production}
		if at, err := time.Parse("20060102T150405Z", id); err == nil {
			sv.Created = at
		}
		for _, pub := range v.Journal.Published {
			if pub.Snapshot == id {
				sv.Published = pub.From
			}
		}
		v.Snapshots = append(v.Snapshots, sv)
	}
	return v
}

// drift says in words where what is served differs from what the journal says.
func drift(v TargetView) string {
	for _, p := range []struct{ name, is string }{{"production", v.Production}, {"staging", v.Staging}} {
		if says := v.Journal.Current[p.name]; says != p.is {
			return p.name + " serves " + orNothing(p.is) + ", the journal says " + orNothing(says)
		}
	}
	return ""
}

func orNothing(id string) string {
	if id == "" {
		return "nothing"
	}
	return id
}

var runForm = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}$`)

// alive tells whether a console is at a run: it holds the run's lock as long as
// it lives.
func (e *Engine) alive(run string) bool {
	return runForm.MatchString(run) && e.state.Locked("runs/"+run+"/lock")
}

// progress reads what the console that runs it last told of a run.
func (e *Engine) progress(run string) Status {
	var s Status
	f, err := os.Open(filepath.Join(e.dir, "runs", run, "progress.json"))
	if err != nil {
		return s
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	n, _ := f.Read(b) // a short or broken record is one that shows nothing
	if json.Unmarshal(b[:n], &s) != nil {
		return Status{}
	}
	s.Phase, s.Current = config.Inert(s.Phase), config.Inert(s.Current)
	return s
}

// inputs asks the steps of completed items what they rest on now. A closed
// release is what it was when it was closed: later changes are not its own.
func (e *Engine) inputs(ctx context.Context, state checklist.State, release *checklist.ReleaseState) map[string]string {
	now := map[string]string{}
	if !release.ClosedAt.IsZero() {
		return now
	}
	env := e.env(release.ID, release.Version)
	for _, section := range release.Checklist.Sections {
		for _, item := range section.Items {
			st := release.Items[item.ID]
			if st == nil || st.Run == nil || st.Run.Ended == nil || st.Run.Ended.Inputs == "" {
				continue
			}
			step, err := e.step(item)
			if err != nil {
				continue
			}
			if o, ok := step.(Observer); ok {
				digest, err := o.Inputs(ctx, env)
				if err != nil {
					digest = "cannot be told: " + err.Error() // differs from what was recorded: the item is stale
				}
				now[item.ID] = digest
			}
		}
	}
	return now
}

// chosen is the release that is worked on: the one that was named, or the only
// one that is open.
func (e *Engine) chosen(state checklist.State) *checklist.ReleaseState {
	open := state.OpenReleases()
	if e.o.Release == "" {
		if len(open) == 1 {
			return open[0]
		}
		return nil
	}
	return state.Release(e.o.Release)
}

// repaint computes what View returns.
func (e *Engine) repaint() {
	e.mu.Lock()
	state, seen := e.fold.Clone(), e.seen
	own := map[string]*Active{}
	maps.Copy(own, e.active)
	e.mu.Unlock()

	now := e.o.Now()
	v := &View{
		Now: now, Product: string(e.o.Config.Product), Actor: e.o.Actor, ReadOnly: e.o.ReadOnly,
		Open: state.OpenReleases(), Hold: state.Hold, Head: state.Seq,
		Trouble: append(append([]string{}, seen.trouble...), state.Odd...),
	}
	live := func(run string) bool {
		_, mine := own[run]
		_, other := seen.live[run]
		return mine || other
	}
	if release := e.chosen(state); release != nil {
		v.Checklist = state.View(release.ID, checklist.Observed{Now: now, Live: live, Inputs: seen.inputs})
	}
	for _, r := range slices.Backward(state.Runs) {
		_, mine := own[r.Run]
		v.Runs = append(v.Runs, RunView{Run: *r, Live: r.Ended == nil && live(r.Run), Own: mine, Status: seen.live[r.Run]})
	}
	for i := range e.o.Config.Targets {
		name := string(e.o.Config.Targets[i].Name)
		t := seen.targets[name]
		if r := state.OpenRun(name); r != nil {
			t.Busy = r.Run
		}
		v.Targets = append(v.Targets, t)
	}
	e.view.Store(v)
	e.signal()
}

// View is everything a screen shows, as last read; the progress of live runs of
// this console is that of now.
func (e *Engine) View() View {
	v := *e.view.Load()
	v.Now = e.o.Now()
	v.Runs = slices.Clone(v.Runs)
	for i := range v.Runs {
		e.mu.Lock()
		a := e.active[v.Runs[i].Run.Run]
		e.mu.Unlock()
		if a != nil {
			v.Runs[i].Status = a.Progress()
		}
	}
	return v
}
