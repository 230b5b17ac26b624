package review

import (
	"context"
	"fmt"
	"io"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/storage"
)

// Snapshots reviews a target that is one RPM repository: the snapshot that staging
// serves against that of production.
func Snapshots(ctx context.Context, env *pipeline.Env, t *config.Target) (*pipeline.Review, error) {
	served, err := env.Served(t)
	if err != nil {
		return nil, err
	}
	tree, ok := served.(storage.Tree)
	if !ok {
		return nil, fmt.Errorf("%s is served where no file can be read", t.Name)
	}
	r := pipeline.Review{Target: string(t.Name), Repos: make([]pipeline.ReviewedRepo, 1)}
	if r.To, err = tree.Pointer(ctx, "staging"); err == nil {
		r.From, err = tree.Pointer(ctx, "production")
	}
	if err != nil {
		return nil, fmt.Errorf("see what %s serves: %w", t.Name, err)
	}
	if r.To == "" {
		return nil, &pipeline.RefusedError{Reason: fmt.Sprintf("staging of %s serves nothing", t.Name), Hint: "build and stage it first"}
	}
	if err := compare(ctx, snapshot(tree, r.From), snapshot(tree, r.To), &r.Repos[0]); err != nil {
		return nil, fmt.Errorf("review %s: %w", t.Name, err)
	}
	return &r, nil
}

// snapshot is the files of a snapshot, nil without one.
func snapshot(tree storage.Tree, id string) repodata.Files {
	if id == "" {
		return nil
	}
	return func(ctx context.Context, path string) (io.ReadCloser, int64, error) {
		f, err := tree.Open(ctx, id, path)
		if err != nil {
			return nil, 0, err
		}
		about, err := f.Stat()
		if err != nil {
			f.Close()
			return nil, 0, err
		}
		return f, about.Size(), nil
	}
}
