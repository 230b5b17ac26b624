package storage

import (
	"context"
	"io"
	"os"
	"time"
)

// Served is where one target is served: its snapshots, which never change, and
// the pointers staging and production, each naming one of them.
type Served interface {
	// Path is where it is, for messages and file URLs: an absolute directory, or
	// the address of something else.
	Path() string
	// Pointer is the id of the snapshot that a pointer names; "" where the pointer
	// does not exist. One that names no snapshot that is there is an error.
	Pointer(ctx context.Context, name string) (string, error)
	// Flip moves a pointer from one snapshot to another, atomically and durably.
	// from is the snapshot that is expected there, "" for none; ErrConflict says
	// that the pointer is elsewhere. The caller holds the target's lock.
	Flip(ctx context.Context, name, from, to string) error
	// Snapshots are the ids of the snapshots there, oldest first.
	Snapshots(ctx context.Context) ([]string, error)
	// Manifest reads the manifest of a snapshot, and the SHA-256 of its bytes.
	Manifest(ctx context.Context, id string) (*Manifest, string, error)
	// Head is the manifest without its files and extras, at a cost that does not
	// depend on what the snapshot holds.
	Head(ctx context.Context, id string) (*Manifest, error)
	// Check compares a snapshot with its manifest, both ways; where full is set, by
	// hashing every byte. count hears of bytes; it may be nil.
	Check(ctx context.Context, id string, full bool, count func(int64)) error
	// Remove deletes a snapshot that no pointer names. The caller holds the
	// target's lock.
	Remove(ctx context.Context, id string) error
	// Sweep removes what builds, flips and removals left behind that did not come
	// to their end. The caller holds the target's lock.
	Sweep(ctx context.Context) error
	Close() error
}

// Tree is a Served whose snapshots are files.
type Tree interface {
	Served
	// Open opens a file of a snapshot for reading.
	Open(ctx context.Context, id, path string) (*os.File, error)
	// Begin starts a snapshot. Its id is the second of now, which must be later
	// than every snapshot there and than after, the Unix second of whatever was
	// published before. Where it is not, Begin waits for the next second; a clock
	// that is more than two seconds behind is an error.
	Begin(ctx context.Context, now time.Time, after int64) (Build, error)
}

// Build is a snapshot in the making, which nobody serves. Its methods may be
// called by several goroutines.
type Build interface {
	// ID is the id that the snapshot will have, Time the second that it names.
	ID() string
	Time() time.Time
	// Create makes a new file, to be written and committed or aborted.
	Create(ctx context.Context, path string) (Entry, error)
	// Link takes a file over from another snapshot; f is the file as that
	// snapshot's manifest has it. A file that is not what the manifest says is
	// refused.
	Link(ctx context.Context, from string, f File) (File, error)
	// Open opens a file that was committed or linked, for reading.
	Open(ctx context.Context, path string) (*os.File, error)
	// Add records more of a file that Create or Link made: what package it is,
	// whether it is retained. Size, digest and stat stay as they were found.
	Add(f File)
	// Commit makes the build a snapshot, complete and verified. m needs what only
	// the caller knows: ID, Revision, Files, and Created where it is zero, are set
	// here. count hears of bytes as they are hashed; it may be nil.
	Commit(ctx context.Context, m Manifest, count func(n int64)) (*Manifest, error)
	// Abort removes the build. After Commit it does nothing.
	Abort() error
}

// Entry is a new file of a build. What is written to it is hashed on the way.
type Entry interface {
	io.Writer
	// Rename gives the file another name in its directory before it is committed:
	// one that is known only when all is written, such as a digest. A name that is
	// taken is ErrExists.
	Rename(name string) error
	// Commit ends the file and records it in the build.
	Commit() (File, error)
	// Abort removes the file from the build. After Commit it does nothing.
	Abort() error
}

// Face is what clients of a target look at first, and where they find it.
type Face struct {
	// Dir is, by pointer, the directory that clients read, relative to the tree and
	// with '/'. On a file system it is a symbolic link to the pointer; on an object
	// store it holds copies. A pointer without one is read at its own name.
	Dir map[string]string
	// File is the file of a snapshot that clients fetch first, such as InRelease. On
	// an object store a copy of it in Dir is the pointer.
	File string
	// ID is the snapshot that such a file names.
	ID func(file []byte) (string, error)
	// Copy chooses the files of a snapshot that are copied to Dir on an object
	// store before the pointer moves; After those that are copied afterwards, for
	// clients that do not look at File.
	Copy, After func(path string) bool
}

// Locker holds locks by key.
type Locker interface {
	// Lock takes a lock, or returns ErrLocked where another holds it. Whoever holds
	// it keeps it until Release, or until the process ends.
	Lock(ctx context.Context, key string) (Lock, error)
	// Locked tells whether somebody holds the lock; what cannot be looked at
	// counts as held.
	Locked(ctx context.Context, key string) bool
}

// Lock is a lock that is held.
type Lock interface {
	// Release lets go of it.
	Release() error
	// Confirm makes sure that it is held at this moment: an error says that it is
	// not, or that nobody can tell.
	Confirm(ctx context.Context) error
	// Lost is closed when the lock was taken away, which those on an object store
	// can be; nil where that cannot happen.
	Lost() <-chan struct{}
}
