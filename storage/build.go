package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gantry/config"
)

// Build is a snapshot in the making: a directory beside the snapshots, which
// nobody serves, and which the kernel knows to be in use as long as its builder
// lives. Its methods may be called by several goroutines.
type Build struct {
	served *Served
	id     string
	time   time.Time
	temp   string // name of the directory in snapshots/
	lock   *os.File
	at     *Dir // the directory

	idle idle

	mu    sync.Mutex
	files map[string]File
	fresh map[string]bool // written here, not linked
	dirs  map[string]bool
	open  int // entries that are neither committed nor aborted
}

// patience with clocks: how far behind the newest snapshot one may be.
const behind = 2 * time.Second

// Begin starts a snapshot. Its id is the second of now, which must be later than
// every snapshot there and than after, the Unix second of whatever was published
// before. Where it is not, Begin waits for the next second; a clock that is more
// than two seconds behind is an error.
func (s *Served) Begin(ctx context.Context, now time.Time, after int64) (*Build, error) {
	ids, err := s.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		newest, err := ParseID(ids[len(ids)-1])
		if err != nil {
			return nil, err
		}
		after = max(after, newest.Unix())
	}
	second := now.Unix()
	if second <= after {
		second = after + 1
		wait := time.Unix(second, 0).Sub(now)
		if wait > behind {
			return nil, config.Hint(
				fmt.Errorf("begin a snapshot: the clock says %s, and the newest snapshot is of %s", now.UTC().Format(idForm), time.Unix(after, 0).UTC().Format(idForm)),
				"set the clock right; a snapshot is never older than the one before")
		}
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	at := time.Unix(second, 0).UTC()
	b := &Build{
		served: s, id: at.Format(idForm), time: at,
		files: map[string]File{}, fresh: map[string]bool{}, dirs: map[string]bool{},
	}
	if err := b.makeTemp(); err != nil {
		return nil, fmt.Errorf("begin a snapshot: %w", err)
	}
	Reach("build.begun")
	return b, nil
}

// makeTemp makes the directory and locks it. Between the two, Sweep may take it
// for abandoned: then there is another name.
func (b *Build) makeTemp() error {
	f, err := b.served.dir.folder(snapshotsDir, false)
	if err != nil {
		return err
	}
	defer f.close()
	for range 100 {
		name := tempPrefix + nonce()
		if err := f.root.Mkdir(name, 0o700); err != nil {
			return f.fail("make a directory in", "", err)
		}
		root, err := f.root.OpenRoot(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return f.fail("open", name, err)
		}
		lock, err := root.Open(".")
		if err != nil {
			root.Close()
			return f.fail("open", name, err)
		}
		err = flock(lock, unix.LOCK_EX)
		if err == nil {
			if _, err = f.stat(name); err == nil {
				b.temp, b.lock = name, lock
				b.at = &Dir{root: root, path: f.path + "/" + name}
				return nil
			}
		}
		lock.Close()
		root.Close()
		if !errors.Is(err, ErrLocked) && !errors.Is(err, ErrNotFound) {
			return f.fail("lock", name, err)
		}
	}
	return errors.New("the directory of the build is swept away again and again")
}

// ID is the id that the snapshot will have.
func (b *Build) ID() string { return b.id }

// Time is the second that the id names, UTC.
func (b *Build) Time() time.Time { return b.time }

// Add records more of a file that Create or Link made: what package it is,
// whether it is retained. Size, digest and stat stay as they were found.
func (b *Build) Add(f File) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if is, ok := b.files[f.Path]; ok {
		f.Size, f.SHA256, f.Stat = is.Size, is.SHA256, is.Stat
	}
	b.files[f.Path] = f // where there is no such file, Commit says so
}

// folder takes the directory of a path of the snapshot, making it first. done
// gives it back.
func (b *Build) folder(path string) (f *folder, name string, done func(), err error) {
	if err := CheckKey(path); err != nil {
		return nil, "", nil, err
	}
	if path == manifestName {
		return nil, "", nil, errors.New("manifest.json is written by Commit")
	}
	dir, name := splitKey(path)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		return nil, "", nil, errors.New("the build is over")
	}
	// Directories are synced by Commit, once each.
	if dir != "" && !b.dirs[dir] {
		if err := b.at.root.MkdirAll(dir, 0o755); err != nil {
			return nil, "", nil, explain("make "+b.at.path+"/"+dir, err)
		}
		for d := dir; d != ""; d, _ = splitKey(d) {
			b.dirs[d] = true
		}
	}
	at := b.at
	f, err = b.idle.take(dir, func() (*folder, error) { return at.folder(dir, false) })
	return f, name, func() { b.idle.give(dir, f) }, err
}

// source takes the directory of a file of another snapshot.
func (b *Build) source(key string) (f *folder, name string, done func(), err error) {
	dir, name := splitKey(key)
	// The '/' in front tells it from a directory of the build.
	f, err = b.idle.take("/"+dir, func() (*folder, error) { return b.served.dir.folder(dir, false) })
	return f, name, func() { b.idle.give("/"+dir, f) }, err
}

// Abort removes the build. After Commit it does nothing.
func (b *Build) Abort() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.at == nil {
		return nil
	}
	f, err := b.served.dir.folder(snapshotsDir, false)
	if err != nil {
		return err
	}
	defer f.close()
	err = f.root.RemoveAll(b.temp)
	b.close()
	if err != nil {
		return f.fail("remove", b.temp, err)
	}
	return nil
}

func (b *Build) close() {
	b.idle.close()
	b.at.Close()
	b.lock.Close()
	b.at, b.lock = nil, nil
}
