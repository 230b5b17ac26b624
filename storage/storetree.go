package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// storeTree is a tree on any store: snapshots/<id>/ holds the files of a
// snapshot, which is there as soon as its manifest.json is. A pointer is a copy
// of the file that clients fetch first.
type storeTree struct {
	store  Store
	prefix string // "" or a key
	face   Face
	leases *Leases // of builds

	mu    sync.Mutex
	known []knownManifest // those that were read last, the latest first
}

// Copier is a store that copies an object by itself, over what is there.
type Copier interface {
	Copy(ctx context.Context, from, to string) (Object, error)
}

// Leveler is a store that lists one level of keys at the cost of that level. A
// folder comes as an Object whose key ends in '/', and has nothing else.
type Leveler interface {
	Level(ctx context.Context, prefix string) iter.Seq2[Object, error]
}

// OpenStoreTree opens the tree of a target on a store, at that prefix of its
// keys ("" for all of it). Nothing is read or written by that. The directories of
// face are relative to the prefix and stay below the store's root; face needs
// File and ID, since an object store has no other pointers.
func OpenStoreTree(store Store, prefix string, face Face) (Tree, error) {
	t := &storeTree{store: store, prefix: prefix, face: face, leases: NewLeases(store, "")}
	if prefix != "" {
		if err := CheckKey(prefix); err != nil {
			return nil, fmt.Errorf("open a tree on a store: %w", err)
		}
	}
	if face.ID == nil {
		return nil, errors.New("open a tree on a store: nothing says which snapshot a file names")
	}
	if err := CheckKey(face.File); err != nil {
		return nil, fmt.Errorf("open a tree on a store: the file that clients fetch first: %w", err)
	}
	at := map[string]string{}
	for _, name := range t.pointers() {
		key, err := t.pointerKey(name)
		if err != nil {
			return nil, fmt.Errorf("open a tree on a store: %w", err)
		}
		if other, twice := at[key]; twice {
			return nil, fmt.Errorf("open a tree on a store: the pointers %s and %s are both %s", other, name, key)
		}
		at[key] = name
	}
	return t, nil
}

// Path is the address of the tree.
func (t *storeTree) Path() string { return addressOf(t.store, t.prefix) }

func addressOf(s Store, prefix string) string {
	base := ""
	switch s := s.(type) {
	case interface{ Address() string }:
		base = strings.TrimSuffix(s.Address(), "/")
	case interface{ Path() string }:
		base = s.Path()
	}
	switch {
	case prefix == "":
		return base
	case base == "":
		return prefix
	}
	return base + "/" + prefix
}

// Close does nothing: the store is its opener's.
func (t *storeTree) Close() error { return nil }

func (t *storeTree) key(rest string) string {
	if t.prefix == "" {
		return rest
	}
	return t.prefix + "/" + rest
}

func (t *storeTree) fileKey(id, path string) (string, error) {
	key, err := snapshotKey(id, path)
	return t.key(key), err
}

// pointers are the names of the pointers that the tree may have.
func (t *storeTree) pointers() []string {
	names := map[string]bool{"production": true, "staging": true}
	for name := range t.face.Dir {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// pointerDir is the key of the directory that clients of a pointer read.
func (t *storeTree) pointerDir(name string) (string, error) {
	if err := checkPointer(name); err != nil {
		return "", err
	}
	dir, ok := t.face.Dir[name]
	if !ok {
		dir = name
	}
	key := path.Join(t.prefix, dir)
	if err := CheckKey(key); err != nil || path.IsAbs(dir) {
		return "", fmt.Errorf("the directory %q of the pointer %s is none of the store", dir, name)
	}
	if inside := t.key(snapshotsDir); key == inside || strings.HasPrefix(key, inside+"/") {
		return "", fmt.Errorf("the directory %q of the pointer %s is among the snapshots", dir, name)
	}
	return key, nil
}

func (t *storeTree) pointerKey(name string) (string, error) {
	dir, err := t.pointerDir(name)
	return dir + "/" + t.face.File, err
}

// buildingSuffix is what the lease of a build has behind its id.
const buildingSuffix = ".building"

func (t *storeTree) lockKey(id string) string { return t.key(snapshotsDir + "/" + id + buildingSuffix) }

// found is what lies in snapshots/ under one id.
type found struct {
	id       string
	folder   bool // there are keys
	complete bool // there is a manifest
	building bool // there is the lease of a build
}

// survey looks what lies in snapshots/, by id.
func (t *storeTree) survey(ctx context.Context) ([]*found, error) {
	all := map[string]*found{}
	dir := t.key(snapshotsDir) + "/"
	list := t.store.List
	level, oneLevel := t.store.(Leveler)
	if oneLevel {
		list = level.Level
	}
	for o, err := range list(ctx, dir) {
		if err != nil {
			return nil, fmt.Errorf("list the snapshots of %s: %w", t.Path(), err)
		}
		name, file, folder := strings.Cut(strings.TrimPrefix(o.Key, dir), "/")
		id, building := strings.CutSuffix(name, buildingSuffix)
		if _, err := ParseID(id); err != nil || building == folder {
			continue
		}
		f := all[id]
		if f == nil {
			f = &found{id: id}
			all[id] = f
		}
		f.building = f.building || building
		f.folder = f.folder || folder
		f.complete = f.complete || file == manifestName && isManifest(o)
	}
	sorted := slices.SortedFunc(maps.Values(all), func(a, b *found) int { return strings.Compare(a.id, b.id) })
	if !oneLevel {
		return sorted, nil
	}
	return sorted, each(ctx, len(sorted), func(ctx context.Context, i int) (err error) {
		if sorted[i].folder {
			sorted[i].complete, err = t.complete(ctx, sorted[i].id)
		}
		return err
	})
}

// isManifest tells whether an object of that name can be a manifest. An empty
// one says that a build was given up for dead.
func isManifest(o Object) bool { return o.Size > 0 && !o.Link }

// complete tells whether a snapshot has a manifest.
func (t *storeTree) complete(ctx context.Context, id string) (bool, error) {
	key, err := t.fileKey(id, manifestName)
	if err != nil {
		return false, err
	}
	o, err := t.store.Stat(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil && isManifest(o), err
}

// Snapshots are the ids of the snapshots there, oldest first.
func (t *storeTree) Snapshots(ctx context.Context) ([]string, error) {
	all, err := t.survey(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, f := range all {
		if f.complete {
			ids = append(ids, f.id)
		}
	}
	return ids, nil
}

// StorePoints lists the failpoints of trees on a store, in the order in which a
// build, a flip, a removal and a sweep pass them.
func StorePoints() []string {
	return []string{
		"storetree.begun",
		"storetree.linked",
		"storetree.file.put",
		"storetree.verified",
		"storetree.manifest.put",
		"storetree.committed",
		"storetree.flip.checked",
		"storetree.flip.copy",
		"storetree.flip.copied",
		"storetree.flip.put",
		"storetree.flip.done",
		"storetree.copies.removed",
		"storetree.manifest.removed",
		"storetree.removed",
		"storetree.sweep.marked",
		"storetree.sweep.cleared",
	}
}
