package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/bubbles/key"
	"github.com/charmbracelet/x/ansi"
	"github.com/muesli/termenv"
)

func plainText(s string) string { return ansi.Strip(s) }

// places brings the console to every view with every focus.
func places(t testing.TB, o Options) map[string]func() *driver {
	all := map[string]func() *driver{}
	add := func(place string, arrange func(*fake), keys ...string) {
		all[place] = func() *driver {
			f := newFake(t)
			if arrange != nil {
				f = several(t)
				arrange(f)
			}
			return drive(t, f, 120, 40, o).press(keys...)
		}
	}
	for i, s := range newModel(t.Context(), newFake(t), o, termenv.Ascii).screens {
		view := fmt.Sprint(i + 1)
		add(s.name()+" list", nil, view)
		add(s.name()+" detail", nil, view, "tab")
	}
	add("targets, a group in part", func(f *fake) { inPart(f, false) }, "3")
	add("targets, a group that moves", func(f *fake) { inPart(f, true) }, "3")
	for name, arranged := range map[string]func() *fake{
		"day of releases": func() *fake { return releaseDay(t) }, "trees": func() *fake { return distribution(t) },
	} {
		for _, view := range []string{"1", "3", "6", "7"} {
			all[name+" in "+view] = func() *driver { return drive(t, arranged(), 120, 40, o).press(view) }
		}
	}
	if !o.ReadOnly {
		add("targets, marked", func(*fake) {}, "3", " ", "down")
	}
	return all
}

func TestNoKeyMeansTwoThings(t *testing.T) {
	for place, at := range places(t, Options{Forward: func(time.Time) {}}) { // with the keys of a demo
		d := at()
		seen := map[string]string{}
		ks := movements()
		for _, a := range d.m.actions() {
			ks = append(ks, a.key)
		}
		for _, k := range ks {
			for _, name := range k.Keys() {
				if other, taken := seen[name]; taken {
					t.Errorf("%s: %q is %q and %q", place, name, other, k.Help().Desc)
				}
				seen[name] = k.Help().Desc
			}
		}
	}
}

func TestModalKeysMeanOneThing(t *testing.T) {
	d, _ := promoting(t, 80, 24)
	modals := []modal{d.m.modal, &prompt{}, &choice{}, &help{}}
	for _, m := range modals {
		seen := map[string]bool{}
		for _, k := range m.keys() {
			for _, name := range k.Keys() {
				if seen[name] {
					t.Errorf("%T: %q twice", m, name)
				}
				seen[name] = true
			}
		}
	}
}

// A key that is shown works: each does something that can be seen or was asked
// of the engine.
func TestShownKeysWork(t *testing.T) {
	for place, at := range places(t, Options{}) {
		var shown []key.Binding
		for _, a := range at().m.actions() {
			if a.when {
				shown = append(shown, a.key)
			}
		}
		for _, k := range shown {
			d := at()
			view := d.m.View()
			name := k.Keys()[0]
			d.press(name)
			number := name == string(rune('1'+d.m.at))
			if d.m.View() == view && len(d.fake.asked) == 0 && !d.quit && !number && name != "f" && name != "r" && name != "ctrl+z" {
				t.Errorf("%s: %q (%s) does nothing", place, name, k.Help().Desc)
			}
		}
	}
}

func TestHelpNamesEveryKey(t *testing.T) {
	for place, at := range places(t, Options{}) {
		d := at()
		d.press("?")
		var text strings.Builder
		for _, l := range d.m.modal.(*help).rows {
			for _, s := range l {
				text.WriteString(s.text)
			}
			text.WriteString("\n")
		}
		d.press("esc")
		for _, a := range d.m.actions() {
			if !strings.Contains(text.String(), a.key.Help().Desc) {
				t.Errorf("%s: the help does not name %q", place, a.key.Help().Desc)
			}
		}
	}
}

func TestReadOnlyOffersNothingThatChanges(t *testing.T) {
	for place, at := range places(t, Options{ReadOnly: true}) {
		d := at()
		d.sees("READ-ONLY")
		for _, a := range d.m.actions() {
			if a.writes {
				t.Errorf("%s: %q is offered", place, a.key.Help().Desc)
			}
		}
		for _, k := range []string{" ", "w", "x", "H", "L", "r", "u", "a"} {
			d.press(k)
			if d.m.mode == asking {
				t.Errorf("%s: %q opened something", place, k)
			}
		}
		for _, a := range d.fake.asked {
			if !strings.HasPrefix(a, "plan") && !strings.HasPrefix(a, "verify") && !strings.HasPrefix(a, "review") && a != "watch" {
				t.Errorf("%s: asked the engine to %s", place, a)
			}
		}
	}
}
