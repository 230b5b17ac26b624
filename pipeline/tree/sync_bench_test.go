package tree_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

func report(b *testing.B, ours, theirs []float64) {
	b.ReportMetric(median(ours), "s/sync")
	b.ReportMetric(median(theirs), "s/rsync")
	b.ReportMetric(median(ours)/median(theirs), "of-rsync")
	b.ReportMetric(0, "ns/op")
}
