package ui

import tea "github.com/charmbracelet/bubbletea"

// wheel is how many rows one notch of the wheel goes.
const wheel = 3

// mouse selects what is clicked and scrolls what is under the wheel. It never
// runs or confirms anything.
func (m *model) mouse(e tea.MouseMsg) tea.Cmd {
	by := 0
	switch e.Button {
	case tea.MouseButtonWheelUp:
		by = -wheel
	case tea.MouseButtonWheelDown:
		by = wheel
	case tea.MouseButtonLeft:
		if e.Action != tea.MouseActionPress {
			return nil
		}
	default:
		return nil
	}
	if m.mode == asking {
		if d, ok := m.modal.(*dialog); ok && by != 0 {
			d.scrollBy(m, by)
		}
		return nil
	}
	if m.mode != normal || m.tooSmall() {
		return nil
	}
	l := m.layout()
	switch {
	case by != 0 && l.list.holds(e.X, e.Y):
		m.focus = onList
		return m.move(by)
	case by != 0 && l.detail.holds(e.X, e.Y):
		if m.focus != onDetail {
			m.turn()
			m.log.tail = false
		}
		return m.move(by)
	case by != 0:
		return nil
	case l.list.holds(e.X, e.Y):
		m.focus = onList
		list := m.screen().list()
		if i := list.offset + e.Y - l.list.y - 1; i >= list.offset && i < list.offset+list.height && i < list.n && !list.skipped(i) {
			list.to(i)
		}
		return m.follow()
	case l.detail.holds(e.X, e.Y):
		if m.focus != onDetail {
			return m.turn()
		}
	case e.Y == m.h-l.footer:
		for i, t := range m.tabs() {
			if e.X >= t.x && e.X < t.end {
				return m.show(i)
			}
		}
	}
	return nil
}
