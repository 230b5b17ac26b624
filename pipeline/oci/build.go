package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

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

// Points lists the failpoints of a build, of a flip of tags and of a removal. A
// crash at any of them leaves every tag that clients pull on a snapshot that is
// there and signed.
func Points() []string {
	return []string{
		"oci.build.pushed", "oci.build.indexed", "oci.build.signed", "oci.build.tagged", "oci.build.recorded",
		"oci.flip.moved", "oci.flip.arch.all",
		"oci.remove.noted", "oci.remove.hidden",
	}
}

// staged is the archive of one architecture.
type staged struct {
	storage.Artifact
	arch config.Arch
	fact archived
}

// archived is what is known of an archive that was read once.
type archived struct {
	digest  v1.Hash
	size    int64
	version string
}

// reads remembers what archives hold, by where they lie, their version there and
// their digest, so that a plan that is made again does not read them again.
var reads = struct {
	sync.Mutex
	known map[string]archived
}{known: map[string]archived{}}

func (s staged) identity() string {
	return s.Key() + "\n" + s.Artifact.Version + "\n" + s.Digest + "\n" + string(s.arch)
}

// Survey reads the archives, one for each architecture.
func (t trade) Survey(ctx context.Context, w *repository.World, artifacts []storage.Artifact, from repository.Lineage) (*repository.Survey, error) {
	all, err := choose(w.Target, artifacts)
	if err != nil {
		return nil, err
	}
	var unread []int
	for n := range all {
		reads.Lock()
		fact, ok := reads.known[all[n].identity()]
		reads.Unlock()
		if all[n].fact = fact; !ok {
			unread = append(unread, n)
		}
	}
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, n := range unread {
		g.Go(func() error {
			i, err := all[n].open(reading, w, nil)
			if err != nil {
				return err
			}
			defer i.Close()
			all[n].learn(i)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	v := &repository.Survey{Fresh: len(all)}
	before, err := w.Current(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		f := s.file(w)
		if before != nil && slices.ContainsFunc(before.Files, func(g storage.File) bool { return g.Path == f.Path }) {
			v.Fresh--
		}
		v.Packages = append(v.Packages, f)
	}
	v.Publish = func(ctx context.Context, _ *repository.Snapshot, p *pipeline.Progress) (pipeline.Evidence, error) {
		return t.publish(ctx, w, all, from, p)
	}
	return v, nil
}

// choose finds the one archive of each architecture.
func choose(t *config.Target, artifacts []storage.Artifact) ([]staged, error) {
	var all []staged
	for _, arch := range t.Architectures {
		if _, err := platform(arch); err != nil {
			return nil, fmt.Errorf("target %s: %w", t.Name, err)
		}
		var names []string
		for _, a := range artifacts {
			if a.OS == string(arch) {
				names = append(names, config.Inert(clip(a.File)))
				all = append(all, staged{Artifact: a, arch: arch})
			}
		}
		place := storage.Place{Component: string(t.Component), Series: string(t.Series), Format: string(t.Format), OS: string(arch)}
		switch len(names) {
		case 1:
		case 0:
			return nil, config.Hint(fmt.Errorf("no archive is staged for the architecture %s of %s", arch, t.Name), "put one into "+place.Prefix()+": gantry stage "+string(t.Name)+" FILE")
		default:
			return nil, config.Hint(fmt.Errorf("%d archives are staged for the architecture %s of %s: %s", len(names), arch, t.Name, repository.Few(names, ", ")),
				"remove all but one: gantry artifacts shows what is staged")
		}
	}
	seen := map[string]config.Arch{}
	for _, s := range all {
		p := words(platforms[s.arch])
		if other, twice := seen[p]; twice {
			return nil, config.Hint(fmt.Errorf("target %s has the architectures %s and %s, which are the same", t.Name, other, s.arch), "leave one of them out in release.yaml")
		}
		seen[p] = s.arch
	}
	if len(all) == 0 {
		return nil, config.Hint(fmt.Errorf("target %s has no architectures", t.Name), "write them in release.yaml, such as [x86_64, arm64]")
	}
	return all, nil
}

// open reads an archive to its end.
func (s *staged) open(ctx context.Context, w *repository.World, count func(int64)) (*Image, error) {
	r, err := w.Env.Staging.Open(ctx, s.Artifact)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	i, err := OpenArchive(ctx, r, s.Digest, s.arch, count)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		err = fmt.Errorf("the staged archive %s of %s cannot be released: %w", config.Inert(clip(s.File)), s.arch, err)
		if config.HintOf(err) == "" {
			err = config.Hint(err, "stage the archive that its builder made, or remove it: gantry artifacts shows what is staged")
		}
		return nil, err
	}
	return i, nil
}

// learn remembers what an archive holds.
func (s *staged) learn(i *Image) {
	const most = 1000 // archives
	s.fact = archived{digest: i.Digest, size: i.Size, version: config.Inert(clip(i.Version))}
	reads.Lock()
	defer reads.Unlock()
	if len(reads.known) >= most {
		clear(reads.known)
	}
	reads.known[s.identity()] = s.fact
}

// file is the image as a file of the snapshot.
func (s *staged) file(w *repository.World) storage.File {
	version := s.fact.version
	if version == "" {
		version = w.Env.Version
	}
	if version == "" {
		const enough = 12
		version = "sha256:" + s.fact.digest.Hex[:enough]
	}
	return storage.File{
		Path: pathOf(string(s.arch), s.fact.digest), Size: s.fact.size, SHA256: s.fact.digest.Hex, Source: s.Digest,
		Name: string(w.Target.Component), Version: version, Arch: string(s.arch),
	}
}

// pathOf is what a manifest of a snapshot is called in its record.
func pathOf(kind string, h v1.Hash) string { return kind + "/" + h.Algorithm + "-" + h.Hex }

// publish pushes the images and makes a snapshot of them.
func (t trade) publish(ctx context.Context, w *repository.World, all []staged, from repository.Lineage, p *pipeline.Progress) (pipeline.Evidence, error) {
	at, err := shelfOf(w)
	if err != nil {
		return nil, err
	}
	images := make([]*Image, len(all))
	defer func() {
		for _, i := range images {
			if i != nil {
				i.Close()
			}
		}
	}()
	var bytes int64
	for _, s := range all {
		bytes += s.Size
	}
	p.Phase("read", pipeline.Bytes, bytes)
	g, reading := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for n := range all {
		g.Go(func() error {
			p.File(all[n].File)
			i, err := all[n].open(reading, w, p.Add)
			if err != nil {
				return err
			}
			images[n] = i
			all[n].learn(i)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := at.push(ctx, images, p); err != nil {
		return nil, err
	}
	storage.Reach("oci.build.pushed")
	s := snapshot{World: w, at: at, from: from, m: storage.Manifest{Base: w.Production}}
	for n, i := range images {
		s.add(all[n].file(w), platformRecord{
			Arch: all[n].arch, Digest: i.Digest, Source: all[n].Digest,
			Image: v1.Descriptor{MediaType: i.MediaType, Size: int64(len(i.Manifest)), Digest: i.Digest, Platform: &i.Platform},
		})
	}
	return s.finish(ctx, p)
}

// Twin publishes the images of another snapshot under a new index, everything
// signed with the key of now.
func (t trade) Twin(ctx context.Context, w *repository.World, of *repository.Snapshot, p *pipeline.Progress) error {
	at, r, err := open(ctx, w, of)
	if err != nil {
		return err
	}
	from := of.Lineage
	if from.Key, err = t.Key(w); err != nil {
		return err
	}
	s := snapshot{World: w, at: at, from: from, m: storage.Manifest{Base: of.Base, TwinOf: of.Root()}}
	for _, p := range r.image.Platforms {
		n := slices.IndexFunc(of.Files, func(f storage.File) bool { return f.Path == pathOf(string(p.Arch), p.Digest) })
		if n < 0 {
			return fmt.Errorf("snapshot %s: its record does not list %s", of.ID, p.Digest)
		}
		s.add(of.Files[n], p)
	}
	_, err = s.finish(ctx, p)
	return err
}

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
