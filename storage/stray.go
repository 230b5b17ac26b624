package storage

import (
	"context"
	"time"
)

// Stray is the error of Pointer where a pointer names something that is whole
// for all that is known, and was put there by other means than gantry's.
type Stray struct {
	Pointer string
	Is      string // what is there, in words
}

func (s *Stray) Error() string {
	return s.Pointer + " serves " + s.Is + ", which gantry did not publish"
}

// Found is what a pointer names that is no snapshot.
type Found struct {
	Digest string   // of all that would be taken over
	Words  []string // what an operator should know before it is
}

// Taker is a Served that can take over what others put there.
type Taker interface {
	// Find looks at what a pointer names that is no snapshot. It changes nothing.
	Find(ctx context.Context, name string) (*Found, error)
	// Take makes a snapshot of it, verified and whole, and moves nothing that
	// clients follow. Where something else is there than digest says, that is
	// ErrConflict. The id of the snapshot is as Begin chooses it. The caller holds
	// the target's lock.
	Take(ctx context.Context, name, digest string, now time.Time, after int64) (id string, err error)
}

// Parted is a Served where a pointer has several parts, which move one after the
// other.
type Parted interface {
	// Apart tells in words which parts of production were not where the pointer is
	// when Pointer last looked: a flip was interrupted, or somebody moved them.
	Apart() []string
}
