package image

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"

	"gantry/config"
	"gantry/pipeline"
)

// checksum writes the CHECKSUM files of the directories of a matrix, and the
// links to the latest images. What is there already and right is left alone.
type checksum struct{ subject }

// Plan tells which files and links are made; which of them only lack something
// shows when the images are read.
func (c checksum) Plan(_ context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	v, err := c.look(env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer v.Close()
	all, err := tasks(v)
	if err != nil {
		return pipeline.Plan{}, err
	}
	plan := pipeline.Plan{Title: fmt.Sprintf("hash %d images and write their checksums", len(v.Images)), Inputs: fingerprint(v)}
	for _, t := range all {
		added, changed := t.lacks()
		plan.Added, plan.Changed = append(plan.Added, added...), append(plan.Changed, changed...)
		for _, name := range t.names {
			if t.Links[name] == "" && t.links[name] == "" {
				plan.Bytes += t.Files[name].Size()
			}
		}
	}
	short(&plan)
	return plan, nil
}

// lacks are the files and links that are not there, or lead elsewhere, or lack
// something.
func (t *task) lacks() (added, changed []pipeline.Change) {
	where := filepath.Base(t.Dir) + "/"
	for _, name := range slices.Sorted(maps.Keys(t.links)) {
		change := pipeline.Change{Name: where + name, From: t.Links[name], To: t.links[name]}
		switch {
		case change.From == "":
			added = append(added, change)
		case change.From != change.To:
			changed = append(changed, change)
		}
	}
	missing := 0
	for _, name := range t.names {
		if _, named := t.Sums[name]; !named {
			missing++
		}
		if t.Files[name+".CHECKSUM"] == nil {
			added = append(added, pipeline.Change{Name: where + name + ".CHECKSUM"})
		}
	}
	switch change := (pipeline.Change{Name: where + t.checksum, To: strconv.Itoa(len(t.names)) + " files"}); {
	case t.Sums == nil:
		added = append(added, change)
	case missing > 0:
		change.From = strconv.Itoa(len(t.Sums)) + " files"
		changed = append(changed, change)
	}
	return added, changed
}

// short leaves the first of very many changes.
func short(plan *pipeline.Plan) {
	const most = 200
	if n := plan.Count(); n.Added > most || n.Changed > most {
		plan.Counts = &n
		plan.Added, plan.Changed = plan.Added[:min(n.Added, most)], plan.Changed[:min(n.Changed, most)]
	}
}

// Run hashes the images of all directories, and writes only when none of them
// differs from a checksum that is there.
func (c checksum) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	v, err := c.look(env)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	all, err := tasks(v)
	if err != nil {
		return nil, err
	}
	h, err := hash(ctx, v.folders, func(f *Folder, name string) bool { return !beside(name, v.Checksum) }, p)
	if err != nil {
		return nil, err
	}
	sums := make([][]Sum, len(all))
	for i, t := range all {
		s, err := t.sums(h)
		if err != nil {
			return nil, err
		}
		sums[i] = s
	}
	files, wrote := 0, 0
	for i, t := range all {
		if err := env.Holds(ctx); err != nil {
			return nil, err
		}
		n, err := t.write(ctx, sums[i])
		if wrote += n; err != nil {
			return nil, fmt.Errorf("%s: %w", config.Inert(t.Dir), err)
		}
		files += len(sums[i])
		p.Logf("%s: %d checksums, %d files and links written", config.Inert(t.Dir), len(sums[i]), n)
	}
	return pipeline.Evidence{"checksums": strconv.Itoa(files), "written": strconv.Itoa(wrote)}, nil
}

// Inputs are the names, sizes and times of the images, and how much is lacking of
// what the run writes: nothing, when it is over.
func (c checksum) Inputs(_ context.Context, env *pipeline.Env) (string, error) {
	v, err := c.look(env)
	if err != nil {
		return "", err
	}
	defer v.Close()
	all, err := tasks(v)
	if err != nil {
		return "", err
	}
	lacking := 0
	for _, t := range all {
		added, changed := t.lacks()
		lacking += len(added) + len(changed)
	}
	if lacking > 0 {
		return fmt.Sprintf("%s, %d lacking", fingerprint(v), lacking), nil
	}
	return fingerprint(v), nil
}

func fingerprint(v *Found) string {
	latest := map[string]bool{}
	for _, c := range v.Cells {
		latest[c.Latest] = true
	}
	return v.Fingerprint(func(name string) bool { return !beside(name, v.Checksum) && !latest[name] })
}
