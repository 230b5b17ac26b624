package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/cosign"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// Annotations of an index.
const (
	createdAnnotation   = "org.opencontainers.image.created"
	titleAnnotation     = "org.opencontainers.image.title"
	componentAnnotation = "dev.gantry.component"
	seriesAnnotation    = "dev.gantry.series"
	snapshotAnnotation  = "dev.gantry.snapshot"
)

// snapshot is one in the making; its images are in the registry.
type snapshot struct {
	*repository.World
	at    *shelf
	from  repository.Lineage
	m     storage.Manifest
	image imageRecord
}

func (s *snapshot) add(f storage.File, p platformRecord) {
	s.m.Files = append(s.m.Files, f)
	s.image.Platforms = append(s.image.Platforms, p)
}

// finish writes the index, signs it and the images, verifies all signatures with
// the key that clients have, and records the snapshot. No tag that clients pull
// is touched.
func (s *snapshot) finish(ctx context.Context, p *pipeline.Progress) (pipeline.Evidence, error) {
	key, err := openKey(s.Config, s.Target)
	if err != nil {
		return nil, err
	}
	public, err := openPublic(s.Config, s.Target)
	if err != nil {
		return nil, err
	}
	if key.Fingerprint() != s.from.Key {
		return nil, config.Hint(errors.New("the key changed since the plan was made"), "plan again")
	}
	ids, err := s.at.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	at, err := storage.NextID(ctx, ids, s.Env.Now(), s.Highest())
	if err != nil {
		return nil, err
	}
	s.m.ID, s.m.Revision, s.m.Created = at.Format("20060102T150405Z"), at.Unix(), at
	s.m.Target, s.m.Release = string(s.Target.Name), s.Env.Release
	index, err := s.index(at)
	if err != nil {
		return nil, err
	}
	if err := s.at.put(ctx, s.at.repo.Digest(index.digest.String()), index); err != nil {
		return nil, err
	}
	storage.Reach("oci.build.indexed")
	if err := s.sign(ctx, key, public, index, at, p); err != nil {
		return nil, err
	}
	storage.Reach("oci.build.signed")
	if err := s.at.put(ctx, s.at.repo.Tag(s.at.snapshotTag(s.m.ID)), index); err != nil {
		return nil, err
	}
	storage.Reach("oci.build.tagged")
	s.image.Repository, s.image.Index = s.at.repo.Name(), index.digest
	s.m.Files = append(s.m.Files, storage.File{Path: pathOf("index", index.digest), Size: int64(len(index.raw)), SHA256: index.digest.Hex})
	lineage, err := json.Marshal(s.from)
	if err != nil {
		return nil, err
	}
	s.m.Extra = map[string]json.RawMessage{"lineage": lineage}
	m, err := s.at.keep(ctx, s.m, s.image)
	if err != nil {
		return nil, err
	}
	storage.Reach("oci.build.recorded")
	p.Logf("built snapshot %s: %s, signed by %s", m.ID, index.digest, key.Fingerprint())
	return s.evidence(), nil
}

func (s *snapshot) evidence() pipeline.Evidence {
	ev := pipeline.Evidence{
		"snapshot": s.m.ID, "packages": strconv.Itoa(len(s.image.Platforms)), "index": s.image.Index.String(), "key": s.from.Key,
	}
	for _, p := range s.image.Platforms {
		ev["image "+string(p.Arch)] = p.Digest.String()
		ev["archive "+string(p.Arch)] = p.Source
	}
	return ev
}

// sign signs every image and the index, and reads all signatures back.
func (s *snapshot) sign(ctx context.Context, key *cosign.Key, public *cosign.Public, index *document, at time.Time, p *pipeline.Progress) error {
	todo := []v1.Descriptor{{MediaType: index.kind, Size: int64(len(index.raw)), Digest: index.digest}}
	for _, p := range s.image.Platforms {
		todo = append(todo, p.Image)
	}
	p.Phase("sign", pipeline.Files, int64(2*len(todo)))
	for _, d := range todo {
		if err := s.at.sign(ctx, key, d, at); err != nil {
			return err
		}
		p.Add(1)
	}
	for _, d := range todo {
		if err := s.at.signed(ctx, public, d.Digest); err != nil {
			return fmt.Errorf("read the signature back: %w", err)
		}
		p.Add(1)
	}
	return nil
}

// index is the list of the images, by platform.
func (s *snapshot) index(at time.Time) (*document, error) {
	m := v1.IndexManifest{
		SchemaVersion: 2, MediaType: types.OCIImageIndex,
		Annotations: map[string]string{
			createdAnnotation:   at.Format(time.RFC3339),
			titleAnnotation:     string(s.Target.Component),
			componentAnnotation: string(s.Target.Component),
			seriesAnnotation:    string(s.Target.Series),
			snapshotAnnotation:  s.m.ID,
		},
	}
	for n, p := range s.image.Platforms {
		if v := s.m.Files[n].Version; v != "" && !strings.HasPrefix(v, "sha256:") {
			m.Annotations[versionLabel] = v
		}
		m.Manifests = append(m.Manifests, p.Image)
	}
	return newDocument(m, types.OCIImageIndex)
}
