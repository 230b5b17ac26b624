package oci

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
	"gantry/storage"
)

const (
	records      = "records/" // in the state store; below it the names of targets
	recordSuffix = ".json"
	removing     = "removing/" // below the prefix: snapshots on their way out
	fact         = "image"     // name of imageRecord among the extras of a manifest
)

// errElsewhere says that a record is of another repository.
var errElsewhere = errors.New("its record is of an image elsewhere")

// record is the manifest of a snapshot.
type record struct {
	manifest *storage.Manifest
	sum      string // SHA-256 of its bytes
	image    imageRecord
}

// imageRecord is what a snapshot is made of in the registry.
type imageRecord struct {
	Repository string           `json:"repository"`
	Index      v1.Hash          `json:"index"`
	Platforms  []platformRecord `json:"platforms"` // in the order of the index
	Taken      *taken           `json:"taken,omitempty"`
}

// platformRecord is the image for one architecture.
type platformRecord struct {
	Arch   config.Arch   `json:"arch"` // as in the staging area
	Digest v1.Hash       `json:"digest"`
	Image  v1.Descriptor `json:"image"`           // as the index lists it
	Source string        `json:"source"`          // SHA-256 of the archive
	Taken  bool          `json:"taken,omitempty"` // others pushed it, and may need it
}

// kind is what the index is.
func (i imageRecord) kind() types.MediaType {
	if i.Taken != nil && i.Taken.Kind != "" {
		return i.Taken.Kind
	}
	return types.OCIImageIndex
}

// digests are all manifests of a snapshot, the index first.
func (i imageRecord) digests() []v1.Hash {
	all := []v1.Hash{i.Index}
	for _, p := range i.Platforms {
		all = append(all, p.Digest)
	}
	return all
}

// sane refuses what no build wrote: tags are made of architectures, and digests
// decide what they name.
func (i imageRecord) sane() error {
	all := append(i.digests(), i.owned()...)
	if i.Taken != nil && i.Taken.Stood != nil {
		all = append(all, *i.Taken.Stood)
	}
	for _, h := range all {
		if err := known(h); err != nil {
			return err
		}
	}
	seen := map[config.Arch]bool{}
	for _, p := range i.Platforms {
		if p.Image.Digest != p.Digest || p.Image.Platform == nil || seen[p.Arch] {
			return fmt.Errorf("what it says of %s does not agree", config.Inert(clip(string(p.Arch))))
		}
		if err := fits(*p.Image.Platform, p.Arch); err != nil {
			return err
		}
		seen[p.Arch] = true
	}
	return nil
}

// record reads the record of a snapshot.
func (s *shelf) record(ctx context.Context, id string) (*record, error) {
	if _, err := storage.ParseID(id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	r := s.known[id]
	s.mu.Unlock()
	if r != nil {
		return r, nil
	}
	r, err := s.load(ctx, s.prefix+id+recordSuffix, id)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("snapshot %s: %w", id, err), "gantry snapshots shows what is there")
	}
	s.mu.Lock()
	s.known[id] = r
	s.mu.Unlock()
	return r, nil
}

func (s *shelf) forget(id string) {
	s.mu.Lock()
	delete(s.known, id)
	s.mu.Unlock()
}

// load reads a record and makes sure that it says what it must.
func (s *shelf) load(ctx context.Context, key, id string) (*record, error) {
	in, _, err := s.records.Open(ctx, key, storage.Range{})
	if err != nil {
		return nil, err
	}
	defer in.Close()
	b, err := io.ReadAll(io.LimitReader(in, maxRecord+1))
	if err != nil {
		return nil, fmt.Errorf("read its record: %w", err)
	}
	if len(b) > maxRecord {
		return nil, fmt.Errorf("its record has more than %d bytes", maxRecord)
	}
	m, err := storage.DecodeManifest(b)
	if err != nil {
		return nil, fmt.Errorf("its record: %w", err)
	}
	if m.ID != id {
		return nil, fmt.Errorf("its record is that of %s", m.ID)
	}
	sum := sha256.Sum256(b)
	r := &record{manifest: m, sum: hex.EncodeToString(sum[:])}
	if err := json.Unmarshal(m.Extra[fact], &r.image); err != nil {
		return nil, fmt.Errorf("its record does not say what it is in the registry: %w", err)
	}
	if len(r.image.Platforms) == 0 {
		return nil, errors.New("its record names no image")
	}
	if err := r.image.sane(); err != nil {
		return nil, fmt.Errorf("its record: %w", err)
	}
	if r.image.Repository != s.repo.Name() {
		return nil, config.Hint(fmt.Errorf("%w: of %s, not of %s", errElsewhere, config.Inert(clip(r.image.Repository)), s.repo.Name()),
			"give the target another name when its images move to another repository, or restore the old one in release.yaml")
	}
	return r, nil
}

// keep writes the record of a new snapshot, which must not be there yet.
func (s *shelf) keep(ctx context.Context, m storage.Manifest, i imageRecord) (*storage.Manifest, error) {
	var err error
	if m.Extra[fact], err = json.Marshal(i); err != nil {
		return nil, err
	}
	slices.SortFunc(m.Files, func(a, b storage.File) int { return strings.Compare(a.Path, b.Path) })
	b, err := m.Encode()
	if err != nil {
		return nil, fmt.Errorf("record snapshot %s: %w", m.ID, err)
	}
	if _, err := s.records.Put(ctx, s.prefix+m.ID+recordSuffix, bytes.NewReader(b), storage.IfAbsent); err != nil {
		return nil, fmt.Errorf("record snapshot %s: %w", m.ID, err)
	}
	return &m, nil
}
