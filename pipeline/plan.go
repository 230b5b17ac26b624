package pipeline

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"gantry/checklist"
)

// Plan is what a step would change.
type Plan struct {
	Release string         `json:"release,omitempty"`
	Item    checklist.Item `json:"item"`
	Verb    string         `json:"verb"`
	Undo    bool           `json:"undo,omitempty"` // it takes back what the item did
	Title   string         `json:"title"`          // verb, object and consequence in a sentence
	Target  string         `json:"target,omitempty"`
	Risk    checklist.Risk `json:"risk"`

	Move    *checklist.Move `json:"move,omitempty"` // the pointer it would flip
	Added   []Change        `json:"added,omitempty"`
	Changed []Change        `json:"changed,omitempty"`
	Removed []Change        `json:"removed,omitempty"`
	Bytes   int64           `json:"bytes"` // size of what is added or changed

	// Counts are set where the lists above are only what is notable of many more.
	Counts *Counts `json:"counts,omitempty"`
	Parts  []Part  `json:"parts,omitempty"` // the same by part: by repository and architecture
	// Alarms are warnings that the phrase must name, each by its word.
	Alarms []Alarm `json:"alarms,omitempty"`

	Warnings []string          `json:"warnings,omitempty"`
	Facts    map[string]string `json:"facts,omitempty"`  // what else it is bound to: the manifest's digest, the key's fingerprint
	Inputs   string            `json:"inputs,omitempty"` // digest of what it was computed from
}

// Change is one package or file that a plan adds, changes or removes.
type Change struct {
	Name string `json:"name"`           // what an operator calls it: kernel.x86_64
	From string `json:"from,omitempty"` // version before
	To   string `json:"to,omitempty"`   // version after
	Size int64  `json:"size,omitempty"` // bytes after
	Down bool   `json:"down,omitempty"` // the version goes down
}

// Counts are how many things a plan adds, changes and removes.
type Counts struct {
	Added   int `json:"added"`
	Changed int `json:"changed"`
	Removed int `json:"removed"`
}

// Part is a part of what a plan is about.
type Part struct {
	Name string `json:"name"` // AppStream/x86_64
	Counts
	Bytes int64 `json:"bytes"` // of what is added or changed
}

// Alarm is a warning that wants to be acknowledged apart: its word is typed as a
// part of the phrase.
type Alarm struct {
	Word string `json:"word"` // lower case letters, digits and dashes: removes-many
	Text string `json:"text"`
}

// Count is how many things the plan adds, changes and removes.
func (p Plan) Count() Counts {
	if p.Counts != nil {
		return *p.Counts
	}
	return Counts{len(p.Added), len(p.Changed), len(p.Removed)}
}

// Guarded tells whether the plan runs only with its phrase.
func (p Plan) Guarded() bool { return p.Risk == checklist.Production || len(p.Alarms) > 0 }

// Digest is the SHA-256 of the plan in lower-case hex. Two plans that would do
// the same to the same world have the same digest.
func (p Plan) Digest() string {
	b, err := json.Marshal(p) // maps are written in key order
	if err != nil {
		panic("a plan holds only strings and numbers: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Phrase is what an operator types to confirm the plan: its target, its counts
// and six digits of its digest, as in "core-el9 +17 -2 7f3a9c". Packages whose
// version changes are counted as ~3 where there are any; alarms come as words
// with ! before them.
func (p Plan) Phrase() string {
	name := p.Target
	if name == "" {
		name = p.Verb
	}
	return phrase(name, p.Count(), p.Alarms, p.Digest())
}

func phrase(name string, n Counts, alarms []Alarm, digest string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s +%d", name, n.Added)
	if n.Changed > 0 {
		fmt.Fprintf(&b, " ~%d", n.Changed)
	}
	fmt.Fprintf(&b, " -%d", n.Removed)
	for _, a := range alarms {
		b.WriteString(" !" + a.Word)
	}
	return b.String() + " " + digest[:6]
}
