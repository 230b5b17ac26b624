package checklist_test

import (
	"testing"

	"gantry/checklist"
)

// A group is partial as long as some of it stands and some of it is to come.
func TestPartialGroups(t *testing.T) {
	s := tell(t)
	flip := func(run, group, target, from, to string) {
		s.write(checklist.RunIntent, checklist.Intent{Run: run, Verb: "promote", Target: target, Risk: checklist.Production, Group: group})
		s.end(run, checklist.Ended{Outcome: checklist.Done, Move: &checklist.Move{Pointer: "production", From: from, To: to}})
	}
	partial := func(when string, want bool) {
		t.Helper()
		if got := s.fold().Partial() != nil; got != want {
			t.Errorf("%s: partial is %v", when, got)
		}
	}
	flip("r0", "", "b", "", "A")
	s.write(checklist.GroupBegun, checklist.Grouped{Group: "g", Verb: "promote", Targets: []string{"a", "b", "c"}})
	partial("nothing moved", false)
	flip("r1", "g", "a", "", "B")
	partial("one moved", true)
	s.write(checklist.GroupEnded, checklist.GroupOver{Group: "g", Error: "no room"})
	partial("it ended so", true)
	flip("r2", "", "b", "A", "B")
	partial("another was moved by itself", true)
	flip("r3", "", "c", "", "B")
	partial("all were", false)

	s.write(checklist.GroupBegun, checklist.Grouped{Group: "h", Verb: "promote", Targets: []string{"a", "b"}})
	flip("r4", "h", "a", "B", "C")
	partial("one of the next moved", true)
	flip("r5", "", "a", "C", "B")
	partial("it was taken back by itself", false)
}
