package oci_test

import (
	"archive/tar"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
	"gantry/storage/storagetest"
)

// bigArchives are two images of 200 MiB as archives, and as a layout with their
// index, of the workloads that GANTRY_BENCH names.
func bigArchives(b *testing.B) (archives []string, both string) {
	b.Helper()
	data := os.Getenv("GANTRY_BENCH")
	if data == "" {
		b.Skip("GANTRY_BENCH names no folder")
	}
	work := b.TempDir()
	both = filepath.Join(work, "both")
	all := layoutDir(b, both)
	var index v1.ImageIndex = empty.Index
	for _, arch := range []string{"amd64", "arm64"} {
		img := bigImage(b, filepath.Join(data, "oci", "rootfs-"+arch+".tar.gz"), arch)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
		one := layoutDir(b, filepath.Join(work, arch))
		if err := one.AppendImage(img); err != nil {
			b.Fatal(err)
		}
		archives = append(archives, tarDir(b, filepath.Join(work, arch)))
	}
	if err := all.AppendIndex(index); err != nil {
		b.Fatal(err)
	}
	return archives, both
}

// BenchmarkPush pushes two images of 200 MiB, and does the same with crane push,
// in turn to one registry.
func BenchmarkPush(b *testing.B) {
	crane := program(b, "crane")
	archives, both := bigArchives(b)
	host, dir := storagetest.Registry(b)
	var images []*oci.Image
	for n, a := range archives {
		f, err := os.Open(a)
		if err != nil {
			b.Fatal(err)
		}
		i, err := oci.OpenArchive(b.Context(), f, sumOfFile(b, a), []config.Arch{"x86_64", "arm64"}[n], nil)
		if err != nil {
			b.Fatal(err)
		}
		f.Close()
		defer i.Close()
		images = append(images, i)
	}
	wipe := func() {
		if err := os.RemoveAll(filepath.Join(dir, "docker")); err != nil {
			b.Fatal(err)
		}
	}
	var ours, cranes []time.Duration
	for b.Loop() {
		b.StopTimer()
		wipe()
		began := time.Now()
		if out, err := exec.Command(crane, "push", "--insecure", "--index", both, host+"/app:1").CombinedOutput(); err != nil {
			b.Fatalf("%v %s", err, out)
		}
		cranes = append(cranes, time.Since(began))
		wipe()
		b.StartTimer()
		began = time.Now()
		if err := oci.Push(b.Context(), host, "app", images, pipeline.NewProgress(nil)); err != nil {
			b.Fatal(err)
		}
		ours = append(ours, time.Since(began))
	}
	slices.Sort(ours)
	slices.Sort(cranes)
	b.ReportMetric(ours[len(ours)/2].Seconds()/cranes[len(cranes)/2].Seconds(), "of-crane")
}

// BenchmarkBuild builds a snapshot of those images whole: archives read and
// checked, pushed, signed and verified. Its plan reads the archives as well.
func BenchmarkBuild(b *testing.B) {
	archives, _ := bigArchives(b)
	for b.Loop() {
		b.StopTimer()
		host, _ := storagetest.Registry(b)
		shop := newShop(b, host, "")
		private, public, err := cosign.Generate([]byte(password))
		if err != nil {
			b.Fatal(err)
		}
		shop.put("keys/cosign.key", private)
		shop.put("keys/cosign.pub", public)
		for n, arch := range []string{"x86_64", "arm64"} {
			f, err := os.Open(archives[n])
			if err != nil {
				b.Fatal(err)
			}
			place := storage.Place{Component: "core", Series: "2025", Format: "oci", OS: arch}
			if _, err := shop.env.Staging.Put(b.Context(), place, "core.tar", f, false); err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
		step := shop.step("build")
		b.StartTimer()
		plan, err := step.Plan(b.Context(), shop.env)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := step.Run(b.Context(), shop.env, plan, pipeline.NewProgress(nil)); err != nil {
			b.Fatal(err)
		}
	}
	kib, err := strconv.ParseFloat(strings.TrimSuffix(peak(b), " kB"), 64)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(kib/1024, "MiB-peak")
}

func bigImage(t testing.TB, rootfs, arch string) v1.Image {
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

func layoutDir(t testing.TB, path string) layout.Path {
	t.Helper()
	p, err := layout.Write(path, empty.Index)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tarDir makes a tar of a directory beside it.
func tarDir(t testing.TB, dir string) string {
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

func sumOfFile(t testing.TB, path string) string {
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
func peak(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(strings.TrimPrefix(regexp.MustCompile(`VmHWM:.*`).FindString(string(b)), "VmHWM:"))
}
