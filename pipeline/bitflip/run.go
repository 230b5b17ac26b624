package bitflip

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/walk"
	"gantry/storage"
)

// atOnce is how many files are changed at a time: on a mount each takes a few
// ways to a server and back.
const atOnce = 16

// Run changes modes. Opening ends with the directory itself, and closing begins
// with it: so what happens below is never seen by halves.
func (f flip) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	at, err := f.find(env)
	if err != nil {
		return nil, err
	}
	to, err := f.wanted(at.mode)
	if err != nil {
		return nil, err
	}
	sync, err := f.settled(ctx, env)
	if err != nil {
		return nil, err
	}
	if plan.Inputs != octal(to) || plan.Facts["directory"] != at.path || plan.Facts["last sync"] != sync {
		return nil, &pipeline.ConflictError{Reason: "the plan was for another directory or mode, or before another sync", Hint: "plan again"}
	}
	p.Phase("look at every path", pipeline.Files, 0)
	root, s, err := f.look(ctx, at)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := env.Holds(ctx); err != nil {
		return nil, err
	}
	p.Phase("change modes", pipeline.Files, int64(len(s.files)+len(s.dirs)+1))
	do := []func() error{
		func() error { return change(ctx, root, s.files, p) },
		func() error { return change(ctx, root, s.dirs, p) },
		func() error {
			if err := env.Holds(ctx); err != nil {
				return err
			}
			return at.turn(to, p)
		},
	}
	if !f.open {
		slices.Reverse(s.dirs)
		slices.Reverse(do)
	}
	for _, one := range do {
		if err := one(); err != nil {
			return nil, err
		}
	}
	return f.verify(ctx, env, at, to, s, p)
}

// turn changes the mode of the directory itself, durably: all that was changed
// before is durable then, too.
func (p place) turn(to uint32, log *pipeline.Progress) error {
	top, err := p.top()
	if err != nil {
		return err
	}
	defer top.Close()
	storage.Reach("bitflip.top")
	if err := unix.Fchmod(int(top.Fd()), to); err != nil {
		return fmt.Errorf("change the mode of %s: %w", p.path, err)
	}
	if err := top.Sync(); err != nil {
		return fmt.Errorf("make the mode of %s durable: %w", p.path, err)
	}
	log.Add(1)
	log.Logf("%s: mode %s is %s", p.path, octal(p.mode), octal(to))
	return nil
}

// change changes modes of files, in groups of neighbours, or of directories, in
// their order.
func change(ctx context.Context, root *walk.Root, all []changed, p *pipeline.Progress) error {
	var working errgroup.Group
	working.SetLimit(atOnce)
	size := len(all)/atOnce + 1
	if len(all) > 0 && all[0].entry.Dir != nil {
		size = len(all)
	}
	for some := range slices.Chunk(all, size) {
		working.Go(func() error {
			folders := root.Folders()
			defer folders.Close()
			for _, c := range some {
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				p.File(c.path())
				in, err := folders.Open(c.in)
				if err == nil {
					err = c.apply(in)
				}
				if err != nil {
					return fmt.Errorf("change the mode of %s: %w", config.Inert(c.path()), err)
				}
				p.Add(1)
			}
			return nil
		})
	}
	return working.Wait()
}

var errAnother = config.Hint(errors.New("it is another one than when it was looked at"), "somebody changes the tree: let that end, then run this again")

// apply changes the mode of an entry of an open directory, if it is the one that
// was looked at, and looks whether the mode is as it must be.
func (c changed) apply(in int) error {
	fd, err := unix.Openat(in, c.entry.Name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: c.path(), Err: err}
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if (inode{uint64(st.Dev), st.Ino}) != (inode{c.entry.Device, c.entry.Inode}) {
		return errAnother
	}
	if err := unix.Fchmod(fd, c.to); err != nil {
		return err
	}
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if is := uint32(st.Mode) & 0o7777; is != c.to {
		return fmt.Errorf("it is %s, and must be %s", octal(is), octal(c.to))
	}
	return nil
}

// verify looks at what came of it, here and from outside.
func (f flip) verify(ctx context.Context, env *pipeline.Env, before place, to uint32, s *survey, p *pipeline.Progress) (pipeline.Evidence, error) {
	ev := pipeline.Evidence{
		"mode before": octal(before.mode), "mode after": octal(to), "time": env.Now().UTC().Format(time.RFC3339),
		"paths": strconv.FormatInt(s.paths, 10), "modes changed": strconv.Itoa(len(s.files) + len(s.dirs)),
	}
	now, err := f.find(env)
	if err != nil {
		return ev, err
	}
	if now.mode != to {
		return ev, fmt.Errorf("%s is at mode %s, and must be at %s", now.path, octal(now.mode), octal(to))
	}
	outside, err := f.ask(ctx, before.edition, s.repomd)
	if err != nil {
		return ev, err
	}
	if outside.words != "" {
		ev["from outside"] = outside.words
		p.Logf("from outside: %s", outside.words)
	}
	if outside.answered() && outside.open != f.open {
		return ev, config.Hint(fmt.Errorf("%s is %s here, but clients get %s", before.name(), f.word(), outside.words),
			"look at the web server, its cache and the directories above; then run this again")
	}
	return ev, nil
}

// Look tells whether the edition is open, or closed, as the plan wanted it.
func (f flip) Look(ctx context.Context, env *pipeline.Env, plan pipeline.Plan) (pipeline.Seen, error) {
	at, err := f.find(env)
	if err != nil {
		return pipeline.Seen{}, err
	}
	to, err := f.wanted(at.mode)
	if err != nil {
		return pipeline.Seen{}, err
	}
	root, s, err := f.look(ctx, at)
	if err != nil {
		return pipeline.Seen{}, err
	}
	if err := root.Close(); err != nil {
		return pipeline.Seen{}, err
	}
	if left := len(s.files) + len(s.dirs); at.mode != to || left > 0 {
		return pipeline.Seen{Failed: fmt.Sprintf("%s is at mode %s, and %d modes below it are still to be changed", at.path, octal(at.mode), left)}, nil
	}
	return pipeline.Seen{Done: true, Evidence: pipeline.Evidence{
		"mode before": plan.Facts["mode before"], "mode after": octal(at.mode), "paths": strconv.FormatInt(s.paths, 10),
	}}, nil
}
