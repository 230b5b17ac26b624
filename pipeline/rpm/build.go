package rpm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// build makes a snapshot of what is staged.
type build struct{ trade }

// survey is what a build would do.
type survey struct {
	*world
	key      *sign.Key
	lineage  ancestry
	packages []candidate
	warnings []string
	staged   int
}

// survey lists, identifies and chooses packages. It reads only.
func (s *build) survey(ctx context.Context, env *pipeline.Env) (*survey, error) {
	w, err := s.look(ctx, env)
	if err != nil {
		return nil, err
	}
	key, err := s.signingKey(env.Now())
	if err != nil {
		return nil, err
	}
	artifacts, err := s.listStaged(ctx, env.Staging)
	if err != nil {
		return nil, err
	}
	lineage, err := w.lineageOf(artifacts, key.Fingerprint())
	if err != nil {
		return nil, err
	}
	staged, err := w.ingest(ctx, artifacts, lineage.Key)
	if err != nil {
		return nil, err
	}
	chosen, warnings, err := w.choose(staged, lineage.Key)
	if err != nil {
		return nil, err
	}
	return &survey{world: w, key: key, lineage: lineage, packages: chosen, warnings: warnings, staged: len(artifacts)}, nil
}

// lineageOf is what a build of those artifacts would rest on. The snapshot whose
// packages it would take over is what production publishes; where that was built
// of the same files itself, it is what that one was built upon, so that a build
// stays the same when it is promoted.
func (w *world) lineageOf(artifacts []storage.Artifact, key string) (ancestry, error) {
	t := w.target
	l := ancestry{Key: key, Set: digest(fmt.Appendf(nil, "%s %s %d %s %s %s", storage.Fingerprint(artifacts), t.Policy, t.Keep, t.Compress, t.Signatures, t.URL))}
	if t.Policy != config.Accumulate {
		return l, nil
	}
	base, err := w.current()
	if err != nil || base == nil {
		return l, err
	}
	l.Base = base.root()
	if base.lineage.Set == l.Set {
		l.Base = base.lineage.Base
	}
	return l, nil
}

// Inputs is a digest of the staged set, the policy, the key and, where the policy
// takes packages over, of what production publishes.
func (s *build) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	w, err := s.look(ctx, env)
	if err != nil {
		return "", err
	}
	return w.wanted(ctx)
}

// wanted is the inputs that a build would have now.
func (w *world) wanted(ctx context.Context) (string, error) {
	key, err := w.publicKey()
	if err != nil {
		return "", err
	}
	artifacts, err := w.listStaged(ctx, w.env.Staging)
	if err != nil {
		return "", err
	}
	l, err := w.lineageOf(artifacts, key.Fingerprint())
	if err != nil {
		return "", err
	}
	return l.inputs(), nil
}

// built finds the snapshot of those inputs: the one that staging serves, or the
// newest; nil where there is none.
func (w *world) built(inputs string) (*snapshot, error) {
	ids := slices.Clone(w.ids)
	if w.staging != "" {
		ids = append(ids, w.staging)
	}
	for _, id := range slices.Backward(ids) {
		s, err := w.snapshot(id)
		if err != nil {
			return nil, err
		}
		if s.lineage.inputs() == inputs {
			return s, nil
		}
	}
	return nil, nil
}

// Plan tells what the snapshot would change against production.
func (s *build) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	v, err := s.survey(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	before, err := v.current()
	if err != nil {
		return pipeline.Plan{}, err
	}
	there, err := v.built(v.lineage.inputs())
	if err != nil {
		return pipeline.Plan{}, err
	}
	fresh := 0
	after := make([]storage.File, len(v.packages))
	for i, c := range v.packages {
		after[i] = c.asFile()
		if !c.ready {
			fresh++
		}
	}
	p := pipeline.Plan{
		Inputs:   v.lineage.inputs(),
		Warnings: v.warnings,
		Facts:    map[string]string{"key": v.lineage.Key, "packages": strconv.Itoa(len(after)), "to sign": strconv.Itoa(fresh)},
		Title: fmt.Sprintf("Build a snapshot of %s with %s from %s, %d to be signed; clients see nothing of it yet",
			s.target.Name, count(len(after), "package", "packages"), count(v.staged, "staged file", "staged files"), fresh),
	}
	served := packagesOf(before)
	d := compare(served, after)
	d.put(&p, len(served))
	if d.empty() {
		p.Warnings = append(p.Warnings, "nothing changes: production serves these packages already")
	}
	if there != nil {
		p.Facts["snapshot"] = there.ID
		p.Title = fmt.Sprintf("Take snapshot %s of %s, which was built of the same %s", there.ID, s.target.Name, count(v.staged, "staged file", "staged files"))
	}
	return p, nil
}

// Run builds the snapshot, or finds the one that was built of the same before.
func (s *build) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	v, err := s.survey(ctx, env)
	if err != nil {
		return nil, err
	}
	if v.lineage.inputs() != plan.Inputs {
		return nil, config.Hint(errors.New("what is staged changed since the plan was made"), "plan the build again")
	}
	there, err := v.built(plan.Inputs)
	if err != nil {
		return nil, err
	}
	if there != nil {
		p.Phase("check "+there.ID, pipeline.Bytes, total(there.Files))
		err := v.served.Check(ctx, there.ID, false, p.Add)
		if err == nil {
			p.Logf("snapshot %s was built of the same files", there.ID)
			return pipeline.Evidence{"snapshot": there.ID, "packages": strconv.Itoa(len(there.packages())), "new": "0"}, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		p.Logf("built anew, since %v", err)
	}
	var like *snapshot
	if len(v.ids) > 0 {
		if like, err = v.snapshot(v.ids[len(v.ids)-1]); err != nil {
			return nil, err
		}
	}
	m, err := v.publish(ctx, v.packages, v.key, v.lineage, storage.Manifest{Base: v.production}, like, p)
	if err != nil {
		return nil, err
	}
	return m.evidence(), nil
}

// packagesOf is the packages of a snapshot, none of no snapshot.
func packagesOf(s *snapshot) []storage.File {
	if s == nil {
		return nil
	}
	return s.packages()
}
