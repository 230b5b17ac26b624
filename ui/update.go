package ui

import (
	"reflect"
	"time"

	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"

	"gantry/config"
	"gantry/pipeline"
)

// The messages that are not keys. Those that answer an intent carry its number.
type (
	newsMsg struct { // the engine's state as read, seq counts readings
		seq   uint64
		view  pipeline.View
		ended bool // the engine's channel closed
	}
	newsOnceMsg struct { // a reading beside those of the channel
		seq  uint64
		view pipeline.View
	}
	tickMsg struct {
		tag  int
		seq  uint64
		view pipeline.View
	}
	refreshedMsg struct{ err error }
)

// listen waits for the next news of the engine. It is armed again by its message,
// so one is outstanding at any time.
func (m *model) listen() tea.Cmd {
	ctx, c, reads, known := m.ctx, m.console, m.reads, m.view
	return func() tea.Msg {
		for {
			select {
			case <-ctx.Done():
				return newsMsg{ended: true}
			case _, open := <-c.Changed():
				msg := newsMsg{seq: reads.Add(1), view: c.View(), ended: !open}
				if msg.ended || !alike(msg.view, known) {
					return msg
				}
			}
		}
	}
}

// alike tells whether two views differ in their time alone. A look round that
// found nothing is no news, and wakes nobody.
func alike(a, b pipeline.View) bool {
	a.Now = b.Now
	return reflect.DeepEqual(a, b)
}

// tick waits for the next motion or, while nothing moves, a second.
func (m *model) tick() tea.Cmd {
	m.tag++
	m.fast = m.moving()
	tag, ctx, c, reads := m.tag, m.ctx, m.console, m.reads
	span := rest
	if m.fast {
		span = motion
	}
	return func() tea.Msg {
		t := time.NewTimer(span)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		return tickMsg{tag: tag, seq: reads.Add(1), view: c.View()}
	}
}

// refresh has the engine look round, once a second and never twice at a time:
// a store may take its time to answer.
func (m *model) refresh() tea.Cmd {
	now := m.now()
	if m.looking || now.Sub(m.looked) < rest {
		return nil
	}
	m.looking, m.looked = true, now
	ctx, c := m.ctx, m.console
	return func() tea.Msg { return refreshedMsg{c.Refresh(ctx)} }
}

// Update takes a message in. It never waits: what takes time is a command.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.still = false
	cmd := m.take(msg)
	if m.moving() && !m.fast && !m.leaving {
		cmd = tea.Batch(cmd, m.tick()) // the slow tick is dropped by its tag
	}
	return m, cmd
}

func (m *model) take(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
		if m.modal != nil {
			m.modal.resized(m)
		}
	case tea.KeyMsg:
		return m.press(msg)
	case tea.MouseMsg:
		return m.mouse(msg)
	case newsMsg:
		if msg.ended {
			return nil
		}
		return tea.Batch(m.listen(), m.learn(msg.seq, msg.view))
	case newsOnceMsg:
		return m.learn(msg.seq, msg.view)
	case tickMsg:
		if msg.tag != m.tag {
			return nil
		}
		look := tea.Cmd(nil)
		if m.at == dayAt {
			look = m.day().watch()
		}
		return tea.Batch(m.learn(msg.seq, msg.view), m.refresh(), look, m.tick())
	case refreshedMsg:
		before, late := m.trouble, m.now().Sub(m.looked) > patience
		m.looking, m.trouble = false, ""
		if msg.err != nil && m.ctx.Err() == nil {
			m.trouble = msg.err.Error()
		}
		m.still = m.trouble == before && !late
	case plannedMsg:
		return m.planned(msg)
	case reviewedMsg:
		return m.reviews().reviewed(msg)
	case watchedMsg:
		return m.day().watched()
	case kindsMsg:
		return m.kindsRead(msg)
	case adoptMsg:
		return m.adoptable(msg)
	case groupPlannedMsg:
		return m.groupPlanned(msg)
	case groupStartedMsg:
		return m.groupStarted(msg)
	case startedMsg:
		return m.started(msg)
	case doneMsg:
		return m.done(msg)
	case logMsg:
		return m.log.take(m, msg)
	case artifactsMsg:
		return m.artifacts().loaded(msg)
	case findingsMsg:
		return m.artifacts().examined(msg)
	case sievedMsg:
		return m.artifacts().sieved(msg)
	case verifiedMsg:
		return m.artifacts().verified(msg)
	}
	return nil
}

// learn takes in how the world looks, unless a later look came first.
func (m *model) learn(seq uint64, v pipeline.View) tea.Cmd {
	if seq <= m.viewSeq {
		return nil
	}
	m.viewSeq = seq
	before := m.view
	m.view = v
	m.notice(before)
	for _, s := range m.screens {
		s.sync()
	}
	if d, ok := m.modal.(*dialog); ok {
		d.check(m)
	}
	if m.quits && !m.busy() {
		return m.quit()
	}
	if m.at == artifactsAt {
		return tea.Batch(m.artifacts().load(), m.follow())
	}
	return m.follow()
}

// notice tells of runs that ended since.
func (m *model) notice(before pipeline.View) {
	was := map[string]bool{}
	for _, r := range before.Runs {
		if r.Live {
			was[r.Run.Run] = true
		}
	}
	for _, r := range m.view.Runs {
		if !was[r.Run.Run] || r.Live {
			continue
		}
		m.bells++
		role := bad
		if r.State() == "done" {
			role = ok
		}
		m.ended = r.State() + ": " + config.Inert(r.Title)
		m.flash = line{{r.State(), role}, {"  " + config.Inert(r.Title), plain}}
		if r.Ended != nil && r.Ended.Error != "" {
			m.flash = append(m.flash, span{"  " + config.Inert(r.Ended.Error), plain})
		}
	}
	m.groupOver(before)
}

// press routes a key by the mode, so that no key reaches two places.
func (m *model) press(k tea.KeyMsg) tea.Cmd {
	switch m.mode {
	case waiting:
		if m.planning && (k.String() == "esc" || k.String() == "ctrl+c") {
			m.gen++ // its answer comes to nobody
			m.close()
			m.flash = own(plain, "left the plan alone")
		}
		return nil
	case asking:
		return m.modal.press(m, k)
	case filtering:
		return m.pressFilter(k)
	}
	m.flash = nil
	if m.tooSmall() && k.String() != "H" && k.String() != "q" && k.String() != "ctrl+c" {
		return nil
	}
	if by, ok := steps(k, m.page()); ok && !k.Paste {
		return m.move(by)
	}
	if k.Paste {
		m.flash = own(warn, "a paste has no meaning here")
		return nil
	}
	for _, a := range m.actions() {
		if key.Matches(k, a.key) {
			if !a.when {
				why := a.why
				if why == "" {
					why = "not for what is selected"
				}
				if k.Type == tea.KeyEsc {
					return nil
				}
				m.flash = line{{a.key.Help().Desc + ": ", warn}, {config.Inert(why), plain}}
				return nil
			}
			return a.do()
		}
	}
	return nil
}

// move moves the cursor, or scrolls the detail.
func (m *model) move(by int) tea.Cmd {
	if m.focus == onDetail {
		m.log.tail = false
		m.log.scroll += by
		m.clampDetail()
		return nil
	}
	m.screen().list().move(by)
	return m.follow()
}

// startFilter opens the line in which rows are filtered, or the log searched.
func (m *model) startFilter() tea.Cmd {
	m.mode = filtering
	m.find = field{}
	if m.focus == onList {
		m.find.set(m.screen().list().wanted)
	}
	return nil
}

func (m *model) pressFilter(k tea.KeyMsg) tea.Cmd {
	switch k.String() {
	case "enter":
		m.mode = normal
		if m.focus == onDetail {
			return m.seekLog(m.find.text(), 1)
		}
		return nil
	case "esc", "ctrl+c":
		m.mode = normal
		if m.focus == onDetail {
			m.log.search = ""
			return nil
		}
		return m.screen().seek("")
	case "up", "down":
		by, _ := steps(k, m.page())
		return m.move(by)
	}
	if m.find.press(k) && m.focus == onList {
		return tea.Batch(m.screen().seek(m.find.text()), m.follow())
	}
	return nil
}
