package checklist

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// OpenRun is the run of a target that may change it and whose end the journal
// does not know, or nil. There is at most one: it keeps others from the target.
// Runs that are safe, such as a verification, change nothing and are not told.
func (s State) OpenRun(target string) *Run {
	for _, r := range slices.Backward(s.Runs) {
		if r.Target == target && r.Ended == nil && r.Risk != Safe {
			return r
		}
	}
	return nil
}

func (s *State) intent(e Event, in Intent) error {
	if in.Run == "" {
		return errors.New("a run without an id")
	}
	if _, ok := s.find(in.Run); ok {
		return fmt.Errorf("run %s began already", brief(in.Run))
	}
	var odd error
	if in.Target != "" && in.Risk != Safe {
		if other := s.OpenRun(in.Target); other != nil {
			odd = fmt.Errorf("run %s of %s began before run %s was over", brief(in.Run), brief(in.Target), brief(other.Intent.Run))
		}
	}
	run := &Run{Intent: in, Release: e.Release, Actor: e.Actor, Host: e.Host, Started: e.Time}
	s.Runs = append(s.Runs, run)
	if in.Item == "" {
		return odd
	}
	return errors.Join(odd, s.item(e, in.Item, func(r *ReleaseState, it Item, st *ItemState) error {
		if in.Undo {
			st.Undo = run
			return nil
		}
		*st = ItemState{Run: run, Early: st.kept(), Rests: rests(r, it)}
		return nil
	}))
}

func (s *State) ended(e Event, end Ended) error {
	i, ok := s.find(end.Run)
	switch {
	case !ok:
		return fmt.Errorf("run %s never began", brief(end.Run))
	case s.Runs[i].Ended != nil:
		return fmt.Errorf("run %s had ended as %s", brief(end.Run), s.Runs[i].Ended.Outcome)
	case end.Outcome != Done && end.Outcome != Failed && end.Outcome != Cancelled:
		return fmt.Errorf("run %s ended as %s, which means nothing here", brief(end.Run), brief(string(end.Outcome)))
	}
	run := *s.Runs[i]
	run.Ended, run.EndedAt = &end, e.Time
	s.replace(i, &run)
	s.took(&run)
	if end.Move == nil {
		return nil
	}
	if err := s.moved(run.Target, run.Intent.Run, *end.Move, e.Time); err != nil {
		return err
	}
	s.movedIn(run.Group, run.Target, *end.Move)
	return nil
}

func (s *State) cancel(e Event, c CancelAsked) error {
	i, ok := s.find(c.Run)
	if !ok {
		return fmt.Errorf("run %s never began", brief(c.Run))
	}
	if s.Runs[i].Ended != nil || s.Runs[i].CancelAsked != "" {
		return nil // it ended meanwhile, or was asked before
	}
	run := *s.Runs[i]
	run.CancelAsked = e.Actor
	s.replace(i, &run)
	return nil
}

func (s *State) adopted(e Event, a Adopted) error {
	return s.moved(a.Target, "", a.Move, e.Time)
}

// find is the place of a run among the runs.
func (s *State) find(run string) (int, bool) {
	for i, r := range slices.Backward(s.Runs) {
		if r.Intent.Run == run {
			return i, true
		}
	}
	return 0, false
}

// replace puts a changed run in the place of run i, and of the item that has it.
func (s *State) replace(i int, run *Run) {
	old := s.Runs[i]
	s.Runs[i] = run
	for j, r := range s.Releases {
		st := r.Items[run.Item]
		if r.ID != run.Release || st == nil || st.Run != old && st.Undo != old {
			continue
		}
		release, item := *r, *st
		switch {
		case st.Run == old:
			item.Run = run
		case run.Ended != nil:
			item = item.undone(run)
		default:
			item.Undo = run
		}
		release.Items = maps.Clone(r.Items)
		release.Items[run.Item] = &item
		s.Releases[j] = &release
	}
}

// moved records that a pointer of a target names another snapshot.
func (s *State) moved(target, run string, m Move, at time.Time) error {
	if target == "" {
		return errors.New("a pointer of no target moved")
	}
	if m.Pointer != "staging" && m.Pointer != "production" {
		return fmt.Errorf("no such pointer: %s", brief(m.Pointer))
	}
	p := Pointers{}
	if old := s.Targets[target]; old != nil {
		p = *old
	}
	before := p.Current[m.Pointer]
	p.Current = maps.Clone(p.Current)
	if p.Current == nil {
		p.Current = map[string]string{}
	}
	p.Current[m.Pointer] = m.To
	if m.To == "" {
		delete(p.Current, m.Pointer)
	}
	if m.Pointer == "production" {
		p.Revision = max(p.Revision, m.Revision)
		if m.To != before {
			p.Published = published(p.Published, Published{Snapshot: m.To, From: at, Run: run})
		}
	}
	if s.Targets == nil {
		s.Targets = map[string]*Pointers{}
	}
	s.Targets[target] = &p
	return nil
}

// published ends the present span and begins the next, if it serves anything.
func published(spans []Published, next Published) []Published {
	spans = slices.Clone(spans)
	if n := len(spans); n > 0 && spans[n-1].Until.IsZero() {
		spans[n-1].Until = next.From
	}
	if next.Snapshot == "" {
		return spans
	}
	return append(spans, next)
}
