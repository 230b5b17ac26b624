package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// storeEntry is a new file of a build on a store: a local file without a name,
// which is uploaded by Commit.
type storeEntry struct {
	build *storeBuild
	ctx   context.Context // that of Create: Commit has none
	path  string
	file  *os.File
	sum   hash.Hash
	size  int64
}

// Create makes a new file of the snapshot, to be written and committed or
// aborted. ctx holds until then.
func (b *storeBuild) Create(ctx context.Context, path string) (Entry, error) {
	if err := b.take(path); err != nil {
		return nil, fmt.Errorf("create a file of the snapshot: %w", err)
	}
	file, err := SpoolFile()
	if err != nil {
		b.give(path)
		return nil, err
	}
	b.mu.Lock()
	b.open++
	b.mu.Unlock()
	return &storeEntry{build: b, ctx: ctx, path: path, file: file, sum: sha256.New()}, nil
}

// Write adds bytes to the file.
func (e *storeEntry) Write(p []byte) (int, error) {
	n, err := e.file.Write(p)
	e.sum.Write(p[:n])
	e.size += int64(n)
	if err != nil {
		return n, explain("write "+e.path+" to a temporary file", err)
	}
	return n, nil
}

// Rename gives the file another name in its directory before it is committed.
func (e *storeEntry) Rename(name string) error {
	if e.file == nil {
		return errors.New("rename a file of the snapshot: it is over")
	}
	if err := CheckName(name); err != nil {
		return fmt.Errorf("rename a file of the snapshot: %w", err)
	}
	path := name
	if dir, _ := splitKey(e.path); dir != "" {
		path = dir + "/" + name
	}
	if err := e.build.take(path); err != nil {
		return fmt.Errorf("rename a file of the snapshot: %w", err)
	}
	e.build.give(e.path)
	e.path = path
	return nil
}

// Commit uploads the file and records it in the build.
func (e *storeEntry) Commit() (File, error) {
	if e.file == nil {
		return File{}, errors.New("commit a file of the snapshot: it is over")
	}
	f := File{Path: e.path, Size: e.size, SHA256: hex.EncodeToString(e.sum.Sum(nil))}
	o, err := e.upload(f)
	if err != nil {
		return File{}, errors.Join(fmt.Errorf("commit %s: %w", e.path, err), e.Abort())
	}
	Reach("storetree.file.put")
	f.Stat = o.Stamp()
	e.build.record(f, true)
	e.end()
	return f, nil
}

func (e *storeEntry) upload(f File) (Object, error) {
	if _, err := e.file.Seek(0, io.SeekStart); err != nil {
		return Object{}, err
	}
	store, key := e.build.tree.store, e.build.key(f.Path)
	o, err := store.Put(e.ctx, key, e.file, IfAbsent)
	if errors.Is(err, ErrExists) {
		// An earlier try of our own may have arrived without an answer.
		is, readErr := download(e.ctx, store, key, io.Discard, nil)
		if readErr == nil && is.same(f) == nil {
			return is.Object, nil
		}
	}
	if err == nil && o.Size != f.Size {
		err = fmt.Errorf("%d bytes arrived of %d", o.Size, f.Size)
	}
	return o, err
}

// Abort gives the file up. After Commit it does nothing.
func (e *storeEntry) Abort() error {
	if e.file == nil {
		return nil
	}
	e.build.give(e.path)
	e.end()
	return nil
}

func (e *storeEntry) end() {
	e.file.Close() // nothing in it is wanted any more
	e.file = nil
	e.build.mu.Lock()
	e.build.open--
	e.build.mu.Unlock()
}
