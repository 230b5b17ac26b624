package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"gantry/config"
)

// storeBuild is a snapshot in the making on a store: keys without a manifest, and
// beside them a lease by which others know that its builder lives.
type storeBuild struct {
	tree  *storeTree
	id    string
	time  time.Time
	lease *heldLease

	mu      sync.Mutex
	files   map[string]File
	fresh   map[string]bool // written here, or copied without a proof: read again by Commit
	taken   map[string]bool // paths that are in use, also by what is not committed
	sources map[string]map[string]Object
	open    int
	sealed  string // digest of the manifest that was written, or may have been
	over    bool
}

// Begin starts a snapshot. Its id is the second of now, which must be later than
// whatever lies among the snapshots and than after. Where it is not, Begin waits
// for the next second; a clock that is more than two seconds behind is an error.
func (t *storeTree) Begin(ctx context.Context, now time.Time, after int64) (Build, error) {
	called := time.Now()
	all, err := t.survey(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin a snapshot: %w", err)
	}
	var ids []string
	for _, f := range all {
		ids = append(ids, f.id)
	}
	for {
		at, err := nextID(ctx, ids, now.Add(time.Since(called)), after)
		if err != nil {
			return nil, err
		}
		id := at.Format(idForm)
		lease, err := t.leases.lock(ctx, t.lockKey(id), true)
		if errors.Is(err, ErrLocked) {
			ids = append(ids, id) // another builds in this second
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("begin a snapshot: %w", err)
		}
		Reach("storetree.begun")
		return &storeBuild{
			tree: t, id: id, time: at, lease: lease,
			files: map[string]File{}, fresh: map[string]bool{}, taken: map[string]bool{}, sources: map[string]map[string]Object{},
		}, nil
	}
}

// ID is the id that the snapshot will have.
func (b *storeBuild) ID() string { return b.id }

// Time is the second that the id names, UTC.
func (b *storeBuild) Time() time.Time { return b.time }

func (b *storeBuild) key(path string) string { return b.tree.files(b.id).dir + path }

// take reserves a path for a file of the build.
func (b *storeBuild) take(path string) error {
	if err := CheckKey(path); err != nil {
		return err
	}
	if path == manifestName {
		return errors.New("manifest.json is written by Commit")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case <-b.lease.Lost():
		return fmt.Errorf("the lease of build %s was lost: %w", b.id, ErrConflict)
	default:
	}
	switch {
	case b.over:
		return errors.New("the build is over")
	case b.taken[path]:
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	b.taken[path] = true
	return nil
}

func (b *storeBuild) give(path string) {
	b.mu.Lock()
	delete(b.taken, path)
	b.mu.Unlock()
}

// record takes note of a file that is there.
func (b *storeBuild) record(f File, fresh bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files[f.Path] = f
	b.fresh[f.Path] = fresh
}

// Add records more of a file that Create or Link made.
func (b *storeBuild) Add(f File) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if is, ok := b.files[f.Path]; ok {
		f.Size, f.SHA256, f.Stat = is.Size, is.SHA256, is.Stat
	}
	b.files[f.Path] = f // where there is no such file, Commit says so
}

// Link takes a file over from another snapshot, by a copy inside the store where
// it can do that.
func (b *storeBuild) Link(ctx context.Context, from string, f File) (File, error) {
	is, err := b.link(ctx, from, f)
	if err != nil {
		return f, fmt.Errorf("take %s over from snapshot %s: %w", config.Inert(f.Path), config.Inert(from), err)
	}
	return is, nil
}

func (b *storeBuild) link(ctx context.Context, from string, f File) (File, error) {
	if _, err := ParseID(from); err != nil {
		return f, err
	}
	if err := b.take(f.Path); err != nil {
		return f, err
	}
	source, err := b.source(ctx, from)
	if err != nil {
		b.give(f.Path)
		return f, err
	}
	o, there := source[f.Path]
	if !there {
		b.give(f.Path)
		return f, ErrNotFound
	}
	is, proven, err := copyObject(ctx, b.tree.store, o, f, b.key(f.Path), IfAbsent)
	if err != nil {
		b.give(f.Path)
		return f, err
	}
	f.Stat = is.Stamp()
	b.record(f, !proven)
	Reach("storetree.linked")
	return f, nil
}

// source lists the files of another snapshot, once.
func (b *storeBuild) source(ctx context.Context, id string) (map[string]Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if all, ok := b.sources[id]; ok {
		return all, nil
	}
	all, err := index(ctx, b.tree.store, b.tree.files(id).dir)
	if err == nil {
		b.sources[id] = all
	}
	return all, err
}

// Open downloads a file of the build that was committed or linked.
func (b *storeBuild) Open(ctx context.Context, path string) (*os.File, error) {
	b.mu.Lock()
	f, ok := b.files[path]
	over := b.over
	b.mu.Unlock()
	if over {
		return nil, errors.New("open a file of the build: the build is over")
	}
	if !ok {
		return nil, fmt.Errorf("open a file of the build: %s: %w", config.Inert(path), ErrNotFound)
	}
	file, err := fetch(ctx, b.tree.store, b.key(path), f)
	if err != nil {
		return nil, fmt.Errorf("open a file of the build: %w", err)
	}
	return file, nil
}

// Commit makes the build a snapshot: what was written is downloaded and hashed
// again, every object is compared with the record, and manifest.json is written
// last, where there is none. After an error the build is to be aborted.
func (b *storeBuild) Commit(ctx context.Context, m Manifest, count func(n int64)) (*Manifest, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return nil, errors.New("commit a snapshot: the build is over")
	}
	if b.open > 0 {
		return nil, fmt.Errorf("commit snapshot %s: %d files are still being written", b.id, b.open)
	}
	err := m.seal(b.id, b.time, b.files)
	if err == nil {
		err = b.finish(ctx, &m, count)
	}
	if err != nil {
		return nil, fmt.Errorf("commit snapshot %s: %w", b.id, err)
	}
	b.over = true
	// The snapshot is there whether its lease can be removed or not; Sweep does
	// it where this fails.
	_ = b.lease.remove()
	Reach("storetree.committed")
	return &m, nil
}

func (b *storeBuild) finish(ctx context.Context, m *Manifest, count func(int64)) error {
	c := comparison{
		files: b.tree.files(b.id), manifest: m, count: count,
		rehash: func(f File, stat string) bool { return b.fresh[f.Path] || f.Stat != stat },
	}
	if err := c.run(ctx); err != nil {
		return err
	}
	Reach("storetree.verified")
	var buf bytes.Buffer
	if err := m.encode(&buf); err != nil {
		return err
	}
	if buf.Len() > maxManifest {
		return fmt.Errorf("a manifest of %d bytes, at most %d", buf.Len(), maxManifest)
	}
	// A builder that was stopped for long may have been given up for dead. Who
	// did that left a manifest behind that keeps this one from its place.
	if err := b.lease.Confirm(ctx); err != nil {
		return err
	}
	b.sealed = digestOf(buf.Bytes())
	key := b.key(manifestName)
	_, put := b.tree.store.Put(ctx, key, bytes.NewReader(buf.Bytes()), IfAbsent)
	// Whatever the answer was, what counts is what is there now.
	looking, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseTTL)
	defer cancel()
	is, _, err := readSmall(looking, b.tree.store, key, maxManifest)
	switch {
	case err == nil && digestOf(is) == b.sealed:
		Reach("storetree.manifest.put")
		return nil
	case err == nil && len(is) == 0:
		return fmt.Errorf("another console took this build for dead: %w", ErrConflict)
	case err == nil:
		return fmt.Errorf("%s: %w", key, ErrExists)
	}
	return errors.Join(put, err)
}

// Abort removes the build. After Commit it does nothing.
func (b *storeBuild) Abort() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return nil
	}
	b.over = true
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := b.clear(ctx)
	if err != nil {
		// What stays is nobody's from now on.
		return errors.Join(fmt.Errorf("abort snapshot %s: %w", b.id, err), b.lease.Release())
	}
	return b.lease.remove()
}

func (b *storeBuild) clear(ctx context.Context) error {
	key := b.key(manifestName)
	is, _, err := readSmall(ctx, b.tree.store, key, maxManifest)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return err
	case len(is) > 0 && digestOf(is) != b.sealed:
		return fmt.Errorf("%s is another's: %w", key, ErrConflict)
	}
	return b.tree.clear(ctx, b.id)
}

// clear deletes what there is of a snapshot, its manifest first: without it, it
// is none.
func (t *storeTree) clear(ctx context.Context, id string) error {
	key, err := t.fileKey(id, manifestName)
	if err != nil {
		return err
	}
	if err := t.remove(ctx, key); err != nil {
		return err
	}
	Reach("storetree.manifest.removed")
	return t.clearBelow(ctx, t.files(id).dir, func(string) bool { return true })
}

// remove deletes an object; one that is gone is no error.
func (t *storeTree) remove(ctx context.Context, key string) error {
	err := t.store.Delete(ctx, key)
	if err == nil || errors.Is(err, ErrNotFound) {
		return nil
	}
	err = fmt.Errorf("remove %s: %w", config.Inert(key), err)
	if CheckKey(key) != nil {
		err = config.Hint(err, "gantry makes no such name: remove it by hand")
	}
	return err
}

// clearBelow deletes the chosen objects below a prefix.
func (t *storeTree) clearBelow(ctx context.Context, prefix string, choose func(path string) bool) error {
	all, err := index(ctx, t.store, prefix)
	if err != nil {
		return err
	}
	var keys []string
	for path, o := range all {
		if choose(path) {
			keys = append(keys, o.Key)
		}
	}
	return each(ctx, len(keys), func(ctx context.Context, i int) error { return t.remove(ctx, keys[i]) })
}
