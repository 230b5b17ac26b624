package checklist_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
)

func live(runs ...string) func(string) bool {
	return func(run string) bool {
		for _, r := range runs {
			if r == run {
				return true
			}
		}
		return false
	}
}

func TestStatuses(t *testing.T) {
	failed := checklist.Ended{Outcome: checklist.Failed, Error: "disk full"}
	cancelled := checklist.Ended{Outcome: checklist.Cancelled, Error: "stopped"}
	tests := map[string]struct {
		do      func(s *story)
		o       checklist.Observed
		item    string
		want    checklist.Status
		because string
		barred  bool
	}{
		"manual ready":           {func(*story) {}, checklist.Observed{}, "a", "ready", "", false},
		"ticked":                 {func(s *story) { s.tick("a", "1") }, checklist.Observed{}, "a", "done", "", false},
		"tick taken back":        {func(s *story) { s.tick("a", "1").clear("a") }, checklist.Observed{}, "a", "ready", "", false},
		"waived":                 {func(s *story) { s.waive("a", "not today") }, checklist.Observed{}, "a", "waived", "not today", false},
		"waiver taken back":      {func(s *story) { s.waive("a", "x").clear("a") }, checklist.Observed{}, "a", "ready", "", false},
		"ticked after waiver":    {func(s *story) { s.waive("a", "x").tick("a", "1") }, checklist.Observed{}, "a", "done", "", false},
		"waived after tick":      {func(s *story) { s.tick("a", "1").waive("a", "x") }, checklist.Observed{}, "a", "waived", "x", false},
		"need not done":          {func(*story) {}, checklist.Observed{}, "b", "blocked", "waits for The a", true},
		"need done":              {func(s *story) { s.tick("a", "1") }, checklist.Observed{}, "b", "ready", "", false},
		"need waived":            {func(s *story) { s.waive("a", "x") }, checklist.Observed{}, "b", "ready", "", false},
		"run live":               {func(s *story) { s.tick("a", "1").begin("r", "b") }, checklist.Observed{Live: live("r")}, "b", "running", "begun by neil on desk", false},
		"run dead":               {func(s *story) { s.tick("a", "1").begin("r", "b") }, checklist.Observed{Live: live("q")}, "b", "unknown", "nobody knows how it ended", false},
		"nobody looked":          {func(s *story) { s.tick("a", "1").begin("r", "b") }, checklist.Observed{}, "b", "unknown", "nobody knows", false},
		"run done":               {func(s *story) { s.tick("a", "1").done("r", "b", "") }, checklist.Observed{}, "b", "done", "", false},
		"run failed":             {func(s *story) { s.tick("a", "1").begin("r", "b").end("r", failed) }, checklist.Observed{}, "b", "failed", "disk full", false},
		"run cancelled":          {func(s *story) { s.tick("a", "1").begin("r", "b").end("r", cancelled) }, checklist.Observed{}, "b", "cancelled", "stopped", false},
		"failed without a word":  {func(s *story) { s.tick("a", "1").begin("r", "b").end("r", checklist.Ended{Outcome: "failed"}) }, checklist.Observed{}, "b", "failed", "no reason was recorded", false},
		"failed, need gone":      {func(s *story) { s.tick("a", "1").begin("r", "b").end("r", failed).clear("a") }, checklist.Observed{}, "b", "blocked", "waits for The a; its last run failed: disk full", true},
		"cancelled, need gone":   {func(s *story) { s.tick("a", "1").begin("r", "b").end("r", cancelled).clear("a") }, checklist.Observed{}, "b", "blocked", "was cancelled: stopped", true},
		"failed, then run again": {func(s *story) { s.tick("a", "1").begin("r", "b").end("r", failed).done("r2", "b", "") }, checklist.Observed{}, "b", "done", "", false},
		"failed, then waived":    {func(s *story) { s.tick("a", "1").begin("r", "b").end("r", failed).waive("b", "x") }, checklist.Observed{}, "b", "waived", "x", false},
		"failed, waiver back":    {func(s *story) { s.tick("a", "1").begin("r", "b").end("r", failed).waive("b", "x").clear("b") }, checklist.Observed{}, "b", "failed", "disk full", false},
		"waived, then run":       {func(s *story) { s.tick("a", "1").waive("b", "x").done("r", "b", "") }, checklist.Observed{}, "b", "done", "", false},
		"need failed":            {func(s *story) { s.tick("a", "1").begin("r", "b").end("r", failed) }, checklist.Observed{}, "c", "blocked", "waits for The b (failed)", true},
		"need running":           {func(s *story) { s.tick("a", "1").begin("r", "b") }, checklist.Observed{Live: live("r")}, "c", "blocked", "waits for The b (running)", true},
		"need unknown":           {func(s *story) { s.tick("a", "1").begin("r", "b") }, checklist.Observed{}, "c", "blocked", "waits for The b (unknown)", true},
		"done, need gone":        {func(s *story) { s.tick("a", "1").done("r", "b", "").clear("a") }, checklist.Observed{}, "b", "done", "since then it waits for The a", true},
		"inputs same":            {func(s *story) { s.tick("a", "1").done("r", "b", "x") }, checklist.Observed{Inputs: map[string]string{"b": "x"}}, "b", "done", "", false},
		"inputs changed":         {func(s *story) { s.tick("a", "1").done("r", "b", "x") }, checklist.Observed{Inputs: map[string]string{"b": "y"}}, "b", "stale", "what it rests on changed", false},
		"inputs not observed":    {func(s *story) { s.tick("a", "1").done("r", "b", "x") }, checklist.Observed{Inputs: map[string]string{"a": "y"}}, "b", "done", "", false},
		"inputs not recorded":    {func(s *story) { s.tick("a", "1").done("r", "b", "") }, checklist.Observed{Inputs: map[string]string{"b": "y"}}, "b", "done", "", false},
		"need stale":             {func(s *story) { s.tick("a", "1").done("r", "b", "x").done("r2", "c", "") }, checklist.Observed{Inputs: map[string]string{"b": "y"}}, "c", "stale", "The b is stale", true},
		"need stale, not done":   {func(s *story) { s.tick("a", "1").done("r", "b", "x") }, checklist.Observed{Inputs: map[string]string{"b": "y"}}, "c", "blocked", "waits for The b (stale)", true},
		"need again, otherwise":  {func(s *story) { s.tick("a", "1").done("r", "b", "x").done("r2", "c", "").done("r3", "b", "y") }, checklist.Observed{}, "c", "stale", "The b was done again and came out otherwise", false},
		"need again, the same":   {func(s *story) { s.tick("a", "1").done("r", "b", "x").done("r2", "c", "").done("r3", "b", "x") }, checklist.Observed{}, "c", "done", "", false},
		"all again": {func(s *story) {
			s.tick("a", "1").done("r", "b", "x").done("r2", "c", "").done("r3", "b", "y").done("r4", "c", "")
		}, checklist.Observed{}, "c", "done", "", false},
		"need ticked anew":       {func(s *story) { s.tick("a", "1").done("r", "b", "").clear("a").tick("a", "2") }, checklist.Observed{}, "b", "stale", "The a was done again", false},
		"need ticked the same":   {func(s *story) { s.tick("a", "1").done("r", "b", "").tick("a", "1") }, checklist.Observed{}, "b", "done", "", false},
		"need waived, then done": {func(s *story) { s.waive("a", "x").done("r", "b", "").tick("a", "1") }, checklist.Observed{}, "b", "done", "", false},
		"need running again":     {func(s *story) { s.tick("a", "1").done("r", "b", "x").done("r2", "c", "").begin("r3", "b") }, checklist.Observed{Live: live("r3")}, "c", "done", "waits for The b (running)", true},
		"stale, then waived":     {func(s *story) { s.tick("a", "1").done("r", "b", "x").waive("b", "w") }, checklist.Observed{Inputs: map[string]string{"b": "y"}}, "b", "waived", "w", false},
		"no such need":           {func(*story) {}, checklist.Observed{}, "lost", "blocked", "nowhere (the checklist has no such item)", true},
		"needs in a circle":      {func(*story) {}, checklist.Observed{}, "round", "blocked", "waits for The about", true},
		"needs itself":           {func(*story) {}, checklist.Observed{}, "self", "blocked", "The self (which waits for this one)", true},
		"many needs":             {func(*story) {}, checklist.Observed{}, "many", "blocked", "waits for The a, The b, The c and 1 more", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := tell(t, manual("a"), step("b", "a"), step("c", "b"), manual("lost", "nowhere"),
				manual("round", "about"), manual("about", "round"), manual("self", "self"),
				manual("many", "a", "b", "b", "c", "lost"))
			tt.do(s)
			if odd := s.fold().Odd; len(odd) != 0 {
				t.Fatalf("odd: %q", odd)
			}
			got := s.item(tt.item, tt.o)
			if got.Status != tt.want {
				t.Errorf("status is %s, want %s", got.Status, tt.want)
			}
			if !strings.Contains(got.Because, tt.because) || tt.because == "" && got.Because != "" {
				t.Errorf("because %q, want %q", got.Because, tt.because)
			}
			if (got.Barred != "") != tt.barred {
				t.Errorf("barred is %q, want any: %t", got.Barred, tt.barred)
			}
		})
	}
}

func TestEvidenceMakesStaleWhereAStepTellsNothingElse(t *testing.T) {
	for _, tt := range []struct {
		need   checklist.Item
		inputs string
		want   checklist.Status
	}{
		{step("need"), "", checklist.StatusStale},
		{step("need"), "x", checklist.StatusDone},
		{check("need"), "", checklist.StatusDone},
		{check("need"), "x", checklist.StatusDone},
	} {
		s := tell(t, tt.need, manual("after", "need"))
		for i, made := range []string{"12 GiB", "11 GiB"} {
			run := []string{"r1", "r2"}[i]
			s.begin(run, "need").end(run, checklist.Ended{Outcome: checklist.Done, Inputs: tt.inputs, Evidence: map[string]string{"made": made}})
			if i == 0 {
				s.tick("after", "1")
			}
		}
		if got := s.item("after", checklist.Observed{}).Status; got != tt.want {
			t.Errorf("after a %s with inputs %q came out otherwise it is %s, want %s", tt.need.Kind, tt.inputs, got, tt.want)
		}
	}
}

func TestANeedDoneAgainWhileItRanMakesStale(t *testing.T) {
	s := tell(t, manual("a"), step("b", "a")).tick("a", "1").begin("r", "b").tick("a", "2")
	s.end("r", checklist.Ended{Outcome: checklist.Done})
	if got := s.item("b", checklist.Observed{}); got.Status != checklist.StatusStale {
		t.Errorf("it ran on what was noted before, and is %s", got.Status)
	}
}

func TestWindowAfterAnItem(t *testing.T) {
	flip := manual("flip")
	flip.Window = &checklist.Window{After: "link", Opens: 24 * time.Hour, Closes: 48 * time.Hour}
	s := tell(t, manual("link"), flip)

	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusBlocked || got.Because != "waits for The link" || !got.Opens.IsZero() {
		t.Errorf("before: %s, %q, opens %s", got.Status, got.Because, got.Opens)
	}
	s.tick("link", "12 GiB saved")
	linked := s.now
	for _, tt := range []struct {
		after   time.Duration
		status  checklist.Status
		because string
		late    bool
	}{
		{0, "waiting", "opens 2026-11-22 08:02 UTC, 24h after The link", false},
		{24*time.Hour - 1, "waiting", "opens 2026-11-22 08:02 UTC, 24h after The link", false},
		{24 * time.Hour, "ready", "", false},
		{48*time.Hour - 1, "ready", "", false},
		{48 * time.Hour, "ready", "", true},
	} {
		got := s.item("flip", checklist.Observed{Now: linked.Add(tt.after)})
		if got.Status != tt.status || got.Because != tt.because || got.Late != tt.late {
			t.Errorf("after %s: %s, %q, late %t", tt.after, got.Status, got.Because, got.Late)
		}
		if !got.Opens.Equal(linked.Add(24*time.Hour)) || !got.Closes.Equal(linked.Add(48*time.Hour)) {
			t.Errorf("after %s: opens %s, closes %s", tt.after, got.Opens, got.Closes)
		}
	}

	zone := time.FixedZone("CET", 3600)
	if got := s.item("flip", checklist.Observed{Now: linked.In(zone)}); !strings.Contains(got.Because, "2026-11-22 09:02 CET") {
		t.Errorf("in another zone: %q", got.Because)
	}

	s.later(50*time.Hour).tick("flip", "0755")
	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusDone || got.Late {
		t.Errorf("done: %s, late %t", got.Status, got.Late)
	}
	s.clear("link")
	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusDone {
		t.Errorf("done, and the link taken back: %s", got.Status)
	}
	s.clear("flip")
	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusBlocked {
		t.Errorf("both taken back: %s", got.Status)
	}
	s.waive("link", "the file system cannot")
	if got := s.item("flip", checklist.Observed{}); got.Status != checklist.StatusWaiting {
		t.Errorf("the count begins with a waiver too: %s", got.Status)
	}
}

func TestWindowBeforeDue(t *testing.T) {
	due := start.Add(10 * 24 * time.Hour)
	day := 24 * time.Hour
	tests := map[string]struct {
		window  checklist.Window
		due     time.Time
		now     time.Time
		status  checklist.Status
		because string
		late    bool
	}{
		"no due time":     {checklist.Window{Before: "due", Opens: 3 * day, Closes: day}, time.Time{}, due, "ready", "", false},
		"too early":       {checklist.Window{Before: "due", Opens: 3 * day, Closes: day}, due, due.Add(-4 * day), "waiting", "opens 2026-11-28 08:00 UTC, 3 days before the release is due", false},
		"open":            {checklist.Window{Before: "due", Opens: 3 * day, Closes: day}, due, due.Add(-3 * day), "ready", "", false},
		"late":            {checklist.Window{Before: "due", Opens: 3 * day, Closes: day}, due, due.Add(-day), "ready", "", true},
		"always open":     {checklist.Window{Before: "due", Closes: 2 * day}, due, start, "ready", "", false},
		"open and late":   {checklist.Window{Before: "due", Closes: 2 * day}, due, due.Add(-2 * day), "ready", "", true},
		"late when due":   {checklist.Window{Before: "due", Opens: 36 * time.Hour}, due, due, "ready", "", true},
		"opens in hours":  {checklist.Window{Before: "due", Opens: 36 * time.Hour}, due, start, "waiting", "opens 2026-11-29 20:00 UTC, 36h before", false},
		"opens in others": {checklist.Window{Before: "due", Opens: 90 * time.Minute}, due, start, "waiting", "1h30m0s before", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			item := manual("a")
			item.Window = &tt.window
			o := opened("patch-1", item)
			o.Due = tt.due
			s := &story{t: t, release: "patch-1", now: start}
			s.write(checklist.ReleaseOpened, o)
			got := s.item("a", checklist.Observed{Now: tt.now})
			if got.Status != tt.status || !strings.Contains(got.Because, tt.because) || got.Late != tt.late {
				t.Errorf("%s, %q, late %t; want %s, %q, %t", got.Status, got.Because, got.Late, tt.status, tt.because, tt.late)
			}
		})
	}
}

func TestABlockedItemCanBeLate(t *testing.T) {
	item := manual("b", "a")
	item.Window = &checklist.Window{Before: "due", Closes: time.Hour}
	o := opened("patch-1", manual("a"), item)
	o.Due = start.Add(time.Hour)
	s := &story{t: t, release: "patch-1", now: start}
	s.write(checklist.ReleaseOpened, o)
	if got := s.item("b", checklist.Observed{}); got.Status != checklist.StatusBlocked || !got.Late {
		t.Errorf("%s, late %t", got.Status, got.Late)
	}
}

func TestViewCountsAndFindsTheNext(t *testing.T) {
	s := tell(t, manual("a"), step("b", "a"), manual("c"))
	next := func(o checklist.Observed) string {
		o.Now = s.now
		it, ok := s.fold().View("patch-1", o).Next()
		if !ok {
			return "none"
		}
		return it.ID
	}
	var got []string
	see := func(o checklist.Observed) { got = append(got, next(o)) }
	see(checklist.Observed{})
	see(checklist.Observed{}) // looking changes nothing
	s.tick("a", "1").begin("r", "b")
	see(checklist.Observed{Live: live("r")}) // b runs by itself
	see(checklist.Observed{})                // b must be looked at
	s.tick("c", "1")
	see(checklist.Observed{Live: live("r")}) // nothing to do but wait
	s.end("r", checklist.Ended{Outcome: checklist.Failed})
	see(checklist.Observed{})
	s.waive("b", "x")
	see(checklist.Observed{})
	if diff := cmp.Diff([]string{"a", "a", "c", "b", "b", "b", "none"}, got); diff != "" {
		t.Errorf("next (-want +got):\n%s", diff)
	}
	v := s.fold().View("patch-1", checklist.Observed{Now: s.now})
	if v.Done != 3 || v.Total != 3 || len(v.Sections) != 1 || len(v.Sections[0].Views) != 3 {
		t.Errorf("%d of %d, %d sections", v.Done, v.Total, len(v.Sections))
	}
	if v := s.fold().View("other", checklist.Observed{}); v.Release != nil || v.Total != 0 {
		t.Errorf("the view of no release is %+v", v)
	}
	if _, ok := v.Item("zz"); ok {
		t.Error("there is an item zz")
	}
}
