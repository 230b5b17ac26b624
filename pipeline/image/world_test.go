package image_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/image"
)

// world is a tree with a matrix of images.
type world struct {
	t       *testing.T
	dir     string
	version string
	images  string // the matrix, as yaml
	mount   string // more of its area
}

const isos = `{name: ISOS, target: rocky-9, dir: "isos/{arch}", file: "Rocky-{revision}-{arch}-{variant}.iso", variants: [boot, dvd], architectures: [x86_64, aarch64], except: [aarch64/dvd]}`

func newWorld(t *testing.T) *world {
	return &world{t: t, dir: t.TempDir(), version: "9.7-RC2", images: isos}
}

func (w *world) at(name string) string {
	return filepath.Join(w.dir, "compose/9.7-RC2/isos", name)
}

func (w *world) write(name, text string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(w.at(name)), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(w.at(name), []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) read(name string) string {
	w.t.Helper()
	b, err := os.ReadFile(w.at(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(b)
}

func (w *world) remove(name string) {
	w.t.Helper()
	if err := os.Remove(w.at(name)); err != nil {
		w.t.Fatal(err)
	}
}

// fill makes the images of the matrix.
func (w *world) fill() {
	w.write("x86_64/Rocky-9.7-x86_64-boot.iso", "boot of x86_64")
	w.write("x86_64/Rocky-9.7-x86_64-dvd.iso", "dvd of x86_64")
	w.write("aarch64/Rocky-9.7-aarch64-boot.iso", "boot of aarch64")
}

func pair(name, text string) string {
	return fmt.Sprintf("# %s: %d bytes\nSHA256 (%s) = %s\n", name, len(text), name, digest(text))
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (w *world) make(uses string) (pipeline.Step, *pipeline.Env) {
	w.t.Helper()
	at := filepath.Join(w.dir, "release.yaml")
	tree := `{major: 9, compose: {root: compose, path: "{revision}{suffix}"` + w.mount + `}, staging: {root: stage, path: "{revision}{suffix}"}, production: {root: production, path: "{revision}"}}`
	text := "product: p\ntargets: [{name: rocky-9, format: tree, tree: " + tree + "}]\nimages: [" + w.images + "]\n"
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	cfg, err := config.Load(at)
	if err != nil {
		w.t.Fatal(err)
	}
	step, err := image.Make(cfg, checklist.Item{ID: "isos", Uses: uses, With: map[string]string{"name": "ISOS"}, Target: "rocky-9"})
	if err != nil {
		w.t.Fatal(err)
	}
	return step, &pipeline.Env{Config: cfg, Version: w.version}
}

// run plans and runs a step.
func (w *world) run(uses string) (pipeline.Plan, pipeline.Evidence, error) {
	w.t.Helper()
	step, env := w.make(uses)
	plan, err := step.Plan(w.t.Context(), env)
	if err != nil {
		return plan, nil, err
	}
	ev, err := step.Run(w.t.Context(), env, plan, pipeline.NewProgress(nil))
	return plan, ev, err
}

func (w *world) inputs(uses string) string {
	w.t.Helper()
	step, env := w.make(uses)
	digest, err := step.(pipeline.Observer).Inputs(context.Background(), env)
	if err != nil {
		w.t.Fatal(err)
	}
	return digest
}

// tree is everything below the images' directory, in words.
func (w *world) tree() string {
	w.t.Helper()
	var b bytes.Buffer
	err := filepath.WalkDir(w.at("."), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, _ := os.ReadFile(path)
		to, _ := os.Readlink(path)
		fmt.Fprintf(&b, "%s %s %q %s\n", strings.TrimPrefix(path, w.at(".")), d.Type(), to, text)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

func wants(t *testing.T, err error, words string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Fatalf("%v", err)
	case words != "" && (err == nil || !strings.Contains(err.Error(), words)):
		t.Fatalf("%v does not say %q", err, words)
	}
}
