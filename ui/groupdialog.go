package ui

import (
	"context"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/config"
	"gantry/pipeline"
)

// The answers to intents about several targets.
type (
	groupPlannedMsg struct {
		gen   int
		group pipeline.Group
		err   error
	}
	groupStartedMsg struct {
		gen   int
		group pipeline.Group
		err   error
	}
)

// planGroup has the engine plan jobs that go together, and asks for them.
func (m *model) planGroup(title string, jobs func(context.Context) ([]pipeline.Job, error)) tea.Cmd {
	m.gen++
	m.mode, m.waits, m.planning = waiting, "planning: "+title, true
	gen, ctx, c := m.gen, m.ctx, m.console
	return func() tea.Msg {
		all, err := jobs(ctx)
		if err != nil {
			return groupPlannedMsg{gen: gen, err: err}
		}
		g, err := c.PlanGroup(ctx, all)
		return groupPlannedMsg{gen, g, err}
	}
}

func (m *model) groupPlanned(msg groupPlannedMsg) tea.Cmd {
	if msg.gen != m.gen {
		return nil
	}
	m.close()
	if msg.err != nil {
		m.tell("No plan", msg.err)
		return nil
	}
	m.open(newGroupDialog(m, msg.group))
	return nil
}

// newGroupDialog asks for consent to the plans of several targets, by one phrase.
func newGroupDialog(m *model, g pipeline.Group) *dialog {
	title := fmt.Sprintf("%s %d targets together, one after another", verbs[g.Verb], len(g.Plans))
	if len(g.Plans) == 1 {
		title = verbs[g.Verb] + " " + g.Plans[0].Target
	}
	d := &dialog{
		word: "PRODUCTION", frame: production, label: productionLabel,
		title:  title,
		head:   func(w int) []line { return groupSummary(m, g, w) },
		body:   func(w int) []line { return groupPlans(m, g, w) },
		phrase: g.Phrase(),
		yes:    func(typed string) tea.Cmd { return m.startGroup(g, typed) },
		void: func(m *model) string {
			for _, p := range g.Plans {
				if why := voided(m, p); why != "" {
					return p.Target + ": " + why
				}
			}
			return ""
		},
	}
	d.check(m)
	return d
}

// verbs begin the titles of groups.
var verbs = map[string]string{"promote": "Promote", "rollback": "Roll back"}

// groupSummary is what all plans of a group do together.
func groupSummary(m *model, g pipeline.Group, w int) []line {
	var added, changed, removed, warnings int
	var bytes int64
	for _, p := range g.Plans {
		added, changed, removed = added+len(p.Added), changed+len(p.Changed), removed+len(p.Removed)
		warnings, bytes = warnings+len(p.Warnings), bytes+p.Bytes
	}
	l := append(own(plain, "all   "), counts(added, changed, removed)...)
	if bytes > 0 {
		l = append(l, span{"  " + size(bytes), dim})
	}
	if n := len(g.Left); n > 0 {
		l = append(l, span{"  " + count(int64(n)) + " left out", warn})
	}
	ls := []line{l}
	ls = append(ls, wrapped(dim, "All are verified before the first moves; where one fails, it ends there.", w)...)
	if warnings > 0 {
		ls = append(ls, own(warn, m.theme.glyphs.warning+" "+plural(warnings, "WARNING", "WARNINGS")+", below the targets"))
	}
	return ls
}

// counts is how much comes, changes and goes, in few letters.
func counts(added, changed, removed int) line {
	return line{{"+" + count(int64(added)), ok}, {" ~" + count(int64(changed)), accent}, {" -" + count(int64(removed)), bad}}
}

// groupPlans is the plans of a group: what moves where, in the order of the
// moves; what is left out, and why; the warnings; then the changes by name.
func groupPlans(m *model, g pipeline.Group, w int) []line {
	ls := groupMoves(m, g, w)
	for _, left := range g.Left {
		ls = append(ls, wrapped(dim, "left out  "+left, w)...)
	}
	for _, p := range g.Plans {
		for _, text := range p.Warnings {
			ls = append(ls, wrapped(warn, m.theme.glyphs.warning+" WARNING "+p.Target+": "+text, w)...)
		}
	}
	for _, p := range g.Plans {
		p.Warnings = nil // they stand above
		if more := changes(m, p, w); len(more) > 0 {
			ls = append(append(ls, line{}, said(heading, p.Target)), more...)
		}
	}
	return ls
}

// groupMoves is a line for each plan of a group, or two where there is no room:
// the target, from where to where, counts.
func groupMoves(m *model, g pipeline.Group, w int) []line {
	var names, ways, tails column
	for _, p := range g.Plans {
		names = append(names, said(strong, p.Target))
		way := line{}
		if mv := p.Move; mv != nil {
			way = line{{config.Inert(orNone(mv.From)), plain}, {" " + m.theme.glyphs.arrow + " ", dim}, {config.Inert(mv.To), plain}}
		}
		ways = append(ways, way)
		tail := counts(len(p.Added), len(p.Changed), len(p.Removed))
		if p.Bytes > 0 {
			tail = append(tail, span{"  " + size(p.Bytes), dim})
		}
		if n := len(p.Warnings); n > 0 {
			tail = append(tail, span{fmt.Sprintf("  %s%d", m.theme.glyphs.warning, n), warn})
		}
		tails = append(tails, tail)
	}
	flat := names.width()+ways.width()+tails.width()+4 <= w
	names.pad(w / 3)
	if flat {
		ways.pad(w)
	}
	var ls []line
	for i := range names {
		gap := span{"  ", plain}
		if flat {
			ls = append(ls, append(append(append(append(names[i], gap), ways[i]...), gap), tails[i]...))
		} else {
			ls = append(ls, append(append(names[i], gap), tails[i]...), append(line{gap}, ways[i]...))
		}
	}
	return ls
}

// column is lines that stand beneath each other.
type column []line

func (c column) width() int {
	w := 0
	for _, l := range c {
		w = max(w, l.width())
	}
	return w
}

// pad makes lines as wide as the widest, or as most where that is less.
func (c column) pad(most int) {
	w := min(c.width(), most)
	for i := range c {
		c[i] = append(c[i], span{strings.Repeat(" ", max(0, w-c[i].width())), plain})
	}
}

// startGroup has the engine move the targets of a group as it was confirmed.
func (m *model) startGroup(g pipeline.Group, typed string) tea.Cmd {
	m.gen++
	m.mode, m.waits, m.planning = waiting, "starting: "+config.Inert(g.Title), false
	m.together = true // from here on: it may be over before the answer comes
	gen, ctx, c := m.gen, m.ctx, m.console
	return func() tea.Msg {
		_, err := c.StartGroup(ctx, g, typed)
		return groupStartedMsg{gen, g, err}
	}
}

func (m *model) groupStarted(msg groupStartedMsg) tea.Cmd {
	if msg.gen != m.gen {
		return nil
	}
	m.close()
	if msg.err != nil {
		m.together = false
		m.tell("Not started", msg.err)
		return nil
	}
	clear(m.targets().marked)
	for _, p := range msg.group.Plans {
		delete(m.plans, p.Target)
	}
	if m.together {
		m.flash = line{{"started", ok}, {"  " + config.Inert(msg.group.Title), plain}}
	}
	return m.reread()
}
