package ui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// groupWords is how a group stands in few words: "promote: 2 of 5 moved".
func groupWords(g *checklist.Group) string {
	return fmt.Sprintf("%s: %d of %d moved", config.Inert(g.Verb), len(g.Moved), len(g.Targets))
}

// unfinished is the group that moves or moved in part; nil where there is none.
func (m *model) unfinished() *pipeline.GroupView {
	if g := m.view.Group; g != nil && (g.Live || m.view.Partial != nil) {
		return g
	}
	return nil
}

// busy tells whether something of this console is not over.
func (m *model) busy() bool {
	g := m.view.Group
	return len(m.live()) > 0 || g != nil && g.Own && g.Live
}

// groupBanner says above every view that targets move, or that some did not.
func (m *model) groupBanner() []line {
	g := m.unfinished()
	switch {
	case g == nil:
		return nil
	case g.Live:
		l := line{{" MOVING ", productionLabel}, {"  " + groupWords(&g.Group), strong}}
		if r, ok := m.groupRun(g); ok {
			l = append(l, span{"  now " + config.Inert(r.Target), plain})
			if r.Status.Total > 0 {
				l = append(l, span{fmt.Sprintf(" %d%%", percent(r.Status)), accent})
			}
		} else if !g.Whole() {
			l = append(l, span{"  " + config.Inert(g.Status.Phase+" "+g.Status.Current), dim})
		}
		return []line{l}
	}
	l := line{{" PARTIAL ", productionLabel}, {"  " + groupWords(&g.Group), strong}}
	switch {
	case m.readOnly():
	case m.at == targetsAt:
		l = append(l, span{"  o", accent}, span{" goes on, ", dim}, span{"U", accent}, span{" takes back", dim})
	default:
		l = append(l, span{"  " + fmt.Sprint(targetsAt+1), accent}, span{" to go on or take it back", dim})
	}
	return []line{l}
}

// groupRun is the run of a group that is on now.
func (m *model) groupRun(g *pipeline.GroupView) (pipeline.RunView, bool) {
	for _, r := range m.view.Runs {
		if r.Live && r.Intent.Group == g.Group.Group {
			return r, true
		}
	}
	return pipeline.RunView{}, false
}

// inGroup words how a target stands in the group that moves or moved in part;
// empty where it is in none.
func (m *model) inGroup(t *pipeline.TargetView) (string, role) {
	g := m.unfinished()
	if g == nil || !slices.Contains(g.Targets, t.Name) {
		return "", plain
	}
	if _, moved := g.Moved[t.Name]; moved {
		return "moved", ok
	}
	switch r, known := m.runView(t.Busy); {
	case known && !r.Live && r.Ended == nil:
		return string(checklist.StatusUnknown), warn
	case known && r.Live:
		word := "moving"
		if r.Status.Total > 0 {
			word += fmt.Sprintf(" %d%%", percent(r.Status))
		}
		return word, accent
	}
	if g.Live {
		return "waits", dim
	}
	return "NOT MOVED", warn
}

// groupDetail is the group that moves or moved in part, above a target's own
// lines.
func (m *model) groupDetail(t *pipeline.TargetView, w int) []line {
	g := m.unfinished()
	if g == nil {
		return nil
	}
	word := "PARTIAL "
	if g.Live {
		word = ""
	}
	ls := wrapped(heading, fmt.Sprintf("%s%s, by %s on %s at %s UTC", word, groupWords(&g.Group), g.Actor, g.Host, clock(g.Started, m.view.Now)), w)
	switch {
	case g.Live:
		if r, on := m.groupRun(g); !on && !g.Whole() {
			ls = append(ls, m.progress(g.Status, w)...)
		} else if on && r.Target != t.Name { // its own detail shows its progress
			ls = append(ls, said(plain, "now "+r.Target))
			ls = append(ls, m.progress(r.Status, w)...)
		}
	case g.Ended == nil:
		ls = append(ls, wrapped(warn, "Its console ended in the middle.", w)...)
	default:
		ls = append(ls, wrapped(bad, uncounted(g.Ended.Error), w)...)
	}
	return append(ls, line{})
}

// uncounted is why a group ended, without the count that stands above it.
func uncounted(text string) string {
	if _, why, counted := strings.Cut(text, " moved: "); counted {
		return why
	}
	return text
}

// groupActions are what can be done about the last group.
func (m *model) groupActions() []action {
	g := m.view.Group
	over := g != nil && !g.Live
	return []action{
		{key: bind("go on", "o"), writes: true, when: over && m.view.Partial != nil, why: "no group moved only in part", do: m.goOn},
		{key: bind("take back", "U"), writes: true, when: over && len(g.Moved) > 0, why: "no group moved anything", do: m.takeBack},
	}
}

// remaining are the jobs that a group did not come to.
func remaining(g *checklist.Group) []pipeline.Job {
	var jobs []pipeline.Job
	for _, target := range g.Targets {
		if _, moved := g.Moved[target]; !moved {
			jobs = append(jobs, pipeline.Job{Verb: g.Verb, Target: target})
		}
	}
	return jobs
}

// goOn plans what the group that moved in part did not come to.
func (m *model) goOn() tea.Cmd {
	jobs := remaining(&m.view.Group.Group)
	return m.planGroup("the rest of the "+m.view.Group.Verb, func(context.Context) ([]pipeline.Job, error) { return jobs, nil })
}

// takeBack plans the way back of all that the last group moved.
func (m *model) takeBack() tea.Cmd {
	id, c := m.view.Group.Group.Group, m.console
	return m.planGroup("taking the "+m.view.Group.Verb+" back", func(ctx context.Context) ([]pipeline.Job, error) { return c.Undo(ctx, id) })
}

// groupOver tells of a group that ended since, honestly.
func (m *model) groupOver(before pipeline.View) {
	g, was := m.view.Group, before.Group
	if g == nil || g.Live {
		return
	}
	known := was != nil && was.Group.Group == g.Group.Group
	if known && !was.Live && (was.Ended != nil || g.Ended == nil) || !known && g.Ended == nil {
		return
	}
	mine := m.together
	m.together = false
	words := groupWords(&g.Group)
	if g.Whole() {
		m.flash = line{{"done", ok}, {"  " + words, plain}}
		return
	}
	m.flash = line{{"ended", bad}, {"  " + words, plain}}
	if !mine {
		return
	}
	why := errors.New("nobody knows why it ended")
	if g.Ended != nil && g.Ended.Error != "" {
		why = errors.New(uncounted(g.Ended.Error))
	}
	hint := "What did not move serves what it served. The targets view plans the rest (o)."
	if len(g.Moved) > 0 {
		hint = "What moved stays, the rest serves what it served. In the targets view o plans the rest, U takes back what moved."
	}
	m.tell(verbs[g.Verb]+" ended early: "+fmt.Sprintf("%d of %d moved", len(g.Moved), len(g.Targets)), config.Hint(why, hint))
}
