package checklist_test

import (
	"testing"
	"time"

	"gantry/checklist"
)

// took writes a run of an item that is over after a time.
func (s *story) took(run, item string, d time.Duration, end checklist.Ended) *story {
	return s.begin(run, item).later(d-time.Minute).end(run, end)
}

func TestUsual(t *testing.T) {
	done := checklist.Ended{Outcome: checklist.Done}
	a, other := step("a"), step("a")
	a.With, other.With = map[string]string{"name": "compose"}, map[string]string{"name": "finalize"}
	s := tell(t, a, manual("m"))
	usual := func(it checklist.Item) time.Duration {
		t.Helper()
		d, ok := s.fold().Usual(it)
		if ok != (d > 0) {
			t.Errorf("%s, %t", d, ok)
		}
		return d
	}
	if got := usual(a); got != 0 {
		t.Errorf("never run, and it takes %s", got)
	}
	s.took("r1", "a", 10*time.Minute, done).took("f", "a", time.Hour, checklist.Ended{Outcome: checklist.Failed}).
		took("l", "a", 9*time.Hour, checklist.Ended{Outcome: checklist.Done, Looked: true}).
		undo("u", "a").later(5*time.Hour).end("u", done)
	if got := usual(a); got != 10*time.Minute {
		t.Errorf("one run: %s", got)
	}
	// Another release remembers those of the first.
	s.write(checklist.ReleaseClosed, checklist.Closed{})
	s.release = "patch-2"
	s.write(checklist.ReleaseOpened, opened("patch-2", a))
	s.took("r2", "a", 30*time.Minute, done).took("r3", "a", 20*time.Minute, done)
	if got := usual(a); got != 20*time.Minute {
		t.Errorf("the median is %s", got)
	}
	for i := range 9 {
		s.took("x"+string(rune('a'+i)), "a", 2*time.Hour, done)
	}
	if got := usual(a); got != 2*time.Hour {
		t.Errorf("the last nine: %s", got)
	}
	for name, it := range map[string]checklist.Item{"other options": other, "of a person": manual("m")} {
		if got := usual(it); got != 0 {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestViewTellsWhatIsLeft(t *testing.T) {
	done := checklist.Ended{Outcome: checklist.Done}
	b := step("b", "a")
	b.Uses = "stage"
	s := tell(t, step("a"), b, manual("m")).took("r1", "a", 10*time.Minute, done).took("r2", "b", 30*time.Minute, done)
	left := func(o checklist.Observed) time.Duration {
		o.Now = s.now
		return s.fold().View(s.release, o).Left
	}
	if got := left(checklist.Observed{}); got != 0 {
		t.Errorf("all is done, and %s are left", got)
	}
	s.write(checklist.ReleaseClosed, checklist.Closed{})
	s.release = "patch-2"
	s.write(checklist.ReleaseOpened, opened("patch-2", step("a"), b, manual("m")))
	if got := left(checklist.Observed{}); got != 40*time.Minute {
		t.Errorf("nothing is done, and %s are left", got)
	}
	s.begin("r3", "a").later(4 * time.Minute)
	if got := left(checklist.Observed{Live: func(string) bool { return true }}); got != 36*time.Minute {
		t.Errorf("four minutes after the first began, %s are left", got)
	}
	s.later(time.Hour)
	if got := left(checklist.Observed{Live: func(string) bool { return true }}); got != 30*time.Minute {
		t.Errorf("overdue, %s are left", got)
	}
	v, _ := s.fold().View(s.release, checklist.Observed{Now: s.now}).Item("b")
	if v.Usual != 30*time.Minute {
		t.Errorf("b takes %s", v.Usual)
	}
}
