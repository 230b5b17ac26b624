package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"gantry/checklist"
	"gantry/pipeline"
)

const groupID = "20261121T120000Z-5eed00aa"

// several is the patch day with targets of other formats that differ, too.
func several(t testing.TB) *fake {
	f := newFake(t)
	f.view.Runs[0].Live = false
	f.view.Runs[0].EndedAt = noon
	f.view.Runs[0].Ended = &checklist.Ended{Outcome: checklist.Done}
	f.view.Targets = append(f.view.Targets,
		pipeline.TargetView{Name: "core-noble", Format: "deb", Path: "deb/core/2025", Staging: snapNew, Production: snapNow},
		pipeline.TargetView{Name: "core-image", Format: "oci", Path: "packyard-core", Staging: snapNew})
	return f
}

// inPart puts a group into the world that moved the first of its targets.
func inPart(f *fake, live bool) {
	g := checklist.Group{
		Grouped: checklist.Grouped{Group: groupID, Verb: "promote", Title: "Promote 3 targets", Targets: []string{"core-el9", "core-noble", "core-image"}},
		Actor:   "neil", Host: "rel1", Started: noon.Add(-time.Minute),
		Moved: map[string]checklist.Move{"core-el9": {Pointer: "production", From: snapNow, To: snapNew}},
	}
	f.view.Group = &pipeline.GroupView{Group: g, Live: live, Own: live}
	f.view.Partial = &f.view.Group.Group
	if live {
		run := checklist.Run{Intent: checklist.Intent{Run: "20261121T120001Z-5eed00ab", Verb: "promote", Title: "Promote core-noble", Target: "core-noble", Risk: checklist.Production, Group: groupID}, Actor: "neil", Host: "rel1", Started: noon}
		f.view.Runs = append([]pipeline.RunView{{Run: run, Live: true, Own: true, Status: pipeline.Status{Phase: "copy", Unit: pipeline.Files, Done: 30, Total: 60, Started: noon.Add(-time.Second), At: noon}}}, f.view.Runs...)
		for i := range f.view.Targets {
			if f.view.Targets[i].Name == "core-noble" {
				f.view.Targets[i].Busy = run.Intent.Run
			}
		}
		return
	}
	f.view.Group.Ended = &checklist.GroupOver{Group: groupID, Error: "1 of 3 moved: core-noble: the disk is full", Hint: "make room"}
}

// ended ends the group of the world.
func ended(f *fake, moved ...string) {
	f.set(func(v *pipeline.View) {
		g := *v.Group
		g.Live, g.Own, g.Ended = false, false, &checklist.GroupOver{Group: groupID}
		g.Moved = map[string]checklist.Move{}
		for _, name := range moved {
			g.Moved[name] = checklist.Move{Pointer: "production", To: snapNew}
		}
		v.Group, v.Partial = &g, nil
		if !g.Whole() {
			g.Ended.Error = fmt.Sprintf("%d of %d moved: core-noble: the disk is full", len(moved), len(g.Targets))
			v.Partial = &g.Group
		}
		v.Runs = v.Runs[1:]
	})
}

// grouping opens the dialog of all targets that differ.
func grouping(t testing.TB, f *fake, w, h int) (*driver, string) {
	d := drive(t, f, w, h, Options{})
	d.press("3", "m", " ", " ", "p").wait(armDelay) // core-el9 is unmarked, core-el8 marked
	d.sees("PRODUCTION")
	return d, d.m.modal.(*dialog).phrase
}

func TestMarkedTargetsGoTogether(t *testing.T) {
	f := several(t)
	d := drive(t, f, 100, 40, Options{})
	d.press("3", " ")
	d.sees("1 marked", "■ core-el9", "p promote 1 marked")
	d.press("up", " ")
	d.hides("marked", "■")
	d.press("m")
	d.sees("3 marked", "■ core-image")
	d.press("esc")
	d.hides("■")
	d.press("m", "p").wait(armDelay)
	for _, name := range []string{"core-el9", "core-noble", "core-image"} {
		if !f.did("plan promote " + name + " with others") {
			t.Errorf("%s is not planned: %q", name, f.asked)
		}
	}
	if f.did("plan promote core-el8") {
		t.Error("a target that was not marked is planned")
	}
	d.sees("Promote 3 targets together", "all   +51 ~9 -6", "3 WARNINGS", "core-noble  "+snapNow+" → "+snapNew+"  +17 ~3 -2", "core-image  none ")
	d.press("esc")
	if f.did("start") {
		t.Error("esc started it")
	}
	d.sees("3 marked") // what was marked stays so
	d.press("r")
	if !f.did("plan rollback core-image with others") {
		t.Errorf("asked %q", f.asked)
	}
}

func TestGroupSaysWhatIsLeftOut(t *testing.T) {
	d, _ := grouping(t, several(t), 100, 40)
	d.sees("1 left out", "left out  core-el8: production serves what is staged")
}

// The rules of the single dialog hold for the phrase of a group.
func TestConfirmGroup(t *testing.T) {
	tests := []struct {
		name    string
		act     func(d *driver, phrase string)
		started bool
		says    string
	}{
		{"the phrase", func(d *driver, p string) { d.typed(p, 50*time.Millisecond).press("enter") }, true, ""},
		{"enter alone", func(d *driver, p string) { d.press("enter", "enter") }, false, "Enter alone confirms nothing"},
		{"another phrase", func(d *driver, p string) { d.typed(p[:len(p)-1]+"x", 50*time.Millisecond).press("enter") }, false, "not the phrase"},
		{"the phrase of one plan", func(d *driver, p string) { d.typed(d.fake.plan.Phrase(), 50*time.Millisecond).press("enter") }, false, "not the phrase"},
		{"y", func(d *driver, p string) { d.press("y", "enter") }, false, "not the phrase"},
		{"a paste", func(d *driver, p string) { d.send(paste(p)); d.press("enter") }, false, "pasting is refused"},
		{"a raw paste", func(d *driver, p string) { d.press(reads(p)...).press("enter") }, false, "too fast"},
		{"after a resize", func(d *driver, p string) {
			d.send(tea.WindowSizeMsg{Width: 99, Height: 40})
			d.typed(p, time.Millisecond).press("enter")
		}, false, ""},
		{"a hold", func(d *driver, p string) {
			d.fake.set(func(v *pipeline.View) { v.Hold = &checklist.Hold{Actor: "anna", Time: noon} })
			d.refresh().typed(p, 50*time.Millisecond).press("enter")
		}, false, "VOID"},
		{"one of them moved", func(d *driver, p string) {
			d.fake.set(func(v *pipeline.View) { v.Targets[3].Production = snapOld })
			d.refresh().typed(p, 50*time.Millisecond).press("enter")
		}, false, "core-noble: production moved meanwhile"},
		{"esc", func(d *driver, p string) { d.typed(p, 50*time.Millisecond).press("esc", "enter") }, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, phrase := grouping(t, several(t), 100, 40)
			tt.act(d, phrase)
			if got := d.fake.did("start"); got != tt.started {
				t.Errorf("started: %v, asked %q", got, d.fake.asked)
			}
			if tt.started && !d.fake.did(fmt.Sprintf("start 2 together %q", phrase)) {
				t.Errorf("asked %q", d.fake.asked)
			}
			if !strings.Contains(dialogText(d), tt.says) {
				t.Errorf("does not say %q:\n%s", tt.says, plainText(d.m.View()))
			}
		})
	}
}

func TestGroupIsFollowedToItsEnd(t *testing.T) {
	f := several(t)
	f.grouped = func(pipeline.Group) { inPart(f, true) }
	d, phrase := grouping(t, f, 100, 40)
	d.typed(phrase, 50*time.Millisecond).press("enter")
	d.sees("MOVING", "promote: 1 of 3 moved", "now core-noble 50%", "30 of 60", "moving 50%", "waits")
	d.hides("PARTIAL", "o go on", "■")
	d.press("1")
	d.sees("promote: 1 of 3 moved")
	d.press("q")
	d.sees("Quit amid a promote: 1 of 3 moved?")
	d.press("esc", "3")
	ended(f, "core-el9", "core-noble", "core-image")
	d.refresh()
	d.sees("done  promote: 3 of 3 moved")
	d.hides("MOVING", "PARTIAL", "o go on")
	d.press("U")
	if !f.did("undo " + groupID) {
		t.Errorf("a whole group cannot be taken back: %q", f.asked)
	}
}

func TestGroupThatStopsSaysSo(t *testing.T) {
	f := several(t)
	f.grouped = func(pipeline.Group) { inPart(f, true) }
	d, phrase := grouping(t, f, 100, 40)
	d.typed(phrase, 50*time.Millisecond).press("enter")
	ended(f, "core-el9")
	d.refresh()
	d.sees("Promote ended early: 1 of 3 moved", "the disk is full", "What moved stays", "o plans the rest")
	d.wait(armDelay).press("enter")
	d.sees("PARTIAL", "promote: 1 of 3 moved", "o goes on, U takes back", "NOT MOVED")
	d.press("1")
	d.sees("PARTIAL", "3 to go on or take it back")
	d.press("3", "o").wait(armDelay)
	d.sees("Promote 2 targets together")
	if f.did("plan promote core-el9 with others") == f.did("plan promote core-image with others") {
		t.Errorf("the rest is not what is planned: %q", f.asked)
	}
	d.press("esc", "U").wait(armDelay)
	d.sees("Roll back core-el9")
	if !f.did("undo "+groupID) || !f.did("plan rollback core-el9 with others") {
		t.Errorf("asked %q", f.asked)
	}
}

func TestGroupOfAnotherConsoleOpensNothing(t *testing.T) {
	f := several(t)
	d := drive(t, f, 100, 40, Options{})
	f.set(func(v *pipeline.View) { inPart(f, true); v.Group.Own = false })
	d.refresh()
	d.sees("MOVING")
	ended(f, "core-el9")
	d.refresh()
	d.sees("PARTIAL", "ended  promote: 1 of 3 moved")
	if d.m.mode != normal {
		t.Error("what others did took the keys")
	}
}

// A console that died leaves a group without an end.
func TestGroupWhoseConsoleDied(t *testing.T) {
	f := several(t)
	inPart(f, false)
	f.view.Group.Ended = nil
	d := drive(t, f, 80, 24, Options{})
	d.press("3")
	d.sees("PARTIAL", "promote: 1 of 3 moved", "Its console ended in the middle")
	f.set(func(v *pipeline.View) {
		run := checklist.Run{Intent: checklist.Intent{Run: "r", Target: "core-noble", Group: groupID}}
		v.Runs = append(v.Runs, pipeline.RunView{Run: run})
		v.Targets[3].Busy = "r"
	})
	d.refresh().press("end", "up")
	d.sees("core-noble", "unknown", "Nobody knows how it ended; u looks")
	d = drive(t, f, 80, 24, Options{ReadOnly: true})
	d.press("3")
	d.sees("PARTIAL")
	d.hides("goes on")
}

func TestQuitWaitsForTheWholeGroup(t *testing.T) {
	f := several(t)
	inPart(f, true)
	d := drive(t, f, 100, 40, Options{})
	d.press("q").wait(armDelay).press("w")
	f.set(func(v *pipeline.View) { v.Runs = v.Runs[1:] }) // between two runs
	d.refresh()
	if d.quit {
		t.Fatal("it quit amid the group")
	}
	f.set(func(v *pipeline.View) { g := *v.Group; g.Live = false; v.Group = &g })
	d.refresh()
	if !d.quit {
		t.Error("it did not quit after the group")
	}
}

// What cannot be seen is neither the same nor void.
func TestUnseenTarget(t *testing.T) {
	f := several(t)
	d, _ := grouping(t, f, 100, 40)
	f.set(func(v *pipeline.View) {
		tv := &v.Targets[4]
		tv.Staging, tv.Production, tv.Unseen = "", "", "the registry does not answer"
	})
	d.refresh()
	d.hides("VOID")
	d.press("esc", "end")
	d.sees("UNSEEN", "staging     unseen", "production  unseen", "UNSEEN: it cannot be told what is served")
	d.press("esc", "p")
	d.sees("it cannot be told what it serves")
}

// A group may be over before the engine's answer to its start is taken in.
func TestGroupThatIsOverAtOnce(t *testing.T) {
	f := several(t)
	d, phrase := grouping(t, f, 100, 40)
	d.typed(phrase, 50*time.Millisecond)
	cmd := d.m.take(tea.KeyMsg{Type: tea.KeyEnter})
	msg := cmd()
	f.set(func(*pipeline.View) { inPart(f, false) })
	d.refresh()
	d.send(msg)
	d.sees("Promote ended early: 1 of 3 moved", "the disk is full")
	d.hides("started")
}
