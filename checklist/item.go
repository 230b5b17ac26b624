// Package checklist is what must be done: templates, items, the events of a
// release and the state that is folded from them. It is pure: no I/O, no clock,
// no goroutine.
package checklist

import (
	"time"

	"gantry/config"
)

// Kind says who makes an item true.
type Kind string

// Kinds of items.
const (
	Manual Kind = "manual" // a person confirms it, with what they observed
	Check  Kind = "check"  // the console observes it
	Step   Kind = "step"   // the console acts
)

// Risk says what an item may change.
type Risk string

// Risks of items.
const (
	Safe       Risk = "safe"       // nothing that a client can see
	Staging    Risk = "staging"    // what testers see
	Production Risk = "production" // what clients see
)

// Checklist is a template resolved for one release: every item that is to be
// done, in order. It is journalled whole when the release is opened, so later
// edits of the template do not change it.
type Checklist struct {
	Template string    `json:"template"`
	Title    string    `json:"title"`
	Owner    string    `json:"owner,omitempty"`
	Contacts []Contact `json:"contacts,omitempty"`
	Channels []string  `json:"channels,omitempty"`
	Sections []Section `json:"sections"`
}

// Contact is somebody to ask, by mail or chat.
type Contact = config.Contact

// Section is a part of a checklist, ended by a pause.
type Section struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Note  string `json:"note,omitempty"`
	Items []Item `json:"items"`
}

// Item is one thing that must be true before the release is out.
type Item struct {
	ID     string            `json:"id"`
	Title  string            `json:"title"`
	Kind   Kind              `json:"kind"`
	Uses   string            `json:"uses,omitempty"`   // what makes a check or step: build, check.key, command...
	Target string            `json:"target,omitempty"` // the target it is about, if one
	With   map[string]string `json:"with,omitempty"`   // options of what it uses
	Needs  []string          `json:"needs,omitempty"`  // items that must be done or waived before
	Window *Window           `json:"window,omitempty"` // when it may or must be done
	Risk   Risk              `json:"risk"`
	Killer bool              `json:"killer,omitempty"` // may not be waived
	Asks   string            `json:"asks,omitempty"`   // of a manual item: the value to record
	Wants  Wants             `json:"wants,omitempty"`  // of a manual item: the form that the value has
	Help   string            `json:"help,omitempty"`
	Who    string            `json:"who,omitempty"` // whom to ask about it
}

// Window is a span of time, counted from when another item was completed (After)
// or back from when the release is due (Before is "due"; there is no window in a
// release without a due time).
type Window struct {
	After  string        `json:"after,omitempty"`  // item whose completion starts the count; it is needed too
	Before string        `json:"before,omitempty"` // "due": spans count back from the release's due time
	Opens  time.Duration `json:"opens,omitempty"`  // After: not before this long after. Before: not earlier than this long before; zero: at any time
	Closes time.Duration `json:"closes,omitempty"` // After: late from this long after; zero: never. Before: late from this long before
}
