package ui

import (
	"context"
	"fmt"
	"strings"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// checklistScreen is the items of the release by section.
type checklistScreen struct {
	m      *model
	rows   []checkRow
	l      list
	sought string // item that the cursor goes to once it is there
	of     string // release that the rows are of
}

// checkRow is a section's heading, where item is nil, or an item.
type checkRow struct {
	section *checklist.SectionView
	item    *checklist.ItemView
}

func newChecklist(m *model) *checklistScreen {
	s := &checklistScreen{m: m}
	s.l.skip = func(i int) bool { return i >= 0 && i < len(s.rows) && s.rows[i].item == nil }
	return s
}

func (s *checklistScreen) name() string { return "checklist" }
func (s *checklistScreen) list() *list  { return &s.l }

// sync keeps the cursor on the item it was on; in another release it goes to what
// wants attention there.
func (s *checklistScreen) sync() {
	at := ""
	if it := s.item(); it != nil {
		at = it.ID
	}
	of := ""
	if r := s.m.view.Checklist.Release; r != nil {
		of = r.ID
	}
	cursor, fresh := s.l.cursor, len(s.rows) == 0 || of != s.of
	if of != s.of {
		at, s.of = "", of
	}
	s.rows = s.rows[:0]
	for i := range s.m.view.Checklist.Sections {
		section := &s.m.view.Checklist.Sections[i]
		headed := false
		for j := range section.Views {
			it := &section.Views[j]
			if !matches(it.Title+" "+it.ID+" "+string(it.Status), s.l.wanted) {
				continue
			}
			if !headed {
				s.rows, headed = append(s.rows, checkRow{section: section}), true
			}
			if it.ID == at && s.sought == "" || it.ID == s.sought || fresh && attention(it.Status) {
				if fresh = false; it.ID == s.sought {
					at, s.sought = it.ID, ""
				}
				cursor = len(s.rows)
			}
			s.rows = append(s.rows, checkRow{section, it})
		}
	}
	s.l.cursor = cursor
	s.l.resize(len(s.rows))
}

// attention tells whether an item wants somebody to look at it.
func attention(s checklist.Status) bool {
	return !s.Complete() && s != checklist.StatusBlocked && s != checklist.StatusWaiting
}

// matches tells whether a text holds what is sought, letter case aside.
func matches(text, sought string) bool {
	return sought == "" || strings.Contains(strings.ToLower(text), strings.ToLower(sought))
}

func (s *checklistScreen) item() *checklist.ItemView {
	if s.l.cursor < 0 || s.l.cursor >= len(s.rows) {
		return nil
	}
	return s.rows[s.l.cursor].item
}

func (s *checklistScreen) seek(text string) tea.Cmd {
	s.l.wanted = text
	s.sync()
	return s.m.follow()
}

func (s *checklistScreen) head() (title, remark line) {
	v := s.m.view.Checklist
	return own(strong, "Checklist"), own(plain, fmt.Sprintf("%d/%d", v.Done, v.Total))
}

func (s *checklistScreen) row(i int) row {
	r := s.rows[i]
	if r.item == nil {
		return row{left: line{{" " + config.Inert(r.section.Title), heading}}}
	}
	it := r.item
	mark := "  "
	if i == s.l.cursor {
		mark = s.m.theme.glyphs.cursor + " "
	}
	role := statusRole(it.Status)
	text := plain
	if it.Status == checklist.StatusBlocked || it.Status == checklist.StatusWaiting {
		text = dim
	}
	return row{
		left:  line{{" " + mark, accent}, {s.m.theme.glyphs.status[it.Status] + " ", role}, {config.Inert(it.Title), text}},
		right: s.remark(it),
	}
}

// remark is the right end of an item: what there is to know about its status.
func (s *checklistScreen) remark(it *checklist.ItemView) line {
	now, st := s.m.view.Now, it.State
	role := statusRole(it.Status)
	word := string(it.Status)
	switch it.Status {
	case checklist.StatusDone:
		switch {
		case st != nil && st.Ticked != nil:
			return line{{config.Inert(st.Ticked.Actor), dim}, {" ", plain}}
		case st != nil && st.Run != nil && st.Run.Ended != nil:
			return line{{took(st.Run.EndedAt.Sub(st.Run.Started)), dim}, {" ", plain}}
		}
	case checklist.StatusRunning:
		if st != nil && st.Run != nil {
			if r, ok := s.m.runView(st.Run.Run); ok && r.Status.Total > 1 { // of one thing there is no half
				return line{{fmt.Sprintf("%d%% ", percent(r.Status)), role}}
			}
			word += " " + age(now.Sub(st.Run.Started))
		}
	case checklist.StatusWaived:
		if st != nil && st.Waived != nil {
			word += ": " + config.Inert(st.Waived.Note)
		}
	case checklist.StatusWaiting:
		if !it.Opens.IsZero() {
			word = "opens in " + took(it.Opens.Sub(now))
		}
	}
	l := line{}
	if it.Late {
		l = append(l, span{"LATE ", warn})
	}
	return append(l, span{word + " ", role})
}

func (s *checklistScreen) danger() checklist.Risk {
	if it := s.item(); it != nil {
		return it.Risk
	}
	return checklist.Safe
}

func (s *checklistScreen) run() string {
	if it := s.item(); it != nil && it.State != nil && it.State.Run != nil {
		return it.State.Run.Run
	}
	return ""
}

func (s *checklistScreen) target() string {
	if it := s.item(); it != nil {
		return it.Target
	}
	return ""
}

func (s *checklistScreen) actions() []action {
	m, it := s.m, s.item()
	if it == nil {
		it = &checklist.ItemView{Status: checklist.StatusBlocked}
	}
	here := it.ID != ""
	manual := here && it.Kind == checklist.Manual
	st := it.State
	if st == nil {
		st = &checklist.ItemState{}
	}
	r, known := pipeline.RunView{}, false
	if st.Run != nil {
		r, known = m.runView(st.Run.Run)
	}
	job := pipeline.Job{Item: it.ID}
	open := it.Status != checklist.StatusRunning && it.Status != checklist.StatusUnknown
	due := open && it.Status != checklist.StatusBlocked && it.Status != checklist.StatusWaiting && it.Status != checklist.StatusWaived
	why := it.Because
	switch {
	case !here:
		why = "no item is selected"
	case why == "":
		why = "it is " + string(it.Status)
	}
	run := action{key: bind("run", "enter"), writes: true, when: here && due, why: why, do: func() tea.Cmd { return m.plan(job, config.Inert(it.Title), false) }}
	tick := action{key: bind("tick", " "), writes: true, why: "the console does this item: enter runs it"}
	as := []action{run, tick}
	if manual {
		as = []action{{key: bind("tick", "enter", " "), writes: true, when: due, why: why, do: func() tea.Cmd { return s.askTick(it) }}}
	}
	as = append(as, []action{
		{key: bind("next", "n"), when: m.focus == onList && s.ahead() >= 0, why: s.atEnd(), do: s.next},
		{key: bind("plan", "p"), when: here && !manual && open, do: func() tea.Cmd { return m.plan(job, config.Inert(it.Title), true) }},
		{key: bind("waive", "w"), writes: true, when: here && !it.Killer && open && it.Status != checklist.StatusWaived, do: func() tea.Cmd { return s.askWaive(it) }},
		{key: bind("clear", "x"), writes: true, when: st.Ticked != nil || st.Waived != nil, do: func() tea.Cmd { return s.askClear(it) }},
		{key: bind("cancel run", "c"), writes: true, when: known && r.Live, do: func() tea.Cmd { return m.askCancel(r) }},
		{key: bind("resolve", "u"), writes: true, when: known && !r.Live && r.Ended == nil, do: func() tea.Cmd { return m.resolve(r) }},
		{key: bind("undo", "U"), writes: true, when: here && !manual && undoable(it.Status), why: "the console did nothing here", do: func() tea.Cmd {
			return m.plan(pipeline.Job{Item: it.ID, Undo: true}, "to take back: "+config.Inert(it.Title), false)
		}},
		{key: bind("open early", "E"), writes: true, when: here && it.Status == checklist.StatusWaiting, why: "it does not wait for its time", do: func() tea.Cmd { return s.askEarly(it) }},
		m.openAction(),
		m.chooseAction(),
	}...)
	if end := m.closeAction(); end.when {
		as = append([]action{end}, as...) // which is what is to be done
	} else {
		as = append(as, end)
	}
	if m.o.Forward != nil {
		as = append(as, action{key: bind("set the demo's clock forward", "F"), when: here && it.Status == checklist.StatusWaiting, why: "it does not wait for its time", do: func() tea.Cmd { return s.forward(it.Opens) }})
	}
	return as
}

// ahead is the row of the next item that wants attention, going round; -1 where
// no other does.
func (s *checklistScreen) ahead() int {
	for i := 1; i < len(s.rows); i++ {
		j := (s.l.cursor + i) % len(s.rows)
		if it := s.rows[j].item; it != nil && attention(it.Status) {
			return j
		}
	}
	return -1
}

// atEnd says why there is no next item.
func (s *checklistScreen) atEnd() string {
	if v := &s.m.view.Checklist; v.Release != nil && v.Done == v.Total {
		return "every item is complete; C closes the release"
	}
	return "no other item can be done now"
}

func (s *checklistScreen) next() tea.Cmd {
	s.l.to(s.ahead())
	return s.m.follow()
}

func (s *checklistScreen) askTick(it *checklist.ItemView) tea.Cmd {
	id, title := it.ID, it.Title
	asks := it.Asks
	if asks == "" {
		asks = "What did you see? A value, a link or a count."
	}
	s.m.open(&prompt{title: title, asks: asks, done: func(text string) tea.Cmd {
		return s.m.act("ticked "+title, func(ctx context.Context) error { return s.m.console.Tick(ctx, id, text) })
	}})
	return nil
}

func (s *checklistScreen) askWaive(it *checklist.ItemView) tea.Cmd {
	id, title := it.ID, it.Title
	s.m.open(&prompt{title: "Waive: " + title, asks: "Why is it skipped? The reason is kept in the journal.", done: func(text string) tea.Cmd {
		return s.m.act("waived "+title, func(ctx context.Context) error { return s.m.console.Waive(ctx, id, text) })
	}})
	return nil
}

// undoable tells whether an item was begun, so that it may be taken back.
func undoable(s checklist.Status) bool {
	return s == checklist.StatusDone || s == checklist.StatusStale || s == checklist.StatusFailed || s == checklist.StatusCancelled
}

func (s *checklistScreen) askEarly(it *checklist.ItemView) tea.Cmd {
	id, title := it.ID, it.Title
	s.m.open(&prompt{title: "Before its time: " + title, asks: "Why is it done early? " + it.Because + ". The reason is kept in the journal.", done: func(text string) tea.Cmd {
		return s.m.act("opened early: "+title, func(ctx context.Context) error { return s.m.console.Early(ctx, id, text) })
	}})
	return nil
}

// forward sets the clock of a demo.
func (s *checklistScreen) forward(to time.Time) tea.Cmd {
	return s.m.act("set the clock forward", func(ctx context.Context) error {
		s.m.o.Forward(to.Add(time.Second))
		return s.m.console.Refresh(ctx)
	})
}

func (s *checklistScreen) askClear(it *checklist.ItemView) tea.Cmd {
	id, title := it.ID, it.Title
	s.m.open(&prompt{title: "Take back: " + title, asks: "Why is it taken back? Enter alone gives no reason.", optional: true, done: func(text string) tea.Cmd {
		return s.m.act("took back "+title, func(ctx context.Context) error { return s.m.console.Clear(ctx, id, text) })
	}})
	return nil
}

// percent is how far a run is, at most 100.
func percent(s pipeline.Status) int {
	if s.Total <= 0 {
		return 0
	}
	return int(max(0, min(100, s.Done*100/s.Total)))
}

// until words a time to come or gone.
func until(t, now time.Time) string {
	if d := t.Sub(now); d > 0 {
		return "in " + took(d)
	}
	return took(now.Sub(t)) + " ago"
}
