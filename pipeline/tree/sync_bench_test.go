package tree_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// benched is a world whose compose is a copy of a tree of the benchmark's data,
// on the file system of TMPDIR.
func benched(b *testing.B, name string) (w *world, files []string) {
	b.Helper()
	data := os.Getenv("GANTRY_BENCH")
	if data == "" {
		b.Skip("GANTRY_BENCH names no directory of data")
	}
	needs(b, "rsync")
	w = newWorld(b, b.TempDir())
	rsync(b, filepath.Join(data, name)+"/", w.compose())
	err := filepath.WalkDir(w.compose(), func(p string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, p)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	slices.Sort(files)
	return w, files
}

func timed(b *testing.B, do func()) float64 {
	settle(b)
	began := time.Now()
	do()
	return time.Since(began).Seconds()
}

// settle lets what was written before reach the disk, which is nobody's time.
func settle(b *testing.B) {
	if err := exec.Command("sync").Run(); err != nil {
		b.Fatal(err)
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// plain is one plan and its run, as rsync is one comparison and its copy.
func (w *world) plain(uses string) {
	w.t.Helper()
	s := w.step(uses, nil)
	plan, err := s.Plan(background(), w.env())
	if err == nil {
		_, err = s.Run(background(), w.env(), plan, quiet())
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// BenchmarkFirst is a sync of 100,000 files to an empty place, beside rsync -aH
// --delete. Ours ends with everything on the disk.
func BenchmarkFirst(b *testing.B) {
	w, _ := benched(b, "tree-100k")
	var ours, theirs []float64
	for b.Loop() {
		for n := range 3 {
			judge := filepath.Join(w.at, fmt.Sprint("judge", n))
			theirs = append(theirs, timed(b, func() { rsync(b, w.compose()+"/", judge) }))
			ours = append(ours, timed(b, func() { w.plain("stage") }))
			for _, p := range []string{judge, filepath.Join(w.at, "staging", "pub"), filepath.Join(w.at, "staging", ".gantry")} {
				if err := os.RemoveAll(p); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	report(b, ours, theirs)
}

// BenchmarkChanged is a sync after 200 of 100,000 files changed.
func BenchmarkChanged(b *testing.B) {
	w, files := benched(b, "tree-100k")
	judge := filepath.Join(w.at, "judge")
	rsync(b, w.compose()+"/", judge)
	w.plain("stage")
	rng := rand.New(rand.NewPCG(1, 2))
	var ours, theirs []float64
	for b.Loop() {
		for n := range 5 {
			for range 200 {
				put(b, files[rng.IntN(len(files))], fmt.Sprint("changed in round ", n, rng.Uint64()))
			}
			theirs = append(theirs, timed(b, func() { rsync(b, w.compose()+"/", judge) }))
			ours = append(ours, timed(b, func() { w.plain("stage") }))
		}
	}
	report(b, ours, theirs)
	if out, err := exec.Command("rsync", "-aHni", "--delete", "--modify-window=-1", w.compose()+"/", w.staging()).CombinedOutput(); err != nil || len(out) > 0 {
		b.Fatalf("rsync finds a difference: %v\n%s", err, out)
	}
}

// BenchmarkUndo takes the first copy of 100,000 files back, and then, of a tree
// where 200 changed, that.
func BenchmarkUndo(b *testing.B) {
	w, files := benched(b, "tree-100k")
	w.plain("stage")
	rng := rand.New(rand.NewPCG(1, 2))
	var few, all []float64
	for b.Loop() {
		w.plain("promote")
		for n := range 200 {
			put(b, files[rng.IntN(len(files))], fmt.Sprint("changed ", n, rng.Uint64()))
		}
		w.plain("stage")
		w.plain("promote")
		few = append(few, timed(b, func() { w.plain("rollback") }))
		all = append(all, timed(b, func() { w.plain("rollback") }))
	}
	b.ReportMetric(median(few), "s/200")
	b.ReportMetric(median(all), "s/100000")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkMany is how much memory a process takes that copies 500,000 files to an
// empty place, and one that then finds nothing to do.
func BenchmarkMany(b *testing.B) {
	data := os.Getenv("GANTRY_BENCH")
	if data == "" {
		b.Skip("GANTRY_BENCH names no directory of data")
	}
	for b.Loop() {
		w := newWorld(b, b.TempDir())
		for _, what := range []string{"copy", "nothing"} {
			cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
			cmd.Env = append(os.Environ(), "GANTRY_TREE_CHILD="+w.at, "GANTRY_TREE_VERB=stage", "GANTRY_TREE_KILL=-1",
				"GANTRY_TREE_VERSION=9.7", "GANTRY_TREE_COMPOSE="+filepath.Join(data, "tree-500k"))
			began := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v\n%s", err, out)
			}
			b.ReportMetric(time.Since(began).Seconds(), "s/"+what)
			b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MiB/"+what)
		}
	}
	b.ReportMetric(0, "ns/op")
}

func report(b *testing.B, ours, theirs []float64) {
	b.ReportMetric(median(ours), "s/sync")
	b.ReportMetric(median(theirs), "s/rsync")
	b.ReportMetric(median(ours)/median(theirs), "of-rsync")
	b.ReportMetric(0, "ns/op")
}
