package tree

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// undo takes one sync back, by its record alone.
type undo struct {
	r       *record
	root    *folder
	to      *folder // nil where the tree is gone
	home    *folder
	changes []change // of files and links: from what is there to what was
	folders []change
	foreign []string          // paths where others wrote since
	lost    []string          // what was there and is not kept
	back    map[string]*entry // on a store: what is as it was before, or will be
	notes   *deeds            // on a store: what the sync noted
}

func (u *undo) close() {
	for _, f := range []*folder{u.to, u.home} {
		if f != nil {
			f.close()
		}
	}
}

// undo finds out what has to be done to take a sync back. It changes nothing.
func (c *chain) undo(ctx context.Context, r *record) (_ *undo, err error) {
	if c.far != nil {
		return c.far.undo(ctx, r)
	}
	u := &undo{r: r, root: c.root}
	defer func() {
		if err != nil {
			u.close()
		}
	}()
	if u.home, err = c.root.open(c.at + "/" + r.ID); err != nil {
		return nil, fmt.Errorf("look at what sync %s kept: %w", r.ID, err)
	}
	if u.to, err = destination(c.root, c.place, r.To); err != nil {
		return nil, err
	}
	all, err := merged(u.home)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, fmt.Errorf("read what sync %s did: %w", r.ID, err)
	}
	return u, u.survey(ctx, all)
}

// survey compares what is there with what was, and with what the sync left.
func (u *undo) survey(ctx context.Context, all traces) error {
	files, err := u.home.open(filesDir)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	if files != nil {
		defer files.close()
	}
	tree, kept := &sight{top: u.to}, &sight{top: files}
	defer tree.close()
	defer kept.close()
	for _, p := range all.paths() {
		if err := ctx.Err(); err != nil {
			return err
		}
		t := all[p]
		dirPath, name := splitPath(p)
		has, err := tree.stat(dirPath, name)
		if err != nil {
			return err
		}
		c := change{dir: dirPath, name: name, old: has, new: t.old}
		if t.old != nil {
			t.old.owned = us.uid == 0
		}
		for _, c := range halves(c) {
			if (c.old == nil || c.old.kind == dir) && (c.new == nil || c.new.kind == dir) {
				if c.old != nil || c.new != nil {
					u.folders = append(u.folders, c)
				}
				continue
			}
			if t.was(has) {
				continue
			}
			if c.old != nil && !t.was(has) && !t.left(has) {
				c.foreign = true
				u.foreign = append(u.foreign, p)
			}
			if c.new != nil && c.new.kind == file {
				keeps, err := kept.stat(dirPath, name)
				if err != nil {
					return err
				}
				if keeps == nil || keeps.ino != c.new.ino || !c.new.holds(keeps) {
					u.lost = append(u.lost, p)
				}
			}
			u.changes = append(u.changes, c)
		}
	}
	slices.SortFunc(u.changes, order)
	return nil
}

// halves are what goes and what comes, where they are of different kinds.
func halves(c change) []change {
	if c.old == nil || c.new == nil || (c.old.kind == dir) == (c.new.kind == dir) {
		return []change{c}
	}
	gone, comes := c, c
	gone.new, comes.old = nil, nil
	return []change{gone, comes}
}

// sight looks at paths in their order, with the directory open.
type sight struct {
	top  *folder // nil where there is nothing
	at   *folder
	path string
}

func (s *sight) close() {
	if s.at != nil {
		s.at.close()
	}
	s.at = nil
}

// stat looks at a path; nil is that nothing is there.
func (s *sight) stat(p, name string) (*entry, error) {
	if s.top == nil {
		return nil, nil
	}
	if s.at == nil || s.path != p {
		s.close()
		at, err := s.top.open(p)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		s.at, s.path = at, p
	}
	return s.at.stat(name)
}

// run takes the sync back. It may be run again wherever it stopped, after
// another survey.
func (u *undo) run(ctx context.Context, p *pipeline.Progress) error {
	if len(u.lost) > 0 {
		return config.Hint(fmt.Errorf("%d files that sync %s replaced are not kept any more: %s", len(u.lost), u.r.ID, few(u.lost)),
			"somebody wrote to "+u.home.path)
	}
	top := slices.IndexFunc(u.folders, func(c change) bool { return c.name == "." })
	if u.to == nil {
		if top >= 0 && u.folders[top].new != nil {
			return config.Hint(fmt.Errorf("%s is gone, and sync %s found it there", u.r.To, u.r.ID), "mount it, or make the directory")
		}
		return u.unmake() // as far as it was taken back, there is nothing
	}
	files, err := u.home.make(filesDir, 0o700, nil)
	if err != nil {
		return err
	}
	defer files.close()
	aside, err := u.home.make(asideDir, 0o700, nil)
	if err != nil {
		return err
	}
	defer aside.close()
	a := newAct(p)
	a.dst, a.kept, a.unit = u.to, aside, pipeline.Files
	a.put = func(ctx context.Context, h *hand, c *change, temp string) error {
		if c.new.kind == symlink {
			return h.tie(c.new, temp)
		}
		from, err := files.open(h.dir)
		if err != nil {
			return err
		}
		defer from.close()
		return from.link(c.name, h.at, temp)
	}
	a.save = func(h *hand, c *change) error {
		if c.foreign {
			return save(h, c)
		}
		return nil
	}
	a.drop = func(h *hand, c *change) error {
		if c.foreign {
			return shelve(h, c)
		}
		return h.at.unlink(c.name)
	}
	changes, folders, err := a.clear(ctx, u.changes, u.folders)
	if err == nil {
		err = a.mkdirs(folders)
	}
	for _, at := range []stage{content, metadata, heads} {
		if err == nil {
			err = a.place(ctx, changes, at)
		}
	}
	if err == nil {
		err = a.dst.flush()
	}
	if err == nil {
		err = a.remove(ctx, changes)
	}
	if err != nil {
		return err
	}
	stay, err := a.prune(folders)
	if err == nil {
		err = a.tidyAll(u.folders)
	}
	if err != nil {
		return err
	}
	if len(stay) > 0 {
		p.Logf("others put something there, so they stay: %s", few(stay))
	}
	if top >= 0 && u.folders[top].new == nil {
		return u.unmake()
	}
	storage.Reach("tree.restored")
	return a.dress(folders)
}

// tidyAll removes what interrupted syncs left in directories that stay.
func (a *act) tidyAll(folders []change) error {
	for _, c := range folders {
		if c.new == nil && c.name != "." {
			continue
		}
		if err := a.tidy(c.path()); err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// unmake removes the tree that a sync made, and the directories above it that it
// made, unless others put something there.
func (u *undo) unmake() error {
	for _, p := range append([]string{u.r.To}, u.r.Made...) {
		dirPath, name := splitPath(p)
		at, err := u.root.open(dirPath)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return err
		}
		err = at.rmdir(name)
		at.close()
		if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
			return nil
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// describe tells what an undo does, as a part of a plan.
func (u *undo) describe(p *pipeline.Plan) {
	nameLargest(p, u.changes)
	n := (&difference{changes: u.changes}).counts()
	p.Counts = &n
	for i := range u.changes {
		if c := &u.changes[i]; c.new != nil {
			p.Bytes += c.new.size
		}
	}
	p.Facts["to "+u.r.ID] = config.Inert(path.Clean(u.r.To))
}
