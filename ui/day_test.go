package ui

import (
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/pipeline"
)

// releaseDay arranges two open releases, and a world that is half up.
func releaseDay(t testing.TB) *fake {
	f := newFake(t)
	due := noon.Add(2*time.Hour + 14*time.Minute)
	view := func(id string, left time.Duration, items ...checklist.ItemView) checklist.View {
		v := checklist.View{Release: &checklist.ReleaseState{Opened: checklist.Opened{ID: id, Due: due}}, Done: 11, Total: 19, Left: left}
		v.Sections = []checklist.SectionView{{Section: checklist.Section{ID: "s", Title: "Production"}, Views: items}}
		return v
	}
	f.view.Days = []checklist.View{
		view("final-9.7-RC2", 80*time.Minute,
			checklist.ItemView{Item: checklist.Item{ID: "hardlink", Title: "Hardlink Run", Risk: checklist.Production}, Status: checklist.StatusReady, Usual: 12 * time.Minute},
			checklist.ItemView{Item: checklist.Item{ID: "bitflip", Title: "Bitflip after 24-48 Hours", Needs: []string{"hardlink"}, Risk: checklist.Production}, Status: checklist.StatusWaiting, Because: "opens tomorrow", Opens: noon.Add(23*time.Hour + 41*time.Minute), Closes: noon.Add(47 * time.Hour)},
			checklist.ItemView{Item: checklist.Item{ID: "lists", Title: "File lists", Needs: []string{"hardlink"}}, Status: checklist.StatusBlocked},
			checklist.ItemView{Item: checklist.Item{ID: "done", Title: "Compose Completed"}, Status: checklist.StatusDone}),
		view("patch-10.1", 0, checklist.ItemView{Item: checklist.Item{ID: "promote", Title: "Promote rocky-10"}, Status: checklist.StatusFailed, Because: "the disk is full", Closes: noon.Add(-2 * time.Hour), Late: true}),
	}
	f.view.Watched = []pipeline.Watched{
		{Name: "website", URL: "https://rocky.example/", OK: true, Words: "200", At: noon.Add(-4 * time.Second), Since: noon.Add(-time.Hour), Took: 80 * time.Millisecond},
		{Name: "download", URL: "https://dl.rocky.example/\x1b[2J", OK: false, Words: "answered 404", At: noon.Add(-4 * time.Second), Since: noon.Add(-2 * time.Minute)},
		{Name: "wiki", URL: "https://wiki.rocky.example/", Words: "not looked yet"},
	}
	f.view.Open = []*checklist.ReleaseState{f.view.Days[0].Release, f.view.Days[1].Release}
	return f
}

func TestDay(t *testing.T) {
	d := drive(t, releaseDay(t), 120, 30, Options{})
	d.press("7")
	d.sees("final-9.7-RC2", "T-02:14:00", "11/19", "opens in 23h41m", "Hardlink Run", "patch-10.1", "LATE", "website", "up 1h", "DOWN 2m", "DOWN: download", "ETA Nov 22 11:41 LATE", "after Hardlink Run")
	if strings.Contains(plainText(d.m.View()), "Compose Completed") {
		t.Error("what is done takes room")
	}
	d.sees("What waits for it", "File lists")
	if !d.fake.did("watch") {
		t.Error("the world was not looked at")
	}
}

// Enter on an item of another release goes to that release, and to the item.
func TestDayGoesToAnItem(t *testing.T) {
	d := drive(t, releaseDay(t), 120, 30, Options{})
	d.press("7", "down", "down", "down", "enter")
	if !d.fake.did("choose patch-10.1") {
		t.Errorf("asked %q", d.fake.asked)
	}
	if d.m.at != 0 {
		t.Error("it is not the checklist that is shown")
	}
}

func TestChooseARelease(t *testing.T) {
	d := drive(t, releaseDay(t), 80, 24, Options{})
	d.press("O")
	d.sees("Work on which release?", "final-9.7-RC2", "patch-10.1")
	d.press("down", "enter")
	if !d.fake.did("choose patch-10.1") {
		t.Errorf("asked %q", d.fake.asked)
	}
}

// An item that waits for its time is opened early for a reason, and never without.
func TestOpenEarly(t *testing.T) {
	d := drive(t, newFake(t), 80, 24, Options{})
	d.to("announce").press("E", "enter")
	if d.fake.did("early") {
		t.Fatal("opened early without a reason")
	}
	d.typed("embargo lifted", 0).press("enter")
	if !d.fake.did("early announce embargo lifted") {
		t.Errorf("asked %q", d.fake.asked)
	}
	if d.press("F"); d.fake.did("forward") {
		t.Error("a clock that is no demo's was set")
	}
}

func TestForward(t *testing.T) {
	var to time.Time
	d := drive(t, newFake(t), 80, 24, Options{Forward: func(at time.Time) { to = at }})
	d.to("announce").press("F")
	if it, _ := d.fake.view.Checklist.Item("announce"); !to.After(it.Opens) {
		t.Errorf("the clock was set to %s, the item opens %s", to, it.Opens)
	}
}

func TestUndoOfAnItem(t *testing.T) {
	d := drive(t, newFake(t), 80, 24, Options{})
	d.to("docs").press("U")
	if d.fake.did("plan docs") {
		t.Error("what a person did was to be taken back by the console")
	}
	d.to("build").press("U")
	if it := d.fake.find("build"); undoable(it.Status) != d.fake.did("plan build") {
		t.Errorf("%s: asked %q", it.Status, d.fake.asked)
	}
}
