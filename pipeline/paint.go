package pipeline

import (
	"maps"
	"slices"

	"gantry/checklist"
)

// repaint computes what View returns.
func (e *Engine) repaint() {
	e.painting.Lock()
	defer e.painting.Unlock()
	e.mu.Lock()
	state, seen := e.fold.Clone(), e.seen
	own := map[string]*Active{}
	maps.Copy(own, e.active)
	e.mu.Unlock()

	now := e.o.Now()
	v := &View{
		Now: now, Product: string(e.o.Config.Product), Actor: e.o.Actor, ReadOnly: e.o.ReadOnly,
		Open: state.OpenReleases(), Partial: state.Partial(), Hold: state.Hold, Head: state.Seq,
		Trouble: append(append([]string{}, seen.trouble...), state.Odd...),
	}
	live := func(run string) bool {
		_, mine := own[run]
		_, other := seen.live[run]
		return mine || other
	}
	if release := e.chosen(state); release != nil {
		v.Checklist = state.View(release.ID, checklist.Observed{Now: now, Live: live, Inputs: compared(seen.inputs, release)})
	}
	// The past stays as it is: an idle console copies none of it.
	idle := len(own) == 0 && len(seen.live) == 0
	was := e.view.Load()
	past := was != nil && e.idle && idle && was.Head == v.Head
	if e.idle = idle; past {
		v.Runs = was.Runs
	} else {
		v.Runs = make([]RunView, 0, len(state.Runs))
	}
	for _, r := range slices.Backward(state.Runs) {
		if past {
			break
		}
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
	v.Now, v.Tunnels = e.o.Now(), e.tunnels.States()
	e.mu.Lock()
	own := maps.Clone(e.active)
	e.mu.Unlock()
	if len(own) == 0 {
		return v
	}
	v.Runs = slices.Clone(v.Runs)
	for i := range v.Runs {
		if a := own[v.Runs[i].Run.Run]; a != nil {
			v.Runs[i].Status = a.Progress()
		}
	}
	return v
}
