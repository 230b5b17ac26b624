package hardlink_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"gantry/pipeline"
)

// BenchmarkHardlink makes one what is the same in a fresh copy of dupes-50k of
// GANTRY_BENCH, in memory, as hardlink does, in turn.
func BenchmarkHardlink(b *testing.B) {
	data := os.Getenv("GANTRY_BENCH")
	if data == "" {
		b.Skip("GANTRY_BENCH names no folder")
	}
	program := client(b, "hardlink")
	memory, err := os.MkdirTemp("/dev/shm", "hardlink-")
	if err != nil {
		b.Skip(err)
	}
	defer os.RemoveAll(memory)
	bench := newBench(b, memory)
	fresh := func() {
		if err := os.RemoveAll(bench.dir); err != nil {
			b.Fatal(err)
		}
		if out, err := exec.Command("cp", "-a", "--no-preserve=links", filepath.Join(data, "dupes-50k"), bench.dir).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}
	var planned, ours, theirs time.Duration
	var linked float64
	for b.Loop() {
		fresh()
		began := time.Now()
		if out, err := exec.Command(program, "-q", "-x", `.*\.xml.*`, "-x", `.*\.treeinfo`, "-x", `.*\.discinfo`, bench.dir).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		theirs += time.Since(began)
		fresh()
		began = time.Now()
		plan, err := bench.step().Plan(b.Context(), bench.env())
		planned += time.Since(began)
		if err != nil {
			b.Fatal(err)
		}
		began = time.Now()
		if _, err := bench.step().Run(b.Context(), bench.env(), plan, pipeline.NewProgress(nil)); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(began)
		linked = float64(plan.Count().Changed)
	}
	b.ReportMetric(ours.Seconds()/float64(b.N), "s")
	b.ReportMetric(planned.Seconds()/float64(b.N), "plan-s")
	b.ReportMetric(theirs.Seconds()/float64(b.N), "hardlink-s")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "of-hardlink")
	b.ReportMetric(linked, "links")
}
