package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"gantry/config"
	"gantry/storage"
)

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
	needed, err := s.needed(ctx)
	if err != nil {
		return fmt.Errorf("remove snapshot %s: %w", id, err)
	}
	for _, p := range r.image.Platforms {
		needed[p.Digest] = needed[p.Digest] || p.Taken // by others: a registry deletes all tags of what it deletes
	}
	if r.image.Taken != nil && r.image.stood() == r.image.Index {
		needed[r.image.Index] = true
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
	if r.image.Taken != nil {
		s.mu.Lock()
		s.left = append(s.left, fmt.Sprintf("the images of snapshot %s stay in the registry: others pushed them, and may need them", id))
		s.mu.Unlock()
	}
	if err := s.records.Delete(ctx, s.prefix+removing+id+recordSuffix); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return fmt.Errorf("remove snapshot %s: %w", id, err)
	}
	return nil
}

// needed are the manifests of all snapshots in the repository, whichever target
// they are of: the same image has the same digest in all of them.
func (s *shelf) needed(ctx context.Context) (map[v1.Hash]bool, error) {
	needed := map[v1.Hash]bool{}
	for o, err := range s.records.List(ctx, records) {
		if err != nil {
			return nil, fmt.Errorf("list the records of all targets: %w", err)
		}
		parts := strings.Split(o.Key, "/")
		id, ok := strings.CutSuffix(parts[len(parts)-1], recordSuffix)
		if _, err := storage.ParseID(id); err != nil || !ok || o.Link || len(parts) != 3 {
			continue
		}
		r, err := s.load(ctx, o.Key, id)
		if errors.Is(err, errElsewhere) || errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", config.Inert(o.Key), err)
		}
		for _, h := range r.image.digests() {
			needed[h] = true
		}
	}
	return needed, nil
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

// refused tells whether the registry does not allow what was asked, now or ever.
func refused(err error) bool {
	var t *transport.Error
	return errors.As(err, &t) && (t.StatusCode == http.StatusMethodNotAllowed || t.StatusCode == http.StatusForbidden || t.StatusCode == http.StatusBadRequest)
}
