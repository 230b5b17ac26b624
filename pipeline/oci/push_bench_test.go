package oci_test

import (
	"archive/tar"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/cosign"
	"gantry/pipeline/oci"
	"gantry/storage"
)

// TestPushSpeed measures the push of two images of 200 MiB beside crane's, one
// after the other against the same registry. It needs GANTRY_BENCH, the folder of
// the workloads, and only reports.
func TestPushSpeed(t *testing.T) {
	data := os.Getenv("GANTRY_BENCH")
	if data == "" {
		t.Skip("GANTRY_BENCH names no folder")
	}
	crane := program(t, "crane")
	host, dir := startRegistry(t)
	work := t.TempDir()
	both := layoutDir(t, filepath.Join(work, "both"))
	var archives []string
	var index v1.ImageIndex = empty.Index
	for _, arch := range []string{"amd64", "arm64"} {
		img := bigImage(t, filepath.Join(data, "oci", "rootfs-"+arch+".tar.gz"), arch)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
		one := layoutDir(t, filepath.Join(work, arch))
		if err := one.AppendImage(img); err != nil {
			t.Fatal(err)
		}
		archives = append(archives, tarDir(t, filepath.Join(work, arch)))
	}
	if err := both.AppendIndex(index); err != nil {
		t.Fatal(err)
	}
	var reading []time.Duration
	var images []*oci.Image
	for n, a := range archives {
		sum := sumOfFile(t, a)
		f, err := os.Open(a)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		i, err := oci.OpenArchive(t.Context(), f, sum, []config.Arch{"x86_64", "arm64"}[n], nil)
		if err != nil {
			t.Fatal(err)
		}
		reading = append(reading, time.Since(began))
		f.Close()
		defer i.Close()
		images = append(images, i)
	}
	wipe := func() {
		if err := os.RemoveAll(filepath.Join(dir, "docker")); err != nil {
			t.Fatal(err)
		}
	}
	var ours, cranes []time.Duration
	for n := range 8 {
		wipe()
		began := time.Now()
		if out, err := exec.Command(crane, "push", "--insecure", "--index", filepath.Join(work, "both"), host+"/app:1").CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		c := time.Since(began)
		wipe()
		began = time.Now()
		if err := oci.Push(t.Context(), host, "app", images, pipeline.NewProgress(nil)); err != nil {
			t.Fatal(err)
		}
		if o := time.Since(began); n > 0 { // the first is to warm up
			ours, cranes = append(ours, o), append(cranes, c)
		}
	}
	slices.Sort(ours)
	slices.Sort(cranes)
	o, c := ours[len(ours)/2], cranes[len(cranes)/2]
	t.Logf("push of 2 x 200 MiB: %v, crane %v, ratio %.2f (%v / %v)", o, c, o.Seconds()/c.Seconds(), ours, cranes)
	t.Logf("reading and checking an archive: %v; peak memory so far %s", reading, peak(t))

	wipe()
	shop := newShop(t, host, "")
	private, public, err := cosign.Generate([]byte(password))
	if err != nil {
		t.Fatal(err)
	}
	shop.put("keys/cosign.key", private)
	shop.put("keys/cosign.pub", public)
	for n, arch := range []string{"x86_64", "arm64"} {
		f, err := os.Open(archives[n])
		if err != nil {
			t.Fatal(err)
		}
		place := storage.Place{Component: "core", Series: "2025", Format: "oci", OS: arch}
		if _, err := shop.env.Staging.Put(t.Context(), place, "core.tar", f, false); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	began := time.Now()
	step := shop.step("build")
	plan, err := step.Plan(t.Context(), shop.env)
	if err != nil {
		t.Fatal(err)
	}
	planned := time.Since(began)
	began = time.Now()
	if _, err := step.Run(t.Context(), shop.env, plan, pipeline.NewProgress(nil)); err != nil {
		t.Fatal(err)
	}
	t.Logf("a whole build: planned in %v, run in %v; peak memory %s", planned, time.Since(began), peak(t))
}

func bigImage(t *testing.T, rootfs, arch string) v1.Image {
	t.Helper()
	l, err := tarball.LayerFromFile(rootfs, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.AppendLayers(img, l); err == nil {
		var c *v1.ConfigFile
		if c, err = img.ConfigFile(); err == nil {
			c = c.DeepCopy()
			c.OS, c.Architecture = "linux", arch
			img, err = mutate.ConfigFile(img, c)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func layoutDir(t *testing.T, path string) layout.Path {
	t.Helper()
	p, err := layout.Write(path, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tarDir makes a tar of a directory beside it.
func tarDir(t *testing.T, dir string) string {
	t.Helper()
	f, err := os.Create(dir + ".tar")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := tar.NewWriter(f)
	if err := w.AddFS(os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func sumOfFile(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, _, err := v1.SHA256(io.Reader(f))
	if err != nil {
		t.Fatal(err)
	}
	return h.Hex
}

// peak is the most memory that this process had.
func peak(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(strings.TrimPrefix(regexp.MustCompile(`VmHWM:.*`).FindString(string(b)), "VmHWM:"))
}
