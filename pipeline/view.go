package pipeline

import (
	"time"

	"gantry/checklist"
	"gantry/storage"
	"gantry/storage/tunnel"
)

// View is everything a screen shows, at a moment. It shares nothing with the
// engine and may be kept.
type View struct {
	Now       time.Time
	Product   string
	Actor     string
	ReadOnly  bool
	Checklist checklist.View            // of the chosen release; Release is nil without one
	Open      []*checklist.ReleaseState // all open releases
	Days      []checklist.View          // the same with the status of their items
	Hold      *checklist.Hold
	Targets   []TargetView
	Runs      []RunView        // newest first
	Partial   *checklist.Group // the latest group, where it moved some targets and not all; nil otherwise
	Group     *GroupView       // the latest group, however it went; nil without one
	Head      uint64           // sequence of the last event read
	Tunnels   []tunnel.State   // of the configuration
	Trouble   []string         // what is wrong with the journal or the stores, in words
	Watched   []Watched        // probes that are watched, in the order of the configuration
}

// TargetView is a target at a moment.
type TargetView struct {
	Name       string
	Format     string
	Path       string // of its served directory
	URL        string
	Places     []storage.Place // where its artifacts are staged
	Staging    string          // snapshot that is served there, empty without
	Production string
	Unseen     string   // why it cannot be told what is served, in words; empty where it can
	Drift      string   // what is served against what the journal says, in words; empty where they agree
	Warnings   []string // of what production serves, in words
	Apart      []string // those of them that tell what is half done, and what to do
	Journal    checklist.Pointers
	Snapshots  []SnapshotView // newest first
	Busy       string         // run that is at it
}

// InStep tells whether production serves the packages of staging: the same
// snapshot, a twin of it or of what it is a twin of, or a copy.
func (t TargetView) InStep() bool {
	for _, s := range t.Snapshots {
		if s.ID == t.Production && s.CopyOf != "" {
			return s.CopyOf == t.Staging
		}
	}
	return t.origin(t.Staging) == t.origin(t.Production)
}

// origin is the snapshot whose packages another one publishes.
func (t TargetView) origin(id string) string {
	for _, s := range t.Snapshots {
		if s.ID == id && s.TwinOf != "" {
			return s.TwinOf
		}
	}
	return id
}

// Label is what operators call a snapshot: its id where it has no other name.
func (t TargetView) Label(id string) string {
	for _, s := range t.Snapshots {
		if s.ID == id && s.Label != "" {
			return s.Label
		}
	}
	return id
}

// SnapshotView is one snapshot of a target.
type SnapshotView struct {
	ID        string
	Label     string // what operators call it, such as the directory of a tree; empty where that is its id
	Created   time.Time
	TwinOf    string
	CopyOf    string    // the snapshot of staging that this one of production copies, of a tree
	Published time.Time // when production last began to serve it, zero if never
	Current   bool      // production serves it

	Expires time.Time // when clients stop to accept it, of what production serves; zero if never

	read  bool // TwinOf is what its head says
	timed bool // Expires is known
}

// RunView is a run at a moment.
type RunView struct {
	checklist.Run
	Live   bool   // a console is at it now
	Own    bool   // this console is
	Status Status // progress, where it is live
}

// GroupView is a group at a moment.
type GroupView struct {
	checklist.Group
	Live   bool   // a console is at it
	Own    bool   // this console is
	Status Status // progress, where this console is
}

// State is the run's state in a word: running, unknown, done, failed, cancelled.
func (r RunView) State() string {
	switch {
	case r.Ended != nil:
		return string(r.Ended.Outcome)
	case r.Live:
		return string(checklist.StatusRunning)
	default:
		return string(checklist.StatusUnknown)
	}
}
