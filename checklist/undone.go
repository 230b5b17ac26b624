package checklist

// undoing is the run that is taking back what the item did, or nil.
func (st *ItemState) undoing() *Run {
	if st == nil || st.Undo == nil || st.Undo.Ended != nil {
		return nil
	}
	return st.Undo
}

// Open is the run of the item whose end the journal does not know: the one that
// does it, or that takes it back. It is nil without one.
func (st *ItemState) Open() *Run {
	if r := st.undoing(); r != nil {
		return r
	}
	if st == nil || st.Run == nil || st.Run.Ended != nil {
		return nil
	}
	return st.Run
}

// undone is what is left of an item's state when a run that takes it back is
// over: nothing but that run where it went well, else all that was.
func (st ItemState) undone(run *Run) ItemState {
	if run.Ended.Outcome == Done {
		return ItemState{Undo: run}
	}
	st.Undo = run
	return st
}
