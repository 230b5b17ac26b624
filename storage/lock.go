package storage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked says that somebody else holds a lock.
var ErrLocked = errors.New("locked by another")

// fileLock is an exclusive lock on a file. The kernel lets go of it when the
// process that holds it ends, however it ends.
type fileLock struct{ file *os.File }

// Lost is nil: nobody takes it away.
func (l *fileLock) Lost() <-chan struct{} { return nil }

// Confirm is nil: nobody takes it away.
func (l *fileLock) Confirm(context.Context) error { return nil }

// patience is how long Lock tries. It does not wait for a holder; it outlasts
// the moment in which Locked looks.
const patience = 100 * time.Millisecond

// Lock takes the lock of that key, or returns ErrLocked where it is held. The
// file stays behind when the lock is released: to delete it would let two
// processes hold "the" lock on two files.
func (d *Dir) Lock(_ context.Context, name string) (Lock, error) {
	f, base, err := d.at(name, true)
	if err != nil {
		return nil, err
	}
	defer f.close()
	file, err := f.create(base, unix.O_CREAT|unix.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		err = flock(file, unix.LOCK_EX)
		if !errors.Is(err, ErrLocked) || time.Now().After(end) {
			break
		}
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s/%s: %w", f.path, base, err)
	}
	return &fileLock{file}, nil
}

// Release lets go of the lock.
func (l *fileLock) Release() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("release a lock: %w", err)
	}
	return nil
}

// Locked tells whether somebody holds the lock of that key. It looks by taking
// a shared lock and letting go at once: a holder notices nothing, others who
// look do not see each other, and Lock is patient enough to outlast it. What
// cannot be looked at counts as held.
func (d *Dir) Locked(_ context.Context, name string) bool {
	f, base, err := d.at(name, false)
	if err != nil {
		return !errors.Is(err, ErrNotFound)
	}
	defer f.close()
	file, _, err := f.open(base)
	if err != nil {
		return !errors.Is(err, ErrNotFound)
	}
	defer file.Close()
	return flock(file, unix.LOCK_SH) != nil
}

// flock tries to lock an open file or directory; it never waits.
func flock(f *os.File, how int) error {
	err := retry(func() error { return unix.Flock(int(f.Fd()), how|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrLocked
	}
	return err
}
