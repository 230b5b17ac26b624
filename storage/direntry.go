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

	"golang.org/x/sys/unix"
)

// dirEntry is a new file of a build. What is written to it is hashed on the way.
type dirEntry struct {
	build *dirBuild
	path  string
	at    *folder
	done  func() // gives at back
	name  string
	file  *os.File
	sum   hash.Hash
	size  int64
}

// Create makes a new file of the snapshot, to be written and committed or
// aborted.
func (b *dirBuild) Create(_ context.Context, path string) (Entry, error) {
	return b.create(path)
}

func (b *dirBuild) create(path string) (*dirEntry, error) {
	f, name, done, err := b.folder(path)
	if err != nil {
		return nil, fmt.Errorf("create a file of the snapshot: %w", err)
	}
	file, err := f.create(name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o600)
	if err != nil {
		done()
		return nil, err
	}
	b.mu.Lock()
	b.open++
	b.mu.Unlock()
	return &dirEntry{build: b, path: path, at: f, done: done, name: name, file: file, sum: sha256.New()}, nil
}

// Write adds bytes to the file.
func (e *dirEntry) Write(p []byte) (int, error) {
	n, err := e.file.Write(p)
	e.sum.Write(p[:n])
	e.size += int64(n)
	if err != nil {
		return n, e.at.fail("write to", e.name, err)
	}
	return n, nil
}

// Commit ends the file: read-only, synced and recorded in the build. Its time is
// that of the build, in whole seconds, so that it rises from one snapshot to the
// next: servers tell by it whether a file is new.
func (e *dirEntry) Commit() (File, error) {
	if e.file == nil {
		return File{}, errors.New("commit a file of the snapshot: it is over")
	}
	Reach("build.file.written")
	err := e.file.Chmod(0o444)
	if err == nil {
		at := unix.NsecToTimeval(e.build.time.UnixNano())
		err = unix.Futimes(int(e.file.Fd()), []unix.Timeval{at, at})
	}
	if err == nil {
		err = e.file.Sync()
	}
	var st unix.Stat_t
	if err == nil {
		err = retry(func() error { return unix.Fstat(int(e.file.Fd()), &st) })
	}
	if err != nil {
		return File{}, errors.Join(e.at.fail("write to", e.name, err), e.Abort())
	}
	if err := e.file.Close(); err != nil {
		e.file = nil
		err = e.at.fail("close", e.name, err)
		return File{}, errors.Join(err, e.at.remove(e.name), e.end())
	}
	Reach("build.file.synced")
	f := File{Path: e.path, Size: e.size, SHA256: hex.EncodeToString(e.sum.Sum(nil)), Stat: statOf(st)}
	b := e.build
	b.mu.Lock()
	b.files[e.path] = f
	b.fresh[e.path] = true
	b.mu.Unlock()
	return f, e.end()
}

// Abort removes the file from the build. After Commit it does nothing.
func (e *dirEntry) Abort() error {
	if e.file == nil {
		return nil
	}
	e.file.Close() // it is removed anyway
	return errors.Join(e.at.remove(e.name), e.end())
}

func (e *dirEntry) end() error {
	e.file = nil
	e.done()
	e.build.mu.Lock()
	e.build.open--
	e.build.mu.Unlock()
	return nil
}

// Link takes a file over from another snapshot, by a hard link; where the file
// system refuses one, by a copy. f is the file as that snapshot's manifest has
// it. Its digest is kept where device, inode, size and mtime are those of the
// time of hashing; otherwise the file is hashed again, and refused if it is not
// what the manifest says.
func (b *dirBuild) Link(_ context.Context, from string, f File) (File, error) {
	linked, err := b.link(from, f)
	if err != nil {
		return File{}, fmt.Errorf("take %s over from snapshot %s: %w", f.Path, from, err)
	}
	b.mu.Lock()
	b.files[f.Path] = linked
	b.mu.Unlock()
	Reach("build.linked")
	return linked, nil
}

func (b *dirBuild) link(from string, f File) (File, error) {
	key, err := snapshotKey(from, f.Path)
	if err != nil {
		return f, err
	}
	source, name, done, err := b.source(key)
	if err != nil {
		return f, err
	}
	defer done()
	st, err := source.stat(name)
	if err != nil {
		return f, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size != f.Size {
		return f, errors.New("it is not the file of the manifest: another size, or no regular file")
	}
	if statOf(st) != f.Stat {
		if f.Stat, err = b.rehash(key, f.SHA256); err != nil {
			return f, err
		}
	}
	to, _, done, err := b.folder(f.Path)
	if err != nil {
		return f, err
	}
	defer done()
	err = retry(func() error {
		return unix.Linkat(int(source.file.Fd()), name, int(to.file.Fd()), name, 0)
	})
	switch {
	case errors.Is(err, unix.EXDEV), errors.Is(err, unix.EMLINK), errors.Is(err, unix.EPERM), errors.Is(err, unix.EOPNOTSUPP):
		return b.copy(source, name, f)
	case err != nil:
		return f, to.fail("link", name, err)
	}
	// What was linked is what was looked at.
	is, err := to.stat(name)
	if err == nil && (statOf(is) != f.Stat || is.Size != f.Size) {
		err = errors.Join(ErrConflict, to.remove(name))
	}
	return f, err
}

// rehash hashes a file that does not have the stat it had, and returns the new
// one.
func (b *dirBuild) rehash(key, want string) (string, error) {
	sums, err := b.served.dir.hashFiles(context.Background(), []string{key}, 1, hashing{})
	if err != nil {
		return "", err
	}
	if sums[0].Err != nil {
		return "", sums[0].Err
	}
	if sums[0].SHA256 != want {
		return "", fmt.Errorf("its SHA-256 is %s, its manifest says %s", sums[0].SHA256, want)
	}
	return sums[0].Stat, nil
}

func (b *dirBuild) copy(source *folder, name string, f File) (File, error) {
	r, _, err := source.open(name)
	if err != nil {
		return f, err
	}
	defer r.Close()
	e, err := b.create(f.Path)
	if err != nil {
		return f, err
	}
	if _, err := io.Copy(e, r); err != nil {
		return f, errors.Join(err, e.Abort())
	}
	if sum := hex.EncodeToString(e.sum.Sum(nil)); sum != f.SHA256 {
		return f, errors.Join(fmt.Errorf("its SHA-256 is %s, its manifest says %s", sum, f.SHA256), e.Abort())
	}
	is, err := e.Commit()
	if err != nil {
		return f, err
	}
	f.Stat = is.Stat
	return f, nil
}
