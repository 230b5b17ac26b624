package checklist

import "time"

// State is what the journal amounts to. It does not depend on the time.
type State struct {
	Seq      uint64                     // of the last event folded
	Hold     *Hold                      // nil while the line runs
	Releases []*ReleaseState            // in the order they were opened
	Targets  map[string]*Pointers       // what the journal says each target serves
	Runs     []*Run                     // in the order of their intents
	Groups   []*Group                   // in the order they were begun
	Took     map[string][]time.Duration // of runs that were done, by what they did; the latest only
	Odd      []string                   // entries that made no sense, in words; the latest only
}

// Hold says who stopped the line, when and why.
type Hold struct {
	Actor  string
	Time   time.Time
	Reason string
}

// ReleaseState is a release and what is known of its items.
type ReleaseState struct {
	Opened
	OpenedBy string
	OpenedAt time.Time
	ClosedAt time.Time // zero while it is worked
	Aborted  bool
	Items    map[string]*ItemState
}

// ItemState is what the journal says of one item.
type ItemState struct {
	Ticked *Mark             // a person's tick, nil without
	Waived *Mark             // a waiver, nil without
	Run    *Run              // its last run, nil without
	Early  *Mark             // it may be done before its window opens, nil without
	Undo   *Run              // the last run that took it back or failed to, nil without
	Rests  map[string]string // what the items it needs had said when it was begun
}

// Mark is who said something of an item, when, and what.
type Mark struct {
	Actor string
	Time  time.Time
	Note  string
}

// Run is one execution.
type Run struct {
	Intent
	Release     string
	Actor, Host string
	Started     time.Time
	CancelAsked string    // by whom, empty without
	Ended       *Ended    // nil without a result
	EndedAt     time.Time // zero without a result
}

// Group is several targets that move under one confirmation.
type Group struct {
	Grouped
	Release     string
	Actor, Host string
	Started     time.Time
	Before      map[string]*Pointers // of its targets, as the journal had them then; nil of those it knew nothing of
	Moved       map[string]Move      // of those targets that did move
	Ended       *GroupOver           // nil while its console is at it, or where that died
	EndedAt     time.Time
}

// Whole tells whether every target of the group moved.
func (g *Group) Whole() bool {
	for _, target := range g.Targets {
		if _, moved := g.Moved[target]; !moved {
			return false
		}
	}
	return true
}

// Pointers is what the journal says of a target.
type Pointers struct {
	Current   map[string]string // pointer -> snapshot
	Revision  int64             // highest revision that production ever served
	Published []Published       // what production served, oldest first
}

// Published is one span in which production served a snapshot.
type Published struct {
	Snapshot string
	From     time.Time
	Until    time.Time // zero for the present one
	Run      string
}

// Status is what an item is at a time.
type Status string

// Statuses of items.
const (
	StatusBlocked   Status = "blocked"   // something it needs is not done
	StatusWaiting   Status = "waiting"   // its window has not opened
	StatusReady     Status = "ready"     // may be done now
	StatusRunning   Status = "running"   // somebody's console is at it
	StatusUnknown   Status = "unknown"   // a run began and nobody knows how it ended
	StatusFailed    Status = "failed"    // its last run failed
	StatusCancelled Status = "cancelled" // its last run was cancelled
	StatusDone      Status = "done"
	StatusWaived    Status = "waived"
	StatusStale     Status = "stale" // done, but what it rests on changed since
)

// Complete tells whether items that need this one may go on.
func (s Status) Complete() bool { return s == StatusDone || s == StatusWaived }

// Observed is what the journal cannot say: the time, which runs are alive, and
// what the inputs of items are now.
type Observed struct {
	Now    time.Time
	Live   func(run string) bool
	Inputs map[string]string // item -> digest; an item that is missing is not compared
}

// View is a release at a time.
type View struct {
	Release  *ReleaseState
	Sections []SectionView
	Done     int // items done or waived
	Total    int
	Left     time.Duration // what is left of it by itself, as long as that took before; people and windows aside
}

// SectionView is a section at a time.
type SectionView struct {
	Section
	Views []ItemView // one for each of Items
}

// ItemView is an item at a time.
type ItemView struct {
	Item
	Status  Status
	State   *ItemState
	Because string    // why it has its status, in words; empty where that goes without saying
	Barred  string    // why it may not be begun now whatever its status, in words; empty when it may
	Opens   time.Time // when its window opens, zero without
	Closes  time.Time // when it becomes late, zero without
	Late    bool
	Usual   time.Duration // how long it took before, zero where it never ran
}
