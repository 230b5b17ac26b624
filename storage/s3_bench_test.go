package storage_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gantry/storage"
	"gantry/storage/storagetest"
)

// workers is how many files a benchmark has on their way at once.
const workers = 8

// benchServer is an S3 server whose directory lies beside the data that
// GANTRY_BENCH names, so that files can be linked into it.
func benchServer(b *testing.B) (*storagetest.Server, string) {
	b.Helper()
	bench := os.Getenv("GANTRY_BENCH")
	if bench == "" {
		b.Skip("GANTRY_BENCH is not set")
	}
	if _, err := exec.LookPath("s5cmd"); err != nil {
		b.Skip("no s5cmd")
	}
	root := must(os.MkdirTemp(bench, "s3-"))(b)
	b.Cleanup(func() { os.RemoveAll(root) })
	return storagetest.NewS3At(b, root), bench
}

// s5cmd is what s5cmd takes for its arguments, without its output.
func s5cmd(b *testing.B, server *storagetest.Server, args ...string) cost {
	b.Helper()
	c := exec.Command("s5cmd", append([]string{"--endpoint-url", server.Endpoint()}, args...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			c.Env = append(c.Env, v)
		}
	}
	c.Env = append(c.Env, "AWS_ACCESS_KEY_ID="+storagetest.Access, "AWS_SECRET_ACCESS_KEY="+storagetest.Secret, "AWS_REGION=us-east-1")
	var text strings.Builder
	c.Stderr = &text
	start := time.Now()
	if err := c.Run(); err != nil {
		b.Fatalf("s5cmd: %v: %s", err, &text)
	}
	return cost{time.Since(start), c.ProcessState.UserTime() + c.ProcessState.SystemTime()}
}

// peak is the most memory in MiB that this process had since resetPeak.
func peak(b *testing.B) float64 {
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return float64(kb) / 1024
		}
	}
	return 0
}

func resetPeak() {
	runtime.GC()
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // only Linux has it
}

func report(b *testing.B, ours, theirs cost, memory float64) {
	b.ReportMetric(ours.wall.Seconds(), "s-wall")
	b.ReportMetric(ours.wall.Seconds()/theirs.wall.Seconds(), "of-s5cmd")
	b.ReportMetric(ours.cpu.Seconds()/theirs.cpu.Seconds(), "of-its-cpu")
	b.ReportMetric(memory, "MiB-peak")
}

// each calls f for every file below dir, several at once.
func each(b *testing.B, dir string, f func(path, rel string) error) {
	b.Helper()
	type file struct{ path, rel string }
	files := make(chan file)
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	for range workers {
		all.Go(func() {
			for next := range files {
				if err := f(next.path, next.rel); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			rel, _ := filepath.Rel(dir, path)
			files <- file{path, filepath.ToSlash(rel)}
		}
		return err
	})
	close(files)
	all.Wait()
	ok(b, err)
	if p := failed.Load(); p != nil {
		b.Fatal(*p)
	}
}

// BenchmarkS3Upload uploads mixed-2g, as files and as streams (which is how
// Staging reads them), and does the same with s5cmd.
func BenchmarkS3Upload(b *testing.B) {
	server, bench := benchServer(b)
	dir := bench + "/mixed-2g"
	for name, wrap := range map[string]func(*os.File) io.Reader{
		"files":   func(f *os.File) io.Reader { return f },
		"streams": func(f *os.File) io.Reader { return stream{f} },
	} {
		b.Run(name, func(b *testing.B) {
			s := bucket(b, server.Endpoint())
			ctx := context.Background()
			var ours, theirs cost
			var memory float64
			clear := func() {
				ok(b, os.RemoveAll(server.Root()+"/"+storagetest.Bucket+"/m"))
				syscall.Sync()
			}
			for b.Loop() {
				b.StopTimer()
				clear()
				theirs.best(s5cmd(b, server, "cp", dir+"/*", "s3://"+storagetest.Bucket+"/m/"))
				clear()
				resetPeak()
				b.StartTimer()
				start, used := time.Now(), cpu()
				each(b, dir, func(path, rel string) error {
					f, err := os.Open(path)
					if err != nil {
						return err
					}
					defer f.Close()
					_, err = s.Put(ctx, "m/"+rel, wrap(f), storage.Always)
					return err
				})
				ours.best(cost{time.Since(start), cpu() - used})
				memory = max(memory, peak(b))
			}
			report(b, ours, theirs, memory)
		})
	}
}

// BenchmarkS3Download downloads mixed-2g, and does the same with s5cmd. Ours is
// compared with its SHA-256; it was uploaded here.
func BenchmarkS3Download(b *testing.B) {
	server, bench := benchServer(b)
	s := bucket(b, server.Endpoint())
	ctx := context.Background()
	dir := bench + "/mixed-2g"
	var names []string
	each(b, dir, func(path, rel string) error {
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = s.Put(ctx, "m/"+rel, f, storage.Always)
		return err
	})
	for o, err := range s.List(ctx, "m/") {
		ok(b, err)
		names = append(names, o.Key)
	}
	to := server.Root() + "-down"
	b.Cleanup(func() { os.RemoveAll(to) })
	clear := func() {
		ok(b, os.RemoveAll(to))
		for _, name := range names {
			ok(b, os.MkdirAll(filepath.Dir(to+"/"+name), 0o755))
		}
		syscall.Sync()
	}
	var ours, theirs cost
	var memory float64
	for b.Loop() {
		b.StopTimer()
		clear()
		theirs.best(s5cmd(b, server, "cp", "s3://"+storagetest.Bucket+"/m/*", to+"/m/"))
		clear()
		resetPeak()
		b.StartTimer()
		start, used := time.Now(), cpu()
		var next atomic.Int64
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for i := next.Add(1) - 1; int(i) < len(names); i = next.Add(1) - 1 {
					f, err := os.Create(to + "/" + names[i])
					if err == nil {
						_, err = s.Download(ctx, names[i], f, nil)
						f.Close()
					}
					if err != nil {
						b.Error(err)
					}
				}
			})
		}
		all.Wait()
		ours.best(cost{time.Since(start), cpu() - used})
		memory = max(memory, peak(b))
	}
	report(b, ours, theirs, memory)
}

// BenchmarkS3List lists 100,000 objects, and does the same with s5cmd.
func BenchmarkS3List(b *testing.B) {
	server, bench := benchServer(b)
	ok(b, exec.Command("cp", "-al", bench+"/tree-100k", server.Root()+"/"+storagetest.Bucket+"/tree").Run())
	s := bucket(b, server.Endpoint())
	var ours, theirs cost
	var memory float64
	for b.Loop() {
		b.StopTimer()
		theirs.best(s5cmd(b, server, "ls", "s3://"+storagetest.Bucket+"/tree/*"))
		resetPeak()
		b.StartTimer()
		start, used := time.Now(), cpu()
		n := 0
		for _, err := range s.List(context.Background(), "tree/") {
			ok(b, err)
			n++
		}
		if n < 100_000 {
			b.Fatal(fmt.Sprint(n, " objects"))
		}
		ours.best(cost{time.Since(start), cpu() - used})
		memory = max(memory, peak(b))
	}
	report(b, ours, theirs, memory)
}
