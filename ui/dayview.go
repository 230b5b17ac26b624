package ui

import (
	"context"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/pipeline"
)

// dayScreen is the day of a release at a glance: of every open release when it is
// due, what can be done, what waits for its time or for what, and what the world
// sees of it.
type dayScreen struct {
	m    *model
	rows []dayRow
	l    list

	asked   time.Time // when the world was last looked at
	looking bool
}

// dayRow is the heading of a release, of what is watched or of what is half done;
// an item, a probe, or a target that is half done.
type dayRow struct {
	words   string          // of a heading that is not a release's
	view    *checklist.View // of the heading of a release, and of an item
	item    *checklist.ItemView
	probe   *pipeline.Watched
	target  *pipeline.TargetView
	heading bool
}

// glance is how often the world is looked at while it is shown.
const glance = 15 * time.Second

func newDay(m *model) *dayScreen {
	s := &dayScreen{m: m}
	s.l.skip = func(i int) bool { return i >= 0 && i < len(s.rows) && s.rows[i].heading }
	return s
}

func (s *dayScreen) name() string { return "day" }
func (s *dayScreen) list() *list  { return &s.l }

// sync keeps the cursor where it was; else it is on the first item.
func (s *dayScreen) sync() {
	at, cursor := s.key(s.l.cursor), s.l.cursor
	first, found := -1, false
	s.rows = s.rows[:0]
	var head *dayRow // drawn once something is below it
	add := func(r dayRow, text string) {
		if !matches(text, s.l.wanted) {
			return
		}
		if head != nil {
			s.rows, head = append(s.rows, *head), nil
		}
		s.rows = append(s.rows, r)
		here := len(s.rows) - 1
		if k := s.key(here); k == at && k != "" {
			cursor, found = here, true
		}
		if first < 0 && r.item != nil {
			first = here
		}
	}
	v := &s.m.view
	head = &dayRow{heading: true, words: "Half done"}
	for i := range v.Targets {
		if t := &v.Targets[i]; halfDone(v, t) {
			add(dayRow{target: t}, t.Name)
		}
	}
	head = &dayRow{heading: true, words: "What the world sees"}
	for i := range v.Watched {
		p := &v.Watched[i]
		add(dayRow{probe: p}, p.Name+" "+p.URL)
	}
	for i := range v.Days {
		day := &v.Days[i]
		head = &dayRow{heading: true, view: day}
		if s.l.wanted == "" { // it says something by itself
			s.rows, head = append(s.rows, *head), nil
		}
		items, _ := day.Agenda()
		for j := range items {
			it := &items[j]
			add(dayRow{item: it, view: day}, it.Title+" "+it.ID+" "+day.Release.ID)
		}
	}
	if !found && first >= 0 {
		cursor = first
	}
	s.l.cursor = cursor
	s.l.resize(len(s.rows))
}

func (s *dayScreen) key(i int) string {
	if i < 0 || i >= len(s.rows) {
		return ""
	}
	switch r := s.rows[i]; {
	case r.item != nil:
		return r.view.Release.ID + " " + r.item.ID
	case r.probe != nil:
		return "probe " + r.probe.Name
	case r.target != nil:
		return "target " + r.target.Name
	}
	return ""
}

func (s *dayScreen) selected() dayRow {
	if s.l.cursor < 0 || s.l.cursor >= len(s.rows) {
		return dayRow{}
	}
	return s.rows[s.l.cursor]
}

func (s *dayScreen) seek(text string) tea.Cmd {
	s.l.wanted = text
	s.sync()
	return nil
}

func (s *dayScreen) danger() checklist.Risk { return checklist.Safe }

func (s *dayScreen) run() string { return "" }

func (s *dayScreen) target() string {
	switch r := s.selected(); {
	case r.item != nil:
		return r.item.Target
	case r.target != nil:
		return r.target.Name
	}
	return ""
}

func (s *dayScreen) actions() []action {
	r := s.selected()
	return []action{
		{key: bind("go there", "enter"), when: r.item != nil || r.target != nil, why: "that is nowhere else", do: func() tea.Cmd { return s.visit(r) }},
		{key: bind("look now", "r"), when: len(s.m.view.Watched) > 0 && !s.looking, why: "it is looked at, or nothing is watched", do: func() tea.Cmd {
			s.asked = time.Time{}
			return s.watch()
		}},
		s.m.chooseAction(),
	}
}

// visit goes to an item in the checklist of its release, or to a target.
func (s *dayScreen) visit(r dayRow) tea.Cmd {
	m := s.m
	if r.target != nil {
		m.targets().find(r.target.Name)
		return m.show(targetsAt)
	}
	release := r.view.Release.ID
	check := m.screens[0].(*checklistScreen)
	check.l.wanted, check.sought = "", r.item.ID
	there := m.show(0)
	check.sync()
	if v := m.view.Checklist.Release; v != nil && v.ID == release {
		return there
	}
	return tea.Batch(there, m.act("went to "+release, func(ctx context.Context) error { return m.console.Choose(ctx, release) }))
}

type watchedMsg struct{}

// watch looks at the world, if that was not done just now.
func (s *dayScreen) watch() tea.Cmd {
	now := s.m.now()
	if s.looking || len(s.m.view.Watched) == 0 || now.Sub(s.asked) < glance {
		return nil
	}
	s.asked, s.looking = now, true
	ctx, c := s.m.ctx, s.m.console
	return func() tea.Msg {
		c.Watch(ctx)
		return watchedMsg{}
	}
}

// watched takes note that the world was looked at; what came is in the view.
func (s *dayScreen) watched() tea.Cmd {
	s.looking = false
	return s.m.reread()
}
