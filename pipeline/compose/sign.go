package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
	"gantry/pipeline/repository"
	"gantry/pipeline/sign"
)

// signing signs the metadata of every repository of an edition.
type signing struct{ place }

func newSigning(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("in"); err != nil {
		return nil, err
	}
	p, err := placeOf(cfg, item, areas...)
	if err == nil && p.target.Key == "" {
		err = config.Hint(fmt.Errorf("item %s: target %s has no key to sign with", item.ID, p.target.Name), "write key: NAME with a name of keys")
	}
	return &signing{p}, err
}

// survey is how the repositories are.
type survey struct {
	all    []*repo
	lacks  []*repo
	truth  string // digest of how they are
	wanted string // digest of how they are once each is signed: it stays the same from the first to the last
	key    string
}

func (s *signing) survey(ctx context.Context, env *pipeline.Env, root *os.Root, public *sign.Public) (*survey, error) {
	found, err := repositories(ctx, root)
	if err != nil {
		return nil, err
	}
	v := &survey{key: public.Fingerprint()}
	now, then := []string{v.key}, []string{v.key}
	for _, at := range found {
		r, err := inspect(root, at, public, env.Now())
		if err != nil {
			return nil, err
		}
		v.all = append(v.all, r)
		if r.lacks != "" {
			v.lacks = append(v.lacks, r)
		}
		bytes := digest(string(r.md.bytes))
		now, then = append(now, at, bytes, r.lacks), append(then, at, bytes, "")
	}
	v.truth, v.wanted = digest(now...), digest(then...)
	return v, nil
}

// look opens the edition and surveys it.
func (s *signing) look(ctx context.Context, env *pipeline.Env) (*os.Root, *sign.Public, *survey, error) {
	public, err := repository.PublicKey(s.cfg, s.target)
	if err != nil {
		return nil, nil, nil, err
	}
	root, err := s.open(env)
	if err != nil {
		return nil, nil, nil, err
	}
	v, err := s.survey(ctx, env, root, public)
	if err != nil {
		root.Close()
		return nil, nil, nil, err
	}
	return root, public, v, nil
}

// Plan lists the repositories whose signature is missing, or not that of what
// their repomd.xml is now. Where there are none, a run only says so.
func (s *signing) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	if _, err := repository.SigningKey(s.cfg, s.target, env.Now()); err != nil {
		return pipeline.Plan{}, err
	}
	root, _, v, err := s.look(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer root.Close()
	plan := pipeline.Plan{
		Title: fmt.Sprintf("Sign repomd.xml of %d of %d repositories in %s", len(v.lacks), len(v.all), s.name),
		Facts: map[string]string{"key": v.key, "repositories": strconv.Itoa(len(v.all)), "state": v.truth},
		// What makes the item true is that all are signed, as they are after it.
		Inputs: v.wanted, Counts: &pipeline.Counts{},
	}
	emptied := 0
	for _, r := range v.lacks {
		c := pipeline.Change{Name: config.Inert(r.path), From: r.lacks, To: "signed", Size: int64(len(r.md.bytes))}
		if r.added {
			plan.Counts.Added++
			plan.Added = append(plan.Added, c)
		} else {
			plan.Counts.Changed++
			plan.Changed = append(plan.Changed, c)
		}
		plan.Bytes += c.Size
		emptied += r.md.emptied
	}
	plan.Added, plan.Changed = list(plan.Added), list(plan.Changed)
	if emptied > 0 {
		plan.Facts["empty open-size"] = strconv.Itoa(emptied) + " taken out before signing"
	}
	return plan, nil
}

// Run signs what lacks its signature. A run that was interrupted is gone on with.
func (s *signing) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	key, err := repository.SigningKey(s.cfg, s.target, env.Now())
	if err != nil {
		return nil, err
	}
	root, public, v, err := s.look(ctx, env)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if v.wanted != plan.Inputs {
		return nil, &pipeline.ConflictError{Reason: "repositories changed since the plan was made", Hint: "plan again"}
	}
	p.Phase("sign", pipeline.Files, int64(len(v.lacks)))
	for i, r := range v.lacks {
		p.File(config.Inert(r.file()))
		err := r.genuine(ctx, root)
		if why := halted(ctx, env); why != nil {
			return v.evidence(i), why
		}
		if err == nil {
			err = s.sign(env, root, r, key, public)
		}
		if err != nil {
			return v.evidence(i), fmt.Errorf("sign %s: %w", config.Inert(r.path), err)
		}
		p.Logf("signed %s, which was: %s", r.path, r.lacks)
		p.Add(1)
	}
	after, err := s.survey(ctx, env, root, public)
	if err != nil {
		return v.evidence(len(v.lacks)), err
	}
	if len(after.lacks) > 0 || after.wanted != plan.Inputs {
		return v.evidence(len(v.lacks)), &pipeline.ConflictError{Reason: "repositories changed while they were signed", Hint: "look at who writes there, then plan again"}
	}
	return after.evidence(len(v.lacks)), nil
}

func (v *survey) evidence(signed int) pipeline.Evidence {
	return pipeline.Evidence{"repositories": strconv.Itoa(len(v.all)), "signed": strconv.Itoa(signed), "key": v.key}
}

// sign writes repomd.xml, where it changes, and its signature: both aside and
// synced, then by one rename right after the other. A client that reads between
// the two fails to verify and tries again, and so it would in the other order; but
// what a crash between them leaves is told apart by the signature alone.
func (s *signing) sign(env *pipeline.Env, root *os.Root, r *repo, key *sign.Key, public *sign.Public) error {
	file := r.file()
	sig, err := key.Detached(r.md.bytes, env.Now())
	if err != nil {
		return err
	}
	if r.md.emptied > 0 {
		if err := aside.Fill(root, file, bytes.NewReader(r.md.bytes), r.info); err != nil {
			return err
		}
	}
	if err := aside.Fill(root, file+".asc", bytes.NewReader(sig), r.info); err != nil {
		return err
	}
	is, err := root.Lstat(file)
	if err != nil {
		return err
	}
	if !os.SameFile(is, r.info) || is.Size() != r.info.Size() || !is.ModTime().Equal(r.info.ModTime()) {
		return &pipeline.ConflictError{Reason: config.Inert(file) + " was written by somebody else", Hint: "wait until nobody writes there, then plan again"}
	}
	if r.md.emptied > 0 {
		if err := aside.Appear(root, file); err != nil {
			return err
		}
	}
	if err := aside.Appear(root, file+".asc"); err != nil {
		return err
	}
	if err := aside.Sync(root, path.Dir(file)); err != nil {
		return err
	}
	again, err := inspect(root, r.path, public, env.Now())
	if err == nil && again.lacks != "" {
		err = errors.New("the signature is not good when it is read back: " + again.lacks)
	}
	return err
}

// Look tells whether every repository is signed as the plan wanted it.
func (s *signing) Look(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	root, _, v, err := s.look(ctx, env)
	if err != nil {
		return pipeline.Seen{}, err
	}
	defer root.Close()
	seen := pipeline.Seen{Evidence: v.evidence(max(0, plan.Count().Added+plan.Count().Changed-len(v.lacks)))}
	switch {
	case v.wanted != plan.Inputs:
		seen.Failed = "repositories changed since the plan was made"
	case len(v.lacks) > 0:
		seen.Failed = fmt.Sprintf("%d of %d repositories are not signed yet", len(v.lacks), len(v.all))
	default:
		seen.Done = true
	}
	return seen, nil
}

// Inputs is a digest of every repomd.xml and of what its signature lacks.
func (s *signing) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	root, _, v, err := s.look(ctx, env)
	if err != nil {
		return "", err
	}
	return v.truth, root.Close()
}
