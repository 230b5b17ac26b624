package review_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/review"
	"gantry/storage"
)

// served is a target whose snapshots are directories.
type served struct {
	storage.Tree
	dir                 string
	staging, production string
}

func (s served) Pointer(_ context.Context, name string) (string, error) {
	if name == "staging" {
		return s.staging, nil
	}
	return s.production, nil
}

func (s served) Open(_ context.Context, id, path string) (*os.File, error) {
	return os.Open(filepath.Join(s.dir, id, path))
}

func TestSnapshotsOfTarget(t *testing.T) {
	dir := t.TempDir()
	repo(t, filepath.Join(dir, "1"), "", made{name: "core", version: "1", built: today, log: []string{"- first"}})
	repo(t, filepath.Join(dir, "2"), "", made{name: "core", version: "2", built: today, log: []string{"- second", "- first"}})
	target := &config.Target{Name: "core-el9", Format: config.FormatRPM}
	for _, test := range []struct {
		name, production, staging string
		added, up, down           int
	}{
		{"forward", "1", "2", 0, 1, 0},
		{"back", "2", "1", 0, 0, 1},
		{"the same", "2", "2", 0, 0, 0},
		{"the first", "", "2", 1, 0, 0},
	} {
		env := &pipeline.Env{Served: func(*config.Target) (storage.Served, error) {
			return served{dir: dir, staging: test.staging, production: test.production}, nil
		}}
		r, err := review.Snapshots(t.Context(), env, target)
		if err != nil || len(r.Repos) != 1 || r.From != test.production || r.To != test.staging {
			t.Fatalf("%s: %+v, %v", test.name, r, err)
		}
		got := r.Repos[0]
		if len(got.Added) != test.added || len(got.Upgraded) != test.up || len(got.Downgraded) != test.down || got.New != (test.production == "") {
			t.Errorf("%s: %+v", test.name, got)
		}
		if test.up > 0 && (len(got.Upgraded[0].Changelog) != 1 || got.Upgraded[0].Changelog[0].Text != "- second") {
			t.Errorf("%s: %+v", test.name, got.Upgraded[0])
		}
	}
	refused := (*pipeline.RefusedError)(nil)
	env := &pipeline.Env{Served: func(*config.Target) (storage.Served, error) { return served{dir: dir, production: "1"}, nil }}
	if r, err := review.Snapshots(t.Context(), env, target); !errors.As(err, &refused) {
		t.Errorf("nothing is staged: %+v, %v", r, err)
	}
	env.Served = func(*config.Target) (storage.Served, error) { return served{dir: dir, staging: "3"}, nil }
	if r, err := review.Snapshots(t.Context(), env, target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a snapshot that is gone: %+v, %v", r, err)
	}
}
