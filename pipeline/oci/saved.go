package oci

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/storage"
)

// saved reads the image of what docker save writes. That has no manifest as
// registries want it, and mostly layers that are not compressed: both are made
// here, the same ones of the same archive each time.
func (s *spool) saved(ctx context.Context) (_ *Image, err error) {
	var all []struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
	b, err := s.whole("manifest.json", maxManifest)
	if err == nil {
		err = parse(b, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("manifest.json: %w", err)
	}
	if len(all) == 0 {
		return nil, errors.New("manifest.json names no image")
	}
	if len(all) > 1 {
		var names []string
		for _, one := range all {
			name := one.Config
			if len(one.RepoTags) > 0 {
				name = one.RepoTags[0]
			}
			names = append(names, config.Inert(clip(name)))
		}
		return nil, severalImages(names)
	}
	raw, err := s.whole(all[0].Config, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("manifest.json names the configuration of the image: %w", err)
	}
	i := &Image{MediaType: types.OCIManifestSchema1, spool: s}
	diffs, err := i.configure(raw)
	if err != nil {
		return nil, err
	}
	if s.glance {
		return i, nil
	}
	if len(diffs) != len(all[0].Layers) {
		return nil, fmt.Errorf("manifest.json names %d layers, the configuration of the image %d", len(all[0].Layers), len(diffs))
	}
	defer func() {
		if err != nil && i.packed != nil {
			i.packed.Close()
		}
	}()
	if err := i.pack(ctx, all[0].Layers, diffs); err != nil {
		return nil, err
	}
	return i, i.describe()
}

// pack takes layers over as they are where they are compressed, and compresses
// the others.
func (i *Image) pack(ctx context.Context, names []string, diffs []v1.Hash) error {
	i.layers = make([]*layer, len(names))
	var files closers
	i.packed = &files
	for n, name := range names {
		e, ok := i.spool.find(name)
		if !ok {
			return config.Hint(fmt.Errorf("manifest.json names the layer %s, which is not in it", config.Inert(clip(name))), "save the image again, with all its layers")
		}
		l := &layer{from: i.spool.file, at: e.at, size: e.size, diffID: diffs[n], kind: types.OCIUncompressedLayer}
		head := make([]byte, 2)
		if _, err := l.from.ReadAt(head, e.at); err != nil && err != io.EOF {
			return fmt.Errorf("read the layer %s: %w", config.Inert(clip(name)), err)
		}
		if bytes.Equal(head, []byte{0x1f, 0x8b}) {
			l.kind = types.OCILayer
		}
		i.layers[n] = l
	}
	for range names {
		f, err := storage.SpoolFile()
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for n, l := range i.layers {
		g.Go(func() error {
			var err error
			if l.kind == types.OCILayer {
				err = l.identify(ctx)
			} else {
				err = l.compress(ctx, files[n])
			}
			if err != nil && ctx.Err() == nil {
				err = fmt.Errorf("layer %d of the image: %w", n+1, err)
			}
			return err
		})
	}
	return g.Wait()
}

type closers []*os.File

func (c *closers) Close() error {
	var errs []error
	for _, f := range *c {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// identify hashes a layer that is compressed already.
func (l *layer) identify(ctx context.Context) error {
	h := sha256.New()
	if _, err := io.Copy(h, &source{ctx: ctx, r: l.open()}); err != nil {
		return err
	}
	l.digest = digestOf(h)
	return l.check(ctx)
}

// compress makes a layer the compressed form of itself, in another file.
func (l *layer) compress(ctx context.Context, into *os.File) error {
	outer, inner := sha256.New(), sha256.New()
	z, err := gzip.NewWriterLevel(io.MultiWriter(into, outer), gzip.BestSpeed)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.MultiWriter(z, inner)}, &source{ctx: ctx, r: l.open()}, make([]byte, 256<<10)); err != nil {
		return err
	}
	if err := z.Close(); err != nil {
		return err
	}
	if is := digestOf(inner); is != l.diffID {
		return fmt.Errorf("it is %s, the configuration of the image says %s", is, l.diffID)
	}
	size, err := into.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	*l = layer{from: into, size: size, digest: digestOf(outer), diffID: l.diffID, kind: types.OCILayer}
	return nil
}

// describe makes the manifest.
func (i *Image) describe() error {
	h, n, err := v1.SHA256(bytes.NewReader(i.raw))
	if err != nil {
		return err
	}
	i.config = v1.Descriptor{MediaType: types.OCIConfigJSON, Size: n, Digest: h}
	m := v1.Manifest{SchemaVersion: 2, MediaType: i.MediaType, Config: i.config}
	i.Size = n
	for _, l := range i.layers {
		m.Layers = append(m.Layers, v1.Descriptor{MediaType: l.kind, Size: l.size, Digest: l.digest})
		i.Size += l.size
	}
	if i.Manifest, err = json.Marshal(m); err != nil {
		return err
	}
	i.Size += int64(len(i.Manifest))
	i.Digest, _, err = v1.SHA256(bytes.NewReader(i.Manifest))
	return err
}
