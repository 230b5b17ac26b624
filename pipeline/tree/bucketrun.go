package tree

import (
	"context"
	"maps"
	"slices"

	"gantry/pipeline"
	"gantry/storage"
)

// send does what a plan says to a production that is on a store.
func (s *syncing) send(ctx context.Context, env *pipeline.Env, v *survey, p *pipeline.Progress) (_ *record, err error) {
	l, r, d := v.chain.far, v.half, v.stock.half
	if err := l.move(ctx, v.chain.current, v.id); err != nil {
		return nil, err
	}
	if r == nil {
		d = &deeds{}
		r = &record{ID: v.id, Previous: v.chain.current, Target: string(s.target.Name), Place: s.place, To: v.toPath, Begun: env.Now().UTC(), Counts: v.counts()}
		if err := l.clear(ctx, l.of(v.id, ""), func(string) bool { return true }); err != nil {
			return nil, err // of one that died before its record
		}
	}
	s.about(env, v, r)
	if err := l.changes(ctx, r.ID, d.parts, v.changes); err != nil {
		return nil, err
	}
	if err := l.advance(ctx, v.chain, r); err != nil {
		return nil, err
	}
	a, err := l.newShipment(ctx, r, d, p)
	if err != nil {
		return nil, err
	}
	a.v, a.put, a.unit = v, a.bring, pipeline.Bytes
	p.Phase("upload to "+s.place, pipeline.Bytes, s.bytes(v))
	if v.half != nil {
		p.Logf("going on with sync %s, which is %s", r.ID, r.Phase)
	}
	err = s.deliver(ctx, env, a)
	// What is there is noted in any case: whoever goes on need not do it again.
	if bad := a.notes.flush(context.WithoutCancel(ctx)); err == nil {
		err = bad
	}
	if err != nil {
		return nil, err
	}
	return r, s.settle(ctx, env, a, d)
}

// advance writes a record down, as one of the chain.
func (l *ledger) advance(ctx context.Context, c *chain, r *record) error {
	if err := l.write(ctx, r); err != nil {
		return err
	}
	if c.find(r.ID) == nil {
		c.records = append(c.records, r)
	}
	storage.Reach("tree.phase." + string(r.Phase))
	return nil
}

// deliver brings in what is new: content, then what names it, then what names
// that; after a while, what the source lacks goes.
func (s *syncing) deliver(ctx context.Context, env *pipeline.Env, a *shipment) error {
	v, r := a.v, a.r
	if r.Phase == copying || r.Phase == naming {
		if err := a.place(ctx, v.changes, content); err != nil {
			return err
		}
		if err := a.holds(ctx, env); err != nil {
			return err
		}
		r.Phase = naming
		if err := a.advance(ctx, v.chain, r); err != nil {
			return err
		}
		a.p.Logf("the packages are there; metadata follows")
		for _, at := range []stage{metadata, heads} {
			if err := a.place(ctx, v.changes, at); err != nil {
				return err
			}
		}
	}
	going := slices.DeleteFunc(slices.Clone(v.changes), func(c change) bool { return c.new != nil })
	if len(going) == 0 {
		return nil
	}
	if r.Settled.IsZero() {
		r.Settled = env.Now().UTC()
	}
	if r.Phase != removing {
		r.Phase = waiting
	}
	if err := a.advance(ctx, v.chain, r); err != nil {
		return err
	}
	if err := s.wait(ctx, env, r, a.p); err != nil {
		return err
	}
	if err := a.holds(ctx, env); err != nil {
		return err
	}
	r.Phase = removing
	if err := a.advance(ctx, v.chain, r); err != nil {
		return err
	}
	a.unit = pipeline.Files
	a.p.Phase("remove from "+s.place, pipeline.Files, int64(len(going)))
	return a.each(ctx, going, a.drop)
}

// settle makes the sync the one that the tree is the result of.
func (s *syncing) settle(ctx context.Context, env *pipeline.Env, a *shipment, d *deeds) error {
	v, r := a.v, a.r
	there := maps.Clone(v.here)
	for i := range v.changes {
		if c := &v.changes[i]; c.new == nil {
			delete(there, c.path())
		}
	}
	maps.Copy(there, a.notes.all)
	if err := a.ledger.list(ctx, r.ID, there); err != nil {
		return err
	}
	storage.Reach("tree.dressed")
	if v.half != nil { // several runs did it
		all, err := a.deeds(ctx, r.ID)
		if err != nil {
			return err
		}
		r.Counts = all.counts()
	}
	if err := a.holds(ctx, env); err != nil {
		return err
	}
	r.Phase, r.Completed = complete, env.Now().UTC()
	if err := a.advance(ctx, v.chain, r); err != nil {
		return err
	}
	if err := a.move(ctx, r.ID, ""); err != nil {
		return err
	}
	v.chain.current = r.ID
	a.p.Logf("%s of %s is the result of sync %s", s.place, s.target.Name, r.ID)
	return nil
}
