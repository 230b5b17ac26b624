package torrent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"gantry/pipeline"
	"gantry/pipeline/image"
)

// withdraw removes the torrents that were published from where the seed box looks:
// those that have the bytes which were put there, and no others.
type withdraw struct{ subject }

// ours are the torrents of a version that were published and are there still, and
// those that have become others since.
func (s withdraw) ours(version string) (ours, others []string, err error) {
	m, err := image.NewMatrix(s.cfg, s.im, s.tree, "production", version)
	if err != nil {
		return nil, nil, err
	}
	kept, err := os.OpenRoot(s.held + "/" + published)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer kept.Close()
	watched, err := os.OpenRoot(s.publish)
	if err != nil {
		return nil, nil, err
	}
	defer watched.Close()
	entries, err := fs.ReadDir(kept.FS(), ".")
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".torrent")
		if !ok || !slices.ContainsFunc(m.Cells, func(c image.Cell) bool { return c.Is(name+".iso") || c.Is(name) }) {
			continue
		}
		was, err := load(kept, e.Name())
		if err != nil {
			return nil, nil, err
		}
		is, err := load(watched, e.Name())
		switch {
		case err == nil && (is == nil || was == nil):
		case err == nil && bytes.Equal(is.raw, was.raw):
			ours = append(ours, name)
		default:
			others = append(others, name)
		}
	}
	return ours, others, nil
}

// Plan lists what is removed.
func (s withdraw) Plan(_ context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	ours, others, err := s.ours(env.Version)
	if err != nil {
		return pipeline.Plan{}, err
	}
	plan := pipeline.Plan{Title: fmt.Sprintf("withdraw %d torrents: the seed box is not told of them any more", len(ours))}
	for _, name := range ours {
		plan.Removed = append(plan.Removed, pipeline.Change{Name: name})
	}
	for _, name := range others {
		plan.Warnings = append(plan.Warnings, name+" is not what was published, and stays")
	}
	return plan, nil
}

// Run removes it.
func (s withdraw) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	ours, _, err := s.ours(env.Version)
	if err != nil {
		return nil, err
	}
	watched, err := os.OpenRoot(s.publish)
	if err != nil {
		return nil, err
	}
	defer watched.Close()
	p.Phase("withdraw torrents", pipeline.Files, int64(len(ours)))
	for _, name := range ours {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := watched.Remove(name + ".torrent"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		p.Logf("%s: withdrawn", name)
		p.Add(1)
	}
	return pipeline.Evidence{"withdrawn": strconv.Itoa(len(ours))}, nil
}
