package torrent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"gantry/pipeline"
	"gantry/pipeline/aside"
	"gantry/pipeline/image"
)

// withdraw removes the torrents that were published from where the seed box looks:
// those that have the bytes which were put there, and no others.
type withdraw struct{ subject }

// ours are the torrents of a version that were published and are there still, by
// name with the hash that trackers know them by, and those that have become others
// since.
func (s withdraw) ours(version string) (ours map[string]string, others []string, err error) {
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
	entries, err := fs.ReadDir(watched.FS(), ".")
	if err != nil {
		return nil, nil, err
	}
	ours = map[string]string{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".torrent")
		if !ok || !slices.ContainsFunc(m.Cells, func(c image.Cell) bool { return c.Is(name+".iso") || c.Is(name) }) {
			continue
		}
		is, err := load(watched, e.Name())
		if is == nil && err == nil {
			continue // it went while we looked
		}
		var was *torrent
		if err == nil {
			was, err = load(kept, record(name, is.raw))
		}
		if err == nil && was != nil && bytes.Equal(is.raw, was.raw) {
			ours[name] = is.id()
		} else {
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
	for _, name := range slices.Sorted(maps.Keys(ours)) {
		plan.Removed = append(plan.Removed, pipeline.Change{Name: name, From: ours[name]})
	}
	for _, name := range others {
		plan.Warnings = append(plan.Warnings, name+" is not what was published, and stays")
	}
	return plan, nil
}

// Run removes what the plan lists, as far as it is there still.
func (s withdraw) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	ours, _, err := s.ours(env.Version)
	if err != nil {
		return nil, err
	}
	watched, err := os.OpenRoot(s.publish)
	if err != nil {
		return nil, err
	}
	defer watched.Close()
	p.Phase("withdraw torrents", pipeline.Files, int64(len(plan.Removed)))
	gone := 0
	for _, c := range plan.Removed {
		if ours[c.Name] != c.From {
			continue
		}
		if err := halted(ctx, env); err != nil {
			return nil, err
		}
		if err := watched.Remove(c.Name + ".torrent"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		gone++
		p.Logf("%s: withdrawn", c.Name)
		p.Add(1)
	}
	return pipeline.Evidence{"withdrawn": strconv.Itoa(gone)}, aside.Sync(watched, ".")
}

// Look tells whether the seed box finds nothing any more of what the plan lists.
func (s withdraw) Look(_ context.Context, _ *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	left, err := s.there(plan.Removed, func(c pipeline.Change) string { return c.From })
	if err != nil {
		return pipeline.Seen{}, err
	}
	if left > 0 {
		return pipeline.Seen{Failed: fmt.Sprintf("interrupted when %d of %d torrents were withdrawn", len(plan.Removed)-left, len(plan.Removed))}, nil
	}
	return pipeline.Seen{Done: true, Evidence: pipeline.Evidence{"withdrawn": strconv.Itoa(len(plan.Removed))}}, nil
}
