package storage

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"

	"gantry/config"
)

// maxKnown bounds how many manifests stay in memory.
const maxKnown = 4

// knownManifest is a manifest as it was read, not to be changed.
type knownManifest struct {
	*Manifest
	version string // of its object
	digest  string // SHA-256 of its bytes
}

// file is a file of a snapshot as its manifest has it.
func (k knownManifest) file(path string) (File, error) {
	i, there := slices.BinarySearchFunc(k.Files, path, func(f File, path string) int { return strings.Compare(f.Path, path) })
	if !there {
		return File{}, fmt.Errorf("%s in snapshot %s: %w", config.Inert(path), k.ID, ErrNotFound)
	}
	return k.Files[i], nil
}

// manifest is the manifest of a snapshot. It is read again where the object is
// another than the one that was read before.
func (t *storeTree) manifest(ctx context.Context, id string) (knownManifest, error) {
	key, err := t.fileKey(id, manifestName)
	if err != nil {
		return knownManifest{}, err
	}
	o, err := t.store.Stat(ctx, key)
	if err == nil && !isManifest(o) {
		err = ErrNotFound
	}
	if err != nil {
		return knownManifest{}, config.Hint(fmt.Errorf("snapshot %s: %w", id, err), "gantry snapshots shows what is there")
	}
	if k, ok := t.recall(id); ok && k.version == o.Version {
		return k, nil
	}
	b, o, err := readSmall(ctx, t.store, key, maxManifest)
	if err != nil {
		return knownManifest{}, fmt.Errorf("the manifest of %s: %w", id, err)
	}
	m, err := DecodeManifest(b)
	if err == nil && m.ID != id {
		err = fmt.Errorf("it is that of %s", m.ID)
	}
	if err != nil {
		return knownManifest{}, fmt.Errorf("the manifest of %s: %w", id, err)
	}
	k := knownManifest{m, o.Version, digestOf(b)}
	t.remember(k)
	return k, nil
}

func (t *storeTree) remember(k knownManifest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = slices.DeleteFunc(t.known, func(other knownManifest) bool { return other.ID == k.ID })
	t.known = slices.Insert(t.known, 0, k)
	t.known = t.known[:min(len(t.known), maxKnown)]
}

func (t *storeTree) recall(id string) (knownManifest, bool) {
	t.mu.Lock()
	i := slices.IndexFunc(t.known, func(k knownManifest) bool { return k.ID == id })
	if i < 0 {
		t.mu.Unlock()
		return knownManifest{}, false
	}
	k := t.known[i]
	t.mu.Unlock()
	t.remember(k)
	return k, true
}

// Manifest reads the manifest of a snapshot, and the SHA-256 of its bytes.
func (t *storeTree) Manifest(ctx context.Context, id string) (*Manifest, string, error) {
	k, err := t.manifest(ctx, id)
	if err != nil {
		return nil, "", err
	}
	m := *k.Manifest
	m.Files, m.Pool, m.Extra = slices.Clone(m.Files), slices.Clone(m.Pool), maps.Clone(m.Extra)
	return &m, k.digest, nil
}

// Head is the manifest of a snapshot without its files, pool and extras. It costs
// the same whatever the snapshot holds.
func (t *storeTree) Head(ctx context.Context, id string) (*Manifest, error) {
	key, err := t.fileKey(id, manifestName)
	if err != nil {
		return nil, err
	}
	r, _, err := t.store.Open(ctx, key, Range{Length: maxHead})
	if err != nil {
		if there, lookErr := t.complete(ctx, id); lookErr == nil && !there {
			err = ErrNotFound // a part of an empty object cannot be had
		}
		return nil, config.Hint(fmt.Errorf("snapshot %s: %w", id, err), "gantry snapshots shows what is there")
	}
	defer r.Close()
	return decodeHead(reader{ctx, r}, id)
}

// Open downloads a file of a snapshot, and returns it when it is what the
// manifest says.
func (t *storeTree) Open(ctx context.Context, id, path string) (*os.File, error) {
	if err := CheckKey(path); err != nil {
		return nil, err
	}
	key, err := t.fileKey(id, path)
	if err != nil {
		return nil, err
	}
	k, err := t.manifest(ctx, id)
	if err != nil {
		return nil, err
	}
	if path == manifestName {
		return t.openManifest(ctx, key, k.digest)
	}
	f, err := k.file(path)
	if err != nil {
		return nil, err
	}
	file, err := fetch(ctx, t.store, key, f)
	if err != nil {
		return nil, fmt.Errorf("open a file of snapshot %s: %w", id, err)
	}
	return file, nil
}

func (t *storeTree) openManifest(ctx context.Context, key, digest string) (*os.File, error) {
	b, _, err := readSmall(ctx, t.store, key, maxManifest)
	if err == nil && digestOf(b) != digest {
		err = fmt.Errorf("read %s: %w", key, ErrConflict)
	}
	if err != nil {
		return nil, err
	}
	file, err := spool(ctx, bytes.NewReader(b))
	if err != nil {
		return nil, explain("write a temporary file", err)
	}
	return file, nil
}

// storeFiles are the files of a snapshot on a store.
type storeFiles struct {
	store Store
	dir   string // with the '/' behind
}

func (t *storeTree) files(id string) storeFiles {
	return storeFiles{t.store, t.key(snapshotsDir) + "/" + id + "/"}
}

func (s storeFiles) list(ctx context.Context) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for o, err := range s.store.List(ctx, s.dir) {
			o.Key, o.stat = strings.TrimPrefix(o.Key, s.dir), o.Stamp()
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

func (s storeFiles) hash(ctx context.Context, paths []string, count func(int64)) ([]Hashed, error) {
	keys := make([]string, len(paths))
	for i, path := range paths {
		keys[i] = s.dir + path
	}
	return hashObjects(ctx, s.store, keys, hashing{count: count})
}

// Check compares a snapshot with its manifest, both ways: files that are missing
// or that the manifest does not know, sizes, and digests of those whose version is
// not the one remembered, or of all where full is set.
func (t *storeTree) Check(ctx context.Context, id string, full bool, count func(int64)) error {
	k, err := t.manifest(ctx, id)
	if err != nil {
		return fmt.Errorf("check snapshot %s: %w", config.Inert(id), err)
	}
	c := comparison{
		files: t.files(id), manifest: k.Manifest, count: count,
		rehash: func(f File, stat string) bool { return full || f.Stat != stat },
	}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("check snapshot %s: %w", id, err)
	}
	return nil
}
