package filelist_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
)

// TestBenchChild is run by the benchmark as a process of its own, so that its
// memory is that of writing lists alone. It says how long the run took.
func TestBenchChild(t *testing.T) {
	root := os.Getenv("GANTRY_FILELIST_BENCH")
	if root == "" {
		t.Skip("only run by a benchmark")
	}
	b := benchAt(t, root)
	b.cfg.FileLists[0].Scopes = []config.Scope{
		{Dir: ".", Full: "fullfilelist", Times: []string{"fullfiletimelist"}},
		{Dir: "pub/rocky", Full: "fullfilelist", Times: []string{"fullfiletimelist-rocky", "fullfiletimelist"}},
	}
	plan, err := b.plan()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := b.step().Run(t.Context(), b.env(), plan, pipeline.NewProgress(nil)); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("took %d\n", time.Since(began))
}

// today is what Rocky's script does: find in both directories at a time, then
// create-filelist in both.
const today = `
{ cd "$1" && find . >"$3.1"; } & { cd "$1/pub/rocky" && find . >"$3.2"; } & wait
{ cd "$1" && python3 "$2" >"$3.3"; } & { cd "$1/pub/rocky" && python3 "$2" >"$3.4"; } & wait`

// BenchmarkLists writes all lists of two scopes, one in the other, of the trees
// that GANTRY_BENCH has, by one walk and as today, in turn.
func BenchmarkLists(b *testing.B) {
	data := os.Getenv("GANTRY_BENCH")
	if data == "" {
		b.Skip("GANTRY_BENCH names no folder")
	}
	script, err := filepath.Abs("testdata/create_filelist.py")
	if err != nil {
		b.Fatal(err)
	}
	for _, size := range []string{"tree-100k", "tree-500k"} {
		b.Run(size, func(b *testing.B) {
			root, err := os.MkdirTemp(data, "filelist-")
			if err != nil {
				b.Fatal(err)
			}
			defer os.RemoveAll(root)
			if err := copyNames(filepath.Join(data, size), filepath.Join(root, "pub/rocky")); err != nil {
				b.Fatal(err)
			}
			out := filepath.Join(b.TempDir(), "list")
			var ours, theirs time.Duration
			var memory int64
			for b.Loop() {
				began := time.Now()
				if said, err := exec.Command("sh", "-c", today, "today", root, script, out).CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, said)
				}
				theirs += time.Since(began)
				cmd := exec.Command(os.Args[0], "-test.run=^TestBenchChild$")
				cmd.Env = append(os.Environ(), "GANTRY_FILELIST_BENCH="+root)
				said, err := cmd.Output()
				_, rest, ok := strings.Cut(string(said), "took ")
				var took time.Duration
				if _, scanned := fmt.Sscanf(rest, "%d", &took); err != nil || !ok || scanned != nil {
					b.Fatalf("%v: %s", err, said)
				}
				ours += took
				memory = max(memory, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss>>10)
			}
			b.ReportMetric(ours.Seconds()/float64(b.N), "s")
			b.ReportMetric(theirs.Seconds()/float64(b.N), "today-s")
			b.ReportMetric(ours.Seconds()/theirs.Seconds(), "of-today")
			b.ReportMetric(float64(memory), "MiB")
		})
	}
}

// copyNames makes a tree of empty files with the names of another.
func copyNames(from, to string) error {
	var making errgroup.Group
	making.SetLimit(8)
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(from, path)
		if err != nil || relErr != nil {
			return fmt.Errorf("%w, %w", err, relErr)
		}
		at := filepath.Join(to, rel)
		if d.IsDir() {
			return os.MkdirAll(at, 0o755)
		}
		making.Go(func() error { return os.WriteFile(at, nil, 0o644) })
		return nil
	})
	if made := making.Wait(); err == nil {
		err = made
	}
	return err
}
