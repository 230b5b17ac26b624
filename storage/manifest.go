package storage

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"
)

// Manifest lists what a snapshot holds. It is the file manifest.json in it.
type Manifest struct {
	ID       string    `json:"id"`                // the snapshot's UTC time, 20060102T150405Z
	Target   string    `json:"target"`            // name of the target
	Created  time.Time `json:"created"`           // when the build began
	Revision int64     `json:"revision"`          // what clients compare: Unix seconds, those of ID
	TwinOf   string    `json:"twin_of,omitempty"` // the snapshot whose packages this one publishes anew
	Base     string    `json:"base,omitempty"`    // the snapshot it was built upon
	Release  string    `json:"release,omitempty"` // the release it was built for
	Files    []File    `json:"files"`             // sorted by path, manifest.json itself left out

	// Pool lists the files outside the snapshot that its metadata names, sorted;
	// their paths are relative to the archive.
	Pool []File `json:"pool,omitempty"`

	// Label is what operators call the snapshot and CopyOf the one of staging that
	// it copies, where it is a sync of a tree, which has no manifest of its own.
	Label  string `json:"-"`
	CopyOf string `json:"-"`

	// Extra holds facts of the trade that built the snapshot, by name.
	Extra map[string]json.RawMessage `json:"extra,omitempty"`
}

// File is one file of a snapshot.
type File struct {
	Path   string `json:"path"`             // relative, '/' between segments
	Size   int64  `json:"size"`             // bytes
	SHA256 string `json:"sha256"`           // lower-case hex, of the bytes served
	Source string `json:"source,omitempty"` // SHA-256 of the staged file it was signed from
	Stat   string `json:"stat,omitempty"`   // device:inode:mtime_ns when it was last hashed

	// Of packages: what they are, for diffs and policies.
	Name    string `json:"name,omitempty"`
	Version string `json:"version,omitempty"` // epoch:version-release, epoch only where it is not 0
	Arch    string `json:"arch,omitempty"`

	// Retained files are served for clients that hold older metadata; this
	// snapshot's own metadata does not name them.
	Retained bool `json:"retained,omitempty"`
}

// Package tells whether the file is a package that the snapshot's metadata names.
func (f File) Package() bool { return f.Name != "" && !f.Retained }

const (
	manifestName = "manifest.json"
	maxManifest  = 256 << 20 // bytes
	maxHead      = 4096      // bytes that hold what stands before the files
	idForm       = "20060102T150405Z"
)

// ParseID reads the UTC second that a snapshot id names.
func ParseID(id string) (time.Time, error) {
	t, err := time.Parse(idForm, id)
	if err != nil || t.Format(idForm) != id {
		return time.Time{}, fmt.Errorf("%.40q is not the id of a snapshot, such as %s", id, idForm)
	}
	return t, nil
}

// encode writes the stored form of a manifest.
func (m *Manifest) encode(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(m)
}

// equals is a writer that takes only the bytes it holds.
type equals struct{ rest []byte }

func (e *equals) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(e.rest, p) {
		return 0, errors.New("not written as a manifest is")
	}
	e.rest = e.rest[len(p):]
	return len(p), nil
}

// DecodeManifest reads a manifest.json. It takes exactly what Commit writes:
// unknown keys, keys twice or in other case, and trailing data are errors, as are
// an impossible path, a path twice or out of order, and an id that is not the
// time of the revision.
func DecodeManifest(b []byte) (*Manifest, error) {
	if len(b) > maxManifest {
		return nil, fmt.Errorf("%d bytes, at most %d", len(b), maxManifest)
	}
	m := new(Manifest)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, err
	}
	again := &equals{b}
	if err := m.encode(again); err != nil {
		return nil, err
	}
	if len(again.rest) > 0 {
		return nil, errors.New("data after the manifest")
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	return m, nil
}

func (m *Manifest) check() error {
	t, err := ParseID(m.ID)
	if err != nil {
		return err
	}
	if t.Unix() != m.Revision {
		return fmt.Errorf("the id %s is not the time of revision %d", m.ID, m.Revision)
	}
	if err := checkFiles(m.Files); err != nil {
		return err
	}
	if i := slices.IndexFunc(m.Files, func(f File) bool { return f.Path == manifestName }); i >= 0 {
		return errors.New("it lists itself")
	}
	if err := checkFiles(m.Pool); err != nil {
		return fmt.Errorf("the pool: %w", err)
	}
	return nil
}

func checkFiles(files []File) error {
	before := ""
	for _, f := range files {
		if err := CheckKey(f.Path); err != nil {
			return err
		}
		switch {
		case f.Path <= before:
			return fmt.Errorf("the file %s twice or out of order", f.Path)
		case f.Size < 0 || !isDigest(f.SHA256):
			return fmt.Errorf("the file %s has no size or no SHA-256", f.Path)
		}
		before = f.Path
	}
	return nil
}

// seal completes a manifest with what its build knows.
func (m *Manifest) seal(id string, at time.Time, files map[string]File) error {
	m.ID, m.Revision = id, at.Unix()
	if m.Created.IsZero() {
		m.Created = at
	}
	m.Created = m.Created.UTC()
	byPath := func(x, y File) int { return cmp.Compare(x.Path, y.Path) }
	m.Files = slices.SortedFunc(maps.Values(files), byPath)
	m.Pool = slices.SortedFunc(slices.Values(m.Pool), byPath)
	if len(m.Files) == 0 {
		return errors.New("it has no files")
	}
	return m.check()
}

// decodeHead reads a manifest up to its files.
func decodeHead(r io.Reader, id string) (*Manifest, error) {
	d := json.NewDecoder(bufio.NewReader(io.LimitReader(r, maxHead)))
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
