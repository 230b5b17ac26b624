package demo_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
	"gantry/ui/cli/demo"
)

func TestMakeStagesARelease(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	for range 2 { // an earlier demo is made anew
		if err := demo.Make(t.Context(), dir, "Acme_2"); err != nil {
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
	info, err := os.Stat(filepath.Join(dir, "keys/private.asc"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the private key is readable by others: %v %v", info.Mode(), err)
	}
	e, err := pipeline.Open(t.Context(), pipeline.Options{Config: cfg})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for _, target := range cfg.Targets {
		staged, err := e.Artifacts(t.Context(), string(target.Name))
		if err == nil {
			staged, err = e.VerifyArtifacts(t.Context(), staged, pipeline.NewProgress(nil))
		}
		if err != nil || len(staged) != 4 {
			t.Fatalf("%s: %d files are staged, want 4: %v", target.Name, len(staged), err)
		}
		for _, one := range staged {
			if one.Verdict != storage.Verified {
				t.Errorf("%s is %s", one.File, one.Verdict)
			}
		}
	}
}

func TestMakeRefuses(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	taken := t.TempDir()
	if err := os.WriteFile(filepath.Join(taken, "thesis"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		what, dir, name string
		ctx             context.Context
	}{
		{"a directory with something else", taken, "acme", t.Context()},
		{"a name that leaves the directory", t.TempDir(), "../acme", t.Context()},
		{"an empty name", t.TempDir(), "", t.Context()},
		{"a relative path", "demo", "acme", t.Context()},
		{"an interrupted call", t.TempDir(), "acme", cancelled},
	} {
		if err := demo.Make(tt.ctx, tt.dir, tt.name); err == nil {
			t.Errorf("%s was taken", tt.what)
		}
	}
	if _, err := os.Stat(filepath.Join(taken, "thesis")); err != nil {
		t.Error(err)
	}
}
