package ui

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// What the accessible console says. Every status is a word, every number has
// its unit.

func (t *talk) status() {
	v := t.c.View()
	name := "no release is open"
	if len(v.Open) > 1 {
		name = fmt.Sprintf("%d releases are open, choose one of %s", len(v.Open), config.Inert(releaseIDs(v.Open)))
	}
	if r := v.Checklist.Release; r != nil {
		name = config.Inert(r.Version+" "+r.Kind) + fmt.Sprintf(", %d of %d items complete", v.Checklist.Done, v.Checklist.Total)
		if !r.Due.IsZero() {
			name += ", due " + until(r.Due, v.Now)
		}
	}
	t.say("gantry %s: %s. You are %s.", config.Inert(v.Product), name, config.Inert(v.Actor))
	if t.readOnly() {
		t.say("READ-ONLY: nothing can be changed here.")
	}
	if h := v.Hold; h != nil {
		t.say("HOLD by %s since %s UTC: %s.", config.Inert(h.Actor), clock(h.Time, v.Now), config.Inert(orNone(h.Reason)))
	}
	if g := v.Group; g != nil && g.Live {
		t.say("MOVING %s.", groupWords(&g.Group))
	} else if v.Partial != nil {
		t.say("PARTIAL %s. Type resume to move the rest, undo to take it back.", groupWords(v.Partial))
	}
	for i := range v.Targets {
		if tv := &v.Targets[i]; halfDone(&v, tv) {
			for _, words := range tv.Apart {
				t.say("HALF DONE %s: %s.", config.Inert(tv.Name), config.Inert(words))
			}
		}
	}
	for _, tunnel := range v.Tunnels {
		t.say("Tunnel %s is %s.", config.Inert(string(tunnel.Name)), config.Inert(tunnel.String()))
	}
	for _, text := range v.Trouble {
		t.say("TROUBLE: %s", config.Inert(text))
	}
	for _, r := range v.Runs {
		if r.Live {
			t.say("Running: %s.", config.Inert(r.Title))
		}
	}
}

func (t *talk) list() {
	n := 0
	for _, section := range t.c.View().Checklist.Sections {
		t.say("%s:", config.Inert(section.Title))
		for _, it := range section.Views {
			n++
			because := ""
			if it.Because != "" {
				because = ": " + it.Because
			}
			t.say("  %d  %s, %s%s", n, config.Inert(it.Title), it.Status, config.Inert(because))
		}
	}
	switch open := t.c.View().Open; {
	case n == 0 && len(open) > 1:
		t.say("%d releases are open; type choose and one of: %s", len(open), config.Inert(releaseIDs(open)))
	case n == 0:
		t.say("No release is open; begin one with: gantry open KIND VERSION")
	}
}

// item finds an item by its number in the list, or by its id.
func (t *talk) item(which string) (checklist.ItemView, error) {
	want, err := strconv.Atoi(which)
	n := 0
	for _, section := range t.c.View().Checklist.Sections {
		for _, it := range section.Views {
			n++
			if err == nil && n == want || it.ID == which && which != "" {
				return it, nil
			}
		}
	}
	return checklist.ItemView{}, &pipeline.RefusedError{Reason: fmt.Sprintf("no item %q", config.Inert(which)), Hint: "type list for the numbers"}
}

func (t *talk) describe(it checklist.ItemView) {
	word, _, _ := riskOf(it.Risk)
	t.say("%s: %s, %s, %s", config.Inert(it.Title), it.Kind, word, it.Status)
	if !it.Opens.IsZero() {
		now := t.c.View().Now
		t.say("  Opens %s UTC, %s", clock(it.Opens, now), until(it.Opens, now))
	}
	for _, text := range []string{it.Because, it.Help} {
		if text != "" {
			t.say("  %s", config.Inert(text))
		}
	}
	if it.Who != "" {
		t.say("  Ask: %s", config.Inert(it.Who))
	}
	if st := it.State; st != nil {
		for what, mark := range map[string]*checklist.Mark{"Ticked": st.Ticked, "Waived": st.Waived} {
			if mark != nil {
				t.say("  %s by %s: %s", what, config.Inert(mark.Actor), config.Inert(mark.Note))
			}
		}
		if st.Run != nil && st.Run.Ended != nil {
			t.say("  Last run by %s: %s", config.Inert(st.Run.Actor), st.Run.Ended.Outcome)
			t.sayEnd(pipeline.RunView{Run: *st.Run})
		}
	}
}

func (t *talk) targets() {
	v := t.c.View()
	for _, tv := range v.Targets {
		word, _ := same(&v, &tv)
		t.say("%s: staging %s, production %s, %s", config.Inert(tv.Name), config.Inert(served(&tv, tv.Staging)), config.Inert(served(&tv, tv.Production)), word)
		if tv.Unseen != "" {
			t.say("  UNSEEN: %s", config.Inert(tv.Unseen))
		}
		for _, words := range tv.Warnings {
			t.say("  WARNING: %s", config.Inert(words))
		}
		if g := v.Partial; g != nil && slices.Contains(g.Targets, tv.Name) {
			if _, moved := g.Moved[tv.Name]; moved {
				t.say("  moved in the %s that is partial", config.Inert(g.Verb))
			} else {
				t.say("  NOT MOVED in the %s that is partial", config.Inert(g.Verb))
			}
		}
		if tv.Drift != "" {
			t.say("  DRIFT: %s", config.Inert(tv.Drift))
		}
	}
}

func (t *talk) runs() {
	const most = 20
	v := t.c.View()
	for _, r := range v.Runs[:min(len(v.Runs), most)] {
		t.say("%s: %s, %s, by %s, begun %s UTC", config.Inert(r.Run.Run), config.Inert(r.Title), r.State(), config.Inert(r.Actor), clock(r.Started, v.Now))
	}
	if len(v.Runs) == 0 {
		t.say("Nothing was run yet.")
	}
}

// sayPlan says a plan whole, one change a line.
func (t *talk) sayPlan(p pipeline.Plan) {
	word, _, _ := riskOf(p.Risk)
	t.say("%s: %s", word, config.Inert(p.Title))
	if mv := p.Move; mv != nil {
		t.say("  %s from %s to %s, revision %d", config.Inert(mv.Pointer), config.Inert(orNone(mv.From)), config.Inert(mv.To), mv.Revision)
	}
	n := p.Count()
	t.say("  %d added, %d changed, %d removed, %s", n.Added, n.Changed, n.Removed, size(p.Bytes))
	for _, a := range p.Alarms {
		t.say("  ALARM %s: %s; the phrase names it as !%s", config.Inert(a.Word), config.Inert(a.Text), config.Inert(a.Word))
	}
	for _, w := range p.Warnings {
		t.say("  WARNING: %s", config.Inert(w))
	}
	for _, part := range p.Parts {
		t.say("  of %s: %d added, %d changed, %d removed, %s", config.Inert(part.Name), part.Added, part.Changed, part.Removed, size(part.Bytes))
	}
	for _, c := range p.Added {
		t.say("  added %s %s", config.Inert(c.Name), config.Inert(c.To))
	}
	for _, c := range p.Changed {
		down := ""
		if c.Down {
			down = ", which is DOWN"
		}
		t.say("  changed %s from %s to %s%s", config.Inert(c.Name), config.Inert(c.From), config.Inert(c.To), down)
	}
	for _, c := range p.Removed {
		t.say("  removed %s %s", config.Inert(c.Name), config.Inert(c.From))
	}
	for _, name := range slices.Sorted(maps.Keys(p.Facts)) {
		t.say("  %s: %s", config.Inert(name), config.Inert(p.Facts[name]))
	}
}
