package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
)

// Limits of the indexes of a layout.
const (
	maxNesting = 3
	maxListed  = 100 // manifests, all indexes together
)

// layout reads the image of an OCI layout
// (https://github.com/opencontainers/image-spec/blob/main/image-layout.md).
func (s *spool) layout(ctx context.Context) (*Image, error) {
	var version struct {
		Version string `json:"imageLayoutVersion"`
	}
	b, err := s.whole("oci-layout", maxManifest)
	if err == nil {
		err = parse(b, &version)
	}
	if err != nil {
		return nil, fmt.Errorf("oci-layout: %w", err)
	}
	if !strings.HasPrefix(version.Version, "1.") {
		return nil, fmt.Errorf("oci-layout: its version is %s, not 1.0.0", config.Inert(clip(version.Version)))
	}
	if b, err = s.whole("index.json", maxManifest); err != nil {
		return nil, err
	}
	w := &walk{spool: s, found: map[v1.Hash]bool{}}
	if err := w.index(b, "index.json", 0); err != nil {
		return nil, err
	}
	switch len(w.images) {
	case 0:
		return nil, errors.New("its index lists no image")
	case 1:
		return s.manifest(ctx, w.images[0])
	}
	var names []string
	for _, d := range w.images {
		names = append(names, called(d))
	}
	return nil, severalImages(names)
}

func severalImages(names []string) error {
	const most = 5
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	return config.Hint(fmt.Errorf("it holds more than one image: %s%s", strings.Join(names, ", "), more),
		"save each image alone, that of each architecture into its place")
}

// called is what to call a manifest that an index lists.
func called(d v1.Descriptor) string {
	name := d.Digest.String()
	if ref := d.Annotations["org.opencontainers.image.ref.name"]; ref != "" {
		name = ref + " " + name
	}
	if d.Platform != nil {
		name += " (" + words(*d.Platform) + ")"
	}
	return config.Inert(clip(name))
}

// walk finds the images of nested indexes.
type walk struct {
	*spool
	found  map[v1.Hash]bool
	images []v1.Descriptor
	listed int
}

func (w *walk) index(b []byte, name string, depth int) error {
	if depth == maxNesting {
		return fmt.Errorf("%s: indexes are nested more than %d deep", name, maxNesting)
	}
	var index struct {
		v1.IndexManifest
		Config any   `json:"config"`
		Layers []any `json:"layers"`
	}
	if err := parse(b, &index); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if index.Config != nil || index.Layers != nil {
		return fmt.Errorf("%s is an index and an image at once", name)
	}
	for _, d := range index.Manifests {
		if w.listed++; w.listed > maxListed {
			return fmt.Errorf("%s: more than %d manifests are listed", name, maxListed)
		}
		if err := w.listing(d, depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) listing(d v1.Descriptor, depth int) error {
	// Some tools write of every image what its config is.
	artifact := d.ArtifactType != "" && !types.MediaType(d.ArtifactType).IsConfig()
	if d.Annotations["vnd.docker.reference.type"] != "" || artifact || w.found[d.Digest] {
		return nil // what a build tells about an image; or the same image once more
	}
	w.found[d.Digest] = true
	switch {
	case d.MediaType.IsIndex():
		b, err := w.blob(d, maxManifest)
		if err != nil {
			return fmt.Errorf("the index lists %s: %w", called(d), err)
		}
		return w.index(b, called(d), depth+1)
	case d.MediaType == types.OCIManifestSchema1, d.MediaType == types.DockerManifestSchema2:
		w.images = append(w.images, d)
		return nil
	}
	return fmt.Errorf("the index lists %s, which is no image but %s", called(d), config.Inert(clip(string(d.MediaType))))
}

// blob reads a small blob of a layout and makes sure that it is the one that is
// meant.
func (s *spool) blob(d v1.Descriptor, most int64) ([]byte, error) {
	if err := known(d.Digest); err != nil {
		return nil, err
	}
	b, err := s.whole(blobPath(d.Digest), most)
	if err != nil {
		return nil, err
	}
	is, _, err := v1.SHA256(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	if is != d.Digest || d.Size != int64(len(b)) {
		return nil, fmt.Errorf("what is in it as %s has the digest %s and %d bytes, not %d", d.Digest, is, len(b), d.Size)
	}
	return b, nil
}

func blobPath(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// manifest reads an image by its manifest.
func (s *spool) manifest(ctx context.Context, d v1.Descriptor) (*Image, error) {
	raw, err := s.blob(d, maxManifest)
	if err != nil {
		return nil, fmt.Errorf("the index lists the image %s: %w", called(d), err)
	}
	var m struct {
		v1.Manifest
		Manifests []any `json:"manifests"`
	}
	if err := parse(raw, &m); err != nil {
		return nil, fmt.Errorf("the manifest of the image: %w", err)
	}
	switch {
	case m.Manifests != nil:
		return nil, errors.New("the manifest of the image is an image and an index at once")
	case m.SchemaVersion != 2:
		return nil, fmt.Errorf("the manifest of the image has the schema version %d, not 2", m.SchemaVersion)
	case m.MediaType != "" && m.MediaType != d.MediaType:
		return nil, fmt.Errorf("the manifest of the image says that it is %s, its index that it is %s", config.Inert(clip(string(m.MediaType))), d.MediaType)
	case !m.Config.MediaType.IsConfig():
		return nil, fmt.Errorf("it is no image of a container: its configuration is %s", config.Inert(clip(string(m.Config.MediaType))))
	}
	i := &Image{MediaType: d.MediaType, Digest: d.Digest, Manifest: raw, Size: int64(len(raw)), config: m.Config, spool: s}
	i.Version = m.Annotations[versionLabel]
	conf, err := s.blob(m.Config, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("the image names its configuration: %w", err)
	}
	i.Size += int64(len(conf))
	diffs, err := i.configure(conf)
	if err != nil {
		return nil, err
	}
	if s.glance {
		return i, nil
	}
	if len(diffs) != len(m.Layers) {
		return nil, fmt.Errorf("the image has %d layers, its configuration says %d", len(m.Layers), len(diffs))
	}
	for n, d := range m.Layers {
		if err := known(d.Digest); err != nil {
			return nil, fmt.Errorf("layer %d of the image: %w", n+1, err)
		}
		e, ok := s.find(blobPath(d.Digest))
		if !ok {
			return nil, config.Hint(fmt.Errorf("the image lists the layer %s, which is not in it", d.Digest), "save the image again, with all its layers")
		}
		if e.size != d.Size {
			return nil, fmt.Errorf("the layer %s has %d bytes, the image says %d", d.Digest, e.size, d.Size)
		}
		i.layers = append(i.layers, &layer{from: s.file, at: e.at, size: e.size, digest: d.Digest, diffID: diffs[n], kind: d.MediaType})
		i.Size += d.Size
	}
	return i, i.check(ctx)
}
