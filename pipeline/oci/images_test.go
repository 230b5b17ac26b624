package oci_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// entry is a file of a tar.
type entry struct {
	name string
	body []byte
	link string
	kind byte
}

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Size: int64(len(e.body)), Mode: 0o644, Typeflag: tar.TypeReg, Linkname: e.link}
		if e.kind != 0 {
			h.Typeflag = e.kind
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstandard(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func digestOf(b []byte) string { return "sha256:" + sumOf(b) }

// noise is bytes that do not compress, the same each time.
func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	rand.NewChaCha8(key).Read(b)
	return b
}

// image is an image to be saved in one way or another. What is not set is made up.
type image struct {
	os, arch, variant, version string
	layers                     [][]byte // tars
	diffs                      []string // what the configuration says of them
}

// imageOf is a small image whose content depends on the version.
func imageOf(t testing.TB, arch, version string) image {
	t.Helper()
	var seed uint64
	for _, c := range arch + version {
		seed = seed*31 + uint64(c)
	}
	return image{arch: arch, version: version, layers: [][]byte{
		tarOf(t, entry{name: "etc/os-release", body: []byte("NAME=demo\n")}),
		tarOf(t, entry{name: "app/" + arch, body: noise(seed, 40_000)}, entry{name: "app/zero", body: make([]byte, 50_000)}),
	}}
}

func jsonOf(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type object = map[string]any

func (i image) config(t testing.TB) []byte {
	if i.os == "" {
		i.os = "linux"
	}
	if i.diffs == nil {
		for _, l := range i.layers {
			i.diffs = append(i.diffs, digestOf(l))
		}
	}
	c := object{
		"architecture": i.arch, "os": i.os, "created": "2026-01-02T03:04:05Z",
		"rootfs": object{"type": "layers", "diff_ids": i.diffs},
		"config": object{"Labels": object{"org.opencontainers.image.version": i.version, "Maintainer": "a", "maintainer": "b"}},
	}
	if i.variant != "" {
		c["variant"] = i.variant
	}
	return jsonOf(t, c)
}

// saved is the image as docker save writes it.
func (i image) saved(t testing.TB) []byte {
	t.Helper()
	return tarOf(t, i.savedEntries(t)...)
}

func (i image) savedEntries(t testing.TB) []entry {
	conf := i.config(t)
	entries := []entry{{name: sumOf(conf) + ".json", body: conf}}
	var names []string
	for _, l := range i.layers {
		name := sumOf(l) + "/layer.tar"
		names = append(names, name)
		entries = append(entries, entry{name: name, body: l})
	}
	return append(entries, entry{name: "manifest.json", body: jsonOf(t, []object{{"Config": sumOf(conf) + ".json", "RepoTags": []string{"demo:" + i.version}, "Layers": names}})})
}

func blobOf(b []byte) entry { return entry{name: "blobs/sha256/" + sumOf(b), body: b} }

func descriptor(kind string, b []byte) object {
	return object{"mediaType": kind, "size": len(b), "digest": digestOf(b)}
}

const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	gzipType     = "application/vnd.oci.image.layer.v1.tar+gzip"
	zstdType     = "application/vnd.oci.image.layer.v1.tar+zstd"
	plainType    = "application/vnd.oci.image.layer.v1.tar"
)

// manifest is the image's manifest, and all its blobs.
func (i image) manifest(t testing.TB, change func(object)) ([]byte, []entry) {
	t.Helper()
	conf := i.config(t)
	entries := []entry{blobOf(conf)}
	var layers []object
	for _, l := range i.layers {
		z := gzipped(t, l)
		layers = append(layers, descriptor(gzipType, z))
		entries = append(entries, blobOf(z))
	}
	m := object{"schemaVersion": 2, "mediaType": manifestType, "config": descriptor(configType, conf), "layers": layers}
	if change != nil {
		change(m)
	}
	raw := jsonOf(t, m)
	return raw, append(entries, blobOf(raw))
}

// layout is the image as an OCI layout in a tar.
func (i image) layout(t testing.TB) []byte {
	t.Helper()
	raw, blobs := i.manifest(t, nil)
	return layoutOf(t, blobs, descriptor(manifestType, raw))
}

// layoutOf is an OCI layout with those blobs, whose index lists those manifests.
func layoutOf(t testing.TB, blobs []entry, listed ...object) []byte {
	t.Helper()
	return tarOf(t, append([]entry{
		{name: "./oci-layout", body: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{name: "index.json", body: jsonOf(t, object{"schemaVersion": 2, "mediaType": indexType, "manifests": listed})},
	}, blobs...)...)
}
