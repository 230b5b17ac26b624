package oci

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// named is what the tags of a pointer name; zero digests are nothing.
type named struct {
	pointer, tag string
	at           v1.Hash                 // of tag
	arch         map[config.Arch]v1.Hash // of the tags of architectures, of production alone
}

// named reads the tags of a pointer.
func (s *shelf) named(ctx context.Context, pointer string) (*named, error) {
	tag, err := s.tag(pointer)
	if err != nil {
		return nil, err
	}
	n := &named{pointer: pointer, tag: tag, arch: map[config.Arch]v1.Hash{}}
	var arches []config.Arch
	if pointer == production {
		arches = s.target.Architectures
	}
	// Where several fail, the error is always the same one: a screen that shows it
	// must not flicker between them.
	at, failed := make([]v1.Hash, len(arches)), make([]error, len(arches)+1)
	var asking sync.WaitGroup
	for i, a := range arches {
		asking.Go(func() { at[i], failed[i+1] = s.tagged(ctx, s.archTag(a)) })
	}
	n.at, failed[0] = s.tagged(ctx, tag)
	asking.Wait()
	for _, err := range failed {
		if err != nil {
			return nil, err
		}
	}
	for i, a := range arches {
		if at[i] != (v1.Hash{}) {
			n.arch[a] = at[i]
		}
	}
	return n, nil
}

// digest is that of all that is named.
func (n *named) digest() string {
	parts := []string{n.tag, orMissing(n.at)}
	for _, a := range slices.Sorted(maps.Keys(n.arch)) {
		parts = append(parts, string(a), n.arch[a].String())
	}
	return repository.Digest(parts...)
}

// snapshot is the one that the tags name; empty where they name nothing. What
// others put there is a storage.Stray. The tag of an architecture may name an
// image of any snapshot: a flip may have been interrupted.
func (s *shelf) snapshot(ctx context.Context, n *named) (string, error) {
	ids, err := s.Snapshots(ctx)
	if err != nil {
		return "", err
	}
	ours, is, bare, settled := map[v1.Hash]bool{}, "", "", false
	for _, id := range slices.Backward(ids) {
		r, err := s.record(ctx, id)
		if err != nil {
			return "", err
		}
		for _, h := range r.image.owned() {
			ours[h] = true
		}
		switch stood := r.image.stood(); {
		case n.at != (v1.Hash{}) && (stood == n.at || r.image.Index == n.at):
			if astray := r.image.astray(); is == "" && !astray || !settled && astray && s.strayed(r, n) {
				is, settled = id, true
			}
		case bare == "" && stood == (v1.Hash{}):
			bare = id
		}
	}
	if is == "" && n.at != (v1.Hash{}) {
		return "", &storage.Stray{Pointer: n.pointer, Is: brief(n.at)}
	}
	for _, a := range slices.Sorted(maps.Keys(n.arch)) {
		if !ours[n.arch[a]] {
			return "", &storage.Stray{Pointer: n.pointer, Is: brief(n.arch[a]) + " as " + s.archTag(a)}
		}
	}
	if is == "" && len(n.arch) > 0 {
		return bare, nil // taken over without a tag of the series
	}
	return is, nil
}

// notice compares the tags of architectures with the snapshot that production
// serves.
func (s *shelf) notice(ctx context.Context, n *named, id string) {
	var apart []string
	if r, err := s.record(ctx, id); err == nil {
		images := map[config.Arch]v1.Hash{}
		for _, p := range r.image.Platforms {
			images[p.Arch] = p.Digest
		}
		for _, a := range s.target.Architectures {
			is, tagged := n.arch[a]
			want, has := images[a]
			switch {
			case is == want, !tagged && r.image.Taken != nil:
			case !has:
				apart = append(apart, fmt.Sprintf("%s names %s, and production has no image for %s", s.archTag(a), brief(is), a))
			case !tagged:
				apart = append(apart, fmt.Sprintf("%s is not there: the next flip makes it", s.archTag(a)))
			default:
				apart = append(apart, fmt.Sprintf("%s names %s, and production has %s for it: the next flip moves it", s.archTag(a), brief(is), brief(want)))
			}
		}
	}
	s.mu.Lock()
	s.apart = apart
	s.mu.Unlock()
}

// Apart tells which tags of architectures are not where production is.
func (s *shelf) Apart() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.apart)
}

// strayed tells whether tags of architectures are where they were when a snapshot
// was taken over beside them.
func (s *shelf) strayed(r *record, n *named) bool {
	for _, a := range s.target.Architectures {
		if h, ok := r.image.Taken.Strays[s.archTag(a)]; ok && n.arch[a] != h {
			return false
		}
	}
	return n.pointer == production
}

// brief is the beginning of a digest.
func brief(h v1.Hash) string {
	const enough = 12
	return h.Algorithm + ":" + h.Hex[:min(enough, len(h.Hex))] + "…"
}

// found is what others put where a pointer names it.
type found struct {
	*named
	index  *document // what the tag names, where that is an index
	title  string    // version that the index says
	images []foundImage
	strays map[string]v1.Hash // tags of architectures that name other images
	odd    string             // why clients would not verify it, whoever signed it
	signed bool               // by the key of now, all of it
	words  []string
}

// foundImage is the image for one architecture.
type foundImage struct {
	arch    config.Arch
	is      v1.Descriptor
	size    int64 // bytes of manifest, configuration and layers
	version string
}

// Find tells what would be taken over.
func (s *shelf) Find(ctx context.Context, name string) (*storage.Found, error) {
	f, err := s.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return &storage.Found{Digest: f.digest(), Words: f.words}, nil
}

func (s *shelf) find(ctx context.Context, name string) (*found, error) {
	n, err := s.named(ctx, name)
	if err != nil {
		return nil, err
	}
	f := &found{named: n, strays: map[string]v1.Hash{}}
	wrong := func(err error) (*found, error) {
		return nil, config.Hint(fmt.Errorf("what %s serves cannot be taken over: %w", name, err),
			"point "+s.repo.Tag(n.tag).String()+" to an image that is whole, or delete the tag: crane delete "+s.repo.Tag(n.tag).String())
	}
	if n.at != (v1.Hash{}) {
		if err := s.listed(ctx, f); err != nil {
			return wrong(err)
		}
	}
	for _, a := range slices.Sorted(maps.Keys(n.arch)) {
		if err := s.single(ctx, f, a, n.arch[a]); err != nil {
			return wrong(err)
		}
	}
	if len(f.images) == 0 {
		return wrong(errors.New("it holds no image"))
	}
	f.words = append([]string{f.summary()}, f.words...)
	for _, a := range s.target.Architectures {
		if !slices.ContainsFunc(f.images, func(i foundImage) bool { return i.arch == a }) {
			f.words = append(f.words, fmt.Sprintf("it has no image for %s", a))
		}
	}
	return f, s.judge(ctx, f)
}

// summary is what it is, in words.
func (f *found) summary() string {
	var all []string
	for _, i := range f.images {
		all = append(all, words(*i.is.Platform))
	}
	what := "the tags of the architectures alone"
	if f.at != (v1.Hash{}) {
		what = f.tag + ", " + f.at.String()
	}
	return fmt.Sprintf("taken over as it is: %s, for %s", what, strings.Join(all, " and "))
}

// listed reads what the tag names: an index, or a single image.
func (s *shelf) listed(ctx context.Context, f *found) error {
	d, err := s.manifest(ctx, s.repo.Digest(f.at.String()))
	if err != nil {
		return err
	}
	if d == nil {
		return fmt.Errorf("%s is not there any more", f.at)
	}
	if !d.kind.IsIndex() {
		return s.image(ctx, f, v1.Descriptor{MediaType: d.kind, Digest: f.at})
	}
	var m v1.IndexManifest
	if err := parse(d.raw, &m); err != nil {
		return fmt.Errorf("the index %s: %w", f.at, err)
	}
	if len(m.Manifests) > maxListed {
		return fmt.Errorf("the index %s lists %d manifests, more than %d", f.at, len(m.Manifests), maxListed)
	}
	f.index, f.title = d, m.Annotations[versionLabel]
	for _, d := range m.Manifests {
		if d.Annotations["vnd.docker.reference.type"] != "" || d.MediaType != types.OCIManifestSchema1 && d.MediaType != types.DockerManifestSchema2 {
			f.odd = "its index lists more than images"
			f.words = append(f.words, fmt.Sprintf("%s of the index is no image, and goes nowhere from here", brief(d.Digest)))
			continue
		}
		if err := s.image(ctx, f, d); err != nil {
			return err
		}
	}
	return nil
}

// single reads what the tag of an architecture names. Where the tag of the series
// is no index, it is the image of that architecture.
func (s *shelf) single(ctx context.Context, f *found, a config.Arch, h v1.Hash) error {
	for _, i := range f.images {
		if i.is.Digest == h {
			return nil
		}
	}
	tag := s.archTag(a)
	if f.index == nil && !slices.ContainsFunc(f.images, func(i foundImage) bool { return i.arch == a }) {
		before := len(f.images)
		if err := s.image(ctx, f, v1.Descriptor{Digest: h}); err != nil {
			return fmt.Errorf("%s: %w", tag, err)
		}
		if len(f.images) > before && f.images[before].arch != a {
			return fmt.Errorf("%s names the image %s for %s", tag, h, words(*f.images[before].is.Platform))
		}
		return nil
	}
	f.strays[tag] = h
	f.words = append(f.words, fmt.Sprintf("%s names %s, another image than %s: the next flip takes that tag, and nothing here goes back to it", tag, h, f.tag))
	return nil
}

// image reads an image that the registry serves.
func (s *shelf) image(ctx context.Context, f *found, d v1.Descriptor) error {
	if err := known(d.Digest); err != nil {
		return err
	}
	doc, err := s.manifest(ctx, s.repo.Digest(d.Digest.String()))
	if err != nil {
		return err
	}
	if doc == nil {
		return fmt.Errorf("the image %s is not there", d.Digest)
	}
	var m v1.Manifest
	if err := parse(doc.raw, &m); err != nil {
		return fmt.Errorf("the image %s: %w", d.Digest, err)
	}
	if doc.kind != types.OCIManifestSchema1 && doc.kind != types.DockerManifestSchema2 || len(m.Layers) > maxLayers {
		return fmt.Errorf("%s is no image but %s with %d layers", d.Digest, config.Inert(clip(string(doc.kind))), len(m.Layers))
	}
	raw, err := s.blob(ctx, m.Config.Digest, maxConfig)
	if err != nil {
		return err
	}
	var c v1.ConfigFile
	if err := parse(raw, &c); err != nil {
		return fmt.Errorf("the configuration of %s: %w", d.Digest, err)
	}
	p := v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
	i := foundImage{
		is:      v1.Descriptor{MediaType: doc.kind, Size: int64(len(doc.raw)), Digest: d.Digest, Platform: &p},
		size:    int64(len(doc.raw) + len(raw)),
		version: config.Inert(clip(c.Config.Labels[versionLabel])),
	}
	for _, l := range m.Layers {
		i.size += max(l.Size, 0)
	}
	for _, a := range slices.Concat(s.target.Architectures, usual) {
		if fits(p, a) == nil {
			i.arch = a
			break
		}
	}
	if i.arch == "" || slices.ContainsFunc(f.images, func(o foundImage) bool { return o.arch == i.arch }) {
		f.odd = "its index lists an image for " + words(p) + " as well"
		f.words = append(f.words, fmt.Sprintf("the image %s for %s goes nowhere from here: no target serves that, or another image is for the same", brief(d.Digest), words(p)))
		return nil
	}
	if f.index != nil && (d.Platform == nil || !d.Platform.Equals(p)) {
		f.odd = fmt.Sprintf("its index does not say of %s that it is for %s", brief(d.Digest), words(p))
	}
	f.images = append(f.images, i)
	return nil
}

// judge tells whether all of it is signed by the key that clients are given.
func (s *shelf) judge(ctx context.Context, f *found) error {
	public, err := openPublic(s.cfg, s.target)
	all := []v1.Hash{f.at}
	for _, i := range f.images {
		all = append(all, i.is.Digest)
	}
	if f.index == nil {
		f.odd = "there is no index of it"
	}
	if f.odd != "" && err == nil {
		err = errors.New(f.odd)
	}
	for _, h := range all {
		if err != nil {
			break
		}
		if err = s.registry.signed(ctx, public, h); err != nil && !errors.Is(err, errUnsigned) {
			return err
		}
	}
	if f.signed = err == nil; !f.signed {
		f.words = append(f.words, fmt.Sprintf("IT IS NOT SIGNED as clients verify it (%s): gantry refresh %s signs it and serves it anew, and a rollback to it signs it first", config.Inert(shorten(err.Error(), 200)), s.target.Name))
	}
	return nil
}
