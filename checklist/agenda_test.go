package checklist_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
)

// agenda is a release in which something of every kind is to be told.
func agenda(now time.Time) checklist.View {
	item := func(id string, s checklist.Status, needs ...string) checklist.ItemView {
		return checklist.ItemView{Item: checklist.Item{ID: id, Title: "The " + id, Needs: needs}, Status: s}
	}
	v := checklist.View{Left: 20 * time.Minute, Sections: []checklist.SectionView{
		{Views: []checklist.ItemView{item("done", checklist.StatusDone), item("ready", checklist.StatusReady, "done"), item("next", checklist.StatusBlocked, "done", "ready")}},
		{Views: []checklist.ItemView{item("far", checklist.StatusBlocked, "next"), item("flip", checklist.StatusWaiting), item("late", checklist.StatusBlocked, "far"), item("lost", checklist.StatusBlocked, "nowhere")}},
	}}
	v.Sections[1].Views[1].Opens, v.Sections[1].Views[1].Usual = now.Add(3*time.Hour), time.Minute
	v.Sections[1].Views[1].Window = &checklist.Window{After: "done", Opens: 24 * time.Hour}
	v.Sections[1].Views[2].Late = true
	return v
}

func TestAgenda(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	v := agenda(now)
	items, more := v.Agenda()
	var got []string
	for _, it := range items {
		first, _ := v.Awaits(it)
		got = append(got, it.ID+" after "+first.ID)
	}
	if diff := cmp.Diff([]string{"ready after ", "next after ready", "flip after ", "late after far"}, got); diff != "" {
		t.Error(diff)
	}
	if more != 2 {
		t.Errorf("%d more, want far and lost", more)
	}
	var held []string
	for _, it := range v.Holds("done") {
		held = append(held, it.ID)
	}
	if diff := cmp.Diff([]string{"ready", "next", "flip"}, held); diff != "" {
		t.Error(diff)
	}
}

func TestETA(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	v := agenda(now)
	if got, want := v.ETA(now), now.Add(3*time.Hour+time.Minute); !got.Equal(want) {
		t.Errorf("%s, want %s: when the window opens, and what it takes then", got, want)
	}
	v.Left = 5 * time.Hour
	if got, want := v.ETA(now), now.Add(5*time.Hour); !got.Equal(want) {
		t.Errorf("%s, want %s: the work takes longer than the window", got, want)
	}
	if got := (checklist.View{}).ETA(now); !got.IsZero() {
		t.Errorf("%s of nothing that is known", got)
	}
}

func TestParseDue(t *testing.T) {
	at := time.Date(2026, 11, 24, 14, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-11-24T14:00Z": at, "2026-11-24T15:00+01:00": at, "2026-11-24T14:00:00Z": at,
		"2026-11-24": time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC),
	} {
		if got, err := checklist.ParseDue(text); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "tomorrow", "2026-11-24 14:00", "2026-13-24"} {
		if got, err := checklist.ParseDue(text); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}
