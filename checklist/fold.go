package checklist

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gantry/config"
)

// oddities bounds State.Odd; the latest are kept.
const oddities = 50

// Fold computes the state that events amount to, in their order.
func Fold(events []Event) State {
	var s State
	for _, e := range events {
		s.Apply(e)
	}
	return s
}

// Clone is a copy that stays as it is while s goes on. It is cheap: what a
// state points to is never changed by Apply, only replaced.
func (s State) Clone() State {
	s.Releases = slices.Clone(s.Releases)
	s.Targets = maps.Clone(s.Targets)
	s.Took = maps.Clone(s.Took)
	s.Runs = slices.Clone(s.Runs)
	s.Groups = slices.Clone(s.Groups)
	s.Odd = slices.Clone(s.Odd)
	return s
}

// Apply folds one more event. One that makes no sense changes nothing but Odd:
// the journal is foreign data, and a console must open whatever it holds.
func (s *State) Apply(e Event) {
	s.Seq = e.Seq
	if err := s.apply(e); err != nil {
		s.Odd = append(s.Odd, fmt.Sprintf("entry %d, %s: %v", e.Seq, brief(e.Type), err))
		s.Odd = s.Odd[max(0, len(s.Odd)-oddities):]
	}
}

func (s *State) apply(e Event) error {
	switch e.Type {
	case ReleaseOpened:
		return with(e, s.opened)
	case ReleaseClosed:
		return with(e, s.closed)
	case ItemTicked:
		return with(e, s.ticked)
	case ItemWaived:
		return with(e, s.waived)
	case ItemCleared:
		return with(e, s.cleared)
	case ItemEarly:
		return with(e, s.early)
	case RunIntent:
		return with(e, s.intent)
	case RunEnded:
		return with(e, s.ended)
	case RunCancel:
		return with(e, s.cancel)
	case GroupBegun:
		return with(e, s.grouped)
	case GroupEnded:
		return with(e, s.groupOver)
	case HoldSet:
		return with(e, s.held)
	case HoldLifted:
		return with(e, s.lifted)
	case DriftAdopted:
		return with(e, s.adopted)
	case Refused, ArtifactStaged, ArtifactRemoved, JournalMended:
		return nil // kept for history; they change nothing here
	default:
		return errors.New("no such type of entry; a newer gantry may have written it")
	}
}

// with decodes the data of an event, makes its texts harmless and hands it on.
func with[T any](e Event, do func(Event, T) error) error {
	var data T
	if len(e.Data) == 0 {
		return errors.New("it holds no data")
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return fmt.Errorf("its data cannot be read: %s", brief(err.Error()))
	}
	inert(&data)
	return do(e, data)
}

func (s *State) opened(e Event, o Opened) error {
	if o.ID == "" {
		return errors.New("a release without an id")
	}
	if _, ok := s.open(o.ID); ok {
		return fmt.Errorf("release %s is open already", brief(o.ID))
	}
	s.Releases = append(s.Releases, &ReleaseState{
		Opened: o, OpenedBy: e.Actor, OpenedAt: e.Time, Items: map[string]*ItemState{},
	})
	return nil
}

func (s *State) closed(e Event, c Closed) error {
	i, ok := s.open(e.Release)
	if !ok {
		return fmt.Errorf("no open release %s", brief(e.Release))
	}
	r := *s.Releases[i]
	r.ClosedAt, r.Aborted = e.Time, c.Aborted
	if r.ClosedAt.IsZero() {
		return errors.New("it has no time")
	}
	s.Releases[i] = &r
	return nil
}

func (s *State) ticked(e Event, t Ticked) error {
	return s.item(e, t.Item, func(r *ReleaseState, it Item, st *ItemState) error {
		st.Early = st.kept()
		st.Ticked, st.Waived = &Mark{Actor: e.Actor, Time: e.Time, Note: t.Note}, nil
		st.Rests = rests(r, it)
		return nil
	})
}

func (s *State) waived(e Event, w Waived) error {
	return s.item(e, w.Item, func(_ *ReleaseState, it Item, st *ItemState) error {
		if it.Killer {
			return fmt.Errorf("item %s may not be waived", brief(it.ID))
		}
		st.Waived, st.Ticked = &Mark{Actor: e.Actor, Time: e.Time, Note: w.Reason}, nil
		return nil
	})
}

func (s *State) cleared(e Event, c Cleared) error {
	return s.item(e, c.Item, func(_ *ReleaseState, _ Item, st *ItemState) error {
		if st.Ticked == nil && st.Waived == nil && st.Early == nil {
			return fmt.Errorf("item %s is neither ticked nor waived", brief(c.Item))
		}
		st.Ticked, st.Waived, st.Early = nil, nil, nil
		return nil
	})
}

func (s *State) held(e Event, h Held) error {
	s.Hold = &Hold{Actor: e.Actor, Time: e.Time, Reason: h.Reason}
	return nil
}

func (s *State) lifted(Event, Held) error {
	if s.Hold == nil {
		return errors.New("nothing was on hold")
	}
	s.Hold = nil
	return nil
}

// item changes the state of an item of the event's release. do gets copies.
func (s *State) item(e Event, id string, do func(*ReleaseState, Item, *ItemState) error) error {
	i, ok := s.open(e.Release)
	if !ok {
		return fmt.Errorf("no open release %s", brief(e.Release))
	}
	r := *s.Releases[i]
	it, ok := r.Checklist.Item(id)
	if !ok {
		return fmt.Errorf("release %s has no item %s", brief(r.ID), brief(id))
	}
	var st ItemState
	if old := r.Items[id]; old != nil {
		st = *old
	}
	if err := do(&r, it, &st); err != nil {
		return err
	}
	r.Items = maps.Clone(r.Items)
	r.Items[id] = &st
	s.Releases[i] = &r
	return nil
}

// open finds the open release of an id.
func (s *State) open(id string) (int, bool) {
	for i, r := range slices.Backward(s.Releases) {
		if r.ID == id && r.ClosedAt.IsZero() {
			return i, true
		}
	}
	return 0, false
}

// Release finds a release by its id, the latest where an id was used again, or
// returns nil.
func (s State) Release(id string) *ReleaseState {
	for _, r := range slices.Backward(s.Releases) {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// OpenReleases are those that are worked, in the order they were opened.
func (s State) OpenReleases() []*ReleaseState {
	var open []*ReleaseState
	for _, r := range s.Releases {
		if r.ClosedAt.IsZero() {
			open = append(open, r)
		}
	}
	return open
}

// Item finds an item by its id.
func (c Checklist) Item(id string) (Item, bool) {
	for _, section := range c.Sections {
		for _, it := range section.Items {
			if it.ID == id {
				return it, true
			}
		}
	}
	return Item{}, false
}

// brief is foreign text for a message: harmless, short, never nothing.
func brief(text string) string {
	runes := []rune(config.Inert(text[:min(len(text), 400)]))
	if len(runes) > 80 {
		runes = append(runes[:79], '…')
	}
	return cmp.Or(string(runes), "(none)")
}
