package ui

import (
	"context"
	"errors"
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// targetScreen is what each target serves, staging against production.
type targetScreen struct {
	m      *model
	rows   []int // in the view's targets, those that match the filter
	l      list
	marked map[string]bool // targets that go together, by name
}

func newTargets(m *model) *targetScreen { return &targetScreen{m: m, marked: map[string]bool{}} }

func (s *targetScreen) name() string { return "targets" }
func (s *targetScreen) list() *list  { return &s.l }

func (s *targetScreen) sync() {
	at := s.target()
	s.rows = s.rows[:0]
	for name := range s.marked {
		if _, there := s.m.targetView(name); !there {
			delete(s.marked, name)
		}
	}
	for i, t := range s.m.view.Targets {
		if matches(t.Name+" "+t.Path, s.l.wanted) {
			if t.Name == at {
				s.l.cursor = len(s.rows)
			}
			s.rows = append(s.rows, i)
		}
	}
	s.l.resize(len(s.rows))
}

// find puts the cursor on a target.
func (s *targetScreen) find(name string) {
	s.l.wanted = ""
	s.sync()
	for i, at := range s.rows {
		if s.m.view.Targets[at].Name == name {
			s.l.cursor = i
		}
	}
}

func (s *targetScreen) selected() *pipeline.TargetView {
	if s.l.cursor < 0 || s.l.cursor >= len(s.rows) || s.rows[s.l.cursor] >= len(s.m.view.Targets) {
		return nil
	}
	return &s.m.view.Targets[s.rows[s.l.cursor]]
}

func (s *targetScreen) seek(text string) tea.Cmd {
	s.l.wanted = text
	s.sync()
	return nil
}

func (s *targetScreen) head() (title, remark line) {
	ahead := 0
	for _, t := range s.m.view.Targets {
		if t.Staging != "" && t.Unseen == "" && !t.InStep() {
			ahead++
		}
	}
	remark = own(plain, fmt.Sprintf("%d of %d differ", ahead, len(s.m.view.Targets)))
	if n := len(s.marked); n > 0 {
		remark = append(line{{fmt.Sprintf("%d marked", n), accent}, {"  ", plain}}, remark...)
	}
	return own(strong, "Targets"), remark
}

func (s *targetScreen) row(i int) row {
	t := &s.m.view.Targets[s.rows[i]]
	mark := "  "
	if i == s.l.cursor {
		mark = s.m.theme.glyphs.cursor + " "
	}
	word, role := same(&s.m.view, t)
	if w, r := s.m.inGroup(t); w != "" && t.Drift == "" && t.Unseen == "" {
		word, role = w, r
	}
	box := "  "
	if s.marked[t.Name] {
		box = s.m.theme.glyphs.marked + " "
	}
	return row{
		left:  append(line{{" " + mark + box, accent}, {config.Inert(t.Name), plain}}, s.m.labels(t)...),
		right: line{{word + " ", role}},
	}
}

func (s *targetScreen) danger() checklist.Risk { return checklist.Production }

func (s *targetScreen) run() string {
	if t := s.selected(); t != nil {
		return t.Busy
	}
	return ""
}

func (s *targetScreen) target() string {
	if t := s.selected(); t != nil {
		return t.Name
	}
	return ""
}

func (s *targetScreen) detail(w int) (head, body []line) {
	t := s.selected()
	if t == nil {
		return []line{own(strong, "Target"), nil}, wrapped(dim, "No target; release.yaml names them.", w)
	}
	m, g := s.m, &s.m.theme.glyphs
	word, role := same(&m.view, t)
	head = []line{said(strong, t.Name), {{word, role}}}
	body = append(m.groupDetail(t, w), []line{
		append(line{{g.staging + " staging     ", staging}}, pointed(t, t.Staging)...),
		append(line{{g.production + " production  ", production}}, pointed(t, t.Production)...),
	}...)
	if t.Unseen != "" {
		body = append(body, wrapped(bad, "UNSEEN: it cannot be told what is served: "+t.Unseen, w)...)
	}
	if t.Drift != "" {
		body = append(append(body, wrapped(bad, "DRIFT: "+t.Drift, w)...), wrapped(plain, "Find out who moved it. a adopts what is served; until then nothing flips.", w)...)
	}
	if r, ok := m.runView(t.Busy); ok {
		body = append(body, line{{"busy  ", accent}, {config.Inert(r.Title) + " by " + config.Inert(r.Actor), plain}})
		switch {
		case r.Live:
			body = append(body, m.progress(r.Status, w)...)
		case !m.readOnly():
			body = append(body, wrapped(warn, "Nobody knows how it ended; u looks.", w)...)
		}
	}
	for _, words := range t.Warnings { // those of what is half done among them
		body = append(body, wrapped(warn, config.Inert(words), w)...)
	}
	if t.URL != "" {
		body = append(body, line{{"url   ", dim}, {config.Inert(t.URL), plain}})
	}
	if t.Path != "" {
		body = append(body, line{{"path  ", dim}, {config.Inert(t.Path), plain}})
	}
	if p, ok := m.plans[t.Name]; ok {
		body = append(body, m.plannedLines(p, w)...)
	}
	one, many := "snapshot", "snapshots"
	if t.Format == string(config.FormatTree) {
		one, many = "sync", "syncs"
	}
	body = append(body, line{}, own(heading, plural(len(t.Snapshots), one, many)+", newest first"))
	for _, sn := range t.Snapshots {
		body = append(body, s.snapshot(t, sn))
	}
	return head, body
}

// snapshot is one line about a snapshot: its id, who serves it, its history.
func (s *targetScreen) snapshot(t *pipeline.TargetView, sn pipeline.SnapshotView) line {
	g, now := &s.m.theme.glyphs, s.m.view.Now
	mark := span{"  ", plain}
	word := ""
	switch {
	case sn.ID == t.Production && sn.ID == t.Staging:
		mark, word = span{g.production + " ", production}, "  production, staging"
	case sn.ID == t.Production:
		mark, word = span{g.production + " ", production}, "  production"
	case sn.ID == t.Staging:
		mark, word = span{g.staging + " ", staging}, "  staging"
	}
	l := line{mark, {config.Inert(sn.ID), plain}, {word, strong}}
	if sn.Label != "" {
		l = line{mark, {config.Inert(sn.ID), plain}, {"  " + config.Inert(sn.Label), strong}, {word, strong}}
	}
	if !sn.Published.IsZero() {
		l = append(l, span{"  published " + age(now.Sub(sn.Published)) + " ago", dim})
	}
	if sn.TwinOf != "" {
		l = append(l, span{"  twin of " + config.Inert(sn.TwinOf), dim})
	}
	return l
}

func (s *targetScreen) actions() []action {
	m, t := s.m, s.selected()
	if t == nil {
		t = &pipeline.TargetView{}
	}
	name, here := t.Name, t.Name != ""
	r, known := m.runView(t.Busy)
	do := func(verb string) func() tea.Cmd {
		return func() tea.Cmd { return m.plan(pipeline.Job{Verb: verb, Target: name}, verb+" "+name, false) }
	}
	why := ""
	switch {
	case t.Unseen != "":
		why = "it cannot be told what it serves"
	case t.Drift != "":
		why = "it drifted; a adopts what is served"
	case t.Busy != "":
		why = "a run is at it"
	}
	free := here && why == ""
	if n := len(s.marked); n > 0 {
		return append(s.together(n), m.groupActions()...)
	}
	as := []action{
		{key: bind("adopt drift", "a"), writes: true, when: here && t.Drift != "", do: func() tea.Cmd { return s.askAdopt(name) }},
		{key: bind("promote", "p"), writes: true, when: free && t.Staging != "", why: why, do: do("promote")},
		s.rollbackAction(t, free, why),
		{key: bind("review", "w"), when: here && t.Staging != "", why: "nothing is staged", do: func() tea.Cmd { return m.reviewOf(name) }},
		s.markAction(),
		{key: bind("diff", "enter", "d"), when: here && t.Staging != "", do: func() tea.Cmd {
			return m.plan(pipeline.Job{Verb: "promote", Target: name}, "promote "+name, true)
		}},
		{key: bind("verify", "v"), writes: true, when: here && t.Production != "", do: do("verify")},
		{key: bind("refresh", "R"), writes: true, when: free && t.Production != "" && t.Format != string(config.FormatTree), why: why, do: do("refresh")},
		{key: bind("prune", "X"), writes: true, when: free && len(t.Snapshots) > 0, why: why, do: do("prune")},
		{key: bind("cancel run", "c"), writes: true, when: known && r.Live, do: func() tea.Cmd { return m.askCancel(r) }},
		{key: bind("resolve", "u"), writes: true, when: known && !r.Live && r.Ended == nil, do: func() tea.Cmd { return m.resolve(r) }},
		s.markAllAction(),
	}
	if m.view.Partial != nil {
		return append(m.groupActions(), as...) // which is what is to be done
	}
	return append(as, m.groupActions()...)
}

// rollbackAction goes back to a snapshot; of a tree, whose syncs are taken back
// one after the other, to what was there before the last.
func (s *targetScreen) rollbackAction(t *pipeline.TargetView, free bool, why string) action {
	a := action{key: bind("roll back", "r"), writes: true, when: free && len(earlier(t)) > 0, why: why, do: func() tea.Cmd { return s.askRollback(t) }}
	if t.Format == string(config.FormatTree) {
		name := t.Name
		a.when = free && (t.Production != "" || len(t.Warnings) > 0) // one that is half done as well
		a.do = func() tea.Cmd {
			return s.m.plan(pipeline.Job{Verb: "rollback", Target: name}, "undo the last sync of "+name, false)
		}
	}
	return a
}

// earlier are the snapshots that production served and does not serve now.
func earlier(t *pipeline.TargetView) []pipeline.SnapshotView {
	var out []pipeline.SnapshotView
	for _, sn := range t.Snapshots {
		if !sn.Published.IsZero() && sn.ID != t.Production {
			out = append(out, sn)
		}
	}
	return out
}

// askRollback lets the snapshot be chosen that production goes back to.
func (s *targetScreen) askRollback(t *pipeline.TargetView) tea.Cmd {
	name, from := t.Name, earlier(t)
	c := &choice{title: "Roll " + name + " back to", does: "plans it", pick: func(i int) tea.Cmd {
		return s.m.plan(pipeline.Job{Verb: "rollback", Target: name, To: from[i].ID}, "roll "+name+" back to "+from[i].ID, false)
	}}
	for _, sn := range from {
		r := row{left: said(plain, sn.ID), right: own(dim, "published "+age(s.m.view.Now.Sub(sn.Published))+" ago")}
		if sn.TwinOf != "" {
			r.left = append(r.left, span{"  twin of " + config.Inert(sn.TwinOf), dim})
		}
		c.rows = append(c.rows, r)
	}
	s.m.open(c)
	return nil
}

// askAdopt asks the engine what adopting means; its refusal names the phrase.
func (s *targetScreen) askAdopt(name string) tea.Cmd {
	m := s.m
	m.gen++
	m.mode, m.waits, m.planning = waiting, "looking at "+name, true
	gen, ctx, c := m.gen, m.ctx, m.console
	return func() tea.Msg { return adoptMsg{gen, name, c.Adopt(ctx, name, "")} }
}

type adoptMsg struct {
	gen    int
	target string
	err    error
}

// adoptable opens the dialog in which a drift is adopted.
func (m *model) adoptable(msg adoptMsg) tea.Cmd {
	if msg.gen != m.gen {
		return nil
	}
	m.close()
	var ask *pipeline.ConfirmError
	if !errors.As(msg.err, &ask) {
		if msg.err != nil {
			m.tell("Nothing adopted", msg.err)
		}
		return nil
	}
	m.open(&dialog{
		word: "PRODUCTION", frame: production, label: productionLabel, title: config.Inert(ask.Plan.Title), phrase: ask.Phrase,
		head: func(w int) []line {
			lines := wrapped(plain, "Nothing is moved: the journal takes over what is served.", w)
			for _, words := range ask.Plan.Warnings {
				lines = append(lines, wrapped(warn, config.Inert(words), w)...)
			}
			return lines
		},
		yes: func(typed string) tea.Cmd {
			return m.act("adopted what "+msg.target+" serves", func(ctx context.Context) error { return m.console.Adopt(ctx, msg.target, typed) })
		},
	})
	return nil
}
