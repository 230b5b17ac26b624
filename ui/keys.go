package ui

import (
	"github.com/charmbracelet/bubbles/key"
	tea "github.com/charmbracelet/bubbletea"
)

// action is a key that does something in a place. The footer, the help and the
// dispatch of keys are made from the same actions, so a key that is shown works.
type action struct {
	key    key.Binding
	do     func() tea.Cmd
	writes bool   // absent in a read-only console
	when   bool   // it can be done with what is selected
	why    string // why it cannot, where there is more to say
}

func bind(help string, keys ...string) key.Binding {
	shown := keys[0]
	if shown == " " {
		shown = "space"
	}
	return key.NewBinding(key.WithKeys(keys...), key.WithHelp(shown, help))
}

// movement is the keys that move a cursor or scroll.
var movement = struct{ up, down, pageUp, pageDown, home, end key.Binding }{
	up:       key.NewBinding(key.WithKeys("up", "k"), key.WithHelp("up/k", "up")),
	down:     key.NewBinding(key.WithKeys("down", "j"), key.WithHelp("down/j", "down")),
	pageUp:   key.NewBinding(key.WithKeys("pgup", "ctrl+b"), key.WithHelp("pgup", "page up")),
	pageDown: key.NewBinding(key.WithKeys("pgdown", "ctrl+f"), key.WithHelp("pgdn", "page down")),
	home:     key.NewBinding(key.WithKeys("home", "g"), key.WithHelp("home/g", "first")),
	end:      key.NewBinding(key.WithKeys("end", "G"), key.WithHelp("end/G", "last")),
}

// movements are movement as a list, for the help and the test of duplicates.
func movements() []key.Binding {
	return []key.Binding{movement.up, movement.down, movement.pageUp, movement.pageDown, movement.home, movement.end}
}

// steps translates a key of movement to rows; a page is as high as the window.
func steps(msg tea.KeyMsg, page int) (by int, ok bool) {
	const far = 1 << 30
	if n := len(msg.Runes); msg.Type == tea.KeyRunes && n > 1 && !msg.Paste {
		// A key that is held down, on a slow line: many in one read.
		for _, r := range msg.Runes[1:] {
			if r != msg.Runes[0] {
				return 0, false
			}
		}
		msg.Runes = msg.Runes[:1]
		by, ok = steps(msg, page)
		if by != far && by != -far {
			by *= n
		}
		return by, ok
	}
	switch {
	case key.Matches(msg, movement.up):
		return -1, true
	case key.Matches(msg, movement.down):
		return 1, true
	case key.Matches(msg, movement.pageUp):
		return -max(1, page-1), true
	case key.Matches(msg, movement.pageDown):
		return max(1, page-1), true
	case key.Matches(msg, movement.home):
		return -far, true
	case key.Matches(msg, movement.end):
		return far, true
	}
	return 0, false
}

// globals are the actions that every view has.
func (m *model) globals() []action {
	hold := m.view.Hold != nil
	return []action{
		{key: bind("focus", "tab", "shift+tab"), do: m.turn, when: true},
		{key: bind("find", "/"), do: m.startFilter, when: true},
		{key: bind("to the right", "right"), do: func() tea.Cmd { return m.slide(1) }, when: m.focus == onDetail && m.cut(), why: "nothing in sight is wider than the pane"},
		{key: bind("to the left", "left"), do: func() tea.Cmd { return m.slide(-1) }, when: m.focus == onDetail && m.log.aside > 0, why: "it begins here"},
		{key: bind("HOLD", "H"), do: m.holdNow, writes: true, when: true},
		{key: bind("lift hold", "L"), do: m.askLift, writes: true, when: hold},
		{key: bind("help", "?"), do: m.showHelp, when: true},
		{key: bind("quit", "q", "ctrl+c"), do: m.askQuit, when: true},
		{key: bind("suspend", "ctrl+z"), do: m.suspend, when: !m.busy(), why: "a run of this console would stand still with it"},
		{key: bind("back", "esc"), do: m.leave, when: m.focus == onDetail || m.screen().list().filter() != "" || m.at == targetsAt && len(m.targets().marked) > 0},
	}
}

// views are the actions that go to a view.
func (m *model) views() []action {
	var as []action
	for i, s := range m.screens {
		as = append(as, action{key: bind(s.name(), string(rune('1'+i))), do: func() tea.Cmd { return m.show(i) }, when: true})
	}
	return as
}

// actions are all that can be done in the present view. A read-only console
// does not have those that change anything.
func (m *model) actions() []action {
	var as []action
	for _, group := range [][]action{m.screen().actions(), m.logActions(), m.globals(), m.views()} {
		for _, a := range group {
			if !a.writes || !m.readOnly() {
				as = append(as, a)
			}
		}
	}
	return as
}
