package pipeline_test

import "testing"

// The view tells of the latest group, while it is on and after.
func TestViewOfGroups(t *testing.T) {
	e, wrong := matrix(t)
	if e.View().Group != nil {
		t.Error("there is a group before one was begun")
	}
	wrong.broken = "el9"
	g, err := e.PlanGroup(t.Context(), jobs("promote", "el8", "el9"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.StartGroup(t.Context(), g, g.Phrase())
	if err != nil {
		t.Fatal(err)
	}
	if v := e.View().Group; v == nil || v.Group.Group != a.ID() || v.Ended == nil && !(v.Live && v.Own) {
		t.Errorf("begun: %+v", v)
	}
	if _, err := a.Wait(); err == nil {
		t.Fatal("the broken target moved")
	}
	v := e.View().Group
	if v == nil || v.Live || v.Own || v.Ended == nil || v.Ended.Error == "" || len(v.Moved) != 1 || v.Whole() {
		t.Errorf("ended: %+v", v)
	}
	wrong.broken = ""
	if _, err := together(t, e, jobs("promote", "el9")); err != nil {
		t.Fatal(err)
	}
	if v := e.View().Group; v == nil || v.Group.Group == a.ID() || !v.Whole() || v.Live {
		t.Errorf("the next: %+v", v)
	}
}
