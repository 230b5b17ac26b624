package checklist

import (
	"errors"
	"fmt"
)

// early lets an item be done before its window opens.
func (s *State) early(e Event, early Early) error {
	return s.item(e, early.Item, func(_ *ReleaseState, it Item, st *ItemState) error {
		switch {
		case it.Window == nil || it.Window.Opens == 0:
			return fmt.Errorf("item %s has no window to be opened early", brief(it.ID))
		case early.Reason == "":
			return errors.New("it has no reason")
		}
		st.Early = &Mark{Actor: e.Actor, Time: e.Time, Note: early.Reason}
		return nil
	})
}

// kept is what stays of an early opening when an item is begun: it was for this
// completion, so none is left in one that was complete before.
func (st *ItemState) kept() *Mark {
	if _, was := st.completed(); was || st == nil {
		return nil
	}
	return st.Early
}
