package tree

import (
	"context"
	"fmt"
	"strconv"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repository"
)

// verify compares a place with what its latest sync left.
type verify struct {
	step
	place string
	full  bool
}

func newVerify(s step) (*verify, error) {
	v := &verify{s, production, true}
	switch pointer := s.item.With["pointer"]; pointer {
	case staging:
		v.place = staging
	case "", production:
	default:
		return nil, fmt.Errorf("verify: %q is no pointer: use staging or production", config.Inert(pointer))
	}
	if via := s.item.With["via"]; via != "" && via != "files" {
		return nil, fmt.Errorf("verify: a tree is read by files, not by %q", config.Inert(via))
	}
	switch packages := s.item.With["packages"]; packages {
	case "", "all":
	case "none":
		v.full = false
	default:
		return nil, fmt.Errorf("verify: %q are no packages: use all or none", config.Inert(packages))
	}
	return v, nil
}

// with opens the place and its latest sync.
func (v *verify) with(ctx context.Context, env *pipeline.Env, do func(*chain, *record) error) error {
	o := &outlet{cfg: v.cfg, target: v.target, places: []string{v.place}, far: env.Area}
	return o.with(ctx, v.place, func(c *chain) error {
		r := c.find(c.current)
		if r == nil {
			return config.Hint(fmt.Errorf("%s of %s was not synced yet", v.place, v.target.Name), "nothing is there to compare it with; sync it first")
		}
		return do(c, r)
	})
}

// Plan says what would be read.
func (v *verify) Plan(ctx context.Context, env *pipeline.Env) (p pipeline.Plan, err error) {
	err = v.with(ctx, env, func(c *chain, r *record) error {
		if half := c.half(); half != nil {
			return &pipeline.RefusedError{Reason: c.apart(half), Hint: "let it come to its end, then verify"}
		}
		what, each := "sizes, times, modes and links", "package"
		if c.far != nil {
			what, each = "keys, sizes and versions", "object"
		}
		if v.full {
			what += ", and every " + each + " by its digest"
		}
		p.Title = fmt.Sprintf("Verify %s of %s against sync %s: %s; nothing changes", v.place, v.target.Name, r.ID, what)
		p.Facts = map[string]string{"sync": r.ID, "to": config.Inert(r.To)}
		p.Inputs = repository.Digest(v.place, r.ID)
		return nil
	})
	return p, err
}

// Inputs is a digest of the sync that the place is the result of.
func (v *verify) Inputs(ctx context.Context, env *pipeline.Env) (digest string, err error) {
	err = v.with(ctx, env, func(_ *chain, r *record) error {
		digest = repository.Digest(v.place, r.ID)
		return nil
	})
	return digest, err
}

// Run compares every name, and hashes what repositories name.
func (v *verify) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (ev pipeline.Evidence, err error) {
	err = v.with(ctx, env, func(c *chain, r *record) error {
		if r.ID != plan.Facts["sync"] {
			return config.Hint(fmt.Errorf("%s of %s was synced since the plan was made", v.place, v.target.Name), "verify again")
		}
		p.Phase("verify "+v.place, pipeline.Bytes, 0)
		f, err := inspect(ctx, v.tree, c, r, v.full, p.Add)
		if err != nil {
			return err
		}
		ev = pipeline.Evidence{v.place: r.ID, "files": strconv.Itoa(f.files)}
		if f.since > 0 {
			ev["changed since the sync"] = strconv.Itoa(f.since)
		}
		if v.full {
			ev["repositories"], ev["hashed"] = strconv.Itoa(f.repos), strconv.Itoa(f.hashed)
		}
		return f.err()
	})
	return ev, err
}
