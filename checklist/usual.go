package checklist

import (
	"fmt"
	"slices"
	"time"
)

// remembered bounds how many durations of the same work are kept.
const remembered = 9

// work tells apart what items do: what they use, with which options, and on which
// target. It is empty for what people do.
func (it Item) work() string {
	if it.Uses == "" {
		return ""
	}
	return fmt.Sprintf("%q %q %q", it.Uses, it.Target, it.With) // maps are written in the order of their keys
}

// took keeps how long a run of an item took that was done. What looking found out
// later did not take until then, and taking back is other work.
func (s *State) took(run *Run) {
	r := s.Release(run.Release)
	if r == nil || run.Ended.Outcome != Done || run.Ended.Looked || run.Undo {
		return
	}
	it, _ := r.Checklist.Item(run.Item)
	took := run.EndedAt.Sub(run.Started)
	if it.work() == "" || took < 0 {
		return
	}
	if s.Took == nil {
		s.Took = map[string][]time.Duration{}
	}
	all := append(slices.Clone(s.Took[it.work()]), took)
	s.Took[it.work()] = all[max(0, len(all)-remembered):]
}

// Usual is how long an item takes: the median of the last times that the same was
// done in any release. ok is false where it never was.
func (s State) Usual(it Item) (took time.Duration, ok bool) {
	all := slices.Sorted(slices.Values(s.Took[it.work()]))
	if len(all) == 0 {
		return 0, false
	}
	return all[len(all)/2], true
}

// left is how long an item takes yet, as far as it goes by itself.
func (v ItemView) left(now time.Time) time.Duration {
	switch {
	case v.Status.Complete():
		return 0
	case v.Status == StatusRunning && v.State.undoing() == nil:
		return max(0, v.Usual-max(0, now.Sub(v.State.Run.Started)))
	}
	return v.Usual
}
