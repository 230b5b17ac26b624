package ui

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/config"
)

// logPane is the log of the run that is looked at. It is read by commands, a
// piece at a time from where the last ended, and drawn a window at a time.
type logPane struct {
	run     string
	gen     int // of the run looked at
	offset  int64
	lines   []string
	cut     bool // its beginning is not shown
	err     error
	reading bool
	final   bool // read after the run had ended

	aside  int // cells that the detail and log are scrolled to the side
	scroll int // of the detail and log together, while they have the focus
	tail   bool
	search string
	match  int // line that was found last, -1 for none
}

// What is read at once, kept at most, and taken of one line.
const (
	logPiece    = 1 << 20
	logLines    = 20000
	logLineMost = 4096
)

type logMsg struct {
	gen    int
	offset int64
	lines  []string
	cut    bool
	more   bool
	err    error
}

// follow turns to the log of what is selected, and reads on where it grew.
func (m *model) follow() tea.Cmd {
	run := m.screen().run()
	if run != m.log.run {
		m.log = logPane{run: run, gen: m.log.gen + 1, tail: true}
	}
	if run == "" || m.log.reading || m.log.final {
		return nil
	}
	r, known := m.runView(run)
	m.log.final = known && !r.Live
	return m.readLog()
}

func (m *model) readLog() tea.Cmd {
	m.log.reading = true
	gen, run, offset, ctx, c := m.log.gen, m.log.run, m.log.offset, m.ctx, m.console
	return func() tea.Msg {
		path, err := c.RunLog(ctx, run)
		if err != nil {
			return logMsg{gen: gen, err: err}
		}
		return readLog(ctx, gen, path, offset)
	}
}

// readLog reads a piece of a log from an offset on; of a long log that was not
// read yet, its end. Only whole lines count as read.
func readLog(ctx context.Context, gen int, path string, offset int64) logMsg {
	msg := logMsg{gen: gen, offset: offset}
	f, err := os.Open(path)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			msg.err = err
		}
		return msg
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		msg.err = err
		return msg
	}
	if offset == 0 && info.Size() > logPiece {
		msg.offset, msg.cut = info.Size()-logPiece, true
	}
	b, err := io.ReadAll(io.NewSectionReader(f, msg.offset, logPiece))
	if err != nil || ctx.Err() != nil {
		msg.err = err
		return msg
	}
	skip := msg.cut
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n')
		if n < 0 {
			if len(b) < logPiece {
				break
			}
			n = len(b) - 1 // a line without end is shown as it is
		}
		text := b[:min(n, logLineMost)]
		msg.offset += int64(n + 1)
		b = b[n+1:]
		if skip {
			skip = false // the piece began amid a line
			continue
		}
		msg.lines = append(msg.lines, config.Inert(strings.ToValidUTF8(string(text), "?")))
	}
	msg.more = msg.offset+logLineMost < info.Size()
	return msg
}

func (p *logPane) take(m *model, msg logMsg) tea.Cmd {
	if msg.gen != p.gen {
		return nil
	}
	p.reading, p.err = false, msg.err
	p.offset = msg.offset
	p.cut = p.cut || msg.cut
	p.lines = append(p.lines, msg.lines...)
	if over := len(p.lines) - logLines; over > 0 {
		p.lines = append([]string(nil), p.lines[over:]...)
		p.cut = true
	}
	if msg.more && len(msg.lines) > 0 {
		return m.readLog()
	}
	if r, known := m.runView(p.run); known && !r.Live {
		return m.follow() // it ended while this was read
	}
	return nil
}

// drawn is the log's lines as they are shown, its heading first.
func (p *logPane) drawn() int {
	if p.run == "" {
		return 0
	}
	return len(p.lines) + 1
}

func (p *logPane) line(i int) line {
	if i == 0 {
		l := own(heading, "log")
		switch {
		case p.err != nil:
			l = append(l, span{"  cannot be read: " + config.Inert(p.err.Error()), bad})
		case p.cut:
			l = append(l, span{"  its beginning is left out", dim})
		case len(p.lines) == 0:
			l = append(l, span{"  empty", dim})
		}
		return l
	}
	text := p.lines[i-1]
	if at, n := find(text, p.search); at >= 0 {
		return line{{text[:at], plain}, {text[at : at+n], alarm}, {text[at+n:], plain}}
	}
	return own(plain, text)
}

// find is where a text holds what is sought, letter case aside; -1 where not.
func find(text, sought string) (at, n int) {
	if sought == "" {
		return -1, 0
	}
	low := strings.ToLower(text)
	if len(low) != len(text) {
		low, sought = text, strings.TrimSpace(sought) // folding moved the bytes: take the letters as they are
	} else {
		sought = strings.ToLower(sought)
	}
	return strings.Index(low, sought), len(sought)
}

// logActions are what the log can do while the detail has the focus.
func (m *model) logActions() []action {
	on := m.focus == onDetail && m.log.run != ""
	if !on {
		return nil
	}
	return []action{
		{key: bind("follow", "f"), when: true, do: func() tea.Cmd { m.log.tail, m.log.search = true, ""; return nil }},
		{key: bind("next match", "n"), when: m.log.search != "", do: func() tea.Cmd { return m.seekLog(m.log.search, 1) }},
		{key: bind("match before", "N"), when: m.log.search != "", do: func() tea.Cmd { return m.seekLog(m.log.search, -1) }},
	}
}

// seekLog scrolls to the next line of the log that matches, going round.
func (m *model) seekLog(text string, step int) tea.Cmd {
	p := &m.log
	if text != p.search {
		p.search, p.match = text, -1
	}
	n := len(p.lines)
	if text == "" || n == 0 {
		return nil
	}
	for i := 1; i <= n; i++ {
		j := ((p.match+step*i)%n + n) % n
		if at, _ := find(p.lines[j], text); at >= 0 {
			p.match, p.tail = j, false
			p.scroll = m.detailLines() + 1 + j
			m.clampDetail()
			return nil
		}
	}
	m.flash = own(warn, "not in the log: "+text)
	return nil
}
