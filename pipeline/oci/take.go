package oci

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// taken is what is recorded of a snapshot that others had put there.
type taken struct {
	Stood  *v1.Hash           `json:"stood,omitempty"`  // what the tag named; nil for nothing
	Kind   types.MediaType    `json:"kind,omitempty"`   // of that, where it is an index
	Strays map[string]v1.Hash `json:"strays,omitempty"` // what tags of architectures named besides
}

// Take records what others put there as a snapshot: the index that a tag names,
// or one that is made of the images that tags name. Nothing is signed, and no tag
// moves but the one that keeps the snapshot from being collected. The images stay
// others': they are never deleted from the registry.
func (s *shelf) Take(ctx context.Context, name, digest string, now time.Time, after int64) (string, error) {
	id, err := s.take(ctx, name, digest, now, after)
	if err != nil {
		return "", fmt.Errorf("take over what %s of %s serves: %w", config.Inert(clip(name)), s.target.Name, err)
	}
	return id, nil
}

func (s *shelf) take(ctx context.Context, name, digest string, now time.Time, after int64) (string, error) {
	f, err := s.find(ctx, name)
	if err != nil {
		return "", err
	}
	if f.digest() != digest {
		return "", config.Hint(fmt.Errorf("its tags moved again: %w", storage.ErrConflict), "look at what is there now, and adopt that")
	}
	if id, err := s.snapshot(ctx, f.named); err == nil && id != "" {
		return id, nil // it was taken over for another pointer, which names the same
	}
	ids, err := s.Snapshots(ctx)
	if err != nil {
		return "", err
	}
	at, err := storage.NextID(ctx, ids, now, after)
	if err != nil {
		return "", err
	}
	r, err := s.recorded(f, at)
	if err != nil {
		return "", err
	}
	if f.index == nil {
		if f.index, err = f.gathered(at); err != nil {
			return "", err
		}
		if err := s.put(ctx, s.repo.Digest(f.index.digest.String()), f.index); err != nil {
			return "", err
		}
	}
	r.image.Index = f.index.digest
	r.manifest.Files = append(r.manifest.Files, storage.File{Path: pathOf("index", f.index.digest), Size: int64(len(f.index.raw)), SHA256: f.index.digest.Hex})
	if err := s.put(ctx, s.repo.Tag(s.snapshotTag(r.manifest.ID)), f.index); err != nil {
		return "", err
	}
	storage.Reach("oci.take.tagged")
	if err := s.check(ctx, r, true, func(int64) {}); err != nil {
		return "", err
	}
	if _, err := s.keep(ctx, *r.manifest, r.image); err != nil {
		return "", err
	}
	storage.Reach("oci.take.recorded")
	return r.manifest.ID, nil
}

// recorded is the record of what was found, without its index.
func (s *shelf) recorded(f *found, at time.Time) (*record, error) {
	lineage := repository.Lineage{Set: repository.Digest("taken over", f.digest())}
	if f.signed {
		public, err := openPublic(s.cfg, s.target)
		if err != nil {
			return nil, err
		}
		lineage.Key = public.Fingerprint()
	}
	b, err := json.Marshal(lineage)
	if err != nil {
		return nil, err
	}
	r := &record{
		manifest: &storage.Manifest{
			ID: at.Format("20060102T150405Z"), Revision: at.Unix(), Created: at, Target: string(s.target.Name),
			Extra: map[string]json.RawMessage{"lineage": b},
		},
		image: imageRecord{Repository: s.repo.Name(), Taken: &taken{Strays: f.strays}},
	}
	if f.at != (v1.Hash{}) {
		r.image.Taken.Stood = &f.at
	}
	if f.index != nil {
		r.image.Taken.Kind = f.index.kind
	}
	for _, i := range f.images {
		version := i.version
		if version == "" {
			version = config.Inert(clip(f.title))
		}
		if version == "" {
			version = strings.TrimSuffix(brief(i.is.Digest), "…")
		}
		r.manifest.Files = append(r.manifest.Files, storage.File{
			Path: pathOf(string(i.arch), i.is.Digest), Size: i.size, SHA256: i.is.Digest.Hex,
			Name: string(s.target.Component), Version: version, Arch: string(i.arch),
		})
		r.image.Platforms = append(r.image.Platforms, platformRecord{Arch: i.arch, Digest: i.is.Digest, Image: i.is, Taken: true})
	}
	return r, nil
}

// gathered is an index of images that had none.
func (f *found) gathered(at time.Time) (*document, error) {
	m := v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Annotations: map[string]string{createdAnnotation: at.Format(time.RFC3339)},
	}
	for _, i := range f.images {
		m.Manifests = append(m.Manifests, i.is)
	}
	return newDocument(m, types.OCIImageIndex)
}

// stood is what the tag of a pointer names that serves the snapshot.
func (i imageRecord) stood() v1.Hash {
	switch {
	case i.Taken == nil:
		return i.Index
	case i.Taken.Stood == nil:
		return v1.Hash{}
	}
	return *i.Taken.Stood
}

// astray tells whether tags of architectures named other images when the snapshot
// was taken over.
func (i imageRecord) astray() bool { return i.Taken != nil && len(i.Taken.Strays) > 0 }

// owned are the images that tags of architectures may name.
func (i imageRecord) owned() []v1.Hash {
	var all []v1.Hash
	for _, p := range i.Platforms {
		all = append(all, p.Digest)
	}
	if i.Taken != nil {
		for _, h := range i.Taken.Strays {
			all = append(all, h)
		}
	}
	return all
}

var (
	_ storage.Taker  = (*shelf)(nil)
	_ storage.Parted = (*shelf)(nil)
)
