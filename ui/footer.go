package ui

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/bubbles/key"

	"gantry/config"
)

// tab is a view's name in the footer and where it stands, for the mouse.
type tab struct {
	text   line
	x, end int
}

func (m *model) tabs() []tab {
	ts := m.tabsBy(" ", 2)
	if ts[len(ts)-1].end > m.w {
		ts = m.tabsBy("", 1)
	}
	return ts
}

// tabsBy sets the views with something between number and name, and a gap after
// each.
func (m *model) tabsBy(between string, gap int) []tab {
	var ts []tab
	x := 1
	for i, s := range m.screens {
		name := dim
		if i == m.at {
			name = strong
		}
		t := line{{fmt.Sprintf("%d%s", i+1, between), accent}, {s.name(), name}}
		ts = append(ts, tab{t, x, x + t.width()})
		x += t.width() + gap
	}
	return ts
}

func (m *model) tabLine() line {
	l, x := line{}, 0
	for _, t := range m.tabs() {
		l = append(append(l, span{strings.Repeat(" ", t.x-x), plain}), t.text...)
		x = t.end
	}
	return l
}

// footer is the views, and what can be done here and now.
func (m *model) footer(lines int) []string {
	t := &m.theme
	if lines == 1 {
		left := m.tabLine()
		w := m.w - left.width() - 2
		return []string{t.plainly(left, left.width()) + "  " + t.plainly(m.below(w), w)}
	}
	return []string{t.plainly(m.tabLine(), m.w), t.plainly(append(own(plain, " "), m.below(m.w-1)...), m.w)}
}

// below is the line for what is going on: a search, something awaited, the last
// message, or the keys.
func (m *model) below(w int) line {
	switch {
	case m.mode == filtering:
		what := "filter /"
		if m.focus == onDetail {
			what = "search the log /"
		}
		return append(own(accent, what), m.find.line(&m.theme, w-len(what))...)
	case m.mode == waiting && m.planning:
		return line{{config.Inert(m.waits) + "...  ", plain}, {"esc", accent}, {" leaves", dim}}
	case m.mode == waiting:
		return own(plain, config.Inert(m.waits)+"...")
	case m.mode == asking:
		return keyLine(m.modal.keys(), w)
	case len(m.flash) > 0:
		return m.flash
	}
	var ks []key.Binding
	for _, a := range m.actions() {
		if a.when && len(a.key.Keys()) > 0 && !isDigit(a.key.Keys()[0]) {
			ks = append(ks, a.key)
		}
	}
	return keyLine(ks, w)
}

func isDigit(k string) bool { return len(k) == 1 && k[0] >= '1' && k[0] <= '9' }

// keyLine is as many keys as fit whole. HOLD and help are always among them: one
// stops the line, the other leads to the rest.
func keyLine(ks []key.Binding, w int) line {
	draw := func(k key.Binding) line {
		return line{{k.Help().Key, accent}, {" " + k.Help().Desc, dim}}
	}
	last := line{}
	always := func(k key.Binding) bool { return k.Help().Key == "H" || k.Help().Key == "?" }
	for _, k := range ks {
		if always(k) {
			last = append(append(last, draw(k)...), span{"  ", plain})
		}
	}
	l := line{}
	for _, k := range ks {
		next := draw(k)
		if always(k) {
			continue
		}
		if l.width()+next.width()+2+last.width() > w {
			continue // a shorter one may have room
		}
		l = append(append(l, next...), span{"  ", plain})
	}
	return append(l, last...)
}
