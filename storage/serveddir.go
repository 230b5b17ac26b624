package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/config"
)

// servedDir is a tree on a file system: snapshots/<id>/, and pointers beside it,
// which are relative symbolic links to one of them.
type servedDir struct {
	dir  *Dir
	face Face
}

const snapshotsDir = "snapshots"

// OpenServed opens the tree of a target in a directory, and makes it where it is
// missing. The directories of face are relative to it.
func OpenServed(path string, face Face) (Tree, error) {
	d, err := openDir(path, true)
	if err != nil {
		return nil, err
	}
	if err := makeDurable(d.path+"/"+snapshotsDir, true); err != nil {
		d.Close()
		return nil, explain("make "+d.path+"/"+snapshotsDir, err)
	}
	return &servedDir{d, face}, nil
}

// ViewServed opens a tree to look at it: nothing is made, and one that is missing
// serves nothing.
func ViewServed(path string, face Face) (Tree, error) {
	d, err := ViewDir(path)
	if err != nil {
		return nil, err
	}
	return &servedDir{d, face}, nil
}

// Path is where the tree is, absolute.
func (s *servedDir) Path() string { return s.dir.path }

// Close lets go of the tree.
func (s *servedDir) Close() error { return s.dir.Close() }

// Pointer is the id of the snapshot that a pointer names; "" where the pointer
// does not exist. A pointer that is no link to a snapshot, or to one that is
// gone, is an error.
func (s *servedDir) Pointer(_ context.Context, name string) (string, error) {
	top, err := s.dir.folder("", false)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer top.close()
	id, err := top.pointer(name)
	if id == "" || err != nil {
		return "", err
	}
	snapshots, err := s.dir.folder(snapshotsDir, false)
	if err != nil {
		return "", err
	}
	defer snapshots.close()
	if st, err := snapshots.stat(id); errors.Is(err, ErrNotFound) || err == nil && st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return "", config.Hint(fmt.Errorf("%s/%s points to snapshot %s, which is not there: %w", s.dir.path, name, id, ErrNotFound),
			"restore the snapshot, or point to another one: gantry snapshots shows what is there")
	} else if err != nil {
		return "", err
	}
	return id, nil
}

// pointer reads the id out of a pointer, wherever it leads.
func (f *folder) pointer(name string) (string, error) {
	if err := checkPointer(name); err != nil {
		return "", err
	}
	st, err := f.stat(name)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	hint := "move it away; gantry makes its pointers itself"
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		return "", config.Hint(fmt.Errorf("the pointer %s/%s is not a symbolic link", f.path, name), hint)
	}
	to, err := f.root.Readlink(name)
	if err != nil {
		return "", f.fail("read the pointer", name, err)
	}
	id, ok := strings.CutPrefix(to, snapshotsDir+"/")
	if _, err := ParseID(id); !ok || err != nil {
		return "", config.Hint(fmt.Errorf("the pointer %s/%s leads to %s, not to %s/<id>", f.path, name, config.Inert(to), snapshotsDir), hint)
	}
	return id, nil
}

func checkPointer(name string) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("a pointer: %w", err)
	}
	if name[0] == '.' || name == snapshotsDir {
		return fmt.Errorf("a pointer cannot be called %s", name)
	}
	return nil
}

// Snapshots are the ids of the snapshots there, oldest first.
func (s *servedDir) Snapshots(ctx context.Context) ([]string, error) {
	f, err := s.dir.folder(snapshotsDir, false)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.close()
	names, err := f.names()
	if err != nil {
		return nil, f.fail("list", "", err)
	}
	var ids []string
	for _, e := range names {
		if _, err := ParseID(e.name); err == nil && e.dir {
			ids = append(ids, e.name)
		}
	}
	return ids, ctx.Err()
}

// Manifest reads the manifest of a snapshot, and the SHA-256 of its bytes.
func (s *servedDir) Manifest(ctx context.Context, id string) (*Manifest, string, error) {
	f, err := s.Open(ctx, id, manifestName)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest+1))
	if err != nil {
		return nil, "", fmt.Errorf("read the manifest of %s: %w", id, err)
	}
	m, err := DecodeManifest(b)
	if err == nil && m.ID != id {
		err = fmt.Errorf("it is that of %s", m.ID)
	}
	if err != nil {
		return nil, "", fmt.Errorf("the manifest of %s: %w", id, err)
	}
	return m, digestOf(b), nil
}

// Open opens a file of a snapshot for reading. It never follows a link.
func (s *servedDir) Open(_ context.Context, id, path string) (*os.File, error) {
	key, err := snapshotKey(id, path)
	if err != nil {
		return nil, err
	}
	f, name, err := s.dir.at(key, false)
	if err != nil {
		return nil, err
	}
	defer f.close()
	file, _, err := f.open(name)
	return file, err
}

// snapshotKey is the key of a file of a snapshot.
func snapshotKey(id, path string) (string, error) {
	if _, err := ParseID(id); err != nil {
		return "", err
	}
	if err := CheckKey(path); err != nil {
		return "", err
	}
	return snapshotsDir + "/" + id + "/" + path, nil
}

// headed refuses what is not a snapshot with a manifest of its own. It reads no
// list of files, so it costs the same for every size.
func (s *servedDir) headed(ctx context.Context, id string) error {
	_, err := s.Head(ctx, id)
	return err
}

// Head is the manifest of a snapshot without its files and extras. It costs the
// same whatever the snapshot holds.
func (s *servedDir) Head(ctx context.Context, id string) (*Manifest, error) {
	f, err := s.Open(ctx, id, manifestName)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("snapshot %s: %w", config.Inert(id), err), "gantry snapshots shows what is there")
	}
	defer f.Close()
	return decodeHead(f, id)
}
