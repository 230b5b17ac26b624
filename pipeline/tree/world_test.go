package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/tree"
	"gantry/storage"
)

// world is a tree target with its three places below one directory.
type world struct {
	t       testing.TB
	at      string
	cfg     *config.Release
	version string
	now     func() time.Time
}

func newWorld(t testing.TB, at string) *world {
	t.Helper()
	w := &world{t: t, at: at, version: "9.7", now: time.Now}
	for _, root := range []string{"compose", "staging", "production"} {
		if err := os.MkdirAll(filepath.Join(at, root), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	w.cfg = &config.Release{Targets: []config.Target{{
		Name: "rocky-9", Format: config.FormatTree, Snapshots: 5,
		Tree: &config.Tree{
			Major: 9, Stream: config.Stable, Alarm: 100,
			Compose:    config.Area{Root: filepath.Join(at, "compose"), Path: "9", Undo: ".gantry"},
			Staging:    config.Area{Root: filepath.Join(at, "staging"), Path: "pub/{revision}{suffix}", Undo: ".gantry"},
			Production: config.Area{Root: filepath.Join(at, "production"), Path: "pub/{revision}", Undo: ".gantry"},
		},
	}}}
	return w
}

func (w *world) tree() *config.Tree { return w.cfg.Targets[0].Tree }

func (w *world) compose(p ...string) string {
	return filepath.Join(append([]string{w.at, "compose", "9"}, p...)...)
}
func (w *world) staging(p ...string) string {
	return filepath.Join(append([]string{w.at, "staging", "pub", "9.7"}, p...)...)
}
func (w *world) production(p ...string) string {
	return filepath.Join(append([]string{w.at, "production", "pub", "9.7"}, p...)...)
}

func (w *world) env() *pipeline.Env {
	return &pipeline.Env{Config: w.cfg, Now: w.now, Release: "r1", Version: w.version, Run: "run",
		History: func(string) checklist.Pointers { return checklist.Pointers{} }}
}

func (w *world) step(uses string, with map[string]string) pipeline.Step {
	w.t.Helper()
	s, err := tree.Make(w.cfg, checklist.Item{Uses: uses, Target: "rocky-9", With: with})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// run plans and runs; the steps that do so are not the same, as in an engine.
func (w *world) run(uses string, with map[string]string) (pipeline.Plan, error) {
	w.t.Helper()
	plan, err := w.step(uses, with).Plan(w.t.Context(), w.env())
	if err != nil {
		return plan, err
	}
	s := w.step(uses, with)
	again, err := s.Plan(w.t.Context(), w.env())
	if err != nil {
		return plan, err
	}
	if again.Digest() != plan.Digest() {
		w.t.Fatalf("two plans of the same world differ:\n%+v\n%+v", plan, again)
	}
	_, err = s.Run(w.t.Context(), w.env(), plan, pipeline.NewProgress(nil))
	return plan, err
}

func (w *world) must(uses string) pipeline.Plan {
	w.t.Helper()
	p, err := w.run(uses, nil)
	if err != nil {
		w.t.Fatalf("%s: %v (%s)", uses, err, config.HintOf(err))
	}
	return p
}

// fails makes sure that a step refuses to be planned, or fails, in those words.
func (w *world) fails(uses string, words ...string) {
	w.t.Helper()
	_, err := w.run(uses, nil)
	if err == nil {
		w.t.Fatalf("%s went well, and should not", uses)
	}
	text := err.Error() + " / " + config.HintOf(err)
	var refused *pipeline.RefusedError
	if errors.As(err, &refused) {
		text += " / " + refused.Hint
	}
	for _, word := range words {
		if !strings.Contains(text, word) {
			w.t.Errorf("%s: %q does not say %q", uses, text, word)
		}
	}
}

func (w *world) served() storage.Served {
	w.t.Helper()
	s, err := tree.Open(w.t.Context(), pipeline.Site{Config: w.cfg}, &w.cfg.Targets[0])
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *world) pointer(name string) string {
	w.t.Helper()
	id, err := w.served().Pointer(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) half() []string {
	return w.served().(storage.Parted).Apart()
}

func put(t testing.TB, at, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at+".new", []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(at+".new", at); err != nil {
		t.Fatal(err)
	}
}

// picture is all that can be seen of a tree, by path: kind, mode, owner, size,
// time in nanoseconds, text of links, content, and which names are one file.
func picture(t testing.TB, at string) map[string]string {
	t.Helper()
	all, first := map[string]string{}, map[uint64]string{}
	err := filepath.WalkDir(at, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(p)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(at, p)
		st := info.Sys().(*syscall.Stat_t)
		text := fmt.Sprintf("%s %d:%d %d", info.Mode(), st.Uid, st.Gid, info.ModTime().UnixNano())
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			to, err := os.Readlink(p)
			if err != nil {
				return err
			}
			text += " -> " + to
		case info.Mode().IsRegular():
			b, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			text += fmt.Sprintf(" %d %x", len(b), sum(b))
			if st.Nlink > 1 {
				if first[st.Ino] == "" {
					first[st.Ino] = rel
				}
				text += " = " + first[st.Ino]
			}
		}
		all[rel] = text
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// solo is a picture without what links to files that have no other name in it:
// another tree, or an undo area, may have one.
func solo(all map[string]string) map[string]string {
	names := map[string]int{}
	leader := func(text string) string {
		_, to, _ := strings.Cut(text, " = ")
		return to
	}
	for _, text := range all {
		names[leader(text)]++
	}
	out := map[string]string{}
	for p, text := range all {
		if to := leader(text); to != "" && names[to] == 1 {
			text = strings.TrimSuffix(text, " = "+to)
		}
		out[p] = text
	}
	return out
}

func equal(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	got, want = solo(got), solo(want)
	bad := 0
	for _, p := range slices.Sorted(maps.Keys(merge(got, want))) {
		if got[p] != want[p] {
			if bad++; bad < 12 {
				t.Errorf("%s: %s\n  is     %q\n  wanted %q", what, p, got[p], want[p])
			}
		}
	}
	if bad > 0 {
		t.Fatalf("%s: %d differences", what, bad)
	}
}

func merge(a, b map[string]string) map[string]string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, b)
	return all
}

var background = context.Background

func quiet() *pipeline.Progress { return pipeline.NewProgress(nil) }
