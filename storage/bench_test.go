package storage_test

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gantry/storage"
)

// BenchmarkVerify hashes the tree staged/ of the folder that GANTRY_BENCH names
// (files with FILE.sha256 beside them), compares with their sidecars, and does the
// same with two
// sha256sum processes. It reports its share of their wall time, of the best runs
// of both, and of their CPU time, which others on the machine disturb less.
func BenchmarkVerify(b *testing.B) {
	bench := os.Getenv("GANTRY_BENCH")
	if bench == "" {
		b.Skip("GANTRY_BENCH is not set")
	}
	dir := bench + "/staged"
	d := openDir(b, dir)
	var files []string
	ok(b, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && !strings.HasSuffix(path, ".sha256") && !strings.HasPrefix(e.Name(), ".") {
			rel, _ := filepath.Rel(dir, path)
			if _, err := os.Stat(path + ".sha256"); err == nil {
				files = append(files, filepath.ToSlash(rel))
			}
		}
		return err
	}))
	if len(files) == 0 {
		b.Skip("no files with sidecars below " + dir)
	}
	want := make([]string, len(files))
	var bytes int64
	for i, f := range files {
		text := must(os.ReadFile(dir + "/" + f + ".sha256"))(b)
		want[i] = must(storage.ParseSidecar(text, filepath.Base(f)))(b)
		bytes += must(os.Stat(dir + "/" + f))(b).Size()
	}
	b.SetBytes(bytes)
	var ours, theirs cost
	for b.Loop() {
		start, used := time.Now(), cpu()
		sums := must(d.HashFiles(b.Context(), files, 0, nil, nil))(b)
		for i, s := range sums {
			if s.Err != nil || s.SHA256 != want[i] {
				b.Fatalf("%s: %s, %v", files[i], s.SHA256, s.Err)
			}
		}
		ours.best(cost{time.Since(start), cpu() - used})
		b.StopTimer()
		theirs.best(sha256sum(b, dir, files, want))
		b.StartTimer()
	}
	b.ReportMetric(ours.wall.Seconds(), "s-wall")
	b.ReportMetric(ours.wall.Seconds()/theirs.wall.Seconds(), "of-2-sha256sum")
	b.ReportMetric(ours.cpu.Seconds()/theirs.cpu.Seconds(), "of-their-cpu")
}

// cost is what a piece of work took.
type cost struct{ wall, cpu time.Duration }

// best keeps the lower of each.
func (c *cost) best(other cost) {
	if c.wall == 0 {
		*c = other
	}
	c.wall, c.cpu = min(c.wall, other.wall), min(c.cpu, other.cpu)
}

// cpu is the CPU time that this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sha256sum is what two processes take for the files, every second one each.
func sha256sum(b *testing.B, dir string, files, want []string) cost {
	b.Helper()
	if _, err := exec.LookPath("sha256sum"); err != nil {
		b.Skip("no sha256sum")
	}
	var halves [2]strings.Builder
	for i, f := range files {
		fmt.Fprintf(&halves[i%2], "%s  %s\n", want[i], f)
	}
	start := time.Now()
	var running []*exec.Cmd
	for i := range halves {
		c := exec.Command("sha256sum", "--check", "--quiet", "--strict")
		c.Dir, c.Stdin = dir, strings.NewReader(halves[i].String())
		ok(b, c.Start())
		running = append(running, c)
	}
	var all cost
	for _, c := range running {
		ok(b, c.Wait())
		all.cpu += c.ProcessState.UserTime() + c.ProcessState.SystemTime()
	}
	all.wall = time.Since(start)
	return all
}

// BenchmarkFlip flips between two snapshots of 10 and of 100,000 files.
func BenchmarkFlip(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		b.Run(fmt.Sprint(n, "files"), func(b *testing.B) {
			dir := b.TempDir()
			s := must(storage.OpenServed(dir, storage.Face{}))(b)
			defer s.Close()
			var ids [2]string
			for i := range ids {
				ids[i] = must(storage.ParseID("20261121T120000Z"))(b).Add(time.Duration(i) * time.Second).Format("20060102T150405Z")
				large(b, dir, ids[i], n)
			}
			ok(b, s.Flip(b.Context(), "production", "", ids[0]))
			for b.Loop() {
				ok(b, s.Flip(b.Context(), "production", ids[0], ids[1]))
				ids[0], ids[1] = ids[1], ids[0]
			}
		})
	}
}

// large writes a snapshot of n small files without syncing each.
func large(b *testing.B, dir, id string, n int) {
	b.Helper()
	m := storage.Manifest{ID: id, Revision: must(storage.ParseID(id))(b).Unix()}
	for i := range n {
		path := fmt.Sprintf("Packages/%02d/p-%06d.rpm", i/(n/min(n, 100)), i)
		full := dir + "/snapshots/" + id + "/" + path
		if i%(n/min(n, 100)) == 0 {
			ok(b, os.MkdirAll(filepath.Dir(full), 0o755))
		}
		ok(b, os.WriteFile(full, nil, 0o444))
		m.Files = append(m.Files, storage.File{Path: path, SHA256: sum("")})
	}
	ok(b, os.WriteFile(dir+"/snapshots/"+id+"/manifest.json", []byte(stored(b, m)), 0o444))
}

// BenchmarkList lists 100,000 artifacts and reads their sidecars.
func BenchmarkList(b *testing.B) {
	s, at := area(b)
	digest := hex.EncodeToString(make([]byte, 32))
	for i := range 100_000 {
		stage(b, at, fmt.Sprintf("p-%06d.rpm", i), "x", digest+"\n")
	}
	for b.Loop() {
		if got := len(must(s.List(b.Context(), place))(b)); got != 100_000 {
			b.Fatal(got)
		}
	}
}

// BenchmarkLink links 10,000 files into a new snapshot and commits it.
func BenchmarkLink(b *testing.B) {
	dir := b.TempDir()
	s := must(storage.OpenServed(dir, storage.Face{}))(b)
	defer s.Close()
	large(b, dir, "20261121T120000Z", 10_000)
	m, _, err := s.Manifest(b.Context(), "20261121T120000Z")
	ok(b, err)
	for b.Loop() {
		build := begin(b, s)
		for i := range m.Files {
			m.Files[i] = must(build.Link(b.Context(), "20261121T120000Z", m.Files[i]))(b)
		}
		must(build.Commit(b.Context(), storage.Manifest{}, nil))(b)
		ok(b, s.Remove(b.Context(), build.ID()))
	}
}

// BenchmarkOpenJournal opens a journal of 10,000 entries, with and without pack.
func BenchmarkOpenJournal(b *testing.B) {
	dir := b.TempDir()
	ok(b, os.MkdirAll(dir+"/journal", 0o755))
	e := storage.Envelope{Time: noon, Actor: "neil", Host: "tower", Nonce: "n", Type: "tick", Data: []byte(`{"item":"x","note":"observed"}`)}
	for i := range 10_000 {
		e.Seq = uint64(i + 1)
		text := must(e.Encode())(b)
		ok(b, os.WriteFile(entry(dir, i+1), text, 0o644))
		e.Prev = must(storage.DecodeEnvelope(text))(b).Hash
	}
	d := openDir(b, dir)
	for _, packed := range []bool{false, true} {
		if packed {
			ok(b, openJournal(b, d).Pack(b.Context()))
		}
		b.Run(fmt.Sprintf("packed=%v", packed), func(b *testing.B) {
			for b.Loop() {
				if seq, _ := openJournal(b, d).Head(); seq != 10_000 {
					b.Fatal(seq)
				}
			}
		})
	}
}
