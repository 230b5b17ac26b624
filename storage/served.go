package storage

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/config"
)

// Served is the tree that clients of one target read: snapshots/<id>/, which
// never change, and pointers beside it, which are relative symbolic links to
// one of them.
type Served struct{ dir *Dir }

const snapshotsDir = "snapshots"

// OpenServed opens the served tree of a target, and makes it where it is
// missing.
func OpenServed(path string) (*Served, error) {
	d, err := openDir(path, true)
	if err != nil {
		return nil, err
	}
	if err := makeDurable(d.path+"/"+snapshotsDir, true); err != nil {
		d.Close()
		return nil, explain("make "+d.path+"/"+snapshotsDir, err)
	}
	return &Served{d}, nil
}

// ViewServed opens a served tree to look at it: nothing is made, and one that is
// missing serves nothing.
func ViewServed(path string) (*Served, error) {
	d, err := ViewDir(path)
	if err != nil {
		return nil, err
	}
	return &Served{d}, nil
}

// Path is where the tree is, absolute.
func (s *Served) Path() string { return s.dir.path }

// Close lets go of the tree.
func (s *Served) Close() error { return s.dir.Close() }

// Pointer is the id of the snapshot that a pointer names; "" where the pointer
// does not exist. A pointer that is no link to a snapshot, or to one that is
// gone, is an error.
func (s *Served) Pointer(name string) (string, error) {
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
func (s *Served) Snapshots(ctx context.Context) ([]string, error) {
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
func (s *Served) Manifest(id string) (*Manifest, string, error) {
	f, err := s.Open(id, manifestName)
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
func (s *Served) Open(id, path string) (*os.File, error) {
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
func (s *Served) headed(id string) error {
	_, err := s.Head(id)
	return err
}

// Head is the manifest of a snapshot without its files and extras. It costs the
// same whatever the snapshot holds.
func (s *Served) Head(id string) (*Manifest, error) {
	f, err := s.Open(id, manifestName)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("snapshot %s: %w", config.Inert(id), err), "gantry snapshots shows what is there")
	}
	defer f.Close()
	d := json.NewDecoder(bufio.NewReader(io.LimitReader(f, 4096)))
	m := &Manifest{}
	fields := map[string]any{
		"id": &m.ID, "target": &m.Target, "created": &m.Created, "revision": &m.Revision,
		"twin_of": &m.TwinOf, "base": &m.Base, "release": &m.Release,
	}
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return nil, fmt.Errorf("snapshot %s has no manifest of its own", id)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			break
		}
		name, _ := key.(string)
		if name == "files" || fields[name] == nil || d.Decode(fields[name]) != nil {
			break // the head ends here
		}
	}
	if m.ID != id {
		return nil, fmt.Errorf("snapshot %s has no manifest of its own", id)
	}
	return m, nil
}
