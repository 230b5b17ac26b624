package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// heldLease is a lease that this process holds, with the goroutine that renews
// it.
type heldLease struct {
	leases *Leases
	key    string
	stop   context.CancelFunc
	done   sync.WaitGroup

	lost chan struct{}
	gone sync.Once

	mu      sync.Mutex // one write at a time
	is      lease
	version string
	over    bool
	watch   *time.Timer // closes lost where no renewal came to its end for long
}

// hold keeps a lease that was written at that time alive, whatever becomes of
// the context under which it was taken.
func (l *Leases) hold(ctx context.Context, key string, is lease, version string, written time.Time) *heldLease {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &heldLease{leases: l, key: key, stop: stop, is: is, version: version, lost: make(chan struct{})}
	h.watch = time.AfterFunc(leaseKeep-time.Since(written), h.lose)
	h.done.Go(func() { h.run(ctx, written) })
	return h
}

// Lost is closed when the lease was taken by another, or could not be renewed
// for so long that another may take it soon.
func (h *heldLease) Lost() <-chan struct{} { return h.lost }

func (h *heldLease) lose() { h.gone.Do(func() { close(h.lost) }) }

// run renews the lease. A beat begins when the one before was sent: a server that
// takes long to answer leaves no time to wait as well.
func (h *heldLease) run(ctx context.Context, sent time.Time) {
	tick := time.NewTimer(leaseBeat - time.Since(sent))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.lost:
			return
		case <-tick.C:
		}
		sent = time.Now()
		limited, cancel := context.WithTimeout(ctx, leaseTry)
		err := h.renew(limited, leaseHeld)
		cancel()
		switch {
		case err == nil:
			tick.Reset(leaseBeat - time.Since(sent))
		case errors.Is(err, ErrConflict):
			h.lose()
		default:
			tick.Reset(leaseBeat / 4) // until the watch closes lost
		}
	}
}

// renew writes the lease once more. ErrConflict says that it is another's.
func (h *heldLease) renew(ctx context.Context, state string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return fmt.Errorf("the lease %s was released", h.key)
	}
	for range 3 {
		next := h.is
		next.State, next.Beat = state, h.is.Beat+1
		asked := time.Now()
		o, err := h.leases.write(ctx, h.key, next, IfMatch(h.version))
		if err == nil {
			h.is, h.version = next, o.Version
			h.watch.Reset(leaseKeep - time.Since(asked))
			return nil
		}
		if !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
			return err
		}
		// An earlier write of our own may have arrived without an answer.
		is, o, err := h.leases.read(ctx, h.key)
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("the lease %s is gone: %w", h.key, ErrConflict)
		}
		if err != nil {
			return err
		}
		if is.Nonce != h.is.Nonce {
			return fmt.Errorf("the lease %s was taken: %w: %w", h.key, ErrConflict, is.heldError())
		}
		h.is, h.version = is, o.Version
	}
	return fmt.Errorf("the lease %s changes all the time: %w", h.key, ErrConflict)
}

// Confirm renews the lease now: nobody had taken it when Confirm returns nil. A
// process that was stopped, or a machine that slept, learns by it what happened
// meanwhile.
func (h *heldLease) Confirm(ctx context.Context) error {
	select {
	case <-h.lost:
		return fmt.Errorf("the lease %s was lost: %w", h.key, ErrConflict)
	default:
		return h.renew(ctx, leaseHeld)
	}
}

// Release lets go of the lock. It waits for a renewal that is under way. An
// error says that others have to wait until they see that nobody renews it.
func (h *heldLease) Release() error {
	err := h.end(func(ctx context.Context) error { return h.renew(ctx, leaseReleased) })
	if err != nil {
		return fmt.Errorf("release a lock: %w", err)
	}
	return nil
}

// remove lets go of a lease whose key nobody will use again, and deletes it.
func (h *heldLease) remove() error {
	return h.end(func(ctx context.Context) error {
		if err := h.leases.store.Delete(ctx, h.key); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		return nil
	})
}

func (h *heldLease) end(last func(context.Context) error) error {
	h.stop()
	h.done.Wait()
	h.mu.Lock()
	over := h.over
	h.mu.Unlock()
	if over {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseTTL)
	defer cancel()
	err := last(ctx)
	h.mu.Lock()
	h.over = true
	h.mu.Unlock()
	h.watch.Stop()
	if err != nil {
		h.leases.leave(h.key, h.is.Nonce)
	}
	h.leases.letGo(h.key)
	return err
}
