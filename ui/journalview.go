package ui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/config"
)

// journalScreen is who did what, newest first.
type journalScreen struct {
	m      *model
	events []checklist.Event // oldest first, as the engine keeps them
	shown  []int             // those that match the filter, oldest first
	seen   int               // how many of events were filtered
	titles map[string]string // of runs and groups, by their ids
	l      list
}

func newJournal(m *model) *journalScreen { return &journalScreen{m: m, titles: map[string]string{}} }

func (s *journalScreen) name() string { return "journal" }
func (s *journalScreen) list() *list  { return &s.l }

// sync reads on where the journal grew; what was filtered stays so.
func (s *journalScreen) sync() {
	if n := len(s.events); n > 0 && s.events[n-1].Seq == s.m.view.Head {
		return
	}
	s.events = s.m.console.History()
	before := len(s.shown)
	s.sieve()
	if s.l.cursor > 0 {
		s.l.cursor += len(s.shown) - before // the same event, though newer ones came above
	}
	s.l.resize(len(s.shown))
}

func (s *journalScreen) sieve() {
	for ; s.seen < len(s.events); s.seen++ {
		e := &s.events[s.seen]
		s.learn(e)
		if s.l.wanted == "" || matches(e.Actor+" "+e.Type+" "+e.Release+" ", s.l.wanted) || matches(string(e.Data), s.l.wanted) {
			s.shown = append(s.shown, s.seen)
		}
	}
}

// learn remembers how runs and groups are called, for the events that name them
// by their ids alone.
func (s *journalScreen) learn(e *checklist.Event) {
	if e.Type != checklist.RunIntent && e.Type != checklist.GroupBegun {
		return
	}
	var d struct{ Run, Group, Title string }
	_ = json.Unmarshal(e.Data, &d) // what is not told so stays without a title
	if d.Run == "" {
		d.Run = d.Group
	}
	s.titles[d.Run] = d.Title
}

func (s *journalScreen) seek(text string) tea.Cmd {
	s.l.wanted = text
	s.shown, s.seen = s.shown[:0], 0
	s.sieve()
	s.l.cursor = 0
	s.l.resize(len(s.shown))
	return nil
}

// event is the i-th that is shown.
func (s *journalScreen) event(i int) *checklist.Event {
	if i < 0 || i >= len(s.shown) {
		return nil
	}
	return &s.events[s.shown[len(s.shown)-1-i]]
}

func (s *journalScreen) head() (title, remark line) {
	return own(strong, "Journal"), own(plain, count(int64(len(s.shown))))
}

func (s *journalScreen) row(i int) row {
	e := s.event(i)
	mark := "  "
	if i == s.l.cursor {
		mark = s.m.theme.glyphs.cursor + " "
	}
	return row{
		left: line{{" " + mark, accent}, {fmt.Sprintf("%5d ", e.Seq), dim}, {clock(e.Time, s.m.view.Now) + "  ", dim},
			{config.Inert(e.Actor) + "  ", strong}, {s.words(e), eventRole(e.Type)}},
	}
}

// words says in a few words what an event is about.
func (s *journalScreen) words(e *checklist.Event) string {
	var d struct {
		ID, Item, Title, Target, Run, Group, Reason, Note, Outcome, Error string
	}
	_ = json.Unmarshal(e.Data, &d) // what is not told so stays empty
	parts := []string{config.Inert(e.Type)}
	if d.Title == "" {
		d.Title = s.titles[d.Run]
	}
	if d.Title == "" {
		d.Title = s.titles[d.Group]
	}
	for _, p := range []string{d.Outcome, d.Title, d.Error, d.ID, d.Item, d.Target, d.Note, d.Reason} {
		if p != "" {
			parts = append(parts, config.Inert(p))
		}
	}
	return strings.Join(parts, "  ")
}

func eventRole(kind string) role {
	switch kind {
	case checklist.HoldSet, checklist.Refused:
		return bad
	case checklist.ItemWaived, checklist.ItemEarly, checklist.DriftAdopted, checklist.HoldLifted, checklist.RunCancel:
		return warn
	default:
		return plain
	}
}

func (s *journalScreen) danger() checklist.Risk { return checklist.Safe }

func (s *journalScreen) run() string { return "" }

func (s *journalScreen) target() string { return "" }

func (s *journalScreen) detail(w int) (head, body []line) {
	for _, t := range s.m.view.Trouble {
		body = append(body, wrapped(bad, t, w)...)
	}
	e := s.event(s.l.cursor)
	if e == nil {
		return []line{own(strong, "Event"), nil}, append(body, wrapped(dim, "Nothing to show.", w)...)
	}
	body = append(body, line{{config.Inert(e.Actor), strong}, {" on " + config.Inert(e.Host), dim}},
		own(plain, e.Time.UTC().Format("2006-01-02 15:04:05")+" UTC"))
	if e.Release != "" {
		body = append(body, said(plain, "release "+e.Release))
	}
	body = append(body, line{})
	const much = 32 << 10 // of an event's data, which is foreign
	data := e.Data[:min(len(e.Data), much)]
	var pretty bytes.Buffer
	if json.Indent(&pretty, data, "", "  ") != nil {
		pretty.Reset()
		pretty.Write(data)
	}
	body = append(body, wrapped(plain, pretty.String(), w)...)
	return []line{said(strong, e.Type), own(dim, fmt.Sprintf("%d", e.Seq))}, body
}

func (s *journalScreen) actions() []action { return nil }
