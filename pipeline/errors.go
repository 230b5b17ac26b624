package pipeline

// RefusedError says that something may not be done now: a hold, a missing
// approval, a read-only console, an item that is blocked.
type RefusedError struct {
	Reason string
	Hint   string // what the operator can do
	Idle   bool   // what was asked for is so already
}

func (e *RefusedError) Error() string { return "refused: " + e.Reason }

// ConfirmError says that a plan needs its phrase typed.
type ConfirmError struct {
	Plan   Plan
	Group  *Group // of several plans, instead of one
	Phrase string
	Typed  string // what was given instead, empty if nothing was
}

func (e *ConfirmError) Error() string {
	if e.Typed != "" {
		return "refused: that is not the phrase of this plan"
	}
	return "refused: needs a confirmation"
}

// ConflictError says that the world moved since the plan was made.
type ConflictError struct {
	Reason string
	Hint   string
}

func (e *ConflictError) Error() string { return "conflict: " + e.Reason }
