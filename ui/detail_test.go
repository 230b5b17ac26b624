package ui

import (
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/pipeline"
	"gantry/storage/tunnel"
)

const matrixText = "" +
	"                   core 2025    core 2026    tools 2025   extras 2025\n" +
	"rpm el9-x86_64     12 verified  12 verified  12 verified  -\n" +
	"deb noble-amd64    4 verified   MISSING      4 verified   3, no package packyard-extras\n" +
	"oci amd64          1 verified   none needed  -            2, 1 BAD: malformed-sidecar\n"

// withMatrix gives the build's run a table as evidence.
func withMatrix(f *fake) {
	f.find("build").State.Run.Ended.Evidence = map[string]string{"staged": matrixText, "artifacts": "22"}
}

// The lines of a table stay lines, and what is wider than the pane is scrolled to.
func TestTablesAreNotWrapped(t *testing.T) {
	f := newFake(t)
	withMatrix(f)
	d := drive(t, f, 80, 30, Options{})
	d.to("build").press("tab")
	d.sees("rpm el9-x86_64     12 verified  12 verified  12 verified  -", "deb noble-amd64    4 verified   MISSING      4 verified   3, no package", "right: more")
	d.hides("packyard-extras", "from column")
	d.press("right")
	d.sees("3, no package packyard-extras", "from column 39")
	d.press("left")
	d.sees("rpm el9-x86_64 ")
	d.hides("from column")
	d.press("right", "esc")
	d.sees("rpm el9-x86_64 ")
}

func TestWideLinesOfALogAreScrolledTo(t *testing.T) {
	d := drive(t, newFake(t), 60, 20, Options{})
	d.to("build")
	d.m.log.lines = []string{strings.Repeat("-", 100) + " the end"}
	d.press("tab", "end")
	d.sees("right: more")
	for range 9 {
		d.press("right")
	}
	d.sees("the end")
	d.hides("right: more")
}

func TestTunnelsAreInTheHeader(t *testing.T) {
	f := newFake(t)
	f.view.Tunnels = []tunnel.State{{Name: "vm", Word: tunnel.Off}}
	drive(t, f, 80, 24, Options{}).hides("tunnel")
	drive(t, f, 140, 40, Options{}).sees("tunnel vm off")
	f.view.Tunnels[0].Word = tunnel.Up
	drive(t, f, 80, 24, Options{}).sees("✔ tunnel vm up")
	drive(t, f, 80, 24, Options{ASCII: true}).sees("+ tunnel vm up")
	f.view.Tunnels[0] = tunnel.State{Name: "vm", Word: tunnel.Down, Reason: "the key of bastion.example.org is not in known_hosts"}
	for _, size := range [][2]int{{60, 20}, {80, 24}, {140, 40}} {
		drive(t, f, size[0], size[1], Options{}).sees("DOWN  tunnel vm down: the key of bastion")
	}
	drive(t, f, 80, 24, Options{}).sees("✘ tunnel vm down")
}

// Steps of a run elsewhere have no rate.
func TestStepsHaveNoRate(t *testing.T) {
	f := newFake(t)
	f.view.Runs[0].Status = pipeline.Status{Phase: "promote (core)", Unit: "steps", Done: 3, Total: 7, Current: "Sign packages", Started: noon.Add(-time.Minute), At: noon}
	d := drive(t, f, 100, 30, Options{})
	d.press("4")
	d.sees("promote (core)  3 of 7", "42%", "Sign packages")
	d.hides("/s", "left")
}

func TestEventsNameTheirRuns(t *testing.T) {
	f := newFake(t)
	group := checklist.Grouped{Group: groupID, Title: "Promote 3 targets"}
	f.events = append(f.events,
		event(4, "neil", checklist.RunEnded, checklist.Ended{Run: "20261121T115812Z-5eed0001", Outcome: checklist.Failed, Error: "2 files differ"}),
		event(5, "neil", checklist.GroupBegun, group),
		event(6, "neil", checklist.GroupEnded, checklist.GroupOver{Group: groupID, Error: "1 of 3 moved"}))
	f.view.Head = 6
	d := drive(t, f, 140, 40, Options{})
	d.press("5")
	d.sees("run.ended  failed  Verify staging of core-el9  2 files", "group.begun  Promote 3 targets", "group.ended  Promote 3 targets  1 of 3 moved")
	d.press("/").typed("group", 0)
	d.sees("group.ended  Promote 3 targets  1 of 3 moved")
}
