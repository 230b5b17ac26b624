package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"
)

// painter brings frames to the terminal. bubbletea's own renderer wakes sixty
// times a second even when nothing changes, and calls View for every message;
// this one draws when there is something new, at most so often as the line
// takes it, and only lines that changed.
type painter struct {
	*model
	in      io.Reader
	out     io.Writer
	mouse   bool
	tty     bool      // out is a terminal, or was
	painted time.Time // when the last frame went out
	busy    bool      // a frame is on its way: the terminal may be slow
	dirty   bool      // something changed since

	mu      sync.Mutex // held over a write, so that the end comes after it
	lines   []string   // on the screen
	title   string
	rung    int
	over    bool   // the terminal is not the console's
	restore func() // what begin changed of the terminal's settings
}

// frameSpan is the least time between two frames.
const frameSpan = 30 * time.Millisecond

type (
	frameMsg   struct{} // it is time to draw
	paintedMsg struct{} // a frame arrived
)

// View gives bubbletea nothing to draw.
func (p *painter) View() string { return "" }

// Init draws the first frame at once; sizes and keys come later.
func (p *painter) Init() tea.Cmd { return p.guarded(tea.Batch(p.model.Init(), p.want())) }

// Update lets the model take the message, then sees to a new frame.
func (p *painter) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	defer p.whole()
	cmd := p.handle(msg)
	return p, p.guarded(cmd)
}

func (p *painter) handle(msg tea.Msg) tea.Cmd {
	switch msg.(type) {
	case suspendMsg:
		return tea.Exec(suspension{p}, func(error) tea.Msg { return resumedMsg{} })
	case resumedMsg:
		p.busy = false // a frame that was on its way was dropped
		return p.want()
	case frameMsg:
		p.dirty = false
		return p.paint()
	case paintedMsg:
		p.busy = false
		if p.dirty {
			return p.want()
		}
		return nil
	case tickMsg:
		if p.orphaned() {
			return tea.Quit
		}
	case tea.WindowSizeMsg:
		p.mu.Lock()
		p.lines = nil // the terminal moved them about
		p.mu.Unlock()
	}
	_, cmd := p.model.Update(msg)
	if p.still {
		return cmd
	}
	return tea.Batch(cmd, p.want())
}

// orphaned tells whether the terminal that was there is gone. SIGHUP says so too,
// but may be ignored, as nohup has it; and the end of the input ends no program.
func (p *painter) orphaned() bool {
	_, _, there := dimensions(p.out)
	return p.tty && !there
}

// want asks for a frame, unless one is on its way; that one asks again.
func (p *painter) want() tea.Cmd {
	p.dirty = true
	if p.busy {
		return nil
	}
	p.busy = true
	wait := frameSpan - time.Since(p.painted)
	return func() tea.Msg {
		if wait > 0 {
			time.Sleep(wait)
		}
		return frameMsg{}
	}
}

// paint sends what differs from the last frame. The write is a command, since a
// slow line makes it wait.
func (p *painter) paint() tea.Cmd {
	p.painted = time.Now()
	lines := strings.Split(p.model.View(), "\n")
	title, bells, ring := p.model.title(), p.model.bells, p.model.o.Bell
	return func() tea.Msg {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.over {
			return nil
		}
		var b strings.Builder
		if p.lines == nil {
			b.WriteString(ansi.EraseEntireScreen)
		}
		for i, l := range lines {
			if i >= len(p.lines) || p.lines[i] != l {
				// Erased before it is drawn: after a full line the cursor rests on
				// the last cell, which an erasure to the end would take.
				fmt.Fprintf(&b, "\x1b[%d;1H\x1b[m\x1b[K%s\x1b[m", i+1, l)
			}
		}
		if len(lines) < len(p.lines) {
			fmt.Fprintf(&b, "\x1b[%d;1H\x1b[J", len(lines)+1)
		}
		if title != p.title {
			b.WriteString(ansi.SetWindowTitle(title))
			p.title = title
		}
		if ring && bells > p.rung {
			b.WriteString("\a")
		}
		p.rung, p.lines = bells, lines
		if b.Len() > 0 {
			io.WriteString(p.out, b.String()) // a terminal that is gone is noticed at the next tick
		}
		return paintedMsg{}
	}
}

// xterm keeps window titles on a stack (XTWINOPS 22 and 23).
const (
	pushTitle = "\x1b[22;2t"
	popTitle  = "\x1b[23;2t"
)

// begin takes the terminal: keys one by one, the alternate screen, no cursor, no
// wrapping at the edge.
func (p *painter) begin() error {
	restore, err := raw(p.in)
	if err != nil {
		return fmt.Errorf("prepare the terminal: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.restore, p.over, p.lines, p.title = restore, false, nil, ""
	s := pushTitle + ansi.SetModeAltScreenSaveCursor + ansi.HideCursor + ansi.ResetModeAutoWrap + ansi.SetModeBracketedPaste
	if p.mouse {
		s += ansi.SetModeMouseButtonEvent + ansi.SetModeMouseExtSgr
	}
	io.WriteString(p.out, s)
	return nil
}

// end gives the terminal back as it was, once. Nothing is drawn after it.
func (p *painter) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return
	}
	p.over = true
	s := ""
	if p.mouse {
		s = ansi.ResetModeMouseExtSgr + ansi.ResetModeMouseButtonEvent
	}
	io.WriteString(p.out, s+ansi.ResetModeBracketedPaste+ansi.SetModeAutoWrap+ansi.ShowCursor+ansi.ResetModeAltScreenSaveCursor+popTitle)
	if p.restore != nil {
		p.restore()
	}
}
