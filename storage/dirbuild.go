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
)

// dirBuild is a snapshot in the making: a directory beside the snapshots, which
// nobody serves, and which the kernel knows to be in use as long as its builder
// lives.
type dirBuild struct {
	served *servedDir
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

// Begin starts a snapshot. Its id is the second of now, which must be later than
// every snapshot there and than after, the Unix second of whatever was published
// before. Where it is not, Begin waits for the next second; a clock that is more
// than two seconds behind is an error.
func (s *servedDir) Begin(ctx context.Context, now time.Time, after int64) (Build, error) {
	ids, err := s.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	at, err := nextID(ctx, ids, now, after)
	if err != nil {
		return nil, err
	}
	b := &dirBuild{
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
func (b *dirBuild) makeTemp() error {
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
func (b *dirBuild) ID() string { return b.id }

// Time is the second that the id names, UTC.
func (b *dirBuild) Time() time.Time { return b.time }

// Add records more of a file that Create or Link made: what package it is,
// whether it is retained. Size, digest and stat stay as they were found.
func (b *dirBuild) Add(f File) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if is, ok := b.files[f.Path]; ok {
		f.Size, f.SHA256, f.Stat = is.Size, is.SHA256, is.Stat
	}
	b.files[f.Path] = f // where there is no such file, Commit says so
}

// folder takes the directory of a path of the snapshot, making it first. done
// gives it back.
func (b *dirBuild) folder(path string) (f *folder, name string, done func(), err error) {
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
func (b *dirBuild) source(key string) (f *folder, name string, done func(), err error) {
	dir, name := splitKey(key)
	// The '/' in front tells it from a directory of the build.
	f, err = b.idle.take("/"+dir, func() (*folder, error) { return b.served.dir.folder(dir, false) })
	return f, name, func() { b.idle.give("/"+dir, f) }, err
}

// Abort removes the build. After Commit it does nothing.
func (b *dirBuild) Abort() error {
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

func (b *dirBuild) close() {
	b.idle.close()
	b.at.Close()
	b.lock.Close()
	b.at, b.lock = nil, nil
}
