package oci_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"gantry/config"
	"gantry/pipeline/oci"
)

func openArchive(b []byte, arch config.Arch) (*oci.Image, error) {
	return oci.OpenArchive(context.Background(), bytes.NewReader(b), sumOf(b), arch, nil)
}

func TestOpenArchive(t *testing.T) {
	img := imageOf(t, "amd64", "1.2")
	raw, blobs := img.manifest(t, nil)
	nested := jsonOf(t, object{"schemaVersion": 2, "mediaType": indexType, "manifests": []object{
		descriptor(manifestType, raw),
		{"mediaType": manifestType, "size": 1, "digest": digestOf([]byte("x")), "annotations": object{"vnd.docker.reference.type": "attestation-manifest"}},
	}})
	arm := imageOf(t, "arm64", "1.2")
	arm.variant = "v8"
	zstdLayer := zstandard(t, img.layers[1])
	mixed, mixedBlobs := img.manifest(t, func(m object) {
		m["layers"] = []object{descriptor(plainType, img.layers[0]), descriptor(zstdType, zstdLayer)}
	})
	linked := img.savedEntries(t)
	linked[1] = entry{name: linked[1].name, link: "../elsewhere/layer.tar", kind: tar.TypeSymlink}
	linked = append(linked, entry{name: "elsewhere/layer.tar", body: img.layers[0]}, entry{name: "../../etc/passwd", body: []byte("x")})
	for name, test := range map[string]struct {
		archive []byte
		arch    config.Arch
		digest  string
	}{
		"saved":              {img.saved(t), "x86_64", ""},
		"saved, gzip":        {gzipped(t, img.saved(t)), "amd64", ""},
		"saved, with a link": {tarOf(t, linked...), "x86_64", ""},
		"layout":             {img.layout(t), "x86_64", digestOf(raw)},
		"layout, gzip":       {gzipped(t, img.layout(t)), "x86_64", digestOf(raw)},
		"layout, nested":     {layoutOf(t, append(blobs, blobOf(nested)), descriptor(indexType, nested)), "x86_64", digestOf(raw)},
		"layout, twice":      {layoutOf(t, blobs, descriptor(manifestType, raw), descriptor(manifestType, raw)), "x86_64", digestOf(raw)},
		"plain and zstd":     {layoutOf(t, append(mixedBlobs, blobOf(img.layers[0]), blobOf(zstdLayer)), descriptor(manifestType, mixed)), "x86_64", digestOf(mixed)},
		"arm64":              {arm.layout(t), "arm64", ""},
		"aarch64":            {arm.saved(t), "aarch64", ""},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := openArchive(test.archive, test.arch)
			if err != nil {
				t.Fatal(err)
			}
			defer i.Close()
			if test.digest != "" && i.Digest.String() != test.digest {
				t.Errorf("the image is %s, want %s", i.Digest, test.digest)
			}
			if digestOf(i.Manifest) != i.Digest.String() || i.Version != "1.2" || i.Size < int64(len(i.Manifest)) {
				t.Errorf("%+v", i)
			}
			again, err := openArchive(test.archive, test.arch)
			if err != nil {
				t.Fatal(err)
			}
			defer again.Close()
			if again.Digest != i.Digest {
				t.Errorf("read again it is %s, not %s", again.Digest, i.Digest)
			}
		})
	}
}

func TestOpenArchiveRefuses(t *testing.T) {
	img := imageOf(t, "amd64", "1.2")
	raw, blobs := img.manifest(t, nil)
	ours := descriptor(manifestType, raw)
	other := imageOf(t, "arm64", "1.2")
	otherRaw, otherBlobs := other.manifest(t, nil)
	change := func(f func(m object)) []byte {
		raw, blobs := img.manifest(t, f)
		return layoutOf(t, blobs, descriptor(manifestType, raw))
	}
	without := func(name string, entries []entry) []entry {
		var rest []entry
		for _, e := range entries {
			if !strings.HasSuffix(e.name, name) {
				rest = append(rest, e)
			}
		}
		return rest
	}
	with := func(f func(*image)) image {
		i := img
		f(&i)
		return i
	}
	self := []byte(`{"schemaVersion":2,"manifests":[]}`)
	deep := self
	var deepBlobs []entry
	for range 5 {
		deep = jsonOf(t, object{"schemaVersion": 2, "manifests": []object{descriptor(indexType, deep)}})
		deepBlobs = append(deepBlobs, blobOf(deep))
	}
	many := make([]object, 200)
	for n := range many {
		many[n] = object{"mediaType": manifestType, "size": 1, "digest": digestOf(noise(uint64(n), 8)), "artifactType": "x"}
	}
	saved := img.savedEntries(t)
	two := jsonOf(t, []object{{"Config": "a.json", "RepoTags": []string{"a:1\x1b[2J"}, "Layers": []string{}}, {"Config": "b.json", "Layers": []string{}}})
	flipped := bytes.Clone(blobs[1].body)
	flipped[len(flipped)/2] ^= 1
	bomb := gzipped(t, make([]byte, 2<<20))
	for name, test := range map[string]struct {
		archive []byte
		wrong   string
	}{
		"empty":                {nil, "no tar"},
		"not a tar":            {noise(1, 4096), "no tar"},
		"a cut gzip":           {gzipped(t, img.saved(t))[:2000], "EOF"},
		"a cut tar":            {img.saved(t)[:60_000], "EOF"},
		"an empty tar":         {tarOf(t), "no tar"},
		"no image":             {tarOf(t, entry{name: "x"}), "no image"},
		"another architecture": {other.layout(t), "for linux/arm64, not for linux/amd64"},
		"another system":       {with(func(i *image) { i.os = "windows" }).saved(t), "for windows/amd64"},
		"another variant":      {with(func(i *image) { i.variant = "v3" }).saved(t), "linux/amd64/v3"},
		"no architecture":      {with(func(i *image) { i.arch = "" }).saved(t), "platform"},
		"escapes":              {with(func(i *image) { i.os = "\x1b[31mlinux" }).saved(t), `\x1b[31mlinux`},
		"no layers":            {with(func(i *image) { i.layers = nil }).saved(t), "names no layers"},
		"another diff id":      {with(func(i *image) { i.diffs = []string{digestOf(nil), digestOf(i.layers[1])} }).saved(t), "configuration of the image says"},
		"diff id in layout":    {with(func(i *image) { i.diffs = []string{digestOf(nil), digestOf(i.layers[1])} }).layout(t), "configuration of the image says"},
		"a diff id too many":   {with(func(i *image) { i.diffs = []string{digestOf(nil), digestOf(nil), digestOf(nil)} }).layout(t), "2 layers, its configuration says 3"},
		"several in a layout":  {layoutOf(t, append(without(sumOf(blobs[1].body), otherBlobs), blobs...), ours, descriptor(manifestType, otherRaw)), "more than one image: " + digestOf(raw)},
		"several saved":        {tarOf(t, entry{name: "manifest.json", body: two}), `a:1\x1b[2J, b.json`},
		"none listed":          {layoutOf(t, blobs), "lists no image"},
		"none saved":           {tarOf(t, entry{name: "manifest.json", body: []byte("[]")}), "names no image"},
		"manifest missing":     {layoutOf(t, without(sumOf(raw), blobs), ours), "is not in it"},
		"layer missing":        {layoutOf(t, without(sumOf(blobs[1].body), blobs), ours), "lists the layer sha256:" + sumOf(blobs[1].body) + ", which is not in it"},
		"saved layer missing":  {tarOf(t, without("layer.tar", saved)...), "is not in it"},
		"config missing":       {tarOf(t, without(saved[0].name, saved)...), "is not in it"},
		"a flipped byte":       {layoutOf(t, append(without(sumOf(blobs[1].body), blobs), entry{name: blobs[1].name, body: flipped}), ours), "has the digest"},
		"another size":         {change(func(m object) { m["layers"].([]object)[0]["size"] = 7 }), "the image says 7"},
		"foreign layer": {change(func(m object) {
			m["layers"].([]object)[0]["mediaType"] = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
		}), "no layer"},
		"not a container":   {change(func(m object) { m["config"].(object)["mediaType"] = "application/vnd.cncf.helm.config.v1+json" }), "no image of a container"},
		"two opinions":      {change(func(m object) { m["Layers"] = []object{} }), "twice"},
		"image and index":   {change(func(m object) { m["manifests"] = []object{} }), "at once"},
		"another type":      {change(func(m object) { m["mediaType"] = indexType }), "its index that it is"},
		"schema 1":          {change(func(m object) { m["schemaVersion"] = 1 }), "schema version 1"},
		"sha512":            {change(func(m object) { m["layers"].([]object)[0]["digest"] = "sha512:" + strings.Repeat("a", 128) }), "no SHA-256"},
		"digest of ..":      {change(func(m object) { m["layers"].([]object)[0]["digest"] = "sha256:../../etc/passwd" }), "manifest of the image"},
		"nested too deep":   {layoutOf(t, append(deepBlobs, blobOf(self)), descriptor(indexType, deep)), "nested"},
		"too many listed":   {layoutOf(t, nil, many...), "more than 100"},
		"odd type":          {layoutOf(t, blobs, object{"mediaType": "text/plain", "size": 1, "digest": digestOf(nil)}), "no image but text/plain"},
		"name twice":        {tarOf(t, append(saved, entry{name: "./manifest.json", body: two})...), "twice"},
		"links in a circle": {tarOf(t, entry{name: "manifest.json", link: "b", kind: tar.TypeSymlink}, entry{name: "b", link: "manifest.json", kind: tar.TypeSymlink}), "no image"},
		"a large manifest":  {tarOf(t, entry{name: "manifest.json", body: bytes.Repeat([]byte(" "), 5<<20)}), "more than"},
		"nested JSON":       {tarOf(t, entry{name: "manifest.json", body: bytes.Repeat([]byte("["), 10_000)}), "too deeply"},
		"layer is no gzip":  {tarOf(t, without("x", append(saved[:1:1], entry{name: saved[1].name, body: bomb[:100]}, saved[2], saved[3]))...), "unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := openArchive(test.archive, "x86_64")
			if err == nil {
				i.Close()
				t.Fatal("taken")
			}
			if !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%v, want one about %q", err, test.wrong)
			}
			if strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("%q has a control character", err)
			}
		})
	}
	good := img.saved(t)
	if _, err := oci.OpenArchive(t.Context(), bytes.NewReader(good), sumOf(nil), "x86_64", nil); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("bytes that are not those of the sidecar: %v", err)
	}
	broken := io.MultiReader(bytes.NewReader(good[:50_000]), iotest.ErrReader(errors.New("connection reset")))
	if _, err := oci.OpenArchive(t.Context(), broken, sumOf(good), "x86_64", nil); err == nil || !strings.Contains(err.Error(), "reset") {
		t.Errorf("a dropped connection: %v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("stopped by hand"))
	if _, err := oci.OpenArchive(ctx, bytes.NewReader(good), sumOf(good), "x86_64", nil); err == nil || !strings.Contains(err.Error(), "by hand") {
		t.Errorf("cancelled: %v", err)
	}
}

// TestBomb reads a gzip that grows past every proportion.
func TestBomb(t *testing.T) {
	zeros := gzipped(t, make([]byte, 8<<20))
	whole := make([]byte, 0, 200*len(zeros))
	var head bytes.Buffer
	w := tar.NewWriter(&head)
	if err := w.WriteHeader(&tar.Header{Name: "x", Size: 1600 << 20, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	whole = append(whole, gzipped(t, head.Bytes())...)
	for range 200 { // members of one gzip
		whole = append(whole, zeros...)
	}
	before := temporaries(t)
	if _, err := openArchive(whole, "x86_64"); err == nil || !strings.Contains(err.Error(), "grows more than") {
		t.Errorf("a bomb: %v", err)
	}
	if after := temporaries(t); after > before {
		t.Errorf("%d temporary files were left", after-before)
	}
}

func temporaries(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "gantry-image-") {
			n++
		}
	}
	return n
}

func FuzzOpenArchive(f *testing.F) {
	img := image{arch: "amd64", version: "1", layers: [][]byte{tarOf(f, entry{name: "a", body: []byte("b")})}}
	f.Add(img.saved(f))
	f.Add(img.layout(f))
	f.Add(gzipped(f, img.layout(f)))
	f.Fuzz(func(t *testing.T, b []byte) {
		i, err := openArchive(b, "x86_64")
		if err != nil {
			return
		}
		defer i.Close()
		if digestOf(i.Manifest) != i.Digest.String() || i.Platform.Architecture != "amd64" {
			t.Errorf("an image that is not what it says: %+v", i)
		}
	})
}

func TestArch(t *testing.T) {
	arm := imageOf(t, "arm64", "1")
	arm.variant = "v8"
	for want, archive := range map[string][]byte{
		"x86_64": imageOf(t, "amd64", "1").saved(t),
		"arm64":  gzipped(t, arm.layout(t)),
		"":       imageOf(t, "mips", "1").layout(t),
	} {
		path := t.TempDir() + "/image.tar"
		if err := os.WriteFile(path, archive, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if arch, err := oci.Arch(f); arch != want || (err != nil) != (want == "") {
			t.Errorf("%q, %v, want %q", arch, err, want)
		}
	}
}
