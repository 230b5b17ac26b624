package ui

import (
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/pipeline"
)

// distribution arranges trees of three majors: one that is ahead, one that is in
// step, and one whose sync was interrupted; and a plan with parts and an alarm.
func distribution(t testing.TB) *fake {
	f := newFake(t)
	staged, before, after := "20261121T101500Z", "20261020T090000Z", "20261121T120001Z"
	f.view.Product = "rocky"
	f.view.Checklist.Release.Version, f.view.Checklist.Release.Kind = "9.7-RC2", "final"
	f.view.Targets = []pipeline.TargetView{
		{Name: "rocky-9", Format: "tree", URL: "https://dl.rocky.example/pub/rocky", Staging: staged, Production: before, Snapshots: []pipeline.SnapshotView{
			{ID: staged, Label: "9.7-RC2"},
			{ID: before, Label: "9.6", CopyOf: "20261019T080000Z", Published: noon.Add(-32 * 24 * time.Hour), Current: true},
		}},
		{Name: "rocky-10", Format: "tree", Staging: staged, Production: before, Snapshots: []pipeline.SnapshotView{
			{ID: staged, Label: "10.1"}, {ID: before, Label: "10.1", CopyOf: staged, Published: noon.Add(-time.Hour), Current: true},
		}},
		{Name: "rocky-8", Format: "tree", Staging: staged, Production: before, Snapshots: []pipeline.SnapshotView{
			{ID: staged, Label: "8.10"}, {ID: before, Label: "8.10", CopyOf: "20261019T080000Z", Published: noon.Add(-time.Hour), Current: true},
		}},
	}
	words := "production of 8.10: sync 20261121T114000Z is half done, clients see it, and what it removes is still there; ask for it again to go on, or roll back"
	f.view.Targets[2].Warnings, f.view.Targets[2].Apart = []string{words}, []string{words}
	f.view.Runs = f.view.Runs[:1]
	f.plan = pipeline.Plan{
		Verb: "promote", Title: "Sync 9.7-RC2 of rocky-9 to production: every client and mirror gets it as mirror/pub/rocky/9.7", Target: "rocky-9", Risk: checklist.Production,
		Move:   &checklist.Move{Pointer: "production", From: before, To: after, Revision: 1795262401},
		Counts: &pipeline.Counts{Added: 41288, Changed: 312, Removed: 4112}, Bytes: 127140495360,
		Alarms: []pipeline.Alarm{
			{Word: "empty-repo", Text: "AppStream/s390x/os loses all of its 4 096 packages"},
			{Word: "removes-many", Text: "it removes 4112 of 39 204 files, more than 10 percent"},
		},
		Warnings: []string{"removals begin 1h after clients have the new metadata"},
		Added:    []pipeline.Change{{Name: "isos/x86_64/Rocky-9.7-x86_64-dvd.iso", To: "9.7", Size: 11563106304}},
		Removed:  []pipeline.Change{{Name: "AppStream/s390x/os/Packages/b/bind-9.16.23-29.el9.s390x.rpm", From: "513 KiB"}},
		Facts:    map[string]string{"room": "412.0 GiB of 2.0 TiB are free", "undo": "118.4 GiB are kept in .gantry-undo"},
	}
	f.plan.Parts = []pipeline.Part{
		{Name: "AppStream/aarch64", Counts: pipeline.Counts{Added: 11204, Changed: 120, Removed: 6}, Bytes: 28e9},
		{Name: "AppStream/s390x", Counts: pipeline.Counts{Removed: 4096}},
		{Name: "AppStream/x86_64", Counts: pipeline.Counts{Added: 12118, Changed: 124, Removed: 4}, Bytes: 31e9},
		{Name: "BaseOS/aarch64", Counts: pipeline.Counts{Added: 8840, Changed: 33, Removed: 2}, Bytes: 11e9},
		{Name: "BaseOS/x86_64", Counts: pipeline.Counts{Added: 9102, Changed: 35, Removed: 4}, Bytes: 12e9},
		{Name: "isos", Counts: pipeline.Counts{Added: 24}, Bytes: 45140495360},
	}
	return f
}

func TestTreesGoByTheirNames(t *testing.T) {
	d := drive(t, distribution(t), 110, 26, Options{})
	d.press("3")
	d.sees("staging 9.7-RC2 ●", "production 9.6 ▲", "9.7-RC2  sync 20261121T101500Z", "2 of 3 differ", "HALF DONE", "2 syncs, newest first")
	d.press("down")
	d.sees("rocky-10  staging 10.1 ●", "same")
	if strings.Contains(plainText(d.m.View()), "differs ") {
		// rocky-9 alone differs, and its row says so; the header of rocky-10 must not.
		for _, l := range d.m.header(2) {
			if strings.Contains(plainText(l), "differs") {
				t.Error("what is in step is said to differ")
			}
		}
	}
}

// What is half done is seen in every view, with what to do; not while a run of it
// is live.
func TestHalfDone(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {60, 20}, {140, 40}} {
		f := distribution(t)
		d := drive(t, f, size[0], size[1], Options{})
		for _, view := range []string{"1", "3", "7"} {
			d.press(view)
			d.sees("HALF DONE", "rocky-8: production of 8.10")
		}
		if size[0] > 60 {
			if all := strings.Join(strings.Fields(plainText(d.m.View())), " "); !strings.Contains(all, "or roll back") {
				t.Errorf("at %d columns nothing says what to do:\n%s", size[0], plainText(d.m.View()))
			}
		}
		f.view.Targets[2].Busy = f.view.Runs[0].Run.Run
		if d.refresh(); strings.Contains(plainText(d.m.View()), "HALF DONE") {
			t.Error("a sync that is on is said to be half done")
		}
	}
}

// The phrase of a plan with alarms names them: without, nothing is confirmed.
func TestAlarmIsTyped(t *testing.T) {
	f := distribution(t)
	d := drive(t, f, 80, 24, Options{})
	d.press("3", "p").wait(armDelay)
	d.sees("!removes-many", "+41 288 added", "loses all of its 4 096 packages")
	phrase := f.plan.Phrase()
	var without []string
	for _, word := range strings.Fields(phrase) {
		if !strings.HasPrefix(word, "!") {
			without = append(without, word)
		}
	}
	d.typed(strings.Join(without, " "), 60e6).press("enter")
	d.sees("that is not the phrase")
	if f.did("start") {
		t.Fatal("it began without its alarms")
	}
	d.press("ctrl+u").typed(phrase, 60e6).press("enter")
	if !f.did(`start ` + f.plan.Title) {
		t.Errorf("asked %q", f.asked)
	}
}
