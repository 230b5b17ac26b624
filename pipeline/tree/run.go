package tree

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// Run does what the plan says. Whatever happens to it, the tree is one that
// clients can read, and another run of the same plan, or of a new one, goes on
// from there.
func (s *syncing) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	v, err := s.again(ctx, env, plan)
	if err != nil {
		return nil, err
	}
	defer v.close()
	s.seen = nil
	if plan.Move == nil || plan.Move.To != v.id || plan.Move.From != v.chain.current {
		return nil, config.Hint(fmt.Errorf("%s of %s moved since the plan was made", s.place, s.target.Name), "plan again")
	}
	if plan.Move.From == plan.Move.To && v.half == nil {
		return evidence(v.chain.find(v.id)), nil
	}
	if err := holds(ctx, env); err != nil {
		return nil, err
	}
	r, home, err := s.begin(env, v)
	if err != nil {
		return nil, err
	}
	defer home.close()
	if err := s.work(ctx, env, v, r, home, p); err != nil {
		return nil, err
	}
	return evidence(r), nil
}

// holds makes sure that the run may still act.
func holds(ctx context.Context, env *pipeline.Env) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	return env.Holds(ctx)
}

// again is the world of a plan: as it was seen then, a moment ago, or else seen
// anew.
func (s *syncing) again(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (v *survey, err error) {
	if v = s.seen; v == nil || v.digest != plan.Facts["changes"] {
		if v, err = s.look(ctx, env); err != nil {
			return nil, err
		}
		if v.digest != plan.Facts["changes"] {
			v.close()
			return nil, config.Hint(fmt.Errorf("%s or %s changed since the plan was made", s.from, s.place), "plan again")
		}
		return v, nil
	}
	v.from, v.to, v.root = nil, nil, nil
	from, at, err := s.source(s.from, v.edition)
	if err == nil && at != v.fromPath {
		from.close()
		err = config.Hint(fmt.Errorf("%s is at %s now, not at %s", s.from, at, v.fromPath), "plan again")
	}
	if err != nil {
		return nil, err
	}
	v.from = from
	if v.root, err = s.open(s.place); err == nil {
		v.to, err = destination(v.root, s.place, v.toPath)
	}
	if err == nil {
		v.chain, err = readChain(v.root, s.area(s.place).Undo, string(s.target.Name), s.place)
	}
	if err == nil {
		err = s.pending(v)
	}
	if err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// begin makes the record of the sync, or takes that of one that is half done, and
// notes what is to be done before any of it is.
func (s *syncing) begin(env *pipeline.Env, v *survey) (*record, *folder, error) {
	home, err := v.chain.home(v.id)
	if err != nil {
		return nil, nil, explained(err)
	}
	r := v.half
	if r == nil {
		r = &record{ID: v.id, Previous: v.chain.current, Target: string(s.target.Name), Place: s.place, To: v.toPath, Begun: env.Now().UTC()}
		if v.to == nil {
			for dir, _ := splitPath(v.toPath); dir != "."; dir, _ = splitPath(dir) {
				if at, err := v.root.open(dir); err == nil {
					at.close()
					break
				}
				r.Made = append(r.Made, dir)
			}
		}
	}
	r.From, r.Staged, r.Release, r.Edition, r.Run = v.fromPath, v.staged, env.Release, env.Version, env.Run
	r.Bytes, r.Repos = r.Bytes+s.bytes(v), nil
	for p, at := range v.repos {
		if at.src {
			r.Repos = append(r.Repos, p)
		}
	}
	slices.Sort(r.Repos)
	comes := slices.ContainsFunc(v.changes, func(c change) bool { return c.new != nil })
	if v.half == nil || comes {
		r.Phase, r.Settled = copying, time.Time{}
	}
	err = note(home, v.changes, v.folders)
	if err == nil {
		err = v.chain.write(r)
	}
	if err == nil {
		err = s.probe(v, home)
	}
	if err != nil {
		home.close()
		return nil, nil, err
	}
	return r, home, nil
}

func (s *syncing) bytes(v *survey) (n int64) {
	for i := range v.changes {
		if c := &v.changes[i]; c.new != nil && c.leader == "" {
			n += c.new.size
		}
	}
	return n
}

// probe makes the tree where there is none, and makes sure that files of it can
// be kept in the undo area.
func (s *syncing) probe(v *survey, home *folder) error {
	if v.to == nil {
		dir, _ := splitPath(v.toPath)
		above, err := v.root.make(dir, 0o755, nil)
		if err != nil {
			return explained(err)
		}
		above.close()
		mode := uint32(0o700) // until the top is dressed, last of all
		for _, c := range v.folders {
			if c.name == "." && c.new != nil {
				mode = c.new.mode | 0o700
			}
		}
		if err := v.root.mkdir(v.toPath, mode); err != nil && !errors.Is(err, unix.EEXIST) {
			return explained(err)
		}
		if v.to, err = destination(v.root, s.place, v.toPath); err != nil {
			return err
		}
	}
	if len(v.changes)+len(v.folders) == 0 {
		return nil // and the time of the top stays as it is
	}
	temp := newAct(nil).temp("undo")
	if err := home.link(recordFile, v.to, temp); err != nil {
		return explained(err)
	}
	return v.to.unlink(temp)
}

// work brings the changes to the tree, in the order that clients need.
func (s *syncing) work(ctx context.Context, env *pipeline.Env, v *survey, r *record, home *folder, p *pipeline.Progress) error {
	kept, err := home.make(filesDir, 0o700, nil)
	if err != nil {
		return explained(err)
	}
	defer kept.close()
	a := newAct(p)
	a.dst, a.from, a.kept = v.to, v.from, kept
	a.put, a.save, a.drop, a.unit = fetch, save, shelve, pipeline.Bytes
	p.Phase("copy to "+s.place, pipeline.Bytes, s.bytes(v))
	if v.half != nil {
		p.Logf("going on with sync %s, which is %s", r.ID, r.Phase)
	}
	for _, left := range v.litter {
		dir, name := splitPath(left)
		if at, err := a.dst.open(dir); err == nil {
			err = at.unlink(name)
			at.close()
			if err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
		}
	}
	if v.changes, v.folders, err = a.clear(ctx, v.changes, v.folders); err != nil {
		return err
	}
	if err := a.mkdirs(v.folders); err != nil {
		return err
	}
	storage.Reach("tree.mkdirs")
	listed := make(chan error, 1)
	go func() { listed <- v.list(home) }()
	err = s.publish(ctx, env, a, v, r, p)
	if bad := <-listed; err == nil {
		err = bad
	}
	if err != nil {
		return err
	}
	if err := s.removals(ctx, env, a, v, r, p); err != nil {
		return err
	}
	return s.finish(env, a, v, r, home, p)
}

// publish brings in what is new: content, then what names it, then what names
// that. Each is durable before the next.
func (s *syncing) publish(ctx context.Context, env *pipeline.Env, a *act, v *survey, r *record, p *pipeline.Progress) error {
	if r.Phase != copying && r.Phase != naming {
		return nil // nothing is new
	}
	if err := a.place(ctx, v.changes, content); err != nil {
		return err
	}
	if err := a.dst.flush(); err != nil {
		return explained(err)
	}
	if err := holds(ctx, env); err != nil {
		return err
	}
	if r.Phase != naming {
		r.Phase = naming
		if err := v.chain.write(r); err != nil {
			return err
		}
	}
	p.Logf("the packages are there; metadata follows")
	for _, at := range []stage{metadata, heads} {
		if slices.ContainsFunc(v.changes, func(c change) bool { return c.new != nil && stageOf(c.dir, c.name, c.new.kind) == at }) {
			if err := a.place(ctx, v.changes, at); err != nil {
				return err
			}
			if err := a.dst.flush(); err != nil {
				return explained(err)
			}
		}
	}
	return nil
}

// removals waits until clients had time to forget the old metadata, and removes
// what the source has not.
func (s *syncing) removals(ctx context.Context, env *pipeline.Env, a *act, v *survey, r *record, p *pipeline.Progress) error {
	going := 0
	for i := range v.changes {
		if v.changes[i].new == nil {
			going++
		}
	}
	if r.Settled.IsZero() {
		r.Settled = env.Now().UTC()
	}
	if going > 0 {
		if r.Phase != removing {
			r.Phase = waiting
		}
		if err := v.chain.write(r); err != nil {
			return err
		}
		if s.place == production {
			if err := s.wait(ctx, env, r, p); err != nil {
				return err
			}
		}
		if err := holds(ctx, env); err != nil {
			return err
		}
		r.Phase = removing
		if err := v.chain.write(r); err != nil {
			return err
		}
		a.unit = pipeline.Files
		p.Phase("remove from "+s.place, pipeline.Files, int64(going))
		if err := a.remove(ctx, v.changes); err != nil {
			return err
		}
	}
	stay, err := a.prune(v.folders)
	if err == nil && len(stay) > 0 {
		p.Logf("not empty, so they stay: %s", few(stay))
	}
	return err
}

// wait waits until the grace is over, by the record: a run that goes on waits for
// the rest.
func (s *syncing) wait(ctx context.Context, env *pipeline.Env, r *record, p *pipeline.Progress) error {
	end := r.Settled.Add(time.Duration(s.tree.Grace))
	left := end.Sub(env.Now())
	if left <= 0 {
		return nil
	}
	left = min(left, time.Duration(s.tree.Grace)) // a clock that was set back does not make it longer
	p.Phase("wait before removals", "seconds", int64(left/time.Second))
	p.File("they begin at " + end.Local().Format(time.TimeOnly))
	p.Logf("removals begin at %s", end.Local().Format(time.DateTime))
	storage.Reach("tree.waiting")
	over := time.NewTimer(left)
	defer over.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-over.C:
			return nil
		case <-tick.C:
			p.Add(1)
		case <-ctx.Done():
			return config.Hint(context.Cause(ctx), "run it again: it waits for the rest, then removes")
		}
	}
}

// finish sets the times of directories, makes all durable and the sync the one
// that the tree is the result of.
func (s *syncing) finish(env *pipeline.Env, a *act, v *survey, r *record, home *folder, p *pipeline.Progress) error {
	if err := a.dress(v.folders); err != nil {
		return err
	}
	if err := a.dst.flush(); err != nil {
		return explained(err)
	}
	storage.Reach("tree.dressed")
	all, err := merged(home)
	if err != nil {
		return err
	}
	r.Counts = all.counts()
	r.Phase, r.Completed = complete, env.Now().UTC()
	if err := v.chain.write(r); err != nil {
		return err
	}
	if err := v.chain.point(r.ID); err != nil {
		return err
	}
	p.Logf("%s of %s is the result of sync %s", s.place, s.target.Name, r.ID)
	return nil
}

// save keeps a file that is replaced by giving it another name in the undo area.
// Links are in the record as they are. Where a sync replaces one twice, what was
// there before it is kept.
func save(h *hand, c *change) error {
	if c.old.kind != file {
		return nil
	}
	shelf, err := h.keeper()
	if err != nil {
		return err
	}
	if err := h.at.link(c.name, shelf, c.name); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// shelve moves a file that is removed to the undo area.
func shelve(h *hand, c *change) error {
	if c.old.kind == file {
		shelf, err := h.keeper()
		if err != nil {
			return err
		}
		has, err := shelf.stat(c.name)
		if err != nil {
			return err
		}
		if has == nil {
			return h.at.rename(c.name, shelf, c.name)
		}
	}
	return h.at.unlink(c.name)
}

// list writes down what the whole tree is to hold. A broken one is written anew
// by whoever goes on.
func (v *survey) list(home *folder) (err error) {
	fd, err := again(func() (int, error) {
		return unix.Openat(home.fd, listingFile, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return home.fail("open", listingFile, err)
	}
	f := os.NewFile(uintptr(fd), home.name(listingFile))
	w := bufio.NewWriterSize(f, 1<<20)
	var line []byte
	for _, all := range [][]listing{v.source, v.extra} {
		for i := range all {
			for j := range all[i].here {
				c := &all[i].here[j]
				line = line[:0]
				if all[i].path != "." {
					line = append(append(line, all[i].path...), '/')
				}
				line = append(append(line, c.name...), '\t')
				line = append(c.entry.append(line), '\n')
				if _, err := w.Write(line); err != nil {
					return errors.Join(explained(err), f.Close())
				}
			}
		}
	}
	return explained(errors.Join(w.Flush(), f.Close()))
}

// Look tells whether the tree is the result of the plan's sync.
func (s *syncing) Look(_ context.Context, _ *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	if plan.Move == nil {
		return pipeline.Seen{}, nil
	}
	root, err := s.open(s.place)
	if err != nil {
		return pipeline.Seen{}, err
	}
	defer root.close()
	c, err := readChain(root, s.area(s.place).Undo, string(s.target.Name), s.place)
	if err != nil {
		return pipeline.Seen{}, err
	}
	if c.current == plan.Move.To && c.half() == nil {
		return pipeline.Seen{Done: true, Evidence: evidence(c.find(c.current))}, nil
	}
	if half := c.half(); half != nil && half.ID == plan.Move.To {
		return pipeline.Seen{Failed: c.apart(half)}, nil
	}
	return pipeline.Seen{}, nil
}

// apart says in words what is half done.
func (c *chain) apart(half *record) string {
	name := path.Base(half.To)
	if half.Phase == undoing {
		return fmt.Sprintf("%s of %s: the undo of sync %s is half done; ask for it again to go on", c.place, name, half.ID)
	}
	words := map[phase]string{
		copying: "clients see nothing of it yet", naming: "clients see a part of it",
		waiting: "clients see it, and what it removes is still there", removing: "clients see it, and a part of what it removes is still there",
		complete: "all of it is there",
	}
	return fmt.Sprintf("%s of %s: sync %s is half done, %s; ask for it again to go on, or roll back", c.place, name, half.ID, words[half.Phase])
}

// evidence is what a sync did.
func evidence(r *record) pipeline.Evidence {
	if r == nil {
		return nil
	}
	return pipeline.Evidence{
		r.Place: r.ID, "added": strconv.Itoa(r.Counts.Added), "changed": strconv.Itoa(r.Counts.Changed),
		"removed": strconv.Itoa(r.Counts.Removed), "bytes": strconv.FormatInt(r.Bytes, 10),
		"from": config.Inert(r.From), "to": config.Inert(r.To),
	}
}

// Inputs is a digest of what makes the item true: that the place is the result of
// the latest sync, and that the metadata of the source is what it was.
func (s *syncing) Inputs(_ context.Context, env *pipeline.Env) (string, error) {
	return s.inputs(env)
}
