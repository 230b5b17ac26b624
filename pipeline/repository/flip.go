package repository

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// flip moves a pointer to another snapshot: stage, promote, rollback and refresh
// differ in the pointer and in how they choose the snapshot.
type flip struct {
	step
	pointer string
	goal    func(ctx context.Context, w *World) (*Snapshot, error)
}

// Points lists the failpoints of a flip, in their order. A crash at any of them
// leaves the pointer on one snapshot or the other, whole.
func Points() []string {
	return []string{"repository.flip.checked", "repository.flip.done", "repository.flip.verified"}
}

// Plan names the snapshot that the pointer would go to and what that changes for
// the clients of production. Where the snapshot that is wanted cannot be served
// as it is, a twin of it must be there, or the error wraps pipeline.ErrUnprepared.
func (f *flip) Plan(ctx context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	w, wanted, err := f.want(ctx, env)
	if err != nil {
		return pipeline.Plan{}, err
	}
	to, why, err := f.servable(ctx, w, wanted)
	if err != nil {
		return pipeline.Plan{}, err
	}
	if to == nil {
		return pipeline.Plan{}, fmt.Errorf("snapshot %s cannot be served as it is, since %s: %w", wanted.ID, why, pipeline.ErrUnprepared)
	}
	before, err := w.Current(ctx)
	if err != nil {
		return pipeline.Plan{}, err
	}
	p := pipeline.Plan{
		Move: &checklist.Move{Pointer: f.pointer, From: w.at(f.pointer), To: to.ID, Revision: to.Revision},
		Facts: map[string]string{
			"manifest": to.Sum,
			"key":      to.Lineage.Key,
			"revision": strconv.FormatInt(to.Revision, 10),
			"packages": strconv.Itoa(len(to.Packages())),
		},
	}
	served := packagesOf(before)
	compare(served, to.Packages(), f.trade.Compare).put(&p, len(served))
	if to.TwinOf != "" {
		p.Facts["twin_of"] = to.TwinOf
	}
	if why != "" {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%s is a twin of %s, with the same packages and newer metadata, since %s", to.ID, wanted.ID, why))
	}
	if n, err := w.displaced(ctx, to); err != nil {
		return pipeline.Plan{}, err
	} else if n > 0 && f.pointer == Production {
		p.Warnings = append(p.Warnings, Count(n, "package has", "packages have")+" other bytes under the old name, being signed with another key: clients that hold older metadata have to refresh it first ("+f.trade.Traits().Stale+")")
	}
	f.describe(&p)
	if p.Inputs, err = f.inputs(ctx, w); err != nil {
		return pipeline.Plan{}, err
	}
	return p, nil
}

// describe says in a sentence what the flip does.
func (f *flip) describe(p *pipeline.Plan) {
	from := p.Move.From
	if from == "" {
		from = "nothing"
	}
	switch {
	case p.Move.From == p.Move.To:
		p.Title = fmt.Sprintf("Leave %s of %s on snapshot %s, which it serves", f.pointer, f.target.Name, p.Move.To)
	case f.pointer == Staging:
		p.Title = fmt.Sprintf("Stage snapshot %s of %s in place of %s; testers see it", p.Move.To, f.target.Name, from)
	case f.item.Uses == "refresh":
		p.Title = fmt.Sprintf("Publish anew what production of %s serves: every client gets snapshot %s in place of %s, the same packages under newer metadata", f.target.Name, p.Move.To, from)
	case f.item.Uses == "rollback":
		p.Title = fmt.Sprintf("Roll production of %s back: every client gets snapshot %s in place of %s", f.target.Name, p.Move.To, from)
		p.Warnings = append(p.Warnings, "what hosts have installed stays: "+f.trade.Traits().Down)
	default:
		p.Title = fmt.Sprintf("Promote %s: every client gets snapshot %s in place of %s", f.target.Name, p.Move.To, from)
		for _, c := range p.Changed {
			if c.Down {
				p.Warnings = append(p.Warnings, "what hosts have installed stays: "+f.trade.Traits().Down)
				break
			}
		}
	}
}

// want looks at the world and chooses the snapshot to serve.
func (f *flip) want(ctx context.Context, env *pipeline.Env) (*World, *Snapshot, error) {
	w, err := f.look(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	wanted, err := f.goal(ctx, w)
	return w, wanted, err
}

// at is the snapshot that a pointer names.
func (w *World) at(pointer string) string {
	if pointer == Staging {
		return w.Staging
	}
	return w.Production
}

// Prepare builds the twin that Plan found missing.
func (f *flip) Prepare(ctx context.Context, env *pipeline.Env, p *pipeline.Progress) error {
	w, wanted, err := f.want(ctx, env)
	if err != nil {
		return err
	}
	to, why, err := f.servable(ctx, w, wanted)
	if err != nil || to != nil {
		return err
	}
	p.Logf("snapshot %s cannot be served as it is, since %s", wanted.ID, why)
	return f.trade.Twin(ctx, w, wanted, p)
}

// Run moves the pointer as planned, after it made sure that the snapshot is what
// was planned, and looks at it from outside afterwards. Where the pointer is
// there already, an earlier run moved it: then it only looks.
func (f *flip) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	w, err := f.look(ctx, env)
	if err != nil {
		return nil, err
	}
	move := plan.Move
	to, err := w.Snapshot(ctx, move.To)
	if err != nil {
		return nil, err
	}
	if to.Sum != plan.Facts["manifest"] {
		return nil, config.Hint(fmt.Errorf("the manifest of snapshot %s is not the one that was planned", to.ID),
			"somebody wrote into "+w.Served.Path()+"; look at the snapshot, then build again")
	}
	if w.at(f.pointer) != move.To {
		if err := f.check(ctx, w, to, p); err != nil {
			return nil, fmt.Errorf("%s stays on %s: %w", f.pointer, orNothing(w.at(f.pointer)), err)
		}
		storage.Reach("repository.flip.checked")
		if err := env.Holds(ctx); err != nil {
			return nil, err
		}
		if err := w.Served.Flip(ctx, f.pointer, move.From, move.To); err != nil {
			return nil, err
		}
		p.Logf("%s of %s serves snapshot %s", f.pointer, f.target.Name, move.To)
	}
	storage.Reach("repository.flip.done")
	// From here on clients see it: whoever cancels now still learns how it looks.
	ev, err := f.outside(context.WithoutCancel(ctx), w, to, p)
	if err != nil {
		hint := "look at it with: gantry verify " + string(f.target.Name)
		if f.pointer == Production && move.From != "" {
			hint += "; to go back: gantry rollback " + string(f.target.Name)
		}
		return ev, config.Hint(fmt.Errorf("%s of %s NOW serves snapshot %s, and as clients see it: %w", f.pointer, f.target.Name, move.To, err), hint)
	}
	storage.Reach("repository.flip.verified")
	return ev, nil
}

// Check makes sure of the snapshot of a plan before it is served: all its files,
// and the signature that clients look at first.
func (f *flip) Check(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) error {
	w, err := f.look(ctx, env)
	if err != nil {
		return err
	}
	to, err := w.Snapshot(ctx, plan.Move.To)
	if err != nil {
		return err
	}
	return f.check(ctx, w, to, p)
}

// check makes sure of a snapshot before it is served: all its files, and the
// signature that clients look at first.
func (f *flip) check(ctx context.Context, w *World, to *Snapshot, p *pipeline.Progress) error {
	p.Phase("check "+to.ID, pipeline.Bytes, Total(to.Files))
	if err := w.Served.Check(ctx, to.ID, false, p.Add); err != nil {
		return err
	}
	return f.trade.Certify(ctx, w, to)
}

// Look tells whether the pointer names what was planned.
func (f *flip) Look(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	served, err := env.Served(f.target)
	if err != nil {
		return pipeline.Seen{}, err
	}
	at, err := served.Pointer(ctx, f.pointer)
	if errors.As(err, new(*storage.Stray)) {
		return pipeline.Seen{}, nil // somebody else moved it
	}
	if err != nil {
		return pipeline.Seen{}, err
	}
	if at != plan.Move.To {
		if parted, ok := served.(storage.Parted); ok && f.pointer == Production && len(parted.Apart()) > 0 {
			return pipeline.Seen{Failed: "interrupted before " + f.pointer + " moved: " + Few(parted.Apart(), "; ")}, nil
		}
		return pipeline.Seen{}, nil
	}
	return pipeline.Seen{Done: true, Evidence: pipeline.Evidence{f.pointer: at}}, nil
}

// Inputs is a digest of what makes the item true: for stage that staging serves
// what is staged, for promote that production follows staging, for rollback and
// refresh that production was not moved since. A snapshot that production serves
// as a twin, under newer metadata, counts as the one it is a twin of.
func (f *flip) Inputs(ctx context.Context, env *pipeline.Env) (string, error) {
	w, err := f.look(ctx, env)
	if err != nil {
		return "", err
	}
	return f.inputs(ctx, w)
}

func (f *flip) inputs(ctx context.Context, w *World) (string, error) {
	switch f.item.Uses {
	case "stage":
		wanted, err := w.wanted(ctx)
		return Digest(w.Staging, wanted), err
	case "refresh":
		return Digest(w.Production), nil
	}
	before, err := w.Current(ctx)
	if err != nil {
		return "", err
	}
	follows := ""
	if before != nil {
		follows = before.Root()
	}
	if f.item.Uses == "promote" {
		follows = w.Staging + " " + follows
	}
	return Digest(follows), nil
}
