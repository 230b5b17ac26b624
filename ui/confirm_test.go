package ui

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/pipeline"
)

// promoting opens the dialog of a promotion, and waits until it takes answers.
func promoting(t testing.TB, w, h int) (*driver, string) {
	f := newFake(t)
	d := drive(t, f, w, h, Options{})
	d.press("3", "p").wait(armDelay)
	return d, f.plan.Phrase()
}

// paste is what a terminal sends between the brackets of a paste.
func paste(text string) tea.KeyMsg {
	return tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text), Paste: true}
}

// reads cuts a text as bubbletea does with what arrives in one read: a space is
// a key of its own.
func reads(text string) []string {
	var out []string
	for i, word := range strings.Split(text, " ") {
		if i > 0 {
			out = append(out, " ")
		}
		out = append(out, word)
	}
	return out
}

// dialogText is what stands within the thick frame, its lines joined: words wrap
// with the size.
func dialogText(d *driver) string {
	var words []string
	for _, l := range strings.Split(plainText(d.m.View()), "\n") {
		if parts := strings.Split(l, "┃"); len(parts) == 3 {
			words = append(words, strings.Fields(parts[1])...)
		}
	}
	return strings.Join(words, " ")
}

func TestConfirmProduction(t *testing.T) {
	tests := []struct {
		name    string
		act     func(d *driver, phrase string)
		started bool
		says    string
	}{
		{"the phrase key by key, then Enter", func(d *driver, p string) { d.typed(p, 50*time.Millisecond).press("enter") }, true, ""},
		{"slow fingers", func(d *driver, p string) { d.typed(p, 700*time.Millisecond).press("enter") }, true, ""},
		{"a slow line bunches four characters", func(d *driver, p string) {
			for len(p) > 0 {
				n := min(4, len(p))
				d.wait(200 * time.Millisecond).press(p[:n])
				p = p[n:]
			}
			d.press("enter")
		}, true, ""},
		{"a typing error corrected", func(d *driver, p string) {
			d.typed(p+"x", 50*time.Millisecond).press("backspace", "enter")
		}, true, ""},
		{"without Enter nothing", func(d *driver, p string) { d.typed(p, 50*time.Millisecond) }, false, ""},
		{"Enter alone", func(d *driver, p string) { d.press("enter", "enter", "enter") }, false, "Enter alone confirms nothing"},
		{"y", func(d *driver, p string) { d.press("y", "enter") }, false, "not the phrase"},
		{"another phrase", func(d *driver, p string) { d.typed("core-el9 +17 ~3 -2 000000", 50*time.Millisecond).press("enter") }, false, "not the phrase"},
		{"a part of the phrase", func(d *driver, p string) { d.typed(p[:len(p)-1], 50*time.Millisecond).press("enter") }, false, "not the phrase"},
		{"other letter case", func(d *driver, p string) {
			d.typed(strings.ToUpper(p), 50*time.Millisecond).press("enter")
		}, false, "not the phrase"},
		{"a space more", func(d *driver, p string) { d.typed(p+" ", 50*time.Millisecond).press("enter") }, false, "not the phrase"},
		{"Esc before Enter", func(d *driver, p string) { d.typed(p, 50*time.Millisecond).press("esc", "enter") }, false, ""},
		{"ctrl+c before Enter", func(d *driver, p string) { d.typed(p, 50*time.Millisecond).press("ctrl+c") }, false, ""},
		{"bracketed paste", func(d *driver, p string) { d.send(paste(p)); d.press("enter") }, false, "pasting is refused"},
		{"bracketed paste of the last character", func(d *driver, p string) {
			d.typed(p[:len(p)-1], 50*time.Millisecond)
			d.send(paste(p[len(p)-1:]))
			d.press("enter")
		}, false, "pasting is refused"},
		{"raw paste in one read", func(d *driver, p string) { d.press(append(reads(p), "enter")...) }, false, "too fast for fingers"},
		{"raw paste, Enter by hand a second later", func(d *driver, p string) {
			d.press(reads(p)...).wait(time.Second).press("enter")
		}, false, "Enter alone confirms nothing"},
		{"raw paste, one byte a read", func(d *driver, p string) { d.typed(p, time.Millisecond).press("enter") }, false, "too fast for fingers"},
		{"raw paste in reads of four", func(d *driver, p string) {
			for i := 0; i < len(p); i += 4 {
				d.wait(5 * time.Millisecond).press(p[i:min(len(p), i+4)])
			}
			d.wait(time.Second).press("enter")
		}, false, ""},
		{"after a raw paste the phrase can be typed", func(d *driver, p string) {
			d.press(reads(p)...).wait(time.Second).typed(p, 50*time.Millisecond).press("enter")
		}, true, ""},
		{"resized before Enter", func(d *driver, p string) {
			d.typed(p, 50*time.Millisecond)
			d.send(tea.WindowSizeMsg{Width: 100, Height: 30})
			d.press("enter")
		}, false, ""},
		{"resized, then waited", func(d *driver, p string) {
			d.typed(p, 50*time.Millisecond)
			d.send(tea.WindowSizeMsg{Width: 100, Height: 30})
			d.wait(armDelay).press("enter")
		}, true, ""},
		{"too small to read", func(d *driver, p string) {
			d.send(tea.WindowSizeMsg{Width: 60, Height: 14})
			d.wait(armDelay).typed(p, 50*time.Millisecond).press("enter")
		}, false, ""},
		{"production moved", func(d *driver, p string) {
			d.fake.set(func(v *pipeline.View) { v.Targets[0].Production = snapOld })
			d.refresh().typed(p, 50*time.Millisecond).press("enter")
		}, false, "production moved meanwhile: it was " + snapNow + " and is " + snapOld},
		{"production moved and moved back", func(d *driver, p string) {
			d.fake.set(func(v *pipeline.View) { v.Targets[0].Production = snapOld })
			d.refresh()
			d.fake.set(func(v *pipeline.View) { v.Targets[0].Production = snapNow })
			d.refresh().typed(p, 50*time.Millisecond).press("enter")
		}, false, "VOID"},
		{"on hold", func(d *driver, p string) {
			d.fake.set(func(v *pipeline.View) {
				v.Hold = &checklist.Hold{Actor: "anna", Time: noon, Reason: "mirror is down"}
			})
			d.refresh().typed(p, 50*time.Millisecond).press("enter")
		}, false, "anna set a hold"},
		{"drifted", func(d *driver, p string) {
			d.fake.set(func(v *pipeline.View) { v.Targets[0].Drift = "production serves x" })
			d.refresh().typed(p, 50*time.Millisecond).press("enter")
		}, false, "drifted"},
	}
	for _, tt := range tests {
		for _, size := range [][2]int{{80, 24}, {60, 20}, {140, 40}} {
			t.Run(fmt.Sprintf("%s at %dx%d", tt.name, size[0], size[1]), func(t *testing.T) {
				d, phrase := promoting(t, size[0], size[1])
				tt.act(d, phrase)
				if got := d.fake.did("start "); got != tt.started {
					t.Errorf("started: %v, want %v; asked %q\n%s", got, tt.started, d.fake.asked, plainText(d.m.View()))
				}
				if tt.started && !d.fake.did(fmt.Sprintf("start %s %q", d.fake.plan.Title, phrase)) {
					t.Errorf("the phrase was not handed on: %q", d.fake.asked)
				}
				if tt.says != "" {
					if !strings.Contains(dialogText(d), tt.says) {
						t.Errorf("does not say %q:\n%s", tt.says, plainText(d.m.View()))
					}
				}
			})
		}
	}
}

func TestTypeAheadIsDropped(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 80, 24, Options{})
	d.press("3")

	// While the engine plans, keys have no meaning.
	cmd := d.m.take(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("p")})
	d.typed(f.plan.Phrase(), 50*time.Millisecond).press("enter", "H", "q")
	d.run(cmd)
	d.sees("PRODUCTION", f.plan.Phrase())
	// Nor right after the dialog opened.
	d.press("x", "y", "enter").wait(armDelay-time.Millisecond).press("z", "enter")
	if text := d.m.modal.(*dialog).field.text(); text != "" {
		t.Errorf("type-ahead came into the field: %q", text)
	}
	if d.fake.did("start") || d.fake.did("hold") || d.quit {
		t.Errorf("type-ahead acted: %q", d.fake.asked)
	}
	d.wait(armDelay).typed(f.plan.Phrase(), 50*time.Millisecond).press("enter")
	if !d.fake.did("start") {
		t.Error("the phrase was not taken after the delay")
	}
}

func TestLeftPlanDoesNotOpen(t *testing.T) {
	d := drive(t, newFake(t), 80, 24, Options{})
	d.press("3")
	cmd := d.m.take(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune("p")})
	d.press("esc")
	d.run(cmd)
	if d.m.mode != normal {
		t.Errorf("a plan that was left opened its dialog:\n%s", plainText(d.m.View()))
	}
}

func TestConfirmByLetter(t *testing.T) {
	tests := []struct {
		name    string
		keys    []string
		started bool
	}{
		{"y", []string{"y"}, true},
		{"Enter is no", []string{"enter"}, false},
		{"n", []string{"n"}, false},
		{"Esc", []string{"esc", "y"}, false},
		{"another letter waits", []string{"x", "Y"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := drive(t, newFake(t), 80, 24, Options{})
			d.to("build").press("enter")
			d.sees("STAGING", "(default)")
			d.press("y") // too early
			d.wait(armDelay).press(tt.keys...)
			if got := d.fake.did("start"); got != tt.started {
				t.Errorf("started: %v, want %v", got, tt.started)
			}
		})
	}
	t.Run("pasted", func(t *testing.T) {
		d := drive(t, newFake(t), 80, 24, Options{})
		d.to("build").press("enter").wait(armDelay)
		d.send(paste("y"))
		if d.fake.did("start") {
			t.Error("a paste confirmed")
		}
	})
}

func TestStartRefused(t *testing.T) {
	tests := []struct {
		err  error
		want []string
	}{
		{&pipeline.RefusedError{Reason: "on hold", Hint: "gantry hold --lift"}, []string{"Refused: on hold", "gantry hold --lift"}},
		{&pipeline.ConflictError{Reason: "production moved", Hint: "plan again"}, []string{"The world moved: production moved", "plan again"}},
		{errors.New("disk \x1b[2J full"), []string{`disk \x1b[2J full`}},
	}
	for _, tt := range tests {
		d, phrase := promoting(t, 80, 24)
		d.fake.err = tt.err
		d.typed(phrase, 50*time.Millisecond).press("enter")
		d.sees(tt.want...)
		d.press("esc")
		d.hides(tt.want[0])
	}
}

func TestDialogScrollsThroughTheWholePlan(t *testing.T) {
	d, _ := promoting(t, 60, 20)
	d.sees("WARNING", "packyard-plugin-01")
	d.hides("packyard-compat")
	d.press("pgdown", "pgdown", "pgdown", "pgdown")
	d.sees("packyard-compat.x86_64", "manifest", d.fake.plan.Phrase())
	d.press("pgup", "pgup", "pgup", "pgup")
	d.sees("WARNING")
}

func TestLongestPhraseFits(t *testing.T) {
	f := newFake(t)
	f.plan.Target = strings.Repeat("a-target-", 7) // 63 characters, as long as names get
	f.view.Targets[0].Name = f.plan.Target
	d := drive(t, f, 60, 20, Options{})
	d.press("3", "p").wait(armDelay).typed(f.plan.Phrase(), 50*time.Millisecond).press("enter")
	if !d.fake.did("start") {
		t.Errorf("not confirmable at 60x20:\n%s", plainText(d.m.View()))
	}
}

func TestLiftAndAdopt(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 80, 24, Options{})
	d.press("L")
	d.sees("lift hold: ")
	d.press("H")
	if !f.did("hold ") {
		t.Fatal("one key did not hold")
	}
	d.sees("HOLD")
	d.press("H").typed("mirror down", 0).press("enter")
	if !f.did("hold mirror down") {
		t.Errorf("no reason recorded: %q", f.asked)
	}
	d.press("L").wait(armDelay).typed("lift 0a1b2c", 50*time.Millisecond).press("enter")
	if !f.did("lift lift 0a1b2c") {
		t.Errorf("not lifted: %q", f.asked)
	}

	d = drive(t, newFake(t), 80, 24, Options{})
	d.press("3", "down", "down", "a").wait(armDelay)
	d.sees("PRODUCTION", "adopt tools-el9 00ff11")
	d.typed("adopt tools-el9 00ff11", 50*time.Millisecond).press("enter")
	if !d.fake.did(`adopt tools-el9 "adopt tools-el9 00ff11"`) {
		t.Errorf("not adopted: %q", d.fake.asked)
	}
}

func TestTellIsQuietWhenTheConsoleEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	d := drive(t, newFake(t), 80, 24, Options{})
	d.m.ctx = ctx
	cancel()
	d.m.tell("Not ticked", context.Canceled)
	if d.m.mode != normal {
		t.Error("the end of the console was shown as an error")
	}
}
