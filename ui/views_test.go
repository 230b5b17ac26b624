package ui

import (
	"fmt"
	"os"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/pipeline"
)

func TestTickAsksForWhatWasSeen(t *testing.T) {
	d := drive(t, newFake(t), 80, 24, Options{})
	d.to("notes").press(" ")
	d.sees("Link to the approved merge request")
	d.press("enter")
	d.sees("an empty answer records nothing")
	if d.fake.did("tick") {
		t.Fatal("ticked without a value")
	}
	d.press(" ", "enter")
	if d.fake.did("tick") {
		t.Fatal("ticked with a space")
	}
	d.typed("https://git.example/mr/7", 0).press("enter")
	if !d.fake.did("tick notes https://git.example/mr/7") {
		t.Errorf("not ticked: %q", d.fake.asked)
	}
	d.sees("ticked Release notes are reviewed")
}

func TestPromptTakesAPasteOnOneLine(t *testing.T) {
	d := drive(t, newFake(t), 80, 24, Options{})
	d.to("notes").press(" ")
	d.send(paste("first\nsecond\x1b[2J"))
	d.press("enter")
	if !d.fake.did(`tick notes first second\x1b[2J`) {
		t.Errorf("asked %q", d.fake.asked)
	}
}

func TestItemKeys(t *testing.T) {
	tests := []struct {
		item string
		keys []string
		want string // asked of the engine, empty for nothing
	}{
		{"notes", []string{"w", "n", "o", "enter"}, "waive notes no"},
		{"notes", []string{"w", "enter", "esc"}, ""},
		{"docs", []string{"x", "enter"}, "clear docs "},
		{"promote", []string{"w"}, ""},     // a killer item may not be waived
		{"promote", []string{"enter"}, ""}, // it is blocked
		{"promote", []string{"p"}, "plan promote"},
		{"announce", []string{" "}, ""}, // it waits for its window
		{"tests", []string{"x", "o", "enter"}, "clear tests o"},
		{"verify-staging", []string{"c"}, ""},     // asked only
		{"verify-staging", []string{"enter"}, ""}, // it runs
		{"mirrors", []string{"enter"}, "plan mirrors"},
		{"key", []string{" "}, ""}, // a check is not ticked
	}
	for _, tt := range tests {
		t.Run(tt.item+" "+strings.Join(tt.keys, " "), func(t *testing.T) {
			d := drive(t, newFake(t), 100, 30, Options{})
			d.to(tt.item).press(tt.keys...)
			if tt.want == "" && len(d.fake.asked) > 0 || tt.want != "" && !d.fake.did(tt.want) {
				t.Errorf("asked %q, want %q", d.fake.asked, tt.want)
			}
		})
	}
}

func TestBlockedItemSaysWhy(t *testing.T) {
	d := drive(t, newFake(t), 100, 30, Options{})
	d.to("promote").press("enter")
	d.sees("run: needs Verify staging of core-el9")
}

func TestItemDetail(t *testing.T) {
	d := drive(t, newFake(t), 140, 40, Options{})
	d.to("promote")
	d.sees("PRODUCTION", "blocked", "needs Verify staging", "Testers installed", "release manager on duty", "#releases", "anna@example.org")
	d.press("p")
	d.sees("+17 added", snapNow+" → "+snapNew, "WARNING packyard-legacy")
	d.press("esc").to("verify-staging")
	d.sees("verify packages", "237 of 412", "57%", "44s left", "packyard-agent-2025.4.1-1.el9.x86_64.rpm", "packyard-agent-39")
	d.to("build")
	d.sees("packages  412", "snapshot  "+snapNew, "done in 2m11s")
	d.to("announce")
	d.sees("opens", "in 26h00m")
}

func TestCancelAndResolve(t *testing.T) {
	d := drive(t, newFake(t), 100, 30, Options{})
	d.press("4", "c")
	d.sees("Cancel this run?", "(default)")
	d.wait(armDelay).press("enter")
	if d.fake.did("cancel") {
		t.Fatal("Enter alone cancelled")
	}
	d.press("c").wait(armDelay).press("y")
	if !d.fake.did("cancel 20261121T115812Z-5eed0001") {
		t.Errorf("not cancelled: %q", d.fake.asked)
	}
	d.press("end")
	d.sees("unknown", "u looks")
	d.press("u")
	if !d.fake.did("resolve 20261118T100000Z-5eed0004") {
		t.Errorf("not resolved: %q", d.fake.asked)
	}
}

func TestRollbackLetsASnapshotBeChosen(t *testing.T) {
	f := newFake(t)
	f.view.Targets[0].Snapshots = append(f.view.Targets[0].Snapshots, pipeline.SnapshotView{ID: "20261101T080000Z", Published: noon.AddDate(0, 0, -20)})
	d := drive(t, f, 80, 24, Options{})
	d.press("3", "r")
	d.sees("Roll core-el9 back to", snapOld, "20261101T080000Z")
	d.press("down", "enter")
	if !f.did("plan rollback core-el9 20261101T080000Z") {
		t.Errorf("asked %q", f.asked)
	}
	d.sees("PRODUCTION", "To confirm")
}

func TestTargets(t *testing.T) {
	d := drive(t, newFake(t), 120, 40, Options{})
	d.press("3")
	d.sees("core-el9", "differs", "same", "DRIFT", "2 of 3 differ", "published 3d ago")
	d.press("down")
	d.sees("core-el8")
	d.press("down")
	d.sees("the journal says", "a adopts what is served")
	d.press("home", "d")
	d.sees("packyard-plugin-01.x86_64")
	if d.m.mode != normal {
		t.Error("a diff asked for something")
	}
}

func TestQuit(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 80, 24, Options{})
	d.press("q")
	d.sees("Quit while 1 run is live?", "Verify staging of core-el9")
	d.wait(armDelay).press("esc")
	if d.quit {
		t.Fatal("quit though it was left")
	}
	d.press("ctrl+c").wait(armDelay).press("w")
	if d.quit {
		t.Fatal("quit while a run is live")
	}
	f.set(func(v *pipeline.View) {
		v.Runs[0].Live, v.Runs[0].Ended, v.Runs[0].EndedAt = false, &checklist.Ended{Outcome: checklist.Done}, noon
	})
	d.refresh()
	if !d.quit {
		t.Error("did not quit when its run was over")
	}

	d = drive(t, newFake(t), 80, 24, Options{})
	d.press("q").wait(armDelay).press("c")
	if !d.fake.did("cancel 20261121T115812Z-5eed0001") || d.quit {
		t.Errorf("cancel and quit: asked %q, quit %v", d.fake.asked, d.quit)
	}

	f = newFake(t)
	f.view.Runs[0].Live = false
	d = drive(t, f, 80, 24, Options{})
	d.press("q")
	if !d.quit {
		t.Error("does not quit with nothing live")
	}
}

func TestRunEndIsTold(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 80, 24, Options{})
	if got := d.m.title(); got != "57% Verify staging of core-el9 - gantry packyard" {
		t.Errorf("title %q", got)
	}
	f.set(func(v *pipeline.View) {
		v.Runs[0].Live, v.Runs[0].Ended = false, &checklist.Ended{Outcome: checklist.Failed, Error: "2 signatures are wrong"}
	})
	d.refresh()
	d.sees("failed  Verify staging of core-el9", "2 signatures are wrong")
	if got := d.m.title(); got != "failed: Verify staging of core-el9 - gantry packyard" {
		t.Errorf("title %q", got)
	}
	if d.m.bells != 1 {
		t.Errorf("rang %d times", d.m.bells)
	}
}

func TestStaleAnswersAreDropped(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 80, 24, Options{})
	old := newsOnceMsg{seq: 1, view: f.View()}
	f.set(func(v *pipeline.View) { v.Product = "newer" })
	d.send(newsOnceMsg{seq: 2, view: f.View()})
	d.send(old)
	d.sees("newer")
}

func TestCursorStaysOnItsItem(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 80, 24, Options{})
	d.to("smoke")
	f.set(func(v *pipeline.View) {
		s := append([]checklist.SectionView{}, v.Checklist.Sections...)
		s[0].Views = s[0].Views[1:]
		v.Checklist.Sections = s
	})
	d.refresh()
	if it := d.m.screens[0].(*checklistScreen).item(); it == nil || it.ID != "smoke" {
		t.Errorf("the cursor went to %v", it)
	}
}

func TestFirstItemIsOneThatWantsAttention(t *testing.T) {
	d := drive(t, newFake(t), 80, 24, Options{})
	if it := d.m.screens[0].(*checklistScreen).item(); it == nil || it.ID != "notes" {
		t.Errorf("starts on %v", it)
	}
}

func TestFilter(t *testing.T) {
	d := drive(t, newFake(t), 100, 30, Options{})
	d.press("/").typed("PROMOTE", 0)
	d.sees("Promote core-el9", "filter /PROMOTE")
	d.hides("Build core-el9")
	d.press("q") // a letter of the filter, not the key
	if d.quit || d.m.mode != filtering {
		t.Fatal("a letter in the filter acted")
	}
	d.press("backspace", "enter")
	d.sees("/PROMOTE")
	d.press("esc")
	d.sees("Build core-el9")

	d.press("5", "/").typed("anna", 0)
	d.sees("item.ticked", "release.opened")
	d.hides("▶     3")
	d.press("esc")
	d.sees("run.intent")
}

func TestLogSearchAndFollow(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 140, 30, Options{})
	d.press("4", "enter")
	d.sees("agent-39.el9")
	d.press("/").typed("AGENT-7.", 0).press("enter")
	d.sees("agent-7.el9", "/AGENT-7.")
	d.press("f")
	d.sees("agent-39.el9")

	// It grows while the run lives.
	file, err := os.OpenFile(f.log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(file, "12:00:01 one \x1b[2J more\n12:00:02 half a li")
	file.Close()
	d.refresh()
	d.sees(`one \x1b[2J more`)
	d.hides("half a li")

	d.press("/").typed("agent-1", 0).press("enter")
	first := d.m.log.match
	d.press("n")
	second := d.m.log.match
	d.press("N")
	if first == second || d.m.log.match != first {
		t.Errorf("matches %d, %d, %d", first, second, d.m.log.match)
	}
	d.press("/").typed("nowhere", 0).press("enter")
	d.sees("not in the log: nowhere")
}

func TestLongLogShowsItsEnd(t *testing.T) {
	f := newFake(t)
	var b strings.Builder
	for i := range 100_000 {
		fmt.Fprintf(&b, "11:00:00 line %06d of a long log\n", i)
	}
	if err := os.WriteFile(f.log, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	d := drive(t, f, 100, 30, Options{})
	d.press("4")
	d.sees("line 099999 of a long log")
	if n := len(d.m.log.lines); n > logLines {
		t.Errorf("keeps %d lines", n)
	}
	d.press("tab", "home")
	d.sees("its beginning is left out")
}

func TestMouse(t *testing.T) {
	d := drive(t, newFake(t), 120, 40, Options{})
	_ = d.m.View() // what is clicked was drawn
	click := func(x, y int) {
		d.send(tea.MouseMsg{X: x, Y: y, Button: tea.MouseButtonLeft, Action: tea.MouseActionPress})
	}
	l := d.m.layout()
	click(5, l.list.y+1+6) // Before, four items, Staging, Build
	if it := d.m.screens[0].(*checklistScreen).item(); it == nil || it.ID != "build" {
		t.Errorf("clicked on %v", it)
	}
	click(5, l.list.y+1) // a heading takes no cursor
	if it := d.m.screens[0].(*checklistScreen).item(); it == nil || it.ID != "build" {
		t.Errorf("a heading was selected: %v", it)
	}
	for i, tab := range d.m.tabs() {
		click(tab.x, 40-l.footer)
		if d.m.at != i {
			t.Errorf("click on tab %d led to %d", i, d.m.at)
		}
	}
	d.press("4")
	d.send(tea.MouseMsg{X: 3, Y: 5, Button: tea.MouseButtonWheelDown})
	if d.m.screen().list().cursor != 3 {
		t.Errorf("the wheel went to %d", d.m.screen().list().cursor)
	}
	click(119, 10)
	if d.m.focus != onDetail {
		t.Error("a click on the detail does not focus it")
	}
	// It answers no dialog.
	d.press("3", "p").wait(armDelay)
	for y := range 40 {
		for x := 0; x < 120; x += 5 {
			click(x, y)
		}
	}
	if d.fake.did("start") || d.m.mode != asking {
		t.Error("the mouse answered a dialog")
	}
}

func TestNothingToWalk(t *testing.T) {
	f := newFake(t)
	rel := f.view.Checklist.Release
	f.view.Checklist, f.view.Open = checklist.View{}, nil
	d := drive(t, f, 80, 24, Options{})
	d.sees("o begins one")
	d.press("enter", " ", "w", "p")
	if len(f.asked) > 0 {
		t.Errorf("asked %q", f.asked)
	}
	f.view.Open = []*checklist.ReleaseState{rel, {Opened: checklist.Opened{ID: "rc-9.7"}}}
	d = drive(t, f, 80, 24, Options{})
	d.sees("2 releases are open", "O chooses one of them", "rc-9.7")
	f.view.Targets, f.view.Runs, f.staged, f.events = nil, nil, nil, nil
	d = drive(t, f, 80, 24, Options{})
	for _, k := range []string{"2", "3", "4", "5"} {
		d.press(k, "enter", "down", "end", "tab", "end", "tab")
		if err := fits(d.m.View(), 80, 24); err != nil {
			t.Error(err)
		}
	}
}

func TestTroubleIsShown(t *testing.T) {
	f := newFake(t)
	f.view.Trouble = []string{"the journal is damaged at entry 7", "another"}
	d := drive(t, f, 100, 24, Options{})
	d.sees("TROUBLE", "the journal is damaged at entry 7 (and 1 more")
	d.press("5")
	d.sees("another")
	d.m.trouble = "permission denied"
	d.sees("permission denied")
}
