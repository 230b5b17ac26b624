package checklist_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gantry/checklist"
)

var kinds = []string{
	checklist.ReleaseOpened, checklist.ReleaseClosed, checklist.ItemTicked, checklist.ItemCleared, checklist.ItemWaived, checklist.ItemEarly,
	checklist.RunIntent, checklist.RunEnded, checklist.RunCancel, checklist.HoldSet, checklist.HoldLifted,
	checklist.GroupBegun, checklist.GroupEnded, checklist.DriftAdopted, checklist.Refused, checklist.ArtifactStaged, checklist.ArtifactRemoved, "unheard.of",
}

// soup draws events that mostly speak of the same few things, and sometimes of
// nothing.
func soup(t *rapid.T) []checklist.Event {
	items := rapid.SampledFrom([]string{"a", "b", "c", "d", ""})
	runs := rapid.SampledFrom([]string{"r1", "r2", "r3", "r4", ""})
	targets := rapid.SampledFrom([]string{"core", "minion", ""})
	releases := rapid.SampledFrom([]string{"one", "two", ""})
	groups := rapid.SampledFrom([]string{"g1", "g2", ""})
	risks := rapid.SampledFrom([]checklist.Risk{checklist.Safe, checklist.Staging, checklist.Production, ""})
	outcomes := rapid.SampledFrom([]checklist.Outcome{checklist.Done, checklist.Failed, checklist.Cancelled, "odd"})
	move := func() checklist.Move {
		return checklist.Move{
			Pointer:  rapid.SampledFrom([]string{"staging", "production", "moon"}).Draw(t, "pointer"),
			To:       rapid.SampledFrom([]string{"A", "B", ""}).Draw(t, "to"),
			Revision: rapid.Int64().Draw(t, "revision"),
		}
	}
	now := start
	var events []checklist.Event
	for i := range rapid.IntRange(0, 40).Draw(t, "events") {
		kind := rapid.SampledFrom(kinds).Draw(t, "type")
		var data any
		switch kind {
		case checklist.ReleaseOpened:
			data = opened(releases.Draw(t, "id"), manual("a"), step("b", "a"), check("c", "b", "lost"), manual("d", "e"), manual("e", "d"))
		case checklist.ItemTicked:
			data = checklist.Ticked{Item: items.Draw(t, "item"), Note: rapid.String().Draw(t, "note")}
		case checklist.ItemCleared, checklist.ItemWaived, checklist.ItemEarly:
			data = checklist.Waived{Item: items.Draw(t, "item"), Reason: "x"}
		case checklist.RunIntent:
			data = checklist.Intent{Run: runs.Draw(t, "run"), Item: items.Draw(t, "item"), Target: targets.Draw(t, "target"), Risk: risks.Draw(t, "risk"), Group: groups.Draw(t, "group"), Undo: rapid.Bool().Draw(t, "undo")}
		case checklist.GroupBegun:
			data = checklist.Grouped{Group: groups.Draw(t, "group"), Verb: "promote", Targets: rapid.SliceOfN(targets, 0, 4).Draw(t, "targets")}
		case checklist.GroupEnded:
			data = checklist.GroupOver{Group: groups.Draw(t, "group"), Error: rapid.String().Draw(t, "error")}
		case checklist.RunEnded:
			end := checklist.Ended{Run: runs.Draw(t, "run"), Outcome: outcomes.Draw(t, "outcome"), Inputs: items.Draw(t, "inputs")}
			if rapid.Bool().Draw(t, "moved") {
				m := move()
				end.Move = &m
			}
			data = end
		case checklist.RunCancel:
			data = checklist.CancelAsked{Run: runs.Draw(t, "run")}
		case checklist.DriftAdopted:
			data = checklist.Adopted{Target: targets.Draw(t, "target"), Move: move()}
		default:
			data = checklist.Held{Reason: rapid.String().Draw(t, "reason")}
		}
		raw, err := json.Marshal(data)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.IntRange(0, 9).Draw(t, "broken") == 0 {
			raw = rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "data")
		}
		now = now.Add(time.Duration(rapid.IntRange(-1, 100).Draw(t, "minutes")) * time.Minute)
		events = append(events, checklist.Event{
			Seq: uint64(i + 1), Time: now, Actor: "neil", Host: "desk",
			Release: releases.Draw(t, "release"), Type: kind, Data: raw,
		})
	}
	return events
}

// Folding in parts, with a clone kept at the split, is folding at once; and what
// was kept does not change.
func TestFoldMayBeSplitAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := soup(t)
		at := rapid.IntRange(0, len(events)).Draw(t, "at")
		head := checklist.Fold(events[:at])
		kept, fresh := head.Clone(), checklist.Fold(events[:at])
		for _, e := range events[at:] {
			head.Apply(e)
		}
		if diff := cmp.Diff(checklist.Fold(events), head); diff != "" {
			t.Fatalf("split at %d (-whole +parts):\n%s", at, diff)
		}
		if diff := cmp.Diff(fresh, kept); diff != "" {
			t.Fatalf("the clone kept at %d changed (-then +now):\n%s", at, diff)
		}
	})
}

// Whatever the journal holds: an item has one of the known statuses, complete
// ones are counted, one that may not begin says why, and the item and the list
// of runs agree.
func TestEveryStateCanBeShown(t *testing.T) {
	known := map[checklist.Status]bool{
		"blocked": true, "waiting": true, "ready": true, "running": true, "unknown": true,
		"failed": true, "cancelled": true, "done": true, "waived": true, "stale": true,
	}
	rapid.Check(t, func(t *rapid.T) {
		state := checklist.Fold(soup(t))
		runs := map[*checklist.Run]bool{}
		for _, r := range state.Runs {
			runs[r] = true
		}
		for _, r := range state.Releases {
			for id, st := range r.Items {
				if st.Run != nil && !runs[st.Run] {
					t.Errorf("the run of %s is not among the runs", id)
				}
			}
			v := state.View(r.ID, checklist.Observed{
				Now:    start.Add(time.Hour),
				Live:   func(string) bool { return rapid.Bool().Draw(t, "live") },
				Inputs: map[string]string{"b": "a", "c": "b"},
			})
			done := 0
			for _, section := range v.Sections {
				for _, it := range section.Views {
					if !known[it.Status] {
						t.Errorf("%s is %q", it.ID, it.Status)
					}
					if it.Status.Complete() {
						done++
					}
					if (it.Status == checklist.StatusBlocked || it.Status == checklist.StatusWaiting) && (it.Barred == "" || it.Because == "") {
						t.Errorf("%s is %s and does not say why", it.ID, it.Status)
					}
					if it.Status == checklist.StatusReady && it.Barred != "" {
						t.Errorf("%s is ready, but %s", it.ID, it.Barred)
					}
				}
			}
			if v.Done != done || v.Total != 5 {
				t.Errorf("%d of %d are counted, %d are done", v.Done, v.Total, done)
			}
		}
		for _, g := range state.Groups {
			for target, m := range g.Moved {
				if !slices.Contains(g.Targets, target) || m.Pointer != "production" && m.Pointer != "staging" {
					t.Errorf("group %s of %v moved %s of %s", g.Group, g.Targets, m.Pointer, target)
				}
			}
		}
		if g := state.Partial(); g != nil && (g.Whole() || len(g.Moved) == 0 || g != state.Groups[len(state.Groups)-1]) {
			t.Errorf("%+v is shown as partial", g)
		}
		for target, p := range state.Targets {
			for i, span := range p.Published {
				if last := i == len(p.Published)-1; span.Until.IsZero() && !last {
					t.Errorf("%s: a span before the last goes on", target)
				}
			}
		}
	})
}
