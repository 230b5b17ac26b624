package checklist_test

import (
	"strings"
	"testing"

	"gantry/checklist"
)

func (s *story) undo(run, item string) *story {
	return s.write(checklist.RunIntent, checklist.Intent{Run: run, Item: item, Verb: "hardlink", Title: "Undo", Risk: checklist.Production, Undo: true})
}

func TestUndo(t *testing.T) {
	done := checklist.Ended{Outcome: checklist.Done}
	failed := checklist.Ended{Outcome: checklist.Failed, Error: "disk full"}
	for name, tt := range map[string]struct {
		do       func(s *story)
		live     bool
		b        checklist.Status
		because  string
		c        checklist.Status
		complete bool
	}{
		"running":           {func(s *story) { s.undo("u", "b") }, true, "running", "being taken back: begun by neil", "blocked", false},
		"died":              {func(s *story) { s.undo("u", "b") }, false, "unknown", "nobody knows how it ended", "blocked", false},
		"done":              {func(s *story) { s.undo("u", "b").end("u", done) }, false, "ready", "taken back by neil", "blocked", false},
		"failed":            {func(s *story) { s.undo("u", "b").end("u", failed) }, false, "done", "done; taking it back failed: disk full", "ready", true},
		"cancelled":         {func(s *story) { s.undo("u", "b").end("u", checklist.Ended{Outcome: checklist.Cancelled}) }, false, "done", "taking it back was cancelled", "ready", true},
		"failed, then done": {func(s *story) { s.undo("u", "b").end("u", failed).undo("v", "b").end("v", done) }, false, "ready", "", "blocked", false},
		"done again":        {func(s *story) { s.undo("u", "b").end("u", done).done("r2", "b", "") }, false, "done", "", "ready", true},
		"cancel asked": {func(s *story) {
			s.undo("u", "b").write(checklist.RunCancel, checklist.CancelAsked{Run: "u"})
		}, true, "running", "", "blocked", false},
		"cancel asked, done": {func(s *story) {
			s.undo("u", "b").write(checklist.RunCancel, checklist.CancelAsked{Run: "u"}).end("u", done)
		}, false, "ready", "", "blocked", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := tell(t, manual("a"), step("b", "a"), manual("c", "b")).tick("a", "1").done("r", "b", "x")
			tt.do(s)
			if odd := s.fold().Odd; len(odd) != 0 {
				t.Fatalf("odd: %q", odd)
			}
			o := checklist.Observed{Live: func(string) bool { return tt.live }}
			if got := s.item("b", o); got.Status != tt.b || !strings.Contains(got.Because, tt.because) {
				t.Errorf("b is %s, %q", got.Status, got.Because)
			}
			if got := s.item("c", o); got.Status != tt.c {
				t.Errorf("c is %s, %q", got.Status, got.Because)
			}
		})
	}
}

// What was done on top of it says so.
func TestUndoReachesWhatRestsOnIt(t *testing.T) {
	s := tell(t, step("b"), manual("c", "b")).done("r", "b", "x").tick("c", "1").undo("u", "b").end("u", checklist.Ended{Outcome: checklist.Done})
	if got := s.item("c", checklist.Observed{}); got.Barred == "" || !strings.Contains(got.Because, "waits for The b") {
		t.Errorf("c is %s, %q, barred %q", got.Status, got.Because, got.Barred)
	}
}
