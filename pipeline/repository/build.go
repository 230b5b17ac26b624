package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// build makes a snapshot of what is staged.
type build struct{ step }

// survey is what a build would do.
type survey struct {
	*World
	*Survey
	from   Lineage
	staged int
}

func (s *build) survey(ctx context.Context, env *pipeline.Env) (*survey, error) {
	w, err := s.look(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := s.trade.Ready(w); err != nil {
		return nil, err
	}
	staged, err := w.staged(ctx)
	if err != nil {
		return nil, err
	}
	from, err := w.lineage(ctx, staged)
	if err != nil {
		return nil, err
	}
	found, err := s.trade.Survey(ctx, w, staged, from)
	if err != nil {
		return nil, err
	}
	return &survey{World: w, Survey: found, from: from, staged: len(staged)}, nil
}

// lineage is what a build of those artifacts would rest on. The snapshot whose
// packages it would take over is what production publishes; where that was built
// of the same files itself, it is what that one was built upon, so that a build
// stays the same when it is promoted.
func (w *World) lineage(ctx context.Context, staged []storage.Artifact) (Lineage, error) {
	key, err := w.trade.Key(w)
	if err != nil {
		return Lineage{}, err
	}
	l := Lineage{Key: key, Set: Digest(storage.Fingerprint(staged), settings(w.Target))}
	if w.Target.Policy != config.Accumulate {
		return l, nil
	}
	base, err := w.Current(ctx)
	if err != nil || base == nil {
		return l, err
	}
	l.Base = base.Root()
	if base.Lineage.Set == l.Set {
		l.Base = base.Lineage.Base
	}
	return l, nil
}

// settings is what of a target's configuration its snapshots depend on.
func settings(t *config.Target) string {
	return fmt.Sprintf("%s %d %s %s %s %s %v %s %s %v %s", t.Policy, t.Keep, t.Compress, t.Signatures, t.URL,
		t.Suite, t.Architectures, t.Origin, t.Label, t.ValidFor, t.Repository)
}

// wanted is the inputs that a build would have now.
func (w *World) wanted(ctx context.Context) (string, error) {
	staged, err := w.staged(ctx)
	if err != nil {
		return "", err
	}
	l, err := w.lineage(ctx, staged)
	if err != nil {
		return "", err
	}
	return l.Inputs(), nil
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

// built finds the snapshot of those inputs: the one that staging serves, or the
// newest; nil where there is none.
func (w *World) built(ctx context.Context, inputs string) (*Snapshot, error) {
	ids := slices.Clone(w.IDs)
	if w.Staging != "" {
		ids = append(ids, w.Staging)
	}
	for _, id := range slices.Backward(ids) {
		s, err := w.Snapshot(ctx, id)
		if err != nil {
			return nil, err
		}
		if s.Lineage.Inputs() == inputs {
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
	before, err := v.Current(ctx)
	if err != nil {
		return pipeline.Plan{}, err
	}
	there, err := v.built(ctx, v.from.Inputs())
	if err != nil {
		return pipeline.Plan{}, err
	}
	p := pipeline.Plan{
		Inputs:   v.from.Inputs(),
		Warnings: v.Warnings,
		Facts:    map[string]string{"key": v.from.Key, "packages": strconv.Itoa(len(v.Packages)), "to sign": strconv.Itoa(v.Fresh)},
		Title: fmt.Sprintf("Build a snapshot of %s with %s from %s, %d of them new; clients see nothing of it yet",
			s.target.Name, Count(len(v.Packages), "package", "packages"), Count(v.staged, "staged file", "staged files"), v.Fresh),
	}
	served := packagesOf(before)
	d := compare(served, v.Packages, s.trade.Compare)
	d.put(&p, len(served))
	if d.empty() {
		p.Warnings = append(p.Warnings, "nothing changes: production serves these packages already")
	}
	if there != nil {
		p.Facts["snapshot"] = there.ID
		p.Title = fmt.Sprintf("Take snapshot %s of %s, which was built of the same %s", there.ID, s.target.Name, Count(v.staged, "staged file", "staged files"))
	}
	return p, nil
}

// Run builds the snapshot, or finds the one that was built of the same before.
func (s *build) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	v, err := s.survey(ctx, env)
	if err != nil {
		return nil, err
	}
	if v.from.Inputs() != plan.Inputs {
		return nil, config.Hint(errors.New("what is staged changed since the plan was made"), "plan the build again")
	}
	there, err := v.built(ctx, plan.Inputs)
	if err != nil {
		return nil, err
	}
	if there != nil {
		p.Phase("check "+there.ID, pipeline.Bytes, Total(there.Files))
		err := v.Served.Check(ctx, there.ID, false, p.Add)
		if err == nil {
			p.Logf("snapshot %s was built of the same files", there.ID)
			return pipeline.Evidence{"snapshot": there.ID, "packages": strconv.Itoa(len(there.Packages())), "new": "0"}, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		p.Logf("built anew, since %v", err)
	}
	var like *Snapshot
	if len(v.IDs) > 0 {
		if like, err = v.Snapshot(ctx, v.IDs[len(v.IDs)-1]); err != nil {
			return nil, err
		}
	}
	return v.Publish(ctx, like, p)
}

// packagesOf is the packages of a snapshot, none of no snapshot.
func packagesOf(s *Snapshot) []storage.File {
	if s == nil {
		return nil
	}
	return s.Packages()
}
