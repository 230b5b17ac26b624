package checklist_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
)

func TestReleasesAreOpenedAndClosed(t *testing.T) {
	s := tell(t, manual("a"))
	s.release = "patch-2"
	s.write(checklist.ReleaseOpened, opened("patch-2", manual("b")))
	s.write(checklist.ReleaseClosed, checklist.Closed{Aborted: true, Reason: "wrong day"})
	state := s.fold()
	if got := state.OpenReleases(); len(got) != 1 || got[0].ID != "patch-1" || got[0].OpenedBy != "neil" {
		t.Errorf("open releases are %+v", got)
	}
	two := state.Release("patch-2")
	if two == nil || !two.Aborted || !two.ClosedAt.Equal(s.now) {
		t.Errorf("patch-2 is %+v", two)
	}
	if state.Release("patch-3") != nil {
		t.Error("there is a release that nobody opened")
	}
	if len(state.Odd) != 0 {
		t.Errorf("odd: %q", state.Odd)
	}
	if state.Seq != 3 {
		t.Errorf("seq is %d", state.Seq)
	}
}

func TestAReleaseMayBeOpenedAgainOnceClosed(t *testing.T) {
	s := tell(t, manual("a")).tick("a", "1").write(checklist.ReleaseClosed, checklist.Closed{})
	s.write(checklist.ReleaseOpened, opened("patch-1", manual("a")))
	if got := s.item("a", checklist.Observed{}); got.Status != checklist.StatusReady {
		t.Errorf("the new release begins with %s", got.Status)
	}
	if n := len(s.fold().Releases); n != 2 {
		t.Errorf("%d releases are kept", n)
	}
}

func TestRunsMovePointers(t *testing.T) {
	s := tell(t)
	flip := func(run, pointer, from, to string, revision int64, outcome checklist.Outcome) time.Time {
		s.write(checklist.RunIntent, checklist.Intent{Run: run, Verb: "promote", Target: "core", Risk: checklist.Production})
		s.end(run, checklist.Ended{Outcome: outcome, Move: &checklist.Move{Pointer: pointer, From: from, To: to, Revision: revision}})
		return s.now
	}
	flip("r1", "staging", "", "A", 10, checklist.Done)
	first := flip("r2", "production", "", "A", 10, checklist.Done)
	second := flip("r3", "production", "A", "B", 20, checklist.Failed) // failed after it had moved
	third := s.now.Add(time.Minute)
	s.write(checklist.DriftAdopted, checklist.Adopted{Target: "core", Move: checklist.Move{Pointer: "production", From: "B", To: "A", Revision: 10}})

	want := &checklist.Pointers{
		Current:  map[string]string{"staging": "A", "production": "A"},
		Revision: 20,
		Published: []checklist.Published{
			{Snapshot: "A", From: first, Until: second, Run: "r2"},
			{Snapshot: "B", From: second, Until: third, Run: "r3"},
			{Snapshot: "A", From: third},
		},
	}
	state := s.fold()
	if diff := cmp.Diff(want, state.Targets["core"]); diff != "" {
		t.Errorf("pointers (-want +got):\n%s", diff)
	}

	s.write(checklist.DriftAdopted, checklist.Adopted{Target: "core", Move: checklist.Move{Pointer: "production", From: "A"}})
	p := s.fold().Targets["core"]
	if _, ok := p.Current["production"]; ok || len(p.Published) != 3 || p.Published[2].Until.IsZero() {
		t.Errorf("production serves nothing now, but the journal says %+v", p)
	}
	if p.Revision != 20 {
		t.Errorf("the highest revision fell to %d", p.Revision)
	}
	if state.Targets["core"].Current["production"] != "A" {
		t.Error("a state changed when the story went on")
	}
}

func TestOneOpenRunPerTarget(t *testing.T) {
	s := tell(t)
	intent := func(run string, risk checklist.Risk) {
		s.write(checklist.RunIntent, checklist.Intent{Run: run, Target: "core", Risk: risk})
	}
	if s.fold().OpenRun("core") != nil {
		t.Error("a run is open before any began")
	}
	intent("look", checklist.Safe)
	if s.fold().OpenRun("core") != nil {
		t.Error("a safe run keeps others from the target")
	}
	intent("r1", checklist.Production)
	if got := s.fold().OpenRun("core"); got == nil || got.Intent.Run != "r1" {
		t.Errorf("the open run is %+v", got)
	}
	if s.fold().OpenRun("other") != nil {
		t.Error("another target has it too")
	}
	s.write(checklist.RunCancel, checklist.CancelAsked{Run: "r1"})
	if got := s.fold().OpenRun("core"); got == nil || got.CancelAsked != "neil" {
		t.Errorf("asked to cancel, it is %+v", got)
	}
	s.end("r1", checklist.Ended{Outcome: checklist.Cancelled})
	if got := s.fold().OpenRun("core"); got != nil {
		t.Errorf("ended, it is open: %+v", got)
	}
	if odd := s.fold().Odd; len(odd) != 0 {
		t.Errorf("odd: %q", odd)
	}
}

func TestHolds(t *testing.T) {
	s := tell(t).write(checklist.HoldSet, checklist.Held{Reason: "smoke"})
	want := &checklist.Hold{Actor: "neil", Time: s.now, Reason: "smoke"}
	if diff := cmp.Diff(want, s.fold().Hold); diff != "" {
		t.Errorf("hold (-want +got):\n%s", diff)
	}
	s.write(checklist.HoldLifted, checklist.Held{Reason: "smoke"})
	if got := s.fold().Hold; got != nil {
		t.Errorf("lifted, it is %+v", got)
	}
}

func TestEventsThatMakeNoSense(t *testing.T) {
	killer := manual("k")
	killer.Killer = true
	done := checklist.Ended{Outcome: checklist.Done}
	tests := map[string]struct {
		do   func(s *story)
		want string
	}{
		"unknown type":           {func(s *story) { s.write("item.sung", map[string]string{}) }, "no such type"},
		"no data":                {func(s *story) { s.write(checklist.HoldSet, nil).events[1].Data = nil }, "holds no data"},
		"data of another shape":  {func(s *story) { s.write(checklist.ItemTicked, []int{1}) }, "cannot be read"},
		"release without id":     {func(s *story) { s.write(checklist.ReleaseOpened, opened("")) }, "without an id"},
		"release opened twice":   {func(s *story) { s.write(checklist.ReleaseOpened, opened("patch-1")) }, "is open already"},
		"close of no release":    {func(s *story) { s.release = "x"; s.write(checklist.ReleaseClosed, checklist.Closed{}) }, "no open release x"},
		"tick of no item":        {func(s *story) { s.tick("zz", "1") }, "has no item zz"},
		"tick in no release":     {func(s *story) { s.release = ""; s.tick("a", "1") }, "no open release (none)"},
		"tick after the close":   {func(s *story) { s.write(checklist.ReleaseClosed, checklist.Closed{}).tick("a", "1") }, "no open release"},
		"waiver of a killer":     {func(s *story) { s.waive("k", "tired") }, "may not be waived"},
		"clear of nothing":       {func(s *story) { s.clear("a") }, "neither ticked nor waived"},
		"run without id":         {func(s *story) { s.begin("", "a") }, "without an id"},
		"run begun twice":        {func(s *story) { s.begin("r", "a").begin("r", "a") }, "began already"},
		"run of no item":         {func(s *story) { s.begin("r", "zz") }, "has no item zz"},
		"end of no run":          {func(s *story) { s.end("r", done) }, "never began"},
		"second end":             {func(s *story) { s.begin("r", "a").end("r", done).end("r", done) }, "had ended as done"},
		"end without an outcome": {func(s *story) { s.begin("r", "a").end("r", checklist.Ended{Outcome: "meh"}) }, "ended as meh"},
		"cancel of no run":       {func(s *story) { s.write(checklist.RunCancel, checklist.CancelAsked{Run: "r"}) }, "never began"},
		"lift of no hold":        {func(s *story) { s.write(checklist.HoldLifted, checklist.Held{}) }, "nothing was on hold"},
		"pointer of no name": {func(s *story) {
			s.write(checklist.DriftAdopted, checklist.Adopted{Target: "t", Move: checklist.Move{Pointer: "p"}})
		}, "no such pointer: p"},
		"pointer of no target": {func(s *story) {
			s.write(checklist.DriftAdopted, checklist.Adopted{Move: checklist.Move{Pointer: "staging"}})
		}, "of no target"},
		"escape sequence in type": {func(s *story) { s.write("\x1b[2J", map[string]string{}) }, "no such type"},
		"two runs of one target": {func(s *story) {
			for _, run := range []string{"r1", "r2"} {
				s.write(checklist.RunIntent, checklist.Intent{Run: run, Target: "t", Risk: checklist.Staging})
			}
		}, "began before run r1 was over"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := tell(t, manual("a"), killer)
			tt.do(s)
			state := s.fold()
			if len(state.Odd) != 1 || !strings.Contains(state.Odd[0], tt.want) {
				t.Errorf("odd is %q, want one with %q", state.Odd, tt.want)
			}
			if strings.ContainsRune(strings.Join(state.Odd, ""), '\x1b') {
				t.Errorf("an escape came through: %q", state.Odd)
			}
			if state.Seq != uint64(len(s.events)) {
				t.Errorf("the fold stopped at %d of %d", state.Seq, len(s.events))
			}
		})
	}
}

func TestFirstEndWins(t *testing.T) {
	s := tell(t, step("a")).begin("r", "a").end("r", checklist.Ended{Outcome: checklist.Failed, Error: "no space"})
	s.end("r", checklist.Ended{Outcome: checklist.Done})
	state := s.fold()
	if got := state.Runs[0].Ended.Outcome; got != checklist.Failed {
		t.Errorf("the run ended as %s", got)
	}
	if state.Runs[0] != state.Release("patch-1").Items["a"].Run {
		t.Error("the item has another run than the list of runs")
	}
}

func TestOddIsBounded(t *testing.T) {
	s := tell(t)
	for range 200 {
		s.write("nonsense", map[string]string{})
	}
	odd := s.fold().Odd
	if len(odd) != 50 || !strings.HasPrefix(odd[49], "entry 201,") {
		t.Errorf("%d odd entries are kept, the last is %q", len(odd), odd[len(odd)-1])
	}
}

func TestTextsOfTheJournalAreMadeHarmless(t *testing.T) {
	item := manual("a")
	item.Title, item.Help = "A\x1b[31m", "first\x1b[2J\nsecond"
	item.With = map[string]string{"k\x07": "v\x07"}
	s := tell(t, item).tick("a", "fine\x1b]0;x\x07")
	s.begin("r", "").end("r", checklist.Ended{Outcome: checklist.Failed, Error: "\u202etxt", Evidence: map[string]string{"a\x1b": "\x9b"}})
	state := s.fold()
	raw, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{`\u001b`, `\u0007`, "\u202e", "\u009b"} {
		if strings.Contains(string(raw), bad) {
			t.Errorf("%q came through", bad)
		}
	}
	got, _ := state.Release("patch-1").Checklist.Item("a")
	if !strings.Contains(got.Help, "\n") {
		t.Errorf("the help lost its lines: %q", got.Help)
	}
}

func TestCloneStays(t *testing.T) {
	s := tell(t, manual("a"), step("b")).begin("r", "b")
	state := s.fold()
	before := state.Clone()
	kept := before.View("patch-1", checklist.Observed{Now: s.now})
	want, err := json.Marshal([]any{before, kept})
	if err != nil {
		t.Fatal(err)
	}
	n := len(s.events)
	s.tick("a", "1").end("r", checklist.Ended{Outcome: checklist.Done}).write("odd", nil).
		write(checklist.HoldSet, checklist.Held{}).
		write(checklist.DriftAdopted, checklist.Adopted{Target: "t", Move: checklist.Move{Pointer: "production", To: "A"}}).
		write(checklist.ReleaseClosed, checklist.Closed{})
	for _, e := range s.events[n:] {
		state.Apply(e)
	}
	got, err := json.Marshal([]any{before, kept})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("the clone or its view changed (-before +after):\n%s", diff)
	}
	if state.Release("patch-1").ClosedAt.IsZero() || state.Runs[0].Ended == nil {
		t.Error("the original did not go on")
	}
}
