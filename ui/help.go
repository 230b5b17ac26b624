package ui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// help shows every key of the present view, and what the signs mean. It is made
// from the actions themselves.
type help struct {
	rows   []line
	scroll int
}

func (m *model) showHelp() tea.Cmd {
	h := &help{}
	group := func(title string, ks []key.Binding) {
		if len(ks) == 0 {
			return
		}
		h.rows = append(h.rows, own(heading, title))
		for _, k := range ks {
			name := k.Help().Key
			if len(k.Keys()) > 1 && name == k.Keys()[0] {
				for _, other := range k.Keys()[1:] {
					if other == " " {
						other = "space"
					}
					name += " " + other
				}
			}
			for ansi.StringWidth(name) < 16 {
				name += " "
			}
			h.rows = append(h.rows, line{{"  " + name, accent}, {k.Help().Desc, plain}})
		}
		h.rows = append(h.rows, line{})
	}
	of := func(as []action) []key.Binding {
		var ks []key.Binding
		for _, a := range as {
			if !a.writes || !m.readOnly() {
				ks = append(ks, a.key)
			}
		}
		return ks
	}
	group(m.screen().name(), of(m.screen().actions()))
	group("log", of(m.logActions()))
	group("everywhere", of(m.globals()))
	group("views", of(m.views()))
	group("movement", movements())
	h.rows = append(h.rows, own(heading, "signs"))
	for _, s := range statuses {
		h.rows = append(h.rows, line{{"  " + m.theme.glyphs.status[s] + " ", statusRole(s)}, {string(s), plain}})
	}
	h.rows = append(h.rows, line{{"  " + m.theme.glyphs.marked + " ", accent}, {"marked, to go together with others", plain}},
		line{{"  " + m.theme.glyphs.flag + " ", warn}, {"looks wrong, see the detail", plain}})
	m.open(h)
	return nil
}

func (h *help) keys() []key.Binding {
	return []key.Binding{movement.up, movement.down, movement.pageUp, movement.pageDown, movement.home, movement.end, bind("close", "?", "q", "esc", "ctrl+c")}
}

func (h *help) resized(*model) {}

func (h *help) press(m *model, k tea.KeyMsg) tea.Cmd {
	if by, ok := steps(k, m.h-4); ok {
		h.scroll += by
		return nil
	}
	if key.Matches(k, bind("close", "?", "q", "esc", "ctrl+c")) {
		m.close()
	}
	return nil
}

func (h *help) draw(m *model, w, height int) ([]string, int) {
	w = max(4, min(w-2, 70))
	rows := max(1, min(len(h.rows), height-3))
	h.scroll = max(0, min(h.scroll, len(h.rows)-rows))
	var out []string
	for _, l := range h.rows[h.scroll : h.scroll+rows] {
		out = append(out, m.theme.plainly(append(own(plain, " "), l...), w-2))
	}
	return m.theme.box(m.theme.glyphs.thin, accent, own(strong, "Keys"), own(dim, "esc closes"), out, w, len(out)+2), w
}
