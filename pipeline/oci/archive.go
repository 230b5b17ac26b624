// Package oci is the trade of container images: it reads staged archives, one
// for each architecture, pushes them by digest under one index, signs all of it
// as cosign does, and moves tags from one snapshot to another.
package oci

import (
	"context"
	"errors"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
)

// Limits of what an archive holds besides layers.
const (
	maxManifest = 4 << 20 // bytes; registries take no more
	maxConfig   = 8 << 20
	maxLayers   = 256
)

// versionLabel is where images say which version they are, as a label or as an
// annotation.
const versionLabel = "org.opencontainers.image.version"

// Image is the one image of an archive, whole and checked.
type Image struct {
	Platform  v1.Platform
	Version   string // as it says itself, hostile; often empty
	Digest    v1.Hash
	MediaType types.MediaType
	Manifest  []byte
	Size      int64 // bytes of manifest, configuration and layers

	config v1.Descriptor
	raw    []byte // configuration
	layers []*layer
	spool  *spool
	packed io.Closer // layers that were compressed here; may be nil
}

// OpenArchive reads an archive to its end: what docker save writes, or an OCI
// layout in a tar, either compressed by gzip or not. Its bytes must have the
// SHA-256 that is wanted, in lower-case hex, and it must hold one image, whole,
// for that architecture. Every layer is hashed, and decompressed to compare it
// with what the configuration says. count hears of the bytes of the archive as
// they are read; it may be nil.
func OpenArchive(ctx context.Context, r io.Reader, want string, arch config.Arch, count func(int64)) (*Image, error) {
	s, err := newSpool(ctx, r, want, count)
	if err != nil {
		return nil, err
	}
	i, err := s.image(ctx)
	if err == nil {
		if err = fits(i.Platform, arch); err == nil {
			return i, nil
		}
		i.Close()
		return nil, err
	}
	s.file.Close()
	return nil, err
}

// Close lets go of the archive.
func (i *Image) Close() error {
	err := i.spool.file.Close()
	if i.packed != nil {
		err = errors.Join(err, i.packed.Close())
	}
	return err
}

// image finds the one image of the archive.
func (s *spool) image(ctx context.Context) (*Image, error) {
	_, layout := s.find("oci-layout")
	_, index := s.find("index.json")
	if layout && index {
		return s.layout(ctx)
	}
	if _, ok := s.find("manifest.json"); ok {
		return s.saved(ctx)
	}
	return nil, config.Hint(errors.New("it holds no image: neither oci-layout and index.json, nor manifest.json"),
		"save the image with docker save, or as an OCI layout in a tar")
}

// configure reads the configuration of an image: for which platform it is, and
// what its layers hold.
func (i *Image) configure(raw []byte) ([]v1.Hash, error) {
	var c v1.ConfigFile
	if err := parse(raw, &c); err != nil {
		return nil, fmt.Errorf("the configuration of the image: %w", err)
	}
	if c.OS == "" || c.Architecture == "" {
		return nil, errors.New("the configuration of the image does not say what platform it is for")
	}
	if c.RootFS.Type != "layers" || len(c.RootFS.DiffIDs) == 0 {
		return nil, errors.New("the configuration of the image names no layers")
	}
	if len(c.RootFS.DiffIDs) > maxLayers {
		return nil, fmt.Errorf("the image has %d layers, more than %d", len(c.RootFS.DiffIDs), maxLayers)
	}
	for _, id := range c.RootFS.DiffIDs {
		if err := known(id); err != nil {
			return nil, fmt.Errorf("the configuration of the image: %w", err)
		}
	}
	i.raw = raw
	i.Platform = v1.Platform{OS: c.OS, Architecture: c.Architecture, Variant: c.Variant}
	if v := c.Config.Labels[versionLabel]; v != "" {
		i.Version = v
	}
	return c.RootFS.DiffIDs, nil
}

// known refuses digests by other algorithms than SHA-256, and none.
func known(h v1.Hash) error {
	if h.Algorithm != "sha256" || len(h.Hex) != 64 {
		return fmt.Errorf("%s is no SHA-256", config.Inert(clip(h.String())))
	}
	return nil
}
