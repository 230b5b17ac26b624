package ui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// choice lets one of several be picked, such as the snapshot to go back to.
type choice struct {
	title string
	does  string // what a choice leads to: "plans it"
	rows  []row
	list  list
	pick  func(i int) tea.Cmd
}

func (c *choice) keys() []key.Binding {
	return []key.Binding{bind("choose", "enter"), movement.up, movement.down, closing}
}

func (c *choice) resized(*model) { c.list.resize(len(c.rows)) }

func (c *choice) press(m *model, k tea.KeyMsg) tea.Cmd {
	if k.Paste {
		return nil
	}
	if by, ok := steps(k, c.list.height); ok {
		c.list.move(by)
		return nil
	}
	switch {
	case key.Matches(k, closing):
		m.close()
	case k.Type == tea.KeyEnter && len(c.rows) > 0:
		m.close()
		return c.pick(c.list.cursor)
	}
	return nil
}

func (c *choice) draw(m *model, _, h int) ([]string, int) {
	t := &m.theme
	w := max(4, min(m.w-2, 76))
	rows := max(1, min(len(c.rows), h-5))
	from, to := c.list.window(rows)
	var out []string
	for i := from; i < to; i++ {
		out = append(out, t.row(row{append(own(plain, " "), c.rows[i].left...), append(c.rows[i].right, span{" ", plain})}, w-2, i == c.list.cursor))
	}
	out = append(out, t.plainly(line{}, w-2),
		t.plainly(line{{" Enter", accent}, {" " + c.does + "   ", plain}, {"Esc", accent}, {" leaves", plain}}, w-2))
	return t.box(t.glyphs.thin, accent, said(strong, c.title), nil, out, w, len(out)+2), w
}
