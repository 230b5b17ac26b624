package torrent_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anacrolix/torrent/metainfo"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/torrent"
)

// world is a tree whose production has images, and torrents of them.
type world struct {
	t        *testing.T
	dir      string
	torrents string // of release.yaml
	images   string // of release.yaml
	now      time.Time
}

const (
	defaults = `{name: T, images: ISOS, held: held, data: data, publish: watch/start, trackers: ["udp://a.example:1337/announce", "udp://b.example:80/announce"], comment: "https://docs.example/{revision_}/"}`

	isos = `{name: ISOS, target: rocky-9, dir: "isos/{arch}", file: "Rocky-{revision}-{arch}-{variant}.iso", variants: [boot, dvd], architectures: [x86_64, aarch64], except: [x86_64/boot, aarch64/dvd]}`

	dvd  = "Rocky-9.7-x86_64-dvd"
	boot = "Rocky-9.7-aarch64-boot"
)

func newWorld(t *testing.T) *world {
	w := &world{t: t, dir: t.TempDir(), torrents: defaults, images: isos, now: time.Unix(1_760_000_000, 0)}
	w.image("production/9.7", "x86_64", dvd, strings.Repeat("dvd of x86_64. ", 40_000)) // three pieces
	w.image("production/9.7", "aarch64", boot, "boot of aarch64")
	w.write("production/9.7/isos/x86_64/CHECKSUM.asc", "a signature")
	w.mkdir("watch/start")
	return w
}

// image writes an image with all that lies beside it.
func (w *world) image(area, arch, name, text string) {
	at := area + "/isos/" + arch + "/"
	sum := fmt.Sprintf("# %[1]s: %[2]d bytes\nSHA256 (%[1]s) = %[3]x\n", name+".iso", len(text), sha256.Sum256([]byte(text)))
	w.write(at+name+".iso", text)
	w.write(at+name+".iso.CHECKSUM", sum)
	w.write(at+"CHECKSUM", sum)
}

func (w *world) at(name string) string { return filepath.Join(w.dir, name) }

func (w *world) mkdir(name string) {
	w.t.Helper()
	if err := os.MkdirAll(w.at(name), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(name, text string) {
	w.t.Helper()
	w.mkdir(filepath.Dir(name))
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

// files are the names in a directory.
func (w *world) files(dir string) string {
	w.t.Helper()
	entries, err := os.ReadDir(w.at(dir))
	if err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func (w *world) load(name string) (*metainfo.MetaInfo, metainfo.Info) {
	w.t.Helper()
	m, err := metainfo.LoadFromFile(w.at(name))
	if err != nil {
		w.t.Fatal(err)
	}
	info, err := m.UnmarshalInfo()
	if err != nil {
		w.t.Fatal(err)
	}
	return m, info
}

func (w *world) make(uses string) (pipeline.Step, *pipeline.Env, error) {
	w.t.Helper()
	const tree = `{major: 9, compose: {root: compose, path: "{revision}{suffix}"}, staging: {root: stage, path: "{revision}{suffix}"}, production: {root: production, path: "{revision}"}}`
	w.write("release.yaml", "product: p\ntargets: [{name: rocky-9, format: tree, tree: "+tree+"}]\nimages: ["+w.images+"]\ntorrents: ["+w.torrents+"]\n")
	cfg, err := config.Load(w.at("release.yaml"))
	if err != nil {
		w.t.Fatal(err)
	}
	step, err := torrent.Make(cfg, checklist.Item{ID: "torrents", Uses: uses, With: map[string]string{"name": "T"}, Target: "rocky-9"})
	return step, &pipeline.Env{Config: cfg, Version: "9.7-RC2", Now: func() time.Time { return w.now }}, err
}

// run plans and runs a step, or its reverse.
func (w *world) run(uses string) (plan pipeline.Plan, ev pipeline.Evidence, err error) {
	w.t.Helper()
	uses, back := strings.CutPrefix(uses, "undo ")
	step, env, err := w.make(uses)
	if err != nil {
		w.t.Fatal(err)
	}
	if back {
		step = step.(pipeline.Reverser).Reverse()
	}
	if plan, err = step.Plan(w.t.Context(), env); err != nil {
		return plan, nil, err
	}
	ev, err = step.Run(w.t.Context(), env, plan, pipeline.NewProgress(nil))
	return plan, ev, err
}

func (w *world) must(uses string) (pipeline.Plan, pipeline.Evidence) {
	w.t.Helper()
	plan, ev, err := w.run(uses)
	if err != nil {
		w.t.Fatalf("%s: %v", uses, err)
	}
	return plan, ev
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

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
