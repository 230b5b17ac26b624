package checklist

import (
	"fmt"
	"time"
)

// completed tells when an item was completed, by tick, waiver or run, and
// whether it was at all. A run that is not over completes nothing.
func (st *ItemState) completed() (time.Time, bool) {
	switch {
	case st == nil, st.Open() != nil:
		return time.Time{}, false
	case st.Waived != nil:
		return st.Waived.Time, true
	case st.Ticked != nil:
		return st.Ticked.Time, true
	case st.Run != nil && st.Run.Ended.Outcome == Done:
		return st.Run.EndedAt, true
	}
	return time.Time{}, false
}

// fact is what an item's completion says to the items that need it: what the
// person noted, what the result rests on or, of a step that does not tell that,
// what it made. It is empty where nothing is said. Evidence counts no further,
// since some of it differs each time and changes nothing: free space, packages
// that were new.
func (it Item) fact(st *ItemState) string {
	if _, ok := st.completed(); !ok || st.Waived != nil {
		return ""
	}
	if st.Ticked != nil {
		return "note " + st.Ticked.Note
	}
	switch end := st.Run.Ended; {
	case end.Inputs != "":
		return "inputs " + end.Inputs
	case it.Kind == Check:
		return ""
	default:
		return fmt.Sprintf("evidence %q", end.Evidence)
	}
}

// rests keeps the facts of an item's needs as it is begun, so that it can be
// told later whether one of them was done again and came out otherwise.
func rests(r *ReleaseState, it Item) map[string]string {
	var facts map[string]string
	for _, id := range it.needs() {
		need, _ := r.Checklist.Item(id)
		if fact := need.fact(r.Items[id]); fact != "" {
			if facts == nil {
				facts = map[string]string{}
			}
			facts[id] = fact
		}
	}
	return facts
}

// needs are the items that must be complete before this one: those it names and
// the one its window counts from.
func (it Item) needs() []string {
	if it.Window == nil || it.Window.After == "" {
		return it.Needs
	}
	return append(it.Needs[:len(it.Needs):len(it.Needs)], it.Window.After)
}
