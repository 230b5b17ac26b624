package ui

import (
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
)

type (
	suspendMsg struct{} // give the terminal back to the shell
	resumedMsg struct{} // the shell gave it back
)

// suspend asks for the shell. A run of this console would stand still with it,
// so there must be none.
func (m *model) suspend() tea.Cmd { return func() tea.Msg { return suspendMsg{} } }

// suspension stops the program as ctrl+z does, with the terminal as it was. It
// runs while bubbletea reads no keys.
type suspension struct{ p *painter }

func (s suspension) SetStdin(io.Reader)  {}
func (s suspension) SetStdout(io.Writer) {}
func (s suspension) SetStderr(io.Writer) {}

// stopping is how long the signal that stops the program may take to do so. The
// kernel drops it where there is no shell to come back from.
const stopping = 300 * time.Millisecond

// Run returns when the program goes on.
func (s suspension) Run() error {
	s.p.end()
	goes := make(chan os.Signal, 1)
	signal.Notify(goes, syscall.SIGCONT)
	defer signal.Stop(goes)
	if err := syscall.Kill(0, syscall.SIGTSTP); err == nil { // the group: go run waits for what it runs
		select {
		case <-goes:
		case <-time.After(stopping):
		}
	}
	return s.p.begin()
}
