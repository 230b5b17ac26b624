package demo_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
	"gantry/ui/cli/demo"
)

// all are the formats that a demo can have.
var all = []config.Format{config.FormatRPM, config.FormatDEB, config.FormatOCI}

// open opens an engine that stages and does nothing else.
func open(ctx context.Context, cfg *config.Release) (*pipeline.Engine, error) {
	return pipeline.Open(ctx, pipeline.Options{Config: cfg})
}

// made is a demo of some formats, with the first version staged.
func made(t *testing.T, product string, formats ...config.Format) (string, *config.Release) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a demo")
	if err := demo.Make(t.Context(), demo.Options{Dir: dir, Product: product, Formats: formats, Open: open}); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return dir, cfg
}

func TestMakeStagesARelease(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	for range 2 { // an earlier demo is made anew
		if err := demo.Make(t.Context(), demo.Options{Dir: dir, Product: "Acme_2", Formats: all, Open: open}); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if found := config.Lint(cfg); len(found) > 0 {
		t.Errorf("lint: %v", found)
	}
	for _, name := range []string{"private.asc", "cosign.key", "cosign.password", "subscriber.key", "registry.password"} {
		if info, err := os.Stat(filepath.Join(dir, "keys", name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is readable by others: %v %v", name, info.Mode(), err)
		}
	}
	if key, err := os.ReadFile(filepath.Join(dir, "keys/subscriber.key")); err != nil || len(key) != 65 {
		t.Errorf("the subscriber's key has %d bytes, not 64 and a newline: %v", len(key), err)
	}
	e, err := open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	want := map[string]int{"core-el9": 4, "core-el9-arm": 4, "core-noble": 4, "core-bookworm": 4, "core-image": 2}
	if len(cfg.Targets) != len(want) {
		t.Errorf("%d targets, want %d", len(cfg.Targets), len(want))
	}
	for _, target := range cfg.Targets {
		staged, err := e.Artifacts(t.Context(), string(target.Name))
		if err == nil {
			staged, err = e.VerifyArtifacts(t.Context(), staged, pipeline.NewProgress(nil))
		}
		if err != nil || len(staged) != want[string(target.Name)] {
			t.Fatalf("%s: %d files are staged, want %d: %v", target.Name, len(staged), want[string(target.Name)], err)
		}
		for _, one := range staged {
			if one.Verdict != storage.Verified {
				t.Errorf("%s is %s", one.File, one.Verdict)
			}
		}
	}
}

// TestMakeOnlyWhatIsKnown makes no targets that the program cannot release.
func TestMakeOnlyWhatIsKnown(t *testing.T) {
	_, cfg := made(t, "acme", config.FormatRPM)
	for _, target := range cfg.Targets {
		if target.Format != config.FormatRPM {
			t.Errorf("there is %s, of format %s", target.Name, target.Format)
		}
	}
	if len(cfg.Targets) != 2 {
		t.Errorf("%d targets, want 2", len(cfg.Targets))
	}
}

func TestMakeRefuses(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	taken := t.TempDir()
	if err := os.WriteFile(filepath.Join(taken, "thesis"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	for _, tt := range []struct {
		what string
		ctx  context.Context
		o    demo.Options
	}{
		{"a directory with something else", t.Context(), demo.Options{Dir: taken, Product: "acme", Formats: all}},
		{"a name that leaves the directory", t.Context(), demo.Options{Dir: t.TempDir(), Product: "../acme", Formats: all}},
		{"an empty name", t.Context(), demo.Options{Dir: t.TempDir(), Formats: all}},
		{"a relative path", t.Context(), demo.Options{Dir: "demo", Product: "acme", Formats: all}},
		{"no formats", t.Context(), demo.Options{Dir: t.TempDir(), Product: "acme"}},
		{"an interrupted call", cancelled, demo.Options{Dir: t.TempDir(), Product: "acme", Formats: all}},
		{"a bucket without credentials", t.Context(), demo.Options{Dir: t.TempDir(), Product: "acme", Formats: all, Bucket: &demo.Bucket{Endpoint: "http://127.0.0.1:1", Name: "demo"}}},
		{"an endpoint with credentials", t.Context(), demo.Options{Dir: t.TempDir(), Product: "acme", Formats: all, Bucket: &demo.Bucket{Endpoint: "http://user:secret@127.0.0.1:1", Name: "demo"}}},
		{"an endpoint that is no URL", t.Context(), demo.Options{Dir: t.TempDir(), Product: "acme", Formats: all, Bucket: &demo.Bucket{Endpoint: "localhost:9000", Name: "demo"}}},
	} {
		tt.o.Open = open
		if err := demo.Make(tt.ctx, tt.o); err == nil {
			t.Errorf("%s was taken", tt.what)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells a secret: %v", tt.what, err)
		}
	}
	if _, err := os.Stat(filepath.Join(taken, "thesis")); err != nil {
		t.Error(err)
	}
}
