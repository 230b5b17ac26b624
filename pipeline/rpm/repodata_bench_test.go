package rpm_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/rpmpack"
	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline/rpm"
	"gantry/storage"
)

// kept is what one child keeps for the next, like a snapshot's manifest.
type kept struct {
	Files []storage.File
	Times []time.Time // when each was last modified
	Index json.RawMessage
}

// TestRepodataChild is run by the benchmarks as a process of its own, so that
// its time and memory are those of making repodata alone. GANTRY_REPODATA_CHILD
// names a folder of packages and one to write metadata into, and may name one
// that an earlier child wrote: packages that have the size and time they had
// then are not read again.
func TestRepodataChild(t *testing.T) {
	dirs := strings.Split(os.Getenv("GANTRY_REPODATA_CHILD"), ":")
	if len(dirs) < 2 {
		t.Skip("only run by benchmarks")
	}
	o := rpm.RepodataOptions{Compression: config.Gzip, Revision: time.Now().Unix()}
	known := map[string]rpm.PackageFile{}
	if len(dirs) == 3 {
		var k kept
		data, err := os.ReadFile(filepath.Join(dirs[2], "kept.json"))
		if err := errors.Join(err, json.Unmarshal(data, &k)); err != nil {
			t.Fatal(err)
		}
		for i, f := range k.Files {
			known[f.Path] = rpm.PackageFile{File: f, ModTime: k.Times[i]}
		}
		o.Previous = previous(dirs[2], &rpm.Repodata{Index: k.Index})
	}
	pkgs, err := scan(dirs[0], known)
	if err != nil {
		t.Fatal(err)
	}
	r := write(t, dirs[1], pkgs, o)
	if len(dirs) == 3 && r.Reused < r.Packages-300 {
		t.Fatalf("%d of %d packages copied", r.Reused, r.Packages)
	}
	if len(dirs) == 2 {
		k := kept{Index: r.Index}
		for _, p := range pkgs {
			k.Files, k.Times = append(k.Files, p.File), append(k.Times, p.ModTime)
		}
		data, err := json.Marshal(k)
		if err := errors.Join(err, os.WriteFile(filepath.Join(dirs[1], "kept.json"), data, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// scan describes the packages below dir, on all processors.
func scan(dir string, known map[string]rpm.PackageFile) ([]rpm.PackageFile, error) {
	var names []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".rpm") {
			names = append(names, name)
		}
		return err
	})
	pkgs := make([]rpm.PackageFile, len(names))
	var g errgroup.Group
	workers := runtime.GOMAXPROCS(0)
	for w := range workers {
		g.Go(func() error {
			buffer := make([]byte, 128<<10)
			for i := w; i < len(names); i += workers {
				info, err := os.Stat(names[i])
				if err != nil {
					return err
				}
				href, err := filepath.Rel(dir, names[i])
				if err != nil {
					return err
				}
				p, ok := known[href]
				if !ok || p.Size != info.Size() || !p.ModTime.Equal(info.ModTime()) {
					if p, err = hashPackage(names[i], buffer); err != nil {
						return err
					}
					p.Path, p.Size, p.ModTime = href, info.Size(), info.ModTime()
				}
				p.Open = func() (io.ReadCloser, error) { return os.Open(names[i]) }
				pkgs[i] = p
			}
			return nil
		})
	}
	return pkgs, errors.Join(err, g.Wait())
}

// hashPackage reads one package once.
func hashPackage(name string, buffer []byte) (rpm.PackageFile, error) {
	f, err := os.Open(name)
	if err != nil {
		return rpm.PackageFile{}, err
	}
	defer f.Close()
	sum := sha256.New()
	h, err := rpm.ReadHeader(io.TeeReader(f, sum))
	if err != nil {
		return rpm.PackageFile{}, err
	}
	for {
		n, err := f.Read(buffer)
		sum.Write(buffer[:n])
		if err == io.EOF {
			break
		}
		if err != nil {
			return rpm.PackageFile{}, err
		}
	}
	n, err := h.NEVRA()
	return rpm.PackageFile{File: storage.File{
		SHA256: hex.EncodeToString(sum.Sum(nil)), Name: n.Name, Version: n.EVR(), Arch: n.Arch,
	}}, err
}

// cost is what a process took.
type cost struct {
	wall, cpu time.Duration
	rss       float64 // the most memory, MiB
}

func measured(b *testing.B, c *exec.Cmd) cost {
	b.Helper()
	start := time.Now()
	out, err := c.CombinedOutput()
	took := time.Since(start)
	if err != nil {
		b.Fatalf("%v: %v\n%s", c.Args, err, out)
	}
	rss := float64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	if runtime.GOOS == "linux" {
		rss *= 1 << 10
	}
	return cost{took, c.ProcessState.UserTime() + c.ProcessState.SystemTime(), rss / (1 << 20)}
}

func child(b *testing.B, dirs ...string) *exec.Cmd {
	b.Helper()
	return myself(b, "TestRepodataChild", "GANTRY_REPODATA_CHILD="+strings.Join(dirs, ":"))
}

// myself runs one test of this program in a process of its own.
func myself(b *testing.B, test, env string) *exec.Cmd {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	c := exec.Command(self, "-test.run=^"+test+"$")
	c.Env = append(os.Environ(), env)
	return c
}

// compare runs the two by turns and reports the ratio of their median times, of
// wall and of processors; the latter tells more on a busy machine.
func compare(b *testing.B, ours, theirs func() *exec.Cmd) {
	b.Helper()
	var wall, cpu [2][]time.Duration
	var most [2]float64
	for b.Loop() {
		for i, c := range []*exec.Cmd{ours(), theirs()} {
			m := measured(b, c)
			wall[i], cpu[i], most[i] = append(wall[i], m.wall), append(cpu[i], m.cpu), max(most[i], m.rss)
		}
	}
	median := func(all []time.Duration) float64 {
		slices.Sort(all)
		return all[len(all)/2].Seconds()
	}
	b.ReportMetric(median(wall[0]), "ours-s")
	b.ReportMetric(median(wall[1]), "createrepo_c-s")
	b.ReportMetric(median(wall[0])/median(wall[1]), "ratio")
	b.ReportMetric(median(cpu[0])/median(cpu[1]), "cpu-ratio")
	b.ReportMetric(most[0], "ours-peak-MiB")
	b.ReportMetric(most[1], "createrepo_c-peak-MiB")
}

// benchPackages is the kit's folder of 10,000 packages.
func benchPackages(b *testing.B) string {
	dir := os.Getenv("GANTRY_BENCH")
	if dir == "" {
		b.Skip("GANTRY_BENCH is not set")
	}
	client(b, "createrepo_c")
	return filepath.Join(dir, "rpms-10k")
}

func createrepo(out, dir string, more ...string) *exec.Cmd {
	args := append([]string{"-q", "--workers", "2", "--no-database", "--general-compress-type=gz", "-o", out}, more...)
	return exec.Command("createrepo_c", append(args, dir)...)
}

// BenchmarkRepodata makes the metadata of 10,000 packages from nothing: each is
// read and hashed.
func BenchmarkRepodata(b *testing.B) {
	dir := benchPackages(b)
	compare(b,
		func() *exec.Cmd { return child(b, dir, b.TempDir()) },
		func() *exec.Cmd { return createrepo(b.TempDir(), dir) })
}

// BenchmarkRepodataOneChanged makes it again after one of the packages changed.
func BenchmarkRepodataOneChanged(b *testing.B) {
	benchmarkUpdate(b, func(packages string) {
		found, err := filepath.Glob(filepath.Join(packages, "Packages", "k", "*.rpm"))
		if err != nil || len(found) == 0 {
			b.Fatalf("no package to change: %v", err)
		}
		name := found[len(found)/2]
		run(b, "cp", name, name+".new") // an inode of its own, so that the kit's stays as it is
		if err := os.Rename(name+".new", name); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkRepodataOneAdded makes it again after one package more came: the
// number of packages stands at the start of the documents, so they have to be
// hashed anew from there.
func BenchmarkRepodataOneAdded(b *testing.B) {
	benchmarkUpdate(b, func(packages string) {
		build(b, filepath.Join(packages, "Packages"), recipe{meta: rpmpack.RPMMetaData{Name: "added"}})
	})
}

// benchmarkUpdate compares both after a change, each by what it kept of the time
// before it.
func benchmarkUpdate(b *testing.B, change func(packages string)) {
	dir := benchPackages(b)
	packages, ours, theirs := b.TempDir(), b.TempDir(), b.TempDir()
	run(b, "cp", "-al", filepath.Join(dir, "Packages"), packages)
	measured(b, child(b, packages, ours))
	measured(b, createrepo(theirs, packages))
	change(packages)
	compare(b,
		func() *exec.Cmd { return child(b, packages, b.TempDir(), ours) },
		func() *exec.Cmd {
			out := b.TempDir()
			run(b, "cp", "-a", theirs+"/.", out)
			return createrepo(out, packages, "--update")
		})
}
