package ui

import (
	"context"
	"fmt"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/config"
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

// dayRow is the heading of a release or of what is watched, an item, or a probe.
type dayRow struct {
	view    *checklist.View // of a heading, nil for that of what is watched
	item    *checklist.ItemView
	release string // of the item
	probe   *pipeline.Watched
}

// glance is how often the world is looked at while it is shown.
const glance = 15 * time.Second

func newDay(m *model) *dayScreen {
	s := &dayScreen{m: m}
	s.l.skip = func(i int) bool {
		return i >= 0 && i < len(s.rows) && s.rows[i].item == nil && s.rows[i].probe == nil
	}
	return s
}

func (s *dayScreen) name() string { return "day" }
func (s *dayScreen) list() *list  { return &s.l }

func (s *dayScreen) sync() {
	at := s.key(s.l.cursor)
	cursor := s.l.cursor
	s.rows = s.rows[:0]
	add := func(r dayRow, text string) {
		if !matches(text, s.l.wanted) {
			return
		}
		s.rows = append(s.rows, r)
		if k := s.key(len(s.rows) - 1); k == at && k != "" {
			cursor = len(s.rows) - 1
		}
	}
	for i := range s.m.view.Days {
		v := &s.m.view.Days[i]
		add(dayRow{view: v}, "")
		for j := range v.Sections {
			for n := range v.Sections[j].Views {
				it := &v.Sections[j].Views[n]
				if telling(it) {
					add(dayRow{item: it, release: v.Release.ID}, it.Title+" "+it.ID+" "+v.Release.ID)
				}
			}
		}
	}
	if len(s.m.view.Watched) > 0 {
		add(dayRow{}, "")
	}
	for i := range s.m.view.Watched {
		p := &s.m.view.Watched[i]
		add(dayRow{probe: p}, p.Name+" "+p.URL)
	}
	s.l.cursor = cursor
	s.l.resize(len(s.rows))
}

// telling tells whether an item is worth a line: what somebody can act on, what
// has a window, and what is out of order.
func telling(it *checklist.ItemView) bool {
	return !it.Status.Complete() && (attention(it.Status) || it.Status == checklist.StatusWaiting || it.Late || !it.Opens.IsZero())
}

func (s *dayScreen) key(i int) string {
	if i < 0 || i >= len(s.rows) {
		return ""
	}
	switch r := s.rows[i]; {
	case r.item != nil:
		return r.release + " " + r.item.ID
	case r.probe != nil:
		return "probe " + r.probe.Name
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

func (s *dayScreen) head() (title, remark line) {
	up := 0
	for _, p := range s.m.view.Watched {
		if p.OK {
			up++
		}
	}
	title = own(strong, "Day")
	if n := len(s.m.view.Watched); n > 0 {
		role := ok
		if up < n {
			role = bad
		}
		remark = own(role, fmt.Sprintf("%d/%d up", up, n))
	}
	return title, remark
}

func (s *dayScreen) row(i int) row {
	r := s.rows[i]
	mark := "  "
	if i == s.l.cursor {
		mark = s.m.theme.glyphs.cursor + " "
	}
	switch {
	case r.item != nil:
		role := statusRole(r.item.Status)
		return row{
			left:  line{{" " + mark, accent}, {s.m.theme.glyphs.status[r.item.Status] + " ", role}, {config.Inert(r.item.Title), plain}},
			right: s.m.day().remark(r.item),
		}
	case r.probe != nil:
		status, role := checklist.StatusDone, ok
		if !r.probe.OK {
			status, role = checklist.StatusFailed, bad
		}
		if r.probe.At.IsZero() {
			status, role = checklist.StatusReady, dim
		}
		return row{
			left:  line{{" " + mark, accent}, {s.m.theme.glyphs.status[status] + " ", role}, {config.Inert(r.probe.Name), plain}, {"  " + config.Inert(r.probe.Words), dim}},
			right: line{{s.since(r.probe) + " ", role}},
		}
	case r.view != nil:
		return row{left: line{{" " + config.Inert(r.view.Release.ID), heading}, {"  " + s.due(r.view), dim}}, right: s.rest(r.view)}
	}
	return row{left: own(heading, " What the world sees")}
}

// remark is when an item may or must be done, or why it cannot be.
func (s *dayScreen) remark(it *checklist.ItemView) line {
	now := s.m.view.Now
	switch {
	case it.Late:
		return own(bad, "LATE ")
	case it.Status == checklist.StatusWaiting && it.Opens.After(now):
		return own(warn, "opens in "+took(it.Opens.Sub(now))+" ")
	case !it.Closes.IsZero() && it.Closes.After(now):
		return own(warn, took(it.Closes.Sub(now))+" left ")
	case it.Usual > 0:
		return line{{string(it.Status), statusRole(it.Status)}, {" ~" + took(it.Usual) + " ", dim}}
	}
	return line{{string(it.Status) + " ", statusRole(it.Status)}}
}

func (s *dayScreen) since(p *pipeline.Watched) string {
	if p.At.IsZero() {
		return "not looked yet"
	}
	word := "up"
	if !p.OK {
		word = "DOWN"
	}
	return word + " " + age(s.m.view.Now.Sub(p.Since))
}

// due words when a release is due.
func (s *dayScreen) due(v *checklist.View) string {
	if v.Release.Due.IsZero() {
		return "no due time"
	}
	return "due " + until(v.Release.Due, s.m.view.Now)
}

// rest is how much of a release is done, and how long the rest takes by itself.
func (s *dayScreen) rest(v *checklist.View) line {
	l := own(plain, fmt.Sprintf("%d/%d ", v.Done, v.Total))
	if v.Left > 0 {
		l = append(line{{"~" + took(v.Left) + " left  ", dim}}, l...)
	}
	return l
}

func (s *dayScreen) detail(w int) (head, body []line) {
	r := s.selected()
	switch {
	case r.item != nil:
		it := r.item
		word, _, label := riskOf(it.Risk)
		head = []line{said(strong, it.Title), {{" " + word + " ", label}}}
		body = append(body, line{{s.m.theme.glyphs.status[it.Status] + " " + string(it.Status), statusRole(it.Status)}, {"  of " + config.Inert(r.release), dim}})
		if it.Because != "" {
			body = append(body, wrapped(plain, it.Because, w)...)
		}
		body = append(body, s.m.window(it)...)
		if it.Usual > 0 {
			body = append(body, own(dim, "took "+took(it.Usual)+" before"))
		}
		if held := s.blocked(r); len(held) > 0 {
			body = append(append(body, line{}, own(heading, "What waits for it")), held...)
		}
		return head, append(body, line{}, own(dim, "enter goes to it in the checklist"))
	case r.probe != nil:
		p := r.probe
		head = []line{said(strong, p.Name), own(dim, "watched")}
		body = append(wrapped(plain, config.Inert(p.URL), w), wrapped(plain, config.Inert(p.Words), w)...)
		if !p.At.IsZero() {
			body = append(body, own(dim, fmt.Sprintf("looked %s ago, took %s", age(s.m.view.Now.Sub(p.At)), took(p.Took))), own(dim, s.since(p)))
		}
		return head, body
	}
	return []line{own(strong, "Day"), nil}, wrapped(dim, "No release is open, and no probe of release.yaml has watch: true.", w)
}

// blocked are the items of a release that need the selected one and wait.
func (s *dayScreen) blocked(r dayRow) []line {
	var ls []line
	for i := range s.m.view.Days {
		v := &s.m.view.Days[i]
		if v.Release.ID != r.release {
			continue
		}
		for _, section := range v.Sections {
			for _, it := range section.Views {
				for _, need := range it.Needs {
					if need == r.item.ID && !it.Status.Complete() {
						ls = append(ls, line{{s.m.theme.glyphs.status[it.Status] + " ", statusRole(it.Status)}, {config.Inert(it.Title), plain}})
					}
				}
			}
		}
	}
	return ls
}

func (s *dayScreen) danger() checklist.Risk { return checklist.Safe }

func (s *dayScreen) run() string { return "" }

func (s *dayScreen) target() string {
	if r := s.selected(); r.item != nil {
		return r.item.Target
	}
	return ""
}

func (s *dayScreen) actions() []action {
	r := s.selected()
	return []action{
		{key: bind("go there", "enter"), when: r.item != nil, why: "no item is selected", do: func() tea.Cmd { return s.visit(r.release, r.item.ID) }},
		{key: bind("look now", "r"), when: len(s.m.view.Watched) > 0 && !s.looking, why: "it is looked at, or nothing is watched", do: func() tea.Cmd {
			s.asked = time.Time{}
			return s.watch()
		}},
		s.m.chooseAction(),
	}
}

// visit goes to an item in the checklist of its release.
func (s *dayScreen) visit(release, item string) tea.Cmd {
	m := s.m
	check := m.screens[0].(*checklistScreen)
	check.l.wanted, check.sought = "", item
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
