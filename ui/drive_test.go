package ui

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/muesli/termenv"

	"gantry/config"
)

// driver drives a model without a program: it runs the commands that come of a
// message one after the other, and leaves out those that wait for time or news.
type driver struct {
	t    testing.TB
	m    *model
	fake *fake
	at   time.Time
	quit bool
}

func drive(t testing.TB, f *fake, w, h int, o Options) *driver {
	d := &driver{t: t, fake: f, at: noon}
	o.Now = func() time.Time { return d.at }
	if o.Theme == "" {
		o.Theme = config.Dark
	}
	d.m = newModel(context.Background(), f, o, termenv.TrueColor)
	d.send(tea.WindowSizeMsg{Width: w, Height: h})
	d.run(d.m.follow())
	return d
}

func (d *driver) send(msg tea.Msg) {
	d.t.Helper()
	d.run(d.m.take(msg))
}

func (d *driver) run(cmd tea.Cmd) {
	d.t.Helper()
	if cmd == nil {
		return
	}
	switch msg := cmd().(type) {
	case nil:
	case tea.QuitMsg:
		d.quit = true
	case tea.BatchMsg:
		for _, c := range msg {
			d.run(c)
		}
	default:
		if v := reflect.ValueOf(msg); v.Kind() == reflect.Slice && v.Type().Elem() == reflect.TypeOf(tea.Cmd(nil)) {
			d.t.Fatalf("a sequence of commands is not expected: %T", msg)
		}
		d.run(d.m.take(msg))
	}
}

var keyTypes = map[string]tea.KeyType{
	"enter": tea.KeyEnter, "esc": tea.KeyEsc, "left": tea.KeyLeft, "right": tea.KeyRight, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown, "pgup": tea.KeyPgUp,
	"pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd, "backspace": tea.KeyBackspace, "ctrl+c": tea.KeyCtrlC, "ctrl+u": tea.KeyCtrlU,
}

// press sends keys by name; a name that is none is one read of characters.
func (d *driver) press(keys ...string) *driver {
	d.t.Helper()
	for _, k := range keys {
		msg := tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)}
		if typ, ok := keyTypes[k]; ok {
			msg = tea.KeyMsg{Type: typ}
		} else if k == " " {
			msg.Type = tea.KeySpace
		}
		d.send(msg)
	}
	return d
}

// typed sends a text key by key, with time between the keys.
func (d *driver) typed(text string, apart time.Duration) *driver {
	d.t.Helper()
	for _, r := range text {
		d.at = d.at.Add(apart)
		d.press(string(r))
	}
	return d
}

func (d *driver) wait(span time.Duration) *driver {
	d.at = d.at.Add(span)
	return d
}

// refresh lets the model read the world again.
func (d *driver) refresh() *driver {
	d.run(d.m.reread())
	return d
}

func (d *driver) sees(words ...string) {
	d.t.Helper()
	screen := plainText(d.m.View())
	for _, w := range words {
		if !strings.Contains(screen, w) {
			d.t.Errorf("the screen does not show %q:\n%s", w, screen)
		}
	}
}

func (d *driver) hides(words ...string) {
	d.t.Helper()
	screen := plainText(d.m.View())
	for _, w := range words {
		if strings.Contains(screen, w) {
			d.t.Errorf("the screen shows %q:\n%s", w, screen)
		}
	}
}

// to selects an item of the checklist.
func (d *driver) to(id string) *driver {
	d.t.Helper()
	s := d.m.screens[0].(*checklistScreen)
	for i, r := range s.rows {
		if r.item != nil && r.item.ID == id {
			s.l.to(i)
			d.run(d.m.follow())
			return d
		}
	}
	d.t.Fatalf("no item %s", id)
	return d
}
