package ui

import (
	"fmt"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// runScreen is the runs, live and past, newest first.
type runScreen struct {
	m    *model
	rows []int // in the view's runs
	l    list
}

func newRuns(m *model) *runScreen { return &runScreen{m: m} }

func (s *runScreen) name() string { return "runs" }
func (s *runScreen) list() *list  { return &s.l }

// sync keeps the cursor on its run, unless it is on the newest: that stays so.
func (s *runScreen) sync() {
	at := ""
	if s.l.cursor > 0 {
		at = s.run()
	}
	s.rows = s.rows[:0]
	for i := range s.m.view.Runs {
		r := &s.m.view.Runs[i]
		if matches(r.Title+" "+r.State()+" "+r.Actor+" "+r.Target, s.l.wanted) {
			if r.Run.Run == at && at != "" {
				s.l.cursor = len(s.rows)
			}
			s.rows = append(s.rows, i)
		}
	}
	s.l.resize(len(s.rows))
}

func (s *runScreen) selected() *pipeline.RunView {
	if s.l.cursor < 0 || s.l.cursor >= len(s.rows) || s.rows[s.l.cursor] >= len(s.m.view.Runs) {
		return nil
	}
	return &s.m.view.Runs[s.rows[s.l.cursor]]
}

func (s *runScreen) seek(text string) tea.Cmd {
	s.l.wanted = text
	s.sync()
	return s.m.follow()
}

func (s *runScreen) head() (title, remark line) {
	live := 0
	for i := range s.m.view.Runs {
		if s.m.view.Runs[i].Live {
			live++
		}
	}
	remark = own(plain, count(int64(len(s.m.view.Runs))))
	if live > 0 {
		remark = own(accent, fmt.Sprintf("%d live", live))
	}
	return own(strong, "Runs"), remark
}

func (s *runScreen) row(i int) row {
	r := &s.m.view.Runs[s.rows[i]]
	mark := "  "
	if i == s.l.cursor {
		mark = s.m.theme.glyphs.cursor + " "
	}
	state := checklist.Status(r.State())
	right := line{{r.State() + " ", statusRole(state)}}
	switch {
	case r.Live && r.Status.Total > 0:
		right = line{{fmt.Sprintf("%d%% ", percent(r.Status)), accent}}
	case r.Ended != nil:
		right = append(right, span{took(r.EndedAt.Sub(r.Started)) + " ", dim})
	}
	return row{
		left: line{{" " + mark, accent}, {s.m.theme.glyphs.status[state] + " ", statusRole(state)},
			{clock(r.Started, s.m.view.Now) + "  ", dim}, {config.Inert(r.Title), plain}},
		right: right,
	}
}

func (s *runScreen) danger() checklist.Risk {
	if r := s.selected(); r != nil {
		return r.Risk
	}
	return checklist.Safe
}

func (s *runScreen) run() string {
	if r := s.selected(); r != nil {
		return r.Run.Run
	}
	return ""
}

func (s *runScreen) target() string {
	if r := s.selected(); r != nil {
		return r.Target
	}
	return ""
}

func (s *runScreen) detail(w int) (head, body []line) {
	r := s.selected()
	if r == nil {
		return []line{own(strong, "Run"), nil}, wrapped(dim, "Nothing was run yet.", w)
	}
	word, _, label := riskOf(r.Risk)
	head = []line{said(strong, r.Title), {{" " + word + " ", label}}}
	state := checklist.Status(r.State())
	body = []line{{{s.m.theme.glyphs.status[state] + " " + r.State(), statusRole(state)}, {"  " + config.Inert(r.Run.Run), dim}}}
	if state == checklist.StatusUnknown {
		body = append(body, wrapped(warn, "It began and nobody knows how it ended; u looks.", w)...)
	}
	if mv := r.Move; mv != nil {
		body = append(body, line{{config.Inert(mv.Pointer) + " ", dim}, {config.Inert(orNone(mv.From)) + " " + s.m.theme.glyphs.arrow + " " + config.Inert(mv.To), plain}})
	}
	if r.Intent.Group != "" {
		body = append(body, said(dim, "of group "+r.Intent.Group))
	}
	if r.Live {
		body = append(body, s.m.progress(r.Status, w)...)
	}
	return head, append(body, s.m.runFacts(r.Run, w)...)
}

func (s *runScreen) actions() []action {
	m, r := s.m, s.selected()
	if r == nil {
		r = &pipeline.RunView{Run: checklist.Run{Ended: &checklist.Ended{}}}
	}
	return []action{
		{key: bind("log", "enter"), when: m.focus == onList && r.Run.Run != "", do: m.turn},
		{key: bind("cancel run", "c"), writes: true, when: r.Live, do: func() tea.Cmd { return m.askCancel(*r) }},
		{key: bind("resolve", "u"), writes: true, when: !r.Live && r.Ended == nil, do: func() tea.Cmd { return m.resolve(*r) }},
	}
}
