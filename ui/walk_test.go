package ui

import (
	"slices"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/vt"
	"github.com/muesli/termenv"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// What the terminal shows is the frame, the last column and line included.
func TestTheWholeFrameIsShown(t *testing.T) {
	const w, h = 80, 24
	m := newModel(t.Context(), newFake(t), Options{Theme: config.Dark, Now: func() time.Time { return noon }}, termenv.TrueColor)
	emu := vt.NewEmulator(w, h)
	p := &painter{model: m, in: strings.NewReader(""), out: emu}
	if err := p.begin(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.paint()()
		m.screen().list().move(1) // the second frame goes over the first
	}
	m.screen().list().move(-1)
	want := strings.Split(plainText(m.View()), "\n")
	for y, row := range want {
		x := 0
		for _, r := range row {
			if cell := emu.CellAt(x, y); cell == nil || cell.Content != string(r) && (r != ' ' || cell.Content != "") {
				t.Fatalf("line %d, column %d: %q is not shown of\n%s", y, x, r, row)
			}
			x++
		}
	}
}

func TestSafeItemsAskNothing(t *testing.T) {
	d := drive(t, newFake(t), 80, 24, Options{})
	d.to("mirrors").press("enter")
	if !d.fake.did("start Mirrors have followed") || d.m.mode != normal {
		t.Errorf("a check did not run at once: %q\n%s", d.fake.asked, plainText(d.m.View()))
	}
}

func TestNextGoesRoundWhatWantsAttention(t *testing.T) {
	d := drive(t, newFake(t), 80, 24, Options{})
	d.to("tests")
	for _, want := range []string{"notes", "verify-staging", "smoke", "mirrors", "notes"} {
		d.press("n")
		if got := d.m.screens[0].(*checklistScreen).item().ID; got != want {
			t.Fatalf("n went to %s, not to %s", got, want)
		}
	}
}

func TestCursorReachesBothEnds(t *testing.T) {
	d := drive(t, newFake(t), 80, 24, Options{})
	at := func() string { return d.m.screens[0].(*checklistScreen).item().ID }
	for _, tt := range []struct{ key, want string }{{"end", "mirrors"}, {"home", "tests"}, {"G", "mirrors"}, {"pgup", "key"}, {"pgup", "tests"}, {"jjj", "docs"}, {"kk", "notes"}, {"jk", "notes"}} {
		if d.press(tt.key); at() != tt.want {
			t.Errorf("%s went to %s, not to %s", tt.key, at(), tt.want)
		}
	}
}

func TestOpenAndCloseARelease(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 80, 24, Options{})
	d.press("o")
	d.sees("which kind") // one more beside the one that is open
	d.press("esc", "C")
	d.sees("4 of 10 items are complete")
	f.set(func(v *pipeline.View) { v.Checklist.Done = v.Checklist.Total })
	d.refresh().press("C").wait(armDelay)
	d.sees("Close patch-2025.4.1?")
	d.press("enter")
	if f.did("close") {
		t.Error("Enter closed the release")
	}
	if d.press("C").wait(armDelay).press("y"); !f.did("close false") {
		t.Errorf("y did not close it: %q", f.asked)
	}
	f.set(func(v *pipeline.View) { v.Checklist, v.Open = checklist.View{}, nil })
	d.refresh().press("o")
	d.sees("which kind", "beta", "Patch day")
	at := slices.IndexFunc(kindsOf(checklist.Builtin()), func(k kind) bool { return k.name == "patch" })
	for range at {
		d.press("down")
	}
	d.press("enter")
	d.sees("Open a patch release")
	d.typed("2025.5", 0).press("enter")
	if !f.did("open patch 2025.5") || !f.did("choose patch-2025.5") {
		t.Errorf("not opened and gone to: %q", f.asked)
	}
}

func TestRemoveAnArtifact(t *testing.T) {
	f := newFake(t)
	f.view.Targets[1].Places = []storage.Place{f.staged[0].Place}
	d := drive(t, f, 80, 24, Options{})
	d.press("2")
	d.sees("target   core-el8")
	d.press("x").wait(armDelay).press("enter", "x").wait(armDelay).press("esc")
	if f.did("remove") {
		t.Error("removed without a yes")
	}
	d.press("x").wait(armDelay)
	d.sees("Remove from the staging area?", f.staged[0].File)
	d.press("y")
	if !f.did("remove " + f.staged[0].File) {
		t.Errorf("not removed: %q", f.asked)
	}
}

// The list is read again when the journal grows; what was verified stays so
// unless the file changed.
func TestVerdictsOutliveAReading(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 80, 24, Options{})
	d.press("2", "V")
	f.set(func(v *pipeline.View) {
		v.Head++
		f.staged = f.staged[1:]
		f.staged[0].Size++
	})
	d.refresh()
	all := d.m.artifacts().all
	if len(all) != 11 || all[0].Load().Verdict != storage.Unverified || all[1].Load().Verdict != storage.Verified {
		t.Errorf("%d artifacts, the first %s, the second %s", len(all), all[0].Load().Verdict, all[1].Load().Verdict)
	}
}

func TestVerbsOfTargets(t *testing.T) {
	for key, verb := range map[string]string{"p": "promote", "R": "refresh", "X": "prune"} {
		d := drive(t, newFake(t), 80, 24, Options{})
		d.press("3", key).wait(armDelay)
		d.sees("PRODUCTION", "To confirm")
		if !d.fake.did("plan " + verb + " core-el9") {
			t.Errorf("%s asked %q", key, d.fake.asked)
		}
		d = drive(t, newFake(t), 80, 24, Options{})
		d.press("3", "end", key) // tools-el9 drifted
		d.sees("a adopts what is served")
	}
}

func TestSuspendNeedsAConsoleAtRest(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 80, 24, Options{})
	d.send(tea.KeyMsg{Type: tea.KeyCtrlZ})
	d.sees("would stand still")
	f.set(func(v *pipeline.View) { v.Runs[0].Live = false })
	d.refresh()
	cmd := d.m.take(tea.KeyMsg{Type: tea.KeyCtrlZ})
	if cmd == nil {
		t.Fatal("ctrl+z does nothing")
	}
	if _, is := cmd().(suspendMsg); !is {
		t.Error("ctrl+z does not suspend")
	}
}
