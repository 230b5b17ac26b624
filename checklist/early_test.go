package checklist_test

import (
	"strings"
	"testing"
	"time"

	"gantry/checklist"
)

// flips is a story of a release whose flip opens a day after its links were made.
func flips(t *testing.T) *story {
	flip := step("flip")
	flip.Window = &checklist.Window{After: "link", Opens: 24 * time.Hour, Closes: 48 * time.Hour}
	return tell(t, manual("link"), flip, manual("after", "flip"))
}

func (s *story) early(item, reason string) *story {
	return s.write(checklist.ItemEarly, checklist.Early{Item: item, Reason: reason})
}

func TestEarlyOpening(t *testing.T) {
	s := flips(t)
	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusBlocked {
		t.Errorf("nothing to count from, and it is %s", got.Status)
	}
	s.tick("link", "1").early("flip", "agreed in the channel")
	got := s.item("flip", checklist.Observed{})
	if got.Status != checklist.StatusReady || got.Barred != "" || got.Because != "opened early by neil: agreed in the channel" {
		t.Errorf("opened early: %s, %q, barred %q", got.Status, got.Because, got.Barred)
	}
	s.begin("r1", "flip").end("r1", checklist.Ended{Outcome: checklist.Failed, Error: "read-only"})
	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusFailed || got.Barred != "" {
		t.Errorf("after a run that failed: %s, barred %q", got.Status, got.Barred)
	}
	s.done("r2", "flip", "")
	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusDone || !strings.Contains(got.Because, "agreed") {
		t.Errorf("done: %s, %q", got.Status, got.Because)
	}
	// It was for that time only.
	s.begin("r3", "flip").end("r3", checklist.Ended{Outcome: checklist.Failed})
	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusWaiting {
		t.Errorf("begun again within the window: %s", got.Status)
	}
	s.early("flip", "again").clear("flip")
	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusWaiting {
		t.Errorf("taken back: %s", got.Status)
	}
	if odd := s.fold().Odd; len(odd) != 0 {
		t.Errorf("odd: %q", odd)
	}
	s.early("flip", "").early("link", "no window").early("nowhere", "x")
	if odd := s.fold().Odd; len(odd) != 3 {
		t.Errorf("odd: %q", odd)
	}
}

// What was agreed was about the window of that day: where its beginning is done
// anew, the window is another one.
func TestEarlyOpeningIsOfOneWindow(t *testing.T) {
	s := flips(t).tick("link", "1").early("flip", "agreed").tick("link", "2")
	if got := s.item("flip", checklist.Observed{Now: s.now}); got.Status != checklist.StatusWaiting {
		t.Errorf("the links were made anew, and the flip is %s, %q", got.Status, got.Because)
	}
	s.early("flip", "agreed again")
	if got := s.item("flip", checklist.Observed{Now: s.now}); got.Status != checklist.StatusReady {
		t.Errorf("opened again: %s", got.Status)
	}
}

// A clock that was set back neither opens a window nor shortens it.
func TestClockSetBackKeepsTheWindow(t *testing.T) {
	s := flips(t).tick("link", "1")
	linked := s.now
	for _, tt := range []struct {
		now    time.Duration // after the links
		status checklist.Status
		behind bool
	}{
		{-400 * 24 * time.Hour, checklist.StatusWaiting, true},
		{-48 * time.Hour, checklist.StatusWaiting, true},
		{-time.Second, checklist.StatusWaiting, true},
		{0, checklist.StatusWaiting, false},
		{23 * time.Hour, checklist.StatusWaiting, false},
		{24 * time.Hour, checklist.StatusReady, false},
	} {
		got := s.item("flip", checklist.Observed{Now: linked.Add(tt.now)})
		if got.Status != tt.status || strings.Contains(got.Because, "the clock is behind the journal") != tt.behind {
			t.Errorf("at %s: %s, %q", tt.now, got.Status, got.Because)
		}
		if !got.Opens.Equal(linked.Add(24 * time.Hour)) {
			t.Errorf("at %s: opens %s", tt.now, got.Opens)
		}
	}
}
