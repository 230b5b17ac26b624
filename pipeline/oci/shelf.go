package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

const maxRecord = 4 << 20 // bytes

// shelf is a repository of a registry as the place where a target is served. The
// manifests of its snapshots are records in the state store; its pointers are
// tags.
type shelf struct {
	*registry
	target  *config.Target
	records storage.Store
	prefix  string // of their keys, which ends in '/'

	mu       sync.Mutex
	known    map[string]*record // by id; a record never changes
	replaced map[string]string  // digests that the last flip took tags from, by tag
	left     []string           // what could not be deleted, in words
}

// Open opens the repository that serves a target. Records of its snapshots lie
// in the state store, below records/ and the target's name. Nothing is sent yet.
func Open(_ context.Context, site pipeline.Site, t *config.Target) (storage.Served, error) {
	var dial pipeline.Dial
	for _, r := range site.Config.Registries {
		if r.Name == t.Registry {
			dial = site.Dial(r.Tunnel)
		}
	}
	r, err := openRegistry(site.Config, t, dial)
	if err != nil {
		return nil, err
	}
	return &shelf{registry: r, target: t, records: site.State, prefix: "records/" + string(t.Name) + "/", known: map[string]*record{}}, nil
}

// Path is the name of the repository, such as registry.example.org/core.
func (s *shelf) Path() string { return s.repo.Name() }

// Close ends idle connections.
func (s *shelf) Close() error {
	s.close()
	return nil
}

// Pointer is the id of the snapshot that a pointer's tag names.
func (s *shelf) Pointer(ctx context.Context, name string) (string, error) {
	tag, err := s.tag(name)
	if err != nil {
		return "", err
	}
	h, err := s.tagged(ctx, tag)
	if err != nil || h == (v1.Hash{}) {
		return "", err
	}
	ids, err := s.Snapshots(ctx)
	if err != nil {
		return "", err
	}
	for _, id := range slices.Backward(ids) {
		r, err := s.record(ctx, id)
		if err != nil {
			return "", err
		}
		if r.image.Index == h {
			return id, nil
		}
	}
	return "", s.unknown(tag, h)
}

// unknown says that a tag names what was not put there by gantry.
func (s *shelf) unknown(tag string, h v1.Hash) error {
	return config.Hint(fmt.Errorf("%s serves %s, which no snapshot here has", s.repo.Tag(tag), h),
		"somebody moved the tag by other means; point it to a snapshot again, as gantry snapshots shows them, or delete it: crane delete "+s.repo.Tag(tag).String())
}

// Snapshots are the ids of the snapshots there are records of, oldest first.
func (s *shelf) Snapshots(ctx context.Context) ([]string, error) {
	var ids []string
	for o, err := range s.records.List(ctx, s.prefix) {
		if err != nil {
			return nil, fmt.Errorf("list the records of %s: %w", s.target.Name, err)
		}
		id, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, s.prefix), recordSuffix)
		if _, err := storage.ParseID(id); ok && err == nil && !o.Link {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Manifest reads the record of a snapshot, and the SHA-256 of its bytes.
func (s *shelf) Manifest(ctx context.Context, id string) (*storage.Manifest, string, error) {
	r, err := s.record(ctx, id)
	if err != nil {
		return nil, "", err
	}
	m := *r.manifest
	m.Files = slices.Clone(m.Files)
	return &m, r.sum, nil
}

// Head is the record without files and extras.
func (s *shelf) Head(ctx context.Context, id string) (*storage.Manifest, error) {
	m, _, err := s.Manifest(ctx, id)
	if err != nil {
		return nil, err
	}
	m.Files, m.Extra = nil, nil
	return m, nil
}

// Check compares a snapshot with the registry: that its index and its images are
// there with their digests, and every blob with its size. Where full is set,
// every blob is read and hashed.
func (s *shelf) Check(ctx context.Context, id string, full bool, count func(int64)) error {
	r, err := s.record(ctx, id)
	if err != nil {
		return fmt.Errorf("check snapshot %s: %w", config.Inert(id), err)
	}
	if count == nil {
		count = func(int64) {}
	}
	if err := s.check(ctx, r, full, count); err != nil {
		return fmt.Errorf("check snapshot %s: %w", id, err)
	}
	return nil
}

func (s *shelf) check(ctx context.Context, r *record, full bool, count func(int64)) error {
	kept, err := s.tagged(ctx, s.snapshotTag(r.manifest.ID))
	if err != nil {
		return err
	}
	if kept != r.image.Index {
		return config.Hint(fmt.Errorf("the tag %s names %s, not %s", s.snapshotTag(r.manifest.ID), orMissing(kept), r.image.Index),
			"without that tag the registry may collect the snapshot; build it again")
	}
	platforms, err := s.index(ctx, r.image.Index)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(platforms, r.image.Platforms, func(a v1.Descriptor, b platformRecord) bool { return a.Digest == b.Digest }) {
		return fmt.Errorf("the index %s lists other images than were recorded", r.image.Index)
	}
	for _, p := range r.image.Platforms {
		i, err := s.read(ctx, p.Digest)
		if err != nil {
			return err
		}
		for _, d := range append(slices.Clone(i.Layers), i.Config) {
			if err := s.checkBlob(ctx, d, full, count); err != nil {
				return fmt.Errorf("the image for %s: %w", p.Arch, err)
			}
		}
	}
	return nil
}

func (s *shelf) checkBlob(ctx context.Context, d v1.Descriptor, full bool, count func(int64)) error {
	if !full {
		n, err := s.there(ctx, d.Digest)
		if err == nil && n != d.Size {
			err = fmt.Errorf("%s has %d bytes, not %d", d.Digest, n, d.Size)
		}
		if err == nil {
			count(n)
		}
		return err
	}
	_, err := s.fetch(ctx, d.Digest, counter(count), d.Size)
	return err
}

// counter is a writer that only counts.
type counter func(int64)

func (c counter) Write(p []byte) (int, error) {
	c(int64(len(p)))
	return len(p), nil
}

// index reads an index from the registry and tells what it lists.
func (r *registry) index(ctx context.Context, h v1.Hash) ([]v1.Descriptor, error) {
	d, err := r.manifest(ctx, r.repo.Digest(h.String()))
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, fmt.Errorf("the index %s is not there", h)
	}
	if !d.kind.IsIndex() {
		return nil, fmt.Errorf("%s is %s, not an index", h, config.Inert(clip(string(d.kind))))
	}
	var m v1.IndexManifest
	if err := parse(d.raw, &m); err != nil {
		return nil, fmt.Errorf("the index %s: %w", h, err)
	}
	return m.Manifests, nil
}

// read reads the manifest of an image from the registry.
func (r *registry) read(ctx context.Context, h v1.Hash) (*v1.Manifest, error) {
	d, err := r.manifest(ctx, r.repo.Digest(h.String()))
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, fmt.Errorf("the image %s is not there", h)
	}
	m := new(v1.Manifest)
	if err := parse(d.raw, m); err != nil {
		return nil, fmt.Errorf("the image %s: %w", h, err)
	}
	return m, nil
}

// Remove deletes a snapshot that no pointer names: its record first, so that
// nobody goes back to it, then what the registry has of it that no other snapshot
// needs.
func (s *shelf) Remove(ctx context.Context, id string) error {
	for _, name := range []string{staging, production} {
		at, err := s.Pointer(ctx, name)
		if err != nil {
			return fmt.Errorf("remove snapshot %s: %w", config.Inert(id), err)
		}
		if at == id {
			return fmt.Errorf("remove snapshot %s: %s serves it", config.Inert(id), name)
		}
	}
	r, err := s.record(ctx, id)
	if err != nil {
		return fmt.Errorf("remove snapshot %s: %w", config.Inert(id), err)
	}
	b, err := r.manifest.Encode()
	if err == nil {
		_, err = s.records.Put(ctx, s.prefix+removing+id+recordSuffix, bytes.NewReader(b), storage.Always)
	}
	if err == nil {
		storage.Reach("oci.remove.noted")
		err = s.records.Delete(ctx, s.prefix+id+recordSuffix)
	}
	if err != nil {
		return fmt.Errorf("remove snapshot %s: %w", id, err)
	}
	s.forget(id)
	storage.Reach("oci.remove.hidden")
	return s.erase(ctx, id, r)
}

// Sweep goes on with removals that did not come to their end. What an interrupted
// build left in the registry has no tag, and is collected by it.
func (s *shelf) Sweep(ctx context.Context) error {
	var keys []string
	for o, err := range s.records.List(ctx, s.prefix+removing) {
		if err != nil {
			return fmt.Errorf("list what is to be removed of %s: %w", s.target.Name, err)
		}
		keys = append(keys, o.Key)
	}
	for _, key := range keys {
		id := strings.TrimSuffix(strings.TrimPrefix(key, s.prefix+removing), recordSuffix)
		r, err := s.load(ctx, key, id)
		if err != nil {
			return err
		}
		if _, err := s.records.Stat(ctx, s.prefix+id+recordSuffix); err == nil {
			// It was noted, not hidden: nobody meant it to go any more.
			if err := s.records.Delete(ctx, key); err != nil {
				return err
			}
			continue
		} else if !errors.Is(err, storage.ErrNotFound) {
			return err
		}
		if err := s.erase(ctx, id, r); err != nil {
			return err
		}
	}
	return nil
}

// erase deletes from the registry what only one snapshot needed.
func (s *shelf) erase(ctx context.Context, id string, r *record) error {
	needed := map[v1.Hash]bool{}
	ids, err := s.Snapshots(ctx)
	if err != nil {
		return err
	}
	for _, other := range ids {
		o, err := s.record(ctx, other)
		if err != nil {
			return err
		}
		for _, h := range o.image.digests() {
			needed[h] = true
		}
	}
	for _, h := range r.image.digests() {
		if needed[h] {
			continue
		}
		if err := s.eraseOne(ctx, h); refused(err) {
			s.mu.Lock()
			s.left = append(s.left, fmt.Sprintf("the registry does not delete manifests: the tag %s of snapshot %s stays there (%v)", s.snapshotTag(id), id, err))
			s.mu.Unlock()
			break
		} else if err != nil {
			return fmt.Errorf("remove snapshot %s: %w", id, err)
		}
	}
	if err := s.records.Delete(ctx, s.prefix+removing+id+recordSuffix); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("remove snapshot %s: %w", id, err)
	}
	return nil
}

// eraseOne deletes a manifest and, before it, its signatures.
func (s *shelf) eraseOne(ctx context.Context, h v1.Hash) error {
	bundles, err := s.referrers(ctx, h)
	if err != nil {
		return err
	}
	for _, d := range bundles {
		if err := s.remove(ctx, d.Digest); err != nil {
			return err
		}
	}
	for _, tag := range []string{s.signatureTag(h).TagStr(), s.referrersTag(h).TagStr()} {
		at, err := s.tagged(ctx, tag)
		if err != nil {
			return err
		}
		if at == (v1.Hash{}) {
			continue
		}
		if err := s.remove(ctx, at); err != nil {
			return err
		}
	}
	return s.remove(ctx, h)
}

// leftovers tells once what could not be deleted.
func (s *shelf) leftovers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := s.left
	s.left = nil
	return left
}

func orMissing(h v1.Hash) string {
	if h == (v1.Hash{}) {
		return "nothing"
	}
	return h.String()
}

var _ io.Writer = counter(nil)
