package filelist_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/filelist"
	"gantry/storage"
)

// bench is a root with three scopes as Rocky has them, and a tree in it.
type bench struct {
	t    *testing.T
	root string
	cfg  *config.Release
	busy []string
	open []checklist.View
	away []string // what is apart
	at   string   // production's pointer
	kept string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := benchAt(t, t.TempDir())
	for _, file := range []string{
		"mirror/pub/rocky/9.7/BaseOS/x86_64/os/repodata/repomd.xml",
		"mirror/pub/rocky/9.7/BaseOS/x86_64/os/Packages/k/kernel-5.rpm",
		"mirror/pub/rocky/8.10/BaseOS/x86_64/os/repodata/repomd.xml",
		"mirror/pub/sig/9/cloud/x86_64/cloud-common/Packages/a.rpm",
		"mirror/vault/old.rpm",
		".gantry/20261121/old.rpm",
	} {
		b.write(file, file)
	}
	return b
}

// benchAt is a bench whose files are there already.
func benchAt(t *testing.T, root string) *bench {
	b := &bench{t: t, root: root, at: "one"}
	b.cfg = &config.Release{
		Targets: []config.Target{
			{Name: "rocky-9", Format: config.FormatTree, Tree: &config.Tree{
				Major: 9, Stream: config.Stable,
				Production: config.Area{Root: b.root, Path: "mirror/pub/rocky/{revision}", Undo: ".gantry"}}},
			{Name: "rocky-8", Format: config.FormatTree, Tree: &config.Tree{
				Major: 8, Stream: config.Stable,
				Production: config.Area{Root: b.root, Path: "mirror/pub/rocky/{revision}", Undo: ".gantry"}}},
		},
		FileLists: []config.FileLists{{
			Name: "all", Root: b.root, Shrink: 10,
			Scopes: []config.Scope{
				{Dir: ".", Full: "fullfilelist", Times: []string{"fullfiletimelist-root"}},
				{Dir: "mirror/pub/rocky", Full: "fullfilelist", Times: []string{"fullfiletimelist-rocky", "fullfiletimelist", "fullfiletimelist-rocky-linux"}},
				{Dir: "mirror/pub/sig", Full: "fullfilelist", Times: []string{"fullfiletimelist-sig", "fullfiletimelist"}},
			},
		}},
	}
	return b
}

func (b *bench) write(path, text string) {
	b.t.Helper()
	at := filepath.Join(b.root, path)
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) read(path string) string {
	b.t.Helper()
	data, err := os.ReadFile(filepath.Join(b.root, path))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
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
		Open:   func(context.Context) []checklist.View { return b.open },
		Served: func(*config.Target) (storage.Served, error) { return outlet{b: b}, nil },
		Keep:   func(_ context.Context, text string) error { b.kept = text; return nil },
		Kept:   func(context.Context) (string, error) { return b.kept, nil },
	}
}

func (b *bench) step() pipeline.Step {
	b.t.Helper()
	s, err := filelist.Make(b.cfg, checklist.Item{ID: "file-lists", Uses: "filelist", With: map[string]string{"name": "all"}})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) plan() (pipeline.Plan, error) { return b.step().Plan(b.t.Context(), b.env()) }

// run plans and runs.
func (b *bench) run() (pipeline.Evidence, error) {
	plan, err := b.plan()
	if err != nil {
		return nil, err
	}
	return b.step().Run(b.t.Context(), b.env(), plan, pipeline.NewProgress(nil))
}

func (b *bench) must() {
	b.t.Helper()
	if _, err := b.run(); err != nil {
		b.t.Fatal(err)
	}
}

// entries parses a list with times.
func (b *bench) entries(path string) []filelist.Entry {
	b.t.Helper()
	var all []filelist.Entry
	n, err := filelist.Parse(strings.NewReader(b.read(path)), func(e filelist.Entry) error {
		all = append(all, e)
		return nil
	})
	if err != nil || n != len(all) {
		b.t.Fatalf("%s: %d entries, %v", path, n, err)
	}
	return all
}

// paths are those of a list with times, sorted.
func (b *bench) paths(list string) []string {
	b.t.Helper()
	var all []string
	for _, e := range b.entries(list) {
		all = append(all, e.Path)
	}
	slices.Sort(all)
	return all
}

// found is what find prints below a directory, sorted, without what is hidden.
func (b *bench) found(dir string) []string {
	b.t.Helper()
	cmd := exec.Command("find", ".", "-path", "./.gantry", "-prune", "-printf", ".gantry\n", "-o", "-print")
	cmd.Dir = filepath.Join(b.root, dir)
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("GANTRY_REQUIRE_CLIENTS") != "1" {
		b.t.Skip("no find")
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return sorted(strings.ReplaceAll(string(out), ".gantry\n", ""))
}

func sorted(text string) []string {
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	slices.Sort(all)
	return all
}

func (b *bench) temporary() []string {
	b.t.Helper()
	var all []string
	err := filepath.WalkDir(b.root, func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".~tmp~") {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all
}
