package oci

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// Points lists the failpoints of a build, of a flip of tags and of a removal. A
// crash at any of them leaves every tag that clients pull on a snapshot that is
// there and signed.
func Points() []string {
	return []string{
		"oci.build.pushed", "oci.build.indexed", "oci.build.signed", "oci.build.tagged", "oci.build.recorded",
		"oci.flip.moved", "oci.flip.arch.all",
		"oci.remove.noted", "oci.remove.hidden",
		"oci.take.tagged", "oci.take.recorded",
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
