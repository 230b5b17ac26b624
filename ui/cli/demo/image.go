package demo

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// machine is an architecture of the image: as the staging area names it, and as
// images do.
type machine struct{ name, arch string }

var machines = []machine{{"x86_64", "amd64"}, {"arm64", "arm64"}}

// buildImages builds the archives of a version, one of each form that builds
// deliver: what docker save writes, and an OCI layout in a tar.
func buildImages(dir, product, version string, now time.Time) error {
	for _, m := range machines {
		img, err := image(product, version, m, now)
		if err != nil {
			return fmt.Errorf("build the image for %s: %w", m.name, err)
		}
		to := filepath.Join(dir, archive(product, version, m))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return fmt.Errorf("build the image for %s: %w", m.name, err)
		}
		write := writeLayout
		if m.arch == "amd64" {
			write = writeDocker
		}
		if err := write(to, img, imageTag(product, version)); err != nil {
			return fmt.Errorf("write the image for %s: %w", m.name, err)
		}
	}
	return nil
}

// archive is the file of an image.
func archive(product, version string, m machine) string {
	return imageName(product) + "_" + version + "_" + m.name + ".tar"
}

// imageName is the name of the image, in the letters that registries have.
func imageName(product string) string { return debName(product, "core") }

func imageTag(product, version string) string { return imageName(product) + ":" + version }

// image is an image of one small layer.
func image(product, version string, m machine, now time.Time) (v1.Image, error) {
	layer, err := rootLayer(imageName(product), program(product+" image for "+m.arch, version, 64<<10), now)
	if err != nil {
		return nil, err
	}
	img, err := mutate.Append(empty.Image, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: now}, CreatedBy: "gantry demo", Comment: product + " " + version},
	})
	if err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", m.arch, v1.Time{Time: now}
	file.Config.Entrypoint = []string{"/usr/bin/" + imageName(product)}
	file.Config.Labels = map[string]string{
		"org.opencontainers.image.title":   imageName(product),
		"org.opencontainers.image.version": version,
		"org.opencontainers.image.vendor":  product,
	}
	return mutate.ConfigFile(img, file)
}

// rootLayer is a layer with a program in it.
func rootLayer(program string, body []byte, now time.Time) (v1.Layer, error) {
	var b bytes.Buffer
	t := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "usr/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "usr/bin/", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "usr/bin/" + program, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(body))},
	} {
		h.ModTime, h.Format = now, tar.FormatPAX
		if err := t.WriteHeader(&h); err != nil {
			return nil, err
		}
	}
	if _, err := t.Write(body); err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
}

// writeDocker writes what docker save writes.
func writeDocker(to string, img v1.Image, tag string) error {
	ref, err := name.NewTag(tag)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(to, ref, img)
}

// writeLayout writes an OCI layout as one tar.
func writeLayout(to string, img v1.Image, tag string) error {
	dir, err := os.MkdirTemp(filepath.Dir(to), "layout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // with what was left on an error
	img = mutate.ConfigMediaType(mutate.MediaType(img, types.OCIManifestSchema1), types.OCIConfigJSON)
	at, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	_, version, _ := strings.Cut(tag, ":")
	if err := at.AppendImage(img, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": version})); err != nil {
		return err
	}
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	t := tar.NewWriter(f)
	err = t.AddFS(os.DirFS(dir))
	if err == nil {
		err = t.Close()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
