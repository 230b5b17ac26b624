package ui

import (
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// modal is what takes all keys until it is answered: a dialog, a prompt, a
// choice or the help.
type modal interface {
	press(m *model, k tea.KeyMsg) tea.Cmd
	resized(m *model)
	// draw gives lines of equal width, for at most w cells and h lines.
	draw(m *model, w, h int) (box []string, width int)
	keys() []key.Binding
}

// armDelay is how long a dialog takes no answer after it opened or the screen
// changed under it: keys that were on their way to something else fall into it.
const armDelay = 400 * time.Millisecond

// open lets a modal take the keys, after what is open already.
func (m *model) open(d modal) {
	if m.mode != normal {
		m.queue = append(m.queue, d)
		return
	}
	m.modal, m.mode = d, asking
	d.resized(m)
}

// close gives the keys back to the view, or to a modal that waited.
func (m *model) close() {
	m.modal, m.mode = nil, normal
	if len(m.queue) > 0 {
		next := m.queue[0]
		m.queue = m.queue[1:]
		m.open(next)
	}
}

var closing = bind("leave", "esc", "ctrl+c")
