package checklist_test

import (
	"encoding/json"
	"testing"
	"time"

	"gantry/checklist"
)

func FuzzApply(f *testing.F) {
	for _, kind := range kinds {
		f.Add(kind, "patch-1", []byte(`{"id":"patch-1","run":"r","item":"a","outcome":"done","target":"t","group":"g","targets":["t","t",""],"move":{"pointer":"production","to":"A"}}`))
	}
	f.Add(checklist.ReleaseOpened, "x", []byte(`{"id":"x","checklist":{"sections":[{"items":[{"id":"a","needs":["a"],"window":{"after":"b","opens":-1}}]}]}}`))
	f.Fuzz(func(t *testing.T, kind, release string, data []byte) {
		s := tell(t, manual("a"), step("b", "a")).begin("r", "b").tick("a", "1")
		state := s.fold()
		kept := state.Clone()
		e := checklist.Event{Seq: 9, Time: s.now, Release: release, Type: kind, Data: json.RawMessage(data)}
		state.Apply(e)
		state.Apply(e)
		if state.Seq != 9 {
			t.Errorf("seq is %d", state.Seq)
		}
		if g := state.Partial(); g != nil && state.Group(g.Group) == nil {
			t.Errorf("a group that is not there: %+v", g)
		}
		for _, r := range state.Releases {
			state.View(r.ID, checklist.Observed{Now: s.now.Add(time.Hour)}).Next()
		}
		if v, ok := kept.View("patch-1", checklist.Observed{Now: s.now}).Item("b"); !ok || v.Status != checklist.StatusUnknown {
			t.Errorf("a clone kept from before shows %+v", v)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(own))
	f.Add([]byte("name: a\ntitle: A\nkinds: [a]\nsections: [{id: s, title: S, items: [{id: a, title: A, kind: manual, needs: [a]}]}]"))
	f.Add([]byte("name: a\ntitle: A\nkinds: [a]\nsections: [{id: s, title: S, items: [{id: a, title: A, kind: manual, each: target, formats: [tree]}, {id: b, title: B, kind: manual, each: target, formats: [tree], needs: [a], window: {after: a, opens: 1h}}]}]"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		tpl, err := checklist.Parse("own.yaml", data)
		if err != nil {
			return
		}
		list, err := checklist.Resolve(tpl, []checklist.TargetRef{{Name: "el8", Format: "rpm"}, {Name: "noble", Format: "deb"}, {Name: "image", Format: "oci"}, {Name: "rocky-8", Format: "tree"}, {Name: "rocky-9", Format: "tree"}})
		if err != nil {
			t.Fatalf("what parses must resolve: %v", err)
		}
		s := &story{t: t, release: "patch-1", now: start}
		o := opened("patch-1")
		o.Checklist = list
		state := s.write(checklist.ReleaseOpened, o).fold()
		if v := state.View("patch-1", checklist.Observed{Now: s.now}); v.Total == 0 {
			t.Fatal("what parses must have something to do")
		} else if next, ok := v.Next(); !ok || next.Barred != "" && next.Status != checklist.StatusWaiting {
			t.Fatalf("what parses must have something to begin with, not %+v", next)
		}
	})
}
