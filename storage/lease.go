package storage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"gantry/config"
)

// Leases are locks on any store with conditional writes. A lease is an object
// that its holder rewrites again and again; who sees the same version of it for
// long enough, by a clock of its own, takes the holder for dead. Wall clocks are
// never compared, and the object is never deleted, so that its generation only
// rises.
//
// A lease spares work and shows who is at it. It cannot keep a holder that was
// stopped for long from writing once more: what must not happen twice is guarded
// by a conditional write of its own.
type Leases struct {
	store Store
	owner string
	self  process

	mu   sync.Mutex
	held map[string]bool
	seen map[string]sighting
	left map[string]string // by key, the nonce of a lease that was let go of and is held by what the store says
}

// sighting is since when a lease has the version that it has.
type sighting struct {
	version string
	since   time.Time
}

// lease is the stored form.
type lease struct {
	Generation uint64  `json:"generation"` // rises with each holder
	Nonce      string  `json:"nonce"`      // of the holder: two leases never have the same bytes
	Owner      string  `json:"owner"`      // who, for people
	Holder     process `json:"holder"`
	State      string  `json:"state"` // held or released
	Beat       uint64  `json:"beat"`  // rises with each renewal
}

// process is where a holder runs. Words that are not known are empty.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start,omitempty"` // when it started, in the kernel's own count: tells a reused pid
	Boot  string `json:"boot,omitempty"`  // of the machine since it was started
	Space string `json:"space,omitempty"` // within which the pid counts
}

const (
	leaseHeld     = "held"
	leaseReleased = "released"
	maxLease      = 16 << 10 // bytes

	leaseBeat = 3 * time.Second  // between two renewals
	leaseTry  = 5 * time.Second  // for one of them: a connection that hangs leaves time for another
	leaseKeep = 10 * time.Second // not renewed for so long, its holder gives it up
	leaseTTL  = 15 * time.Second // unchanged for so long, a lease is of a dead holder
)

// NewLeases makes locks on a store. owner says who holds them, to others.
func NewLeases(s Store, owner string) *Leases {
	return &Leases{
		store: s, owner: owner, self: thisProcess(),
		held: map[string]bool{}, seen: map[string]sighting{}, left: map[string]string{},
	}
}

// Lock takes the lock of that key, or returns ErrLocked where another holds it.
// It returns at once, unless the holder may be dead: then after as long as it
// takes to see that.
func (l *Leases) Lock(ctx context.Context, key string) (Lock, error) {
	h, err := l.lock(ctx, key, false)
	if err != nil {
		return nil, err
	}
	return h, nil
}

// lock is Lock; where fresh is set, a lease that was ever held is ErrLocked too.
func (l *Leases) lock(ctx context.Context, key string, fresh bool) (*heldLease, error) {
	if err := CheckKey(key); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	l.mu.Lock()
	mine := l.held[key]
	l.held[key] = true
	l.mu.Unlock()
	if mine {
		return nil, fmt.Errorf("lock %s: %w: this console holds it", key, ErrLocked)
	}
	h, err := l.acquire(ctx, key, fresh)
	if err != nil {
		l.letGo(key)
		return nil, fmt.Errorf("lock %s: %w", key, err)
	}
	return h, nil
}

func (l *Leases) letGo(key string) {
	l.mu.Lock()
	delete(l.held, key)
	l.mu.Unlock()
}

func (l *Leases) acquire(ctx context.Context, key string, fresh bool) (*heldLease, error) {
	mine := nonce()
	for {
		was, o, err := l.read(ctx, key)
		next := lease{Generation: 1, Nonce: mine, Owner: l.owner, Holder: l.self, State: leaseHeld}
		cond := IfAbsent
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return nil, err
		case was.Nonce == mine && was.State == leaseHeld:
			// A write of our own arrived without an answer.
			return l.hold(ctx, key, was, o.Version, time.Now()), nil
		case fresh:
			return nil, was.heldError()
		default:
			if o, was, err = l.outlast(ctx, key, was, o); err != nil {
				return nil, err
			}
			next.Generation, cond = was.Generation+1, IfMatch(o.Version)
		}
		asked := time.Now()
		o, err = l.write(ctx, key, next, cond)
		if errors.Is(err, ErrExists) || errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
			continue // another was faster, and is looked at now
		}
		if err != nil {
			return nil, err
		}
		l.forget(key)
		return l.hold(ctx, key, next, o.Version, asked), nil
	}
}

// outlast returns the lease as it is once its holder is known to be gone, and
// ErrLocked once it is known to live.
func (l *Leases) outlast(ctx context.Context, key string, was lease, at Object) (Object, lease, error) {
	for {
		if l.over(key, was, at.Version) {
			return at, was, nil
		}
		if l.self.sees(was.Holder) == alive {
			return at, was, was.heldError()
		}
		select {
		case <-ctx.Done():
			return at, was, ctx.Err()
		case <-time.After(leaseBeat / 4):
		}
		is, o, err := l.read(ctx, key)
		if err != nil {
			return at, was, err
		}
		if o.Version != at.Version && is.State == leaseHeld {
			l.over(key, is, o.Version) // remembered for the next who asks
			return at, was, is.heldError()
		}
		was, at = is, o
	}
}

// over tells whether nobody holds a lease that has this version now, and
// remembers since when it has it.
func (l *Leases) over(key string, is lease, version string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if is.State == leaseReleased {
		delete(l.seen, key)
		return true
	}
	if l.self.sees(is.Holder) == dead || l.left[key] == is.Nonce {
		return true
	}
	s, known := l.seen[key]
	if !known || s.version != version {
		l.seen[key] = sighting{version, time.Now()}
		return false
	}
	return time.Since(s.since) >= leaseTTL
}

// leave notes that nobody holds a lease any more, although the store could not
// be told.
func (l *Leases) leave(key, nonce string) {
	l.mu.Lock()
	l.left[key] = nonce
	l.mu.Unlock()
}

func (l *Leases) forget(key string) {
	l.mu.Lock()
	delete(l.seen, key)
	delete(l.left, key)
	l.mu.Unlock()
}

// Locked tells whether somebody holds the lock of that key. It costs one read
// and never waits: a lease that is seen for the first time counts as held, until
// later calls have seen it unchanged for long enough. What cannot be looked at
// counts as held.
func (l *Leases) Locked(ctx context.Context, key string) bool {
	l.mu.Lock()
	mine := l.held[key]
	l.mu.Unlock()
	if mine {
		return true
	}
	is, o, err := l.read(ctx, key)
	if errors.Is(err, ErrNotFound) {
		l.forget(key)
		return false
	}
	return err != nil || !l.over(key, is, o.Version)
}

func (l *Leases) read(ctx context.Context, key string) (lease, Object, error) {
	var is lease
	b, o, err := readSmall(ctx, l.store, key, maxLease)
	if err != nil {
		return is, o, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&is); err != nil || is.Nonce == "" || is.State != leaseHeld && is.State != leaseReleased {
		return is, o, config.Hint(fmt.Errorf("%s is no lease", key), "gantry writes this object itself; remove what is there when no console is at work")
	}
	return is, o, nil
}

func (l *Leases) write(ctx context.Context, key string, is lease, c Condition) (Object, error) {
	b, err := json.Marshal(is)
	if err != nil {
		return Object{}, err
	}
	return l.store.Put(ctx, key, bytes.NewReader(append(b, '\n')), c)
}

func (l lease) heldError() error {
	who := config.Inert(l.Owner)
	if who == "" {
		who = "another console"
	}
	return fmt.Errorf("%w: %s holds it", ErrLocked, who)
}

// readSmall reads an object that has no more than so many bytes.
func readSmall(ctx context.Context, s Store, key string, most int64) ([]byte, Object, error) {
	r, o, err := s.Open(ctx, key, Range{})
	if err != nil {
		return nil, o, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(reader{ctx, r}, most+1))
	switch {
	case err != nil:
		return nil, o, fmt.Errorf("read %s: %w", key, err)
	case int64(len(b)) > most:
		return nil, o, fmt.Errorf("read %s: more than %d bytes", key, most)
	case int64(len(b)) != o.Size:
		return nil, o, fmt.Errorf("read %s: %d bytes of %d: %w", key, len(b), o.Size, io.ErrUnexpectedEOF)
	}
	return b, o, nil
}

// thisProcess is the process that runs this.
func thisProcess() process {
	p := process{PID: os.Getpid()}
	p.Boot, p.Space, p.Start = kernelWords()
	return p
}
