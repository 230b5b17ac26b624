package image

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"gantry/pipeline"
)

// check looks whether every image of a matrix is there and is what its CHECKSUM
// file says.
type check struct{ subject }

// Plan tells what is there before it is read.
func (c check) Plan(_ context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	v, err := c.look(env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer v.Close()
	return pipeline.Plan{Facts: v.Rows()}, nil
}

// Run hashes all of them.
func (c check) Run(ctx context.Context, env *pipeline.Env, _ pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	v, err := c.look(env)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if err := v.Verify(ctx, p); err != nil {
		return nil, err
	}
	rows, good := v.Rows(), 0
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		p.Logf("%s: %s", name, rows[name])
	}
	for _, f := range v.Findings {
		p.Logf("%s", f)
	}
	for _, im := range v.Images {
		if im.Verdict == Verified {
			good++
		}
	}
	if good < len(v.Images) && len(v.Findings) == 0 {
		v.find("%d of %d images are not verified", len(v.Images)-good, len(v.Images))
	}
	ev := pipeline.Evidence(rows)
	ev["images"], ev["verified"] = strconv.Itoa(len(v.Images)), strconv.Itoa(good)
	return ev, refusal(v.Findings, "the run's log names all; build or fetch again what is missing or wrong")
}

// Inputs are the names, sizes and times of all that is there.
func (c check) Inputs(_ context.Context, env *pipeline.Env) (string, error) {
	v, err := c.look(env)
	if err != nil {
		return "", err
	}
	defer v.Close()
	return v.Fingerprint(func(string) bool { return true }), nil
}
