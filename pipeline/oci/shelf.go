package oci

import (
	"context"
	"errors"
	"fmt"
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
	cfg     *config.Release
	target  *config.Target
	records storage.Store
	prefix  string // of their keys, which ends in '/'

	mu       sync.Mutex
	known    map[string]*record // by id; a record never changes
	replaced map[string]string  // digests that the last flip took tags from, by tag
	apart    []string           // tags that are not where production is, in words
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
	return &shelf{registry: r, cfg: site.Config, target: t, records: site.State, prefix: records + string(t.Name) + "/", known: map[string]*record{}}, nil
}

// Path is the name of the repository, such as registry.example.org/core.
func (s *shelf) Path() string { return s.repo.Name() }

// Close ends idle connections.
func (s *shelf) Close() error {
	s.close()
	return nil
}

// Pointer is the id of the snapshot that a pointer's tags name.
func (s *shelf) Pointer(ctx context.Context, name string) (string, error) {
	n, err := s.named(ctx, name)
	if err != nil {
		return "", err
	}
	id, err := s.snapshot(ctx, n)
	if name == production {
		s.notice(ctx, n, id)
	}
	if stray := (*storage.Stray)(nil); errors.As(err, &stray) {
		err = config.Hint(err, "somebody moved a tag by other means; find out who, then take over what is served: gantry adopt "+string(s.target.Name))
	}
	return id, err
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
	if !r.image.lists(platforms) {
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

// lists tells whether an index lists what was recorded of it: those images for
// those platforms, and, where it was made here, nothing else.
func (i imageRecord) lists(all []v1.Descriptor) bool {
	if i.Taken == nil && len(all) != len(i.Platforms) {
		return false
	}
	for n, p := range i.Platforms {
		if i.Taken == nil {
			if d := all[n]; d.Digest != p.Digest || d.Platform == nil || fits(*d.Platform, p.Arch) != nil {
				return false
			}
		} else if !slices.ContainsFunc(all, func(d v1.Descriptor) bool { return d.Digest == p.Digest }) {
			return false
		}
	}
	return true
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

func orMissing(h v1.Hash) string {
	if h == (v1.Hash{}) {
		return "nothing"
	}
	return h.String()
}
