// Package storage is where things live: the Store (a directory, or a bucket of an
// S3-compatible server), the journal on it, the staging area, and the served tree
// of each target with its snapshots and pointers.
package storage

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors of stores, for errors.Is.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	ErrConflict = errors.New("changed meanwhile")
)

// Store keeps objects by key, with '/' between segments.
type Store interface {
	// List yields the objects whose keys start with prefix, in key order.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Stat describes one object; ErrNotFound where there is none.
	Stat(ctx context.Context, key string) (Object, error)
	// Open reads an object, or the part of it that r names.
	Open(ctx context.Context, key string, r Range) (io.ReadCloser, Object, error)
	// Put writes an object durably, under a condition; ErrExists or ErrConflict
	// where it does not hold.
	Put(ctx context.Context, key string, r io.Reader, c Condition) (Object, error)
	// Delete removes an object; ErrNotFound where there is none.
	Delete(ctx context.Context, key string) error
}

// Object describes a stored object.
type Object struct {
	Key      string
	Size     int64
	Modified time.Time
	Version  string // changes whenever the object does
	Link     bool   // a symbolic link, or anything else that is no regular file: never opened

	stat string // device:inode:mtime_ns, of stores on a file system
}

// Range is a part of an object; the zero Range is all of it.
type Range struct {
	Offset int64
	Length int64 // 0 means to the end
}

// Condition is what must hold for a Put. The zero Condition is Always.
type Condition struct {
	absent  bool
	version string
}

// Always writes whatever is there.
var Always = Condition{}

// IfAbsent writes only where no object has the key.
var IfAbsent = Condition{absent: true}

// IfMatch writes only where the object still has this version.
func IfMatch(version string) Condition { return Condition{version: version} }
