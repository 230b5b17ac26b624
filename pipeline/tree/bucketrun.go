package tree

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// shipment brings changes to a tree on a store. No object is ever seen half
// written, and none is written over or deleted that is not what the plan saw.
type shipment struct {
	*ledger
	v     *survey // nil for an undo
	r     *record
	notes *notes
	kept  map[string]bool // paths of what is kept of this sync
	p     *pipeline.Progress
	put   func(ctx context.Context, c *change) (*entry, error)
	unit  pipeline.Unit // that its progress counts
	undo  bool          // it takes the sync back: what it replaces is kept only where others put it there
}

// newShipment begins the work on a sync; d is what it noted before.
func (l *ledger) newShipment(ctx context.Context, r *record, d *deeds, p *pipeline.Progress) (*shipment, error) {
	s := &shipment{ledger: l, r: r, p: p, kept: map[string]bool{}, notes: &notes{l: l, id: r.ID, part: d.parts + 1, all: map[string]*entry{}}}
	prefix := l.of(r.ID, filesDir) + "/"
	for o, err := range l.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		s.kept[strings.TrimPrefix(o.Key, prefix)] = true
	}
	return s, nil
}

func (s *shipment) key(p string) string { return s.r.To + "/" + p }

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

// each does something to changes, several at a time.
func (a *shipment) each(ctx context.Context, list []change, do func(ctx context.Context, c *change) error) error {
	all, group := errgroup.WithContext(ctx)
	all.SetLimit(transfers)
	for i := range list {
		if group.Err() != nil {
			break
		}
		all.Go(func() error {
			if err := group.Err(); err != nil {
				return err
			}
			a.p.File(list[i].path())
			return do(group, &list[i])
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// place brings objects of a stage into their places: copies of others after those,
// and repomd.xml of a repository right after its signature.
func (a *shipment) place(ctx context.Context, list []change, at stage) error {
	var first, copies []change
	var signs map[string][]*change
	for i := range list {
		c := &list[i]
		switch {
		case c.new == nil || stageOf(c.dir, c.name, file) != at:
		case at == heads:
			if signs == nil {
				signs = map[string][]*change{}
			}
			if signs[c.dir] == nil {
				first = append(first, *c) // one for each repository
			}
			signs[c.dir] = append(signs[c.dir], c)
		case c.leader != "":
			copies = append(copies, *c)
		default:
			first = append(first, *c)
		}
	}
	do := a.replace
	if at == heads {
		do = func(ctx context.Context, c *change) error {
			all := signs[c.dir]
			slices.SortStableFunc(all, func(a, b *change) int { return strings.Compare(headOrder(a), headOrder(b)) })
			for _, c := range all {
				if err := a.replace(ctx, c); err != nil {
					return err
				}
			}
			return nil
		}
	}
	err := a.each(ctx, first, do)
	if err == nil {
		err = a.each(ctx, copies, a.replace)
	}
	if err == nil {
		err = a.notes.flush(ctx)
	}
	return err
}

// headOrder sorts repomd.xml after all that belongs to it.
func headOrder(c *change) string {
	if c.name == "repomd.xml" {
		return "2"
	}
	return "1" + c.name
}

// replace puts an object in its place, after what is there is kept.
func (a *shipment) replace(ctx context.Context, c *change) error {
	if err := a.save(ctx, c); err != nil {
		return err
	}
	e, err := a.put(ctx, c)
	if err != nil {
		return moved(c, err)
	}
	storage.Reach("tree.placed")
	if a.unit == pipeline.Files {
		a.p.Add(1)
	}
	return a.notes.add(ctx, c.path(), e)
}

// moved says what it means that an object is not what the plan saw.
func moved(c *change, err error) error {
	err = fmt.Errorf("%s: %w", c.path(), err)
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrExists) || errors.Is(err, storage.ErrNotFound) {
		return config.Hint(fmt.Errorf("somebody else wrote there since the plan was made: %w", err), "plan again: what is done stays done")
	}
	return err
}

// save keeps what is written over or deleted: what the sync found there, and apart
// from it what others put there in its midst.
func (a *shipment) save(ctx context.Context, c *change) error {
	if c.old == nil || a.undo && !c.foreign {
		return nil
	}
	p, in := c.path(), filesDir
	if a.undo {
		in = asideDir
	} else if t := a.before(p); t != nil {
		switch {
		case c.foreign:
			in = asideDir
		case t.old == nil:
			return nil // its own
		}
	}
	if in == filesDir && a.kept[p] {
		return nil
	}
	o, err := a.Copy(ctx, a.key(p), a.of(a.r.ID, in)+"/"+p)
	if err == nil && o.Size != c.old.size {
		err = storage.ErrConflict
	}
	if err != nil {
		return moved(c, err)
	}
	storage.Reach("tree.saved")
	return nil
}

// before is what earlier runs of the sync noted of a path, or nil.
func (a *shipment) before(p string) *trace {
	if a.v == nil || a.v.stock.half == nil {
		return nil
	}
	return a.v.stock.half.traces[p]
}

// drop deletes an object, after it is kept.
func (a *shipment) drop(ctx context.Context, c *change) error {
	err := a.save(ctx, c)
	if err == nil {
		err = a.asPlanned(ctx, c)
	}
	if err != nil {
		return err
	}
	if err := a.Delete(ctx, a.key(c.path())); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	storage.Reach("tree.removed")
	if a.unit == pipeline.Files {
		a.p.Add(1)
	}
	return nil
}

// asPlanned makes sure that a key holds what the plan saw: stores have no
// conditions for deletions, nor for copies.
func (a *shipment) asPlanned(ctx context.Context, c *change) error {
	o, err := a.Stat(ctx, a.key(c.path()))
	switch {
	case c.old == nil && errors.Is(err, storage.ErrNotFound):
		return nil
	case err == nil && (c.old == nil || o.Version != c.old.text):
		err = storage.ErrConflict
	}
	if err != nil {
		return moved(c, err)
	}
	return nil
}

// bring uploads a file, or has the store copy what is there by another name; one
// that is there already with these bytes stays.
func (a *shipment) bring(ctx context.Context, c *change) (*entry, error) {
	p := c.path()
	if c.leader != "" {
		like := a.notes.placed(c.leader)
		if like == nil {
			like = a.v.here[c.leader]
		}
		if like != nil && like.sum != nil && like.size == c.new.size && like.mtime == c.new.mtime && !a.v.foreign[c.leader] {
			if err := a.asPlanned(ctx, c); err != nil {
				return nil, err
			}
			o, err := a.Copy(ctx, a.key(c.leader), a.key(p))
			if err == nil && o.Size != c.new.size {
				err = storage.ErrConflict
			}
			return &entry{kind: file, size: c.new.size, mtime: c.new.mtime, sum: like.sum, text: o.Version}, err
		}
	}
	at := p
	if to := a.v.links[p]; to != "" {
		at = to
	}
	f, _, err := openFile(a.v.from, at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if was := c.old; was != nil && was.sum != nil && was.size == c.new.size && !c.foreign {
		r := &proven{ctx: ctx, f: f, want: c.new, sum: sha256.New()}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return nil, err
		}
		if e := r.entry(was.text); *e.sum == *was.sum {
			a.p.Add(c.new.size)
			return e, a.asPlanned(ctx, c)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	when := storage.IfAbsent
	if c.old != nil {
		when = storage.IfMatch(c.old.text)
	}
	r := &proven{ctx: ctx, f: f, want: c.new, sum: sha256.New(), count: a.p.Add}
	o, err := a.Put(ctx, a.key(p), r, when)
	if err != nil {
		return nil, err
	}
	return r.entry(o.Version), nil
}

// proven reads a file of the source to its end, which it refuses to come to when
// the file is not what was planned: so nothing else is ever published.
type proven struct {
	ctx   context.Context
	f     *os.File
	want  *entry
	sum   hash.Hash
	n     int64
	count func(int64)
}

func (r *proven) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.f.Read(b)
	r.sum.Write(b[:n])
	r.n += int64(n)
	if r.count != nil {
		r.count(int64(n))
	}
	if err == io.EOF {
		if bad := r.check(); bad != nil {
			return n, bad
		}
	}
	return n, err
}

func (r *proven) check() error {
	if err := same(int(r.f.Fd()), r.want); err != nil {
		return err
	}
	if r.n != r.want.size || r.want.sum != nil && *r.want.sum != [32]byte(r.sum.Sum(nil)) {
		return config.Hint(errors.New("it has another SHA-256 than its repository says"), "look at the source; it is damaged, or its metadata is of other files")
	}
	return nil
}

// entry is the object that was made of it.
func (r *proven) entry(version string) *entry {
	return &entry{kind: file, size: r.want.size, mtime: r.want.mtime, sum: (*[32]byte)(r.sum.Sum(nil)), text: version}
}
