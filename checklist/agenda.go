package checklist

import "time"

// Agenda is what of a release is worth a line now: what somebody can act on, what
// has a window or is late, and what comes free next. more counts the items that
// wait for some of these.
func (v View) Agenda() (items []ItemView, more int) {
	blocked := map[string]bool{}
	for _, section := range v.Sections {
		for i := range section.Views {
			blocked[section.Views[i].ID] = section.Views[i].Status == StatusBlocked
		}
	}
	next := func(it *ItemView) bool {
		for _, id := range it.needs() {
			if waits, known := blocked[id]; waits || !known {
				return false
			}
		}
		return true
	}
	for _, section := range v.Sections {
		for i := range section.Views {
			switch it := &section.Views[i]; {
			case it.Status.Complete():
			case it.Status != StatusBlocked || it.Late || !it.Opens.IsZero() || next(it):
				items = append(items, *it)
			default:
				more++
			}
		}
	}
	return items, more
}

// Awaits is the first item that another one waits for; false where it waits for
// none.
func (v View) Awaits(it ItemView) (ItemView, bool) {
	for _, id := range it.needs() {
		if need, ok := v.Item(id); ok && !need.Status.Complete() {
			return need, true
		}
	}
	return ItemView{}, false
}

// Holds are the items that wait for one, as far as they name it.
func (v View) Holds(id string) (waiting []ItemView) {
	for _, section := range v.Sections {
		for _, it := range section.Views {
			for _, need := range it.needs() {
				if need == id && !it.Status.Complete() {
					waiting = append(waiting, it)
					break
				}
			}
		}
	}
	return waiting
}

// ETA is when a release is done at the earliest, as long as its items took before
// and as their windows open; zero where neither says anything.
func (v View) ETA(now time.Time) (eta time.Time) {
	if v.Left > 0 {
		eta = now.Add(v.Left)
	}
	for _, section := range v.Sections {
		for _, it := range section.Views {
			if end := it.Opens.Add(it.Usual); !it.Status.Complete() && it.Opens.After(now) && end.After(eta) {
				eta = end
			}
		}
	}
	return eta
}
