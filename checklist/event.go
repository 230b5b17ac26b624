package checklist

import (
	"encoding/json"
	"time"
)

// Event is one fact of the journal, as the checklist understands it.
type Event struct {
	Seq     uint64
	Time    time.Time
	Actor   string
	Host    string
	Release string // id of the release, empty for facts about no release
	Type    string
	Data    json.RawMessage
}

// Types of events, each with the struct that its data holds.
const (
	ReleaseOpened = "release.opened" // Opened
	ReleaseClosed = "release.closed" // Closed
	ItemTicked    = "item.ticked"    // Ticked
	ItemCleared   = "item.cleared"   // Cleared: a tick, waiver or early opening is taken back
	ItemWaived    = "item.waived"    // Waived
	ItemEarly     = "item.early"     // Early: it may be done before its window opens
	RunIntent     = "run.intent"     // Intent
	RunEnded      = "run.ended"      // Ended
	RunCancel     = "run.cancel"     // CancelAsked
	GroupBegun    = "group.begun"    // Grouped: several targets move under one confirmation
	GroupEnded    = "group.ended"    // GroupOver
	HoldSet       = "hold.set"       // Held
	HoldLifted    = "hold.lifted"    // Held
	DriftAdopted  = "drift.adopted"  // Adopted
	Refused       = "refused"        // Refusal: a confirmation that was not given rightly

	ArtifactStaged  = "artifact.staged"     // Artifact
	ArtifactRemoved = "artifact.removed"    // Artifact
	JournalMended   = "journal.quarantined" // a torn last entry was moved aside; data is the storage room's
)

// Opened begins a release.
type Opened struct {
	ID        string    `json:"id"` // such as patch-2025.4.1 or final-9.7
	Kind      string    `json:"kind"`
	Version   string    `json:"version"`
	Due       time.Time `json:"due,omitzero"`
	Checklist Checklist `json:"checklist"`
}

// Closed ends a release.
type Closed struct {
	Aborted bool   `json:"aborted,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Ticked says that a person saw an item to be true, and what they saw.
type Ticked struct {
	Item string `json:"item"`
	Note string `json:"note"`
}

// Cleared takes a tick, a waiver or an early opening back.
type Cleared struct {
	Item   string `json:"item"`
	Reason string `json:"reason,omitempty"`
}

// Waived says that an item is skipped, and why.
type Waived struct {
	Item   string `json:"item"`
	Reason string `json:"reason"`
}

// Early says that an item may be done before its window opens, and why.
type Early struct {
	Item   string `json:"item"`
	Reason string `json:"reason"`
}

// Intent is written before a run has any effect.
type Intent struct {
	Run    string `json:"run"`
	Item   string `json:"item,omitempty"` // of the release's checklist; empty for verbs outside it
	Verb   string `json:"verb"`           // build, stage, promote, rollback, verify, check.key...
	Title  string `json:"title"`
	Target string `json:"target,omitempty"`
	Risk   Risk   `json:"risk"`
	Plan   string `json:"plan,omitempty"`   // digest of the plan
	Phrase string `json:"phrase,omitempty"` // what the operator typed
	Group  string `json:"group,omitempty"`  // that the run is of
	Move   *Move  `json:"move,omitempty"`   // the pointer it is about to flip
	Undo   bool   `json:"undo,omitempty"`   // it takes back what the item did
}

// Move is a pointer going from one snapshot to another.
type Move struct {
	Pointer  string `json:"pointer"` // staging or production
	From     string `json:"from,omitempty"`
	To       string `json:"to"`
	Revision int64  `json:"revision,omitempty"` // of To, what clients compare
}

// Outcome says how a run ended.
type Outcome string

// Outcomes of runs.
const (
	Done      Outcome = "done"
	Failed    Outcome = "failed"
	Cancelled Outcome = "cancelled"
)

// Ended is written after a run's effect, or when looking found out about it.
type Ended struct {
	Run      string            `json:"run"`
	Outcome  Outcome           `json:"outcome"`
	Error    string            `json:"error,omitempty"`
	Hint     string            `json:"hint,omitempty"`
	Evidence map[string]string `json:"evidence,omitempty"` // what was observed, by name
	Inputs   string            `json:"inputs,omitempty"`   // digest of what the result depends on
	Move     *Move             `json:"move,omitempty"`     // the pointer that did move, whatever the outcome
	Looked   bool              `json:"looked,omitempty"`   // found out afterwards, by looking
}

// Grouped begins the moves of several targets, one after another.
type Grouped struct {
	Group   string   `json:"group"`
	Verb    string   `json:"verb"`
	Title   string   `json:"title"`
	Targets []string `json:"targets"` // in the order of their moves
	Plans   []string `json:"plans"`   // their digests, in that order
	Phrase  string   `json:"phrase"`  // what the operator typed
}

// GroupOver says that no further move of a group will be made.
type GroupOver struct {
	Group string `json:"group"`
	Error string `json:"error,omitempty"` // why it is not whole; empty where it is
	Hint  string `json:"hint,omitempty"`
}

// CancelAsked asks whoever runs it to stop.
type CancelAsked struct {
	Run string `json:"run"`
}

// Held stops the line, or lifts the stop.
type Held struct {
	Reason string `json:"reason"`
}

// Adopted accepts what a target serves although the journal says otherwise.
type Adopted struct {
	Target string `json:"target"`
	Move   Move   `json:"move"`
	Reason string `json:"reason,omitempty"`
}

// Refusal records that somebody tried and was not let.
type Refusal struct {
	Verb   string `json:"verb"`
	Target string `json:"target,omitempty"`
	Plan   string `json:"plan,omitempty"`
	Typed  string `json:"typed,omitempty"`
	Reason string `json:"reason"`
}

// Artifact says what was staged or removed, after it was.
type Artifact struct {
	Target   string `json:"target,omitempty"`
	File     string `json:"file"`
	Digest   string `json:"digest,omitempty"` // SHA-256, lower-case hex
	Size     int64  `json:"size"`             // bytes
	Replaced bool   `json:"replaced,omitempty"`
}
