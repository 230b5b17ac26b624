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
	groups := maps.Clone(e.groups)
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
	for _, r := range v.Open {
		if v.Checklist.Release != nil && v.Checklist.Release.ID == r.ID {
			v.Days = append(v.Days, v.Checklist)
			continue
		}
		v.Days = append(v.Days, state.View(r.ID, checklist.Observed{Now: now, Live: live}))
	}
	if n := len(state.Groups); n > 0 {
		g := GroupView{Group: *state.Groups[n-1]}
		g.Own = groups[g.Group.Group] != nil
		g.Live = g.Ended == nil && (g.Own || seen.group == g.Group.Group || slices.ContainsFunc(state.Runs, func(r *checklist.Run) bool {
			return r.Intent.Group == g.Group.Group && r.Ended == nil && live(r.Run)
		}))
		v.Group = &g
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
	v.Watched = e.watchedNow()
	if v.Group != nil {
		if a := e.groups[v.Group.Group.Group]; a != nil {
			g := *v.Group
			g.Status, v.Group = a.Progress(), &g
		}
	}
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
