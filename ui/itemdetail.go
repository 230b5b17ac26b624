package ui

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// detail is all there is to know of the selected item, what matters now first.
func (s *checklistScreen) detail(w int) (head, body []line) {
	it := s.item()
	m := s.m
	if it == nil {
		return []line{own(strong, "Release"), nil}, m.noItem(w)
	}
	word, _, label := riskOf(it.Risk)
	head = []line{said(strong, it.Title), {{string(it.Kind) + " " + m.theme.glyphs.dot + " ", dim}, {" " + word + " ", label}}}

	g := m.theme.glyphs
	ls := []line{{{g.status[it.Status] + " " + string(it.Status), statusRole(it.Status)}}}
	if it.Late {
		ls[0] = append(ls[0], span{"  LATE", warn})
	}
	if it.Killer {
		ls[0] = append(ls[0], span{"  may not be waived", dim})
	}
	told := it.State != nil && it.State.Run != nil && (it.Status == checklist.StatusRunning || it.State.Run.Ended != nil && it.State.Run.Ended.Error == it.Because)
	if it.Because != "" && !told { // else the run's own lines say it
		ls = append(ls, wrapped(plain, it.Because, w)...)
	}
	if it.Status == checklist.StatusUnknown && !m.readOnly() {
		ls = append(ls, own(warn, "u looks how it ended"))
	}
	ls = append(ls, m.window(it)...)
	if st := it.State; st != nil && st.Run != nil {
		if r, ok := m.runView(st.Run.Run); ok && r.Live {
			ls = append(ls, m.progress(r.Status, w)...)
		}
	}
	if p, ok := m.plans[it.ID]; ok {
		ls = append(ls, m.plannedLines(p, w)...)
	}
	ls = append(ls, s.marks(it, w)...)
	if it.Help != "" {
		ls = append(append(ls, line{}), wrapped(plain, it.Help, w)...)
	}
	ls = append(ls, s.needs(it)...)
	ls = append(ls, s.people(it, w)...)
	return head, ls
}

// noItem says what to do where there is nothing to walk.
func (m *model) noItem(w int) []line {
	if m.view.Checklist.Release != nil {
		return wrapped(dim, "Nothing matches the filter; Esc shows all.", w)
	}
	if n := len(m.view.Open); n > 1 {
		ls := wrapped(plain, plural(n, "release is", "releases are")+" open. O chooses one of them, 7 shows the day of all:", w)
		for _, r := range m.view.Open {
			ls = append(ls, said(strong, "  "+r.ID))
		}
		return ls
	}
	if m.readOnly() {
		return wrapped(plain, "No release is open.", w)
	}
	return wrapped(plain, "No release is open. o begins one.", w)
}

// window says when the item may be done and from when on it is late.
func (m *model) window(it *checklist.ItemView) []line {
	var ls []line
	now := m.view.Now
	if !it.Opens.IsZero() {
		ls = append(ls, line{{"opens  ", dim}, {clock(it.Opens, now) + " UTC, " + until(it.Opens, now), plain}})
	}
	if !it.Closes.IsZero() {
		role := plain
		if it.Late {
			role = warn
		}
		ls = append(ls, line{{"late   ", dim}, {"from " + clock(it.Closes, now) + " UTC, " + until(it.Closes, now), role}})
	}
	return ls
}

// plannedLines is a plan as it is looked at, without being asked for.
func (m *model) plannedLines(p pipeline.Plan, w int) []line {
	word, _, label := riskOf(p.Risk)
	ls := []line{{}, {{"plan  ", heading}, {" " + word + " ", label}}}
	if why := voided(m, p); why != "" {
		ls = append(ls, wrapped(bad, "VOID: "+why, w)...)
	}
	ls = append(ls, wrapped(plain, p.Title, w)...)
	return append(append(ls, summary(m, p, w)...), changes(m, p, w)...)
}

// marks is what people and the last run said of the item.
func (s *checklistScreen) marks(it *checklist.ItemView, w int) []line {
	st := it.State
	if st == nil {
		return nil
	}
	var ls []line
	mark := func(what string, k *checklist.Mark) {
		ls = append(ls, line{{what + " ", heading}, {"by " + config.Inert(k.Actor) + ", " + clock(k.Time, s.m.view.Now) + " UTC", dim}})
		ls = append(ls, wrapped(plain, k.Note, w)...)
	}
	if st.Ticked != nil {
		mark("ticked", st.Ticked)
	}
	if st.Waived != nil {
		mark("waived", st.Waived)
	}
	if st.Run != nil {
		ls = append(ls, s.m.runFacts(*st.Run, w)...)
	}
	return ls
}

// runFacts is how a run ended, who ran it and what was observed.
func (m *model) runFacts(r checklist.Run, w int) []line {
	who := span{"by " + config.Inert(r.Actor) + " on " + config.Inert(r.Host) + ", " + clock(r.Started, m.view.Now) + " UTC", dim}
	if r.Ended == nil {
		ls := []line{{{"begun ", heading}, who}}
		if r.CancelAsked != "" {
			ls = append(ls, said(warn, "cancel asked by "+r.CancelAsked))
		}
		return ls
	}
	role := bad
	if r.Ended.Outcome == checklist.Done {
		role = ok
	}
	end := line{{string(r.Ended.Outcome), role}, {" in " + took(r.EndedAt.Sub(r.Started)) + " ", plain}, who}
	if r.Ended.Looked {
		end = line{{string(r.Ended.Outcome), role}, {" as found by looking; begun ", plain}, who}
	}
	ls := []line{end}
	ls = append(ls, wrapped(bad, r.Ended.Error, w)...)
	ls = append(ls, wrapped(accent, r.Ended.Hint, w)...)
	return append(ls, facts(r.Ended.Evidence, w)...)
}

// facts draws what is known by name, in two columns where there is room.
func facts(known map[string]string, w int) []line {
	names := slices.Sorted(maps.Keys(known))
	col := 0
	for _, name := range names {
		col = min(max(col, ansi.StringWidth(config.Inert(name))), w/2)
	}
	var ls []line
	for _, name := range names {
		if strings.Contains(strings.TrimRight(known[name], "\n"), "\n") {
			ls = append(append(ls, said(dim, name)), table(known[name])...)
			continue
		}
		shown := config.Inert(name)
		if known[name] == "" {
			continue
		}
		pad := strings.Repeat(" ", max(0, col-ansi.StringWidth(shown)))
		if room := w - col - 2; ansi.StringWidth(shown) <= col && ansi.StringWidth(config.Inert(known[name])) <= room {
			ls = append(ls, line{{shown + pad + "  ", dim}, {config.Inert(known[name]), plain}})
			continue
		}
		ls = append(ls, wrapped(plain, name+"  "+known[name], w)...)
	}
	return ls
}

// table is a text whose lines stand beneath each other as they are: what is
// wider than the pane is reached by scrolling.
func table(text string) []line {
	const most = 500 // lines; the run's log has all
	var ls []line
	for l := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		if len(ls) == most {
			return append(ls, own(dim, "the rest is left out; see the log"))
		}
		ls = append(ls, said(plain, l))
	}
	return ls
}

// needs is what must be done before, with how it stands.
func (s *checklistScreen) needs(it *checklist.ItemView) []line {
	if len(it.Needs) == 0 {
		return nil
	}
	ls := []line{{}, own(heading, "needs")}
	for _, id := range it.Needs {
		title, status := id, checklist.StatusBlocked
		for _, section := range s.m.view.Checklist.Sections {
			for _, v := range section.Views {
				if v.ID == id {
					title, status = v.Title, v.Status
				}
			}
		}
		ls = append(ls, line{{s.m.theme.glyphs.status[status] + " ", statusRole(status)}, {config.Inert(title), plain}})
	}
	return ls
}

// people is whom to ask.
func (s *checklistScreen) people(it *checklist.ItemView, w int) []line {
	r := s.m.view.Checklist.Release
	if r == nil {
		return nil
	}
	var ls []line
	add := func(what, text string) {
		if text != "" {
			ls = append(ls, wrapped(plain, fmt.Sprintf("%-9s%s", what, text), w)...)
		}
	}
	add("ask", it.Who)
	add("owner", r.Checklist.Owner)
	for i, all := 0, r.Checklist.Contacts; i < len(all); {
		text, from := all[i].Name+" "+all[i].Address, i
		for i++; i < len(all) && all[i].Name == all[from].Name && all[from].Name != ""; i++ {
			text += ", " + all[i].Address // of a place, such as Mattermost, there may be many
		}
		add("contact", strings.TrimSpace(text))
	}
	add("channels", strings.Join(r.Checklist.Channels, ", "))
	if len(ls) > 0 {
		ls = append([]line{{}}, ls...)
	}
	return ls
}
