package hardlink_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/hardlink"
	"gantry/storage"
)

// bench is a tree of one edition.
type bench struct {
	t    *testing.T
	dir  string // of the edition
	cfg  *config.Release
	in   string
	busy []string
	away []string
	at   string
}

// moment is when files of a bench were written, unless a test says otherwise.
var moment = time.Unix(1_763_000_000, 500)

func newBench(t testing.TB, root string) *bench {
	t.Helper()
	b := &bench{dir: filepath.Join(root, "pub/rocky/9.7"), at: "one"}
	b.t, _ = t.(*testing.T)
	area := config.Area{Root: root, Path: "pub/rocky/{revision}", Undo: ".gantry"}
	b.cfg = &config.Release{Targets: []config.Target{{Name: "rocky-9", Format: config.FormatTree, Tree: &config.Tree{
		Major: 9, Stream: config.Stable, Production: area,
		Staging: config.Area{Root: "store:s/x", Path: "a"}, Compose: config.Area{Root: root, Path: "latest", Undo: ".gantry"}}}}}
	if err := os.MkdirAll(b.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return b
}

// outlet is a tree as its own trade serves it.
type outlet struct {
	storage.Served
	b *bench
}

func (o outlet) Pointer(context.Context, string) (string, error) { return o.b.at, nil }
func (o outlet) Apart() []string                                 { return o.b.away }

func (b *bench) env() *pipeline.Env {
	return &pipeline.Env{
		Config: b.cfg, Now: time.Now, Version: "9.7", Kind: "final",
		Busy:   func() []string { return b.busy },
		Served: func(*config.Target) (storage.Served, error) { return outlet{b: b}, nil },
	}
}

func (b *bench) step() pipeline.Step {
	with := map[string]string{}
	if b.in != "" {
		with["in"] = b.in
	}
	s, err := hardlink.Make(b.cfg, checklist.Item{ID: "hardlink-run", Uses: "hardlink", Target: "rocky-9", With: with})
	if err != nil {
		panic(err)
	}
	return s
}

func (b *bench) plan() pipeline.Plan {
	b.t.Helper()
	plan, err := b.step().Plan(b.t.Context(), b.env())
	if err != nil {
		b.t.Fatal(err)
	}
	return plan
}

func (b *bench) run(plan pipeline.Plan) (pipeline.Evidence, error) {
	return b.step().Run(b.t.Context(), b.env(), plan, pipeline.NewProgress(nil))
}

func (b *bench) must() pipeline.Evidence {
	b.t.Helper()
	ev, err := b.run(b.plan())
	if err != nil {
		b.t.Fatal(err)
	}
	return ev
}

func (b *bench) write(path, text string) {
	b.t.Helper()
	at := filepath.Join(b.dir, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644), os.Chtimes(at, moment, moment)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) stat(path string) *syscall.Stat_t {
	b.t.Helper()
	st, err := os.Lstat(filepath.Join(b.dir, path))
	if err != nil {
		b.t.Fatal(err)
	}
	return st.Sys().(*syscall.Stat_t)
}

func (b *bench) one(paths ...string) bool {
	for _, path := range paths {
		if b.stat(path).Ino != b.stat(paths[0]).Ino {
			return false
		}
	}
	return true
}

// tree is all that can be seen of the names below a directory, inodes aside.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		st, err := d.Info()
		if err != nil {
			return err
		}
		sys, text := st.Sys().(*syscall.Stat_t), []byte{}
		if d.Type().IsRegular() {
			text, err = os.ReadFile(path)
		}
		stamp := st.ModTime().UnixNano()
		if d.IsDir() {
			stamp = 0
		}
		all[path] = fmt.Sprintf("%v %d:%d %d %q", st.Mode(), sys.Uid, sys.Gid, stamp, text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// client is an external program to compare with.
func client(t testing.TB, name string) string {
	t.Helper()
	at, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return at
}

// reading reads all files below a directory again and again, as clients do, and
// reports one that is missing.
func (b *bench) reading(paths ...string) (stop func()) {
	done, reading := make(chan struct{}), sync.WaitGroup{}
	reading.Go(func() {
		for {
			for _, path := range paths {
				if _, err := os.Lstat(filepath.Join(b.dir, path)); err != nil {
					b.t.Errorf("a client sees: %v", err)
					return
				}
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	return func() { close(done); reading.Wait() }
}

func says(err error, words string) bool { return err != nil && strings.Contains(err.Error(), words) }

func inode(path string) (uint64, error) {
	st, err := os.Lstat(path)
	if err != nil {
		return 0, err
	}
	return st.Sys().(*syscall.Stat_t).Ino, nil
}
