package checklist

import (
	"cmp"
	"fmt"
	"strings"
	"time"
)

// View is a release as it is at a time, with the status of every item. Its
// Release is nil when there is no such release.
func (s State) View(release string, o Observed) View {
	r := s.Release(release)
	if r == nil {
		return View{}
	}
	w := viewer{release: r, o: o, items: map[string]Item{}, views: map[string]*ItemView{}}
	for _, section := range r.Checklist.Sections {
		for _, it := range section.Items {
			if _, ok := w.items[it.ID]; !ok {
				w.items[it.ID] = it
			}
		}
	}
	v := View{Release: r}
	for _, section := range r.Checklist.Sections {
		sv := SectionView{Section: section}
		for _, it := range section.Items {
			iv := *w.view(it.ID)
			iv.Usual, _ = s.Usual(it)
			v.Left += iv.left(o.Now)
			sv.Views = append(sv.Views, iv)
			v.Total++
			if iv.Status.Complete() {
				v.Done++
			}
		}
		v.Sections = append(v.Sections, sv)
	}
	return v
}

// Item finds an item by its id.
func (v View) Item(id string) (ItemView, bool) {
	for _, section := range v.Sections {
		for _, it := range section.Views {
			if it.ID == id {
				return it, true
			}
		}
	}
	return ItemView{}, false
}

// Next is the first item to do: the first that somebody can act on now or, where
// there is none, the first that is not complete. There is none in a release
// that is all done.
func (v View) Next() (ItemView, bool) {
	var next ItemView
	found := false
	for _, section := range v.Sections {
		for _, it := range section.Views {
			if it.Status.Complete() {
				continue
			}
			if it.Status == StatusUnknown || it.Status != StatusRunning && it.Barred == "" {
				return it, true
			}
			if !found {
				next, found = it, true
			}
		}
	}
	return next, found
}

// viewer works out the views of a release's items, each once.
type viewer struct {
	release *ReleaseState
	o       Observed
	items   map[string]Item
	views   map[string]*ItemView // nil for one that is being worked out
}

// view is the view of an item; nil where the checklist has none of that id, or
// where the item needs itself.
func (w *viewer) view(id string) *ItemView {
	if v, ok := w.views[id]; ok {
		return v
	}
	it, ok := w.items[id]
	if !ok {
		return nil
	}
	w.views[id] = nil
	st := w.release.Items[id]
	v := &ItemView{Item: it, State: st}
	v.Opens, v.Closes = w.window(it)
	bar := StatusBlocked
	if v.Barred = w.waits(it); v.Barred == "" && !w.opened(it, st) {
		if v.Barred = w.shut(it, v.Opens); v.Barred != "" {
			bar = StatusWaiting
		}
	}
	v.Status, v.Because = w.status(it, st, bar, v.Barred)
	v.Late = !v.Closes.IsZero() && !w.o.Now.Before(v.Closes) && !v.Status.Complete()
	w.views[id] = v
	return v
}

// status is what an item is, and why. barred says why it may not be begun, and
// bar is its status when that matters.
func (w *viewer) status(it Item, st *ItemState, bar Status, barred string) (Status, string) {
	if run := st.Open(); run != nil {
		since := fmt.Sprintf("begun by %s on %s at %s", run.Actor, run.Host, w.moment(run.Started))
		if run.Undo {
			since = "being taken back: " + since
		}
		if w.o.Live != nil && w.o.Live(run.Intent.Run) {
			return StatusRunning, since
		}
		return StatusUnknown, since + "; nobody knows how it ended"
	}
	if st != nil && st.Waived != nil {
		return StatusWaived, st.Waived.Note
	}
	if _, ok := st.completed(); ok {
		if why := w.stale(it, st); why != "" {
			return StatusStale, why
		}
		if waits := w.waits(it); waits != "" {
			return StatusDone, "done, and since then it " + waits
		}
		if st.Undo != nil {
			return StatusDone, "done; taking it back " + st.Undo.words()
		}
		return StatusDone, st.opened()
	}
	if st == nil || st.Run == nil {
		if barred != "" {
			return bar, barred
		}
		return StatusReady, st.opened()
	}
	if barred != "" {
		return bar, fmt.Sprintf("%s; its last run %s", barred, st.Run.words())
	}
	if st.Run.Ended.Outcome == Cancelled {
		return StatusCancelled, st.Run.reason()
	}
	return StatusFailed, st.Run.reason()
}

// words says how a run ended that was not done.
func (r *Run) words() string {
	if r.Ended.Outcome == Cancelled {
		return "was cancelled: " + r.reason()
	}
	return "failed: " + r.reason()
}

func (r *Run) reason() string { return cmp.Or(r.Ended.Error, "no reason was recorded") }

// opened says who let an item be done early, and why; or who took it back.
func (st *ItemState) opened() string {
	switch {
	case st != nil && st.Early != nil:
		return fmt.Sprintf("opened early by %s: %s", st.Early.Actor, st.Early.Note)
	case st != nil && st.Undo != nil:
		return "taken back by " + st.Undo.Actor
	}
	return ""
}

// stale tells why a completed item must be done again, or nothing.
func (w *viewer) stale(it Item, st *ItemState) string {
	if st.Ticked == nil && st.Run.Ended.Inputs != "" {
		if now, ok := w.o.Inputs[it.ID]; ok && now != st.Run.Ended.Inputs {
			return "what it rests on changed since it was done"
		}
	}
	for _, id := range it.needs() {
		need := w.view(id)
		if need == nil {
			continue
		}
		if need.Status == StatusStale {
			return need.Title + " is stale"
		}
		was, now := st.Rests[id], need.fact(need.State)
		if was != "" && now != "" && was != now {
			return need.Title + " was done again and came out otherwise"
		}
	}
	return ""
}

// named bounds how many items a sentence names.
const named = 3

// waits tells which needs of an item are not complete, or nothing.
func (w *viewer) waits(it Item) string {
	var titles []string
	seen := map[string]bool{}
	for _, id := range it.needs() {
		if seen[id] {
			continue
		}
		seen[id] = true
		need := w.view(id)
		switch {
		case need == nil && w.items[id].ID == "":
			titles = append(titles, id+" (the checklist has no such item)")
		case need == nil:
			titles = append(titles, w.items[id].Title+" (which waits for this one)")
		case need.Status.Complete():
		case need.Status == StatusReady, need.Status == StatusBlocked, need.Status == StatusWaiting:
			titles = append(titles, need.Title)
		default:
			titles = append(titles, fmt.Sprintf("%s (%s)", need.Title, need.Status))
		}
	}
	switch n := len(titles); {
	case n == 0:
		return ""
	case n > named:
		return fmt.Sprintf("waits for %s and %d more", strings.Join(titles[:named], ", "), n-named)
	default:
		return "waits for " + strings.Join(titles, ", ")
	}
}

// window is when an item may begin and when it becomes late, zero where nothing
// says so, or not yet.
func (w *viewer) window(it Item) (opens, closes time.Time) {
	win := it.Window
	switch {
	case win == nil:
	case win.After != "":
		after := w.view(win.After)
		if after == nil || !after.Status.Complete() {
			break
		}
		done, _ := after.State.completed()
		opens = done.Add(win.Opens)
		if win.Closes != 0 {
			closes = done.Add(win.Closes)
		}
	case win.Before != "" && !w.release.Due.IsZero():
		if win.Opens != 0 {
			opens = w.release.Due.Add(-win.Opens)
		}
		closes = w.release.Due.Add(-win.Closes)
	}
	return opens, closes
}

// shut says why the window of an item has not opened, or nothing. Where the clock
// is behind what the journal has seen already, nobody can tell how long ago that
// was, and it stays shut.
func (w *viewer) shut(it Item, opens time.Time) string {
	if !opens.After(w.o.Now) {
		return ""
	}
	words := "opens " + w.moment(opens) + w.counted(it)
	if after := w.view(it.Window.After); after != nil {
		if done, ok := after.State.completed(); ok && w.o.Now.Before(done) {
			words += fmt.Sprintf("; the clock is behind the journal: that was done at %s, and it is %s here", w.moment(done), w.moment(w.o.Now))
		}
	}
	return words
}

// opened tells whether somebody opened the window of an item early. That was for
// the window as it was: where what it counts from was done anew, it is another.
func (w *viewer) opened(it Item, st *ItemState) bool {
	if st == nil || st.Early == nil {
		return false
	}
	if it.Window == nil || it.Window.After == "" {
		return true
	}
	after := w.view(it.Window.After)
	if after == nil {
		return false
	}
	done, ok := after.State.completed()
	return ok && !done.After(st.Early.Time)
}

// counted says what the opening of a window was counted from.
func (w *viewer) counted(it Item) string {
	if after, ok := w.items[it.Window.After]; ok {
		return fmt.Sprintf(", %s after %s", span(it.Window.Opens), after.Title)
	}
	return fmt.Sprintf(", %s before the release is due", span(it.Window.Opens))
}

// moment is a time in words, in the zone of the one who asks.
func (w *viewer) moment(t time.Time) string {
	return t.In(w.o.Now.Location()).Format("2006-01-02 15:04 MST")
}

// span is a duration in words: 36h, 90m, in days from two on.
func span(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= 2*day && d%day == 0:
		return fmt.Sprintf("%d days", d/day)
	case d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	default:
		return d.String()
	}
}
