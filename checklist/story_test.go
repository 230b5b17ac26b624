package checklist_test

import (
	"encoding/json"
	"testing"
	"time"

	"gantry/checklist"
)

var start = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// story writes events, one a minute, to the release "patch-1" unless told
// otherwise.
type story struct {
	t       *testing.T
	release string
	now     time.Time
	events  []checklist.Event
}

// tell begins a story with a release of some items.
func tell(t *testing.T, items ...checklist.Item) *story {
	s := &story{t: t, release: "patch-1", now: start}
	return s.write(checklist.ReleaseOpened, opened("patch-1", items...))
}

func opened(id string, items ...checklist.Item) checklist.Opened {
	return checklist.Opened{ID: id, Kind: "patch", Version: "1", Checklist: checklist.Checklist{
		Template: "patch", Title: "Patch",
		Sections: []checklist.Section{{ID: "all", Title: "All", Items: items}},
	}}
}

func (s *story) write(kind string, data any) *story {
	s.t.Helper()
	raw, err := json.Marshal(data)
	if err != nil {
		s.t.Fatal(err)
	}
	s.now = s.now.Add(time.Minute)
	s.events = append(s.events, checklist.Event{
		Seq: uint64(len(s.events) + 1), Time: s.now, Actor: "neil", Host: "desk",
		Release: s.release, Type: kind, Data: raw,
	})
	return s
}

func (s *story) tick(item, note string) *story {
	return s.write(checklist.ItemTicked, checklist.Ticked{Item: item, Note: note})
}

func (s *story) waive(item, reason string) *story {
	return s.write(checklist.ItemWaived, checklist.Waived{Item: item, Reason: reason})
}

func (s *story) clear(item string) *story {
	return s.write(checklist.ItemCleared, checklist.Cleared{Item: item})
}

func (s *story) begin(run, item string) *story {
	return s.write(checklist.RunIntent, checklist.Intent{Run: run, Item: item, Verb: "build", Title: "Build", Risk: checklist.Staging})
}

func (s *story) end(run string, end checklist.Ended) *story {
	end.Run = run
	return s.write(checklist.RunEnded, end)
}

func (s *story) done(run, item, inputs string) *story {
	return s.begin(run, item).end(run, checklist.Ended{Outcome: checklist.Done, Inputs: inputs})
}

func (s *story) later(d time.Duration) *story {
	s.now = s.now.Add(d)
	return s
}

func (s *story) fold() checklist.State {
	return checklist.Fold(s.events)
}

// item is the view of an item at the story's time.
func (s *story) item(id string, o checklist.Observed) checklist.ItemView {
	s.t.Helper()
	if o.Now.IsZero() {
		o.Now = s.now
	}
	v, ok := s.fold().View("patch-1", o).Item(id)
	if !ok {
		s.t.Fatalf("no item %q in the view", id)
	}
	return v
}

func manual(id string, needs ...string) checklist.Item {
	return checklist.Item{ID: id, Title: "The " + id, Kind: checklist.Manual, Risk: checklist.Safe, Needs: needs}
}

func step(id string, needs ...string) checklist.Item {
	return checklist.Item{ID: id, Title: "The " + id, Kind: checklist.Step, Uses: "build", Risk: checklist.Staging, Needs: needs}
}

func check(id string, needs ...string) checklist.Item {
	return checklist.Item{ID: id, Title: "The " + id, Kind: checklist.Check, Uses: "verify", Risk: checklist.Safe, Needs: needs}
}
