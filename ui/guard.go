package ui

import tea "github.com/charmbracelet/bubbletea"

// guarded gives the terminal back before a panic of a command goes on, so that
// its trace can be read and the shell be used.
func (p *painter) guarded(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() tea.Msg {
		defer p.whole()
		msg := cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			for i := range batch {
				batch[i] = p.guarded(batch[i])
			}
		}
		return msg
	}
}

// whole is deferred where the screen's own code runs.
func (p *painter) whole() {
	if r := recover(); r != nil {
		p.end()
		panic(r)
	}
}
