package ui

import (
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// newPlanDialog asks for consent to a plan: production by its phrase, anything
// else by a letter.
func newPlanDialog(m *model, p pipeline.Plan) *dialog {
	word, frame, label := riskOf(p.Risk)
	d := &dialog{
		word: word, frame: frame, label: label, title: config.Inert(p.Title),
		head: func(w int) []line { return summary(m, p, w) },
		void: func(m *model) string { return voided(m, p) },
	}
	if len(changes(m, p, 80)) > 0 {
		d.body = func(w int) []line { return changes(m, p, w) }
	}
	if p.Guarded() {
		d.phrase = p.Phrase()
		d.yes = func(typed string) tea.Cmd { return m.start(p, typed) }
	} else {
		d.answers = []answer{{bind("run it", "y"), func() tea.Cmd { return m.start(p, "") }}}
	}
	d.check(m)
	return d
}

// voided tells why a plan does not hold any more, as far as the screen knows;
// the engine plans again before it starts anything.
func voided(m *model, p pipeline.Plan) string {
	if h := m.view.Hold; h != nil && p.Risk != checklist.Safe {
		return fmt.Sprintf("%s set a hold at %s UTC: %s.", h.Actor, clock(h.Time, m.now()), orNone(h.Reason))
	}
	if p.Move == nil {
		return ""
	}
	t, found := m.targetView(p.Target)
	if !found || t.Unseen != "" { // the engine looks before it moves anything
		return ""
	}
	if t.Drift != "" {
		return "The target drifted: " + t.Drift
	}
	at := t.Staging
	if p.Move.Pointer == "production" {
		at = t.Production
	}
	if at != p.Move.From {
		return fmt.Sprintf("%s moved meanwhile: it was %s and is %s.", p.Move.Pointer, orNone(p.Move.From), orNone(at))
	}
	return ""
}

// summary is what a plan does in few lines: from, to, revision, counts.
func summary(m *model, p pipeline.Plan, w int) []line {
	var ls []line
	g := &m.theme.glyphs
	if mv := p.Move; mv != nil {
		t, _ := m.targetView(p.Target)
		tree := t.Format == string(config.FormatTree)
		from, to := orNone(t.Label(mv.From)), mv.To
		if tree {
			to = "sync " + to
		}
		ls = append(ls, line{{config.Inert(mv.Pointer) + "  ", plain}, {config.Inert(from), strong}, {" " + g.arrow + " ", dim}, {config.Inert(to), strong}})
		if mv.Revision != 0 && !tree { // clients compare none of a tree
			ls = append(ls, own(dim, fmt.Sprintf("revision %d", mv.Revision)))
		}
	}
	if n := p.Count(); n != (pipeline.Counts{}) || p.Move != nil {
		l := line{
			{"+" + count(int64(n.Added)) + " added", ok}, {"  ~" + count(int64(n.Changed)) + " changed", accent},
			{"  -" + count(int64(n.Removed)) + " removed", bad},
		}
		if p.Bytes > 0 {
			l = append(l, span{"  " + size(p.Bytes), dim})
		}
		ls = append(ls, l)
	}
	for _, a := range p.Alarms {
		for i, l := range wrapped(bad, a.Text, w-len(a.Word)-3) {
			sign := span{"!" + a.Word, alarm}
			if i > 0 {
				sign = span{strings.Repeat(" ", len(a.Word)+1), plain}
			}
			ls = append(ls, append(line{sign, {"  ", plain}}, l...))
		}
	}
	if n := len(p.Warnings); n > 0 {
		ls = append(ls, own(warn, g.warning+" "+plural(n, "WARNING", "WARNINGS")+", first in the list below"))
	}
	return ls
}

// changes is the rest of a plan by name: warnings, then what comes, changes and
// goes, then what it is bound to.
func changes(m *model, p pipeline.Plan, w int) []line {
	var ls []line
	g := &m.theme.glyphs
	for _, text := range p.Warnings {
		ls = append(ls, wrapped(warn, g.warning+" WARNING "+text, w)...)
	}
	if len(p.Parts) > 0 {
		ls = append(ls, parts(p)...)
	}
	for _, c := range p.Added {
		ls = append(ls, line{{"+ ", ok}, {config.Inert(c.Name), plain}, {"  " + config.Inert(c.To), dim}, {"  " + size(c.Size), dim}})
	}
	for _, c := range p.Changed {
		l := line{{"~ ", accent}, {config.Inert(c.Name), plain}, {"  " + config.Inert(c.From) + " " + g.arrow + " " + config.Inert(c.To), dim}}
		if c.Down {
			l = append(l, span{"  DOWN", warn})
		}
		ls = append(ls, l)
	}
	for _, c := range p.Removed {
		ls = append(ls, line{{"- ", bad}, {config.Inert(c.Name), plain}, {"  " + config.Inert(c.From), dim}})
	}
	named := len(p.Added) + len(p.Changed) + len(p.Removed)
	if n := p.Count(); named > 0 && n.Added+n.Changed+n.Removed > named {
		ls = append(ls, own(dim, fmt.Sprintf("these %d are the notable ones", named)))
	}
	return append(ls, facts(p.Facts, w)...)
}

// parts are the counts of a plan by its parts, as a table.
func parts(p pipeline.Plan) []line {
	wide := 0
	for _, part := range p.Parts {
		wide = max(wide, ansi.StringWidth(config.Inert(part.Name)))
	}
	var ls []line
	for _, part := range p.Parts {
		name := config.Inert(part.Name)
		ls = append(ls, line{
			{name + strings.Repeat(" ", wide-ansi.StringWidth(name)), plain},
			{fmt.Sprintf("  +%-8s", count(int64(part.Added))), ok}, {fmt.Sprintf("~%-7s", count(int64(part.Changed))), accent},
			{fmt.Sprintf("-%-7s", count(int64(part.Removed))), bad}, {size(part.Bytes), dim},
		})
	}
	return append(ls, line{})
}
