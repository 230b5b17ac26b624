package tree

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// act brings changes to a tree. A sync and its undo differ in where files come
// from and in what becomes of those that go.
type act struct {
	dst  *folder
	from *folder // the tree that is copied, nil where files come from kept
	kept *folder // what is kept of what goes, at its path
	p    *pipeline.Progress

	put  func(ctx context.Context, h *hand, c *change, temp string) error // makes the new file under a name of its own
	save func(h *hand, c *change) error                                   // keeps the old one before another takes its name
	drop func(h *hand, c *change) error                                   // takes it away
	unit pipeline.Unit                                                    // that its progress counts

	words atomic.Uint64
}

func newAct(p *pipeline.Progress) *act {
	a := &act{p: p}
	var b [8]byte
	rand.Read(b[:]) // it never fails
	a.words.Store(binary.LittleEndian.Uint64(b[:]))
	return a
}

// count tells how far it is, where that is what the phase counts.
func (a *act) count(unit pipeline.Unit, n int64) {
	if a.unit == unit {
		a.p.Add(n)
	}
}

// temp is a name for a file in the making, beside the name that it will have.
func (a *act) temp(name string) string {
	const room = 255 - len("..") - 14 - len(unfinished)
	name = strings.ToValidUTF8(name[:min(len(name), room)], "")
	return fmt.Sprintf(".%s.g%013s%s", name, strconv.FormatUint(a.words.Add(1), 36), unfinished)
}

// hand works in one directory. It opens the others of that path when they are
// needed.
type hand struct {
	*act
	dir         string
	at          *folder
	from, shelf *folder
}

func (h *hand) source() (_ *folder, err error) {
	if h.from == nil {
		h.from, err = h.act.from.open(h.dir)
	}
	return h.from, err
}

func (h *hand) keeper() (_ *folder, err error) {
	if h.shelf == nil {
		h.shelf, err = h.kept.make(h.dir, 0o700, nil)
	}
	return h.shelf, err
}

func (h *hand) close() {
	for _, f := range []*folder{h.at, h.from, h.shelf} {
		if f != nil {
			f.close()
		}
	}
}

// batch is how many files of a directory one hand takes at a time.
const batch = 64

// each does something to changes, directory by directory, several at a time.
func (a *act) each(ctx context.Context, list []change, do func(ctx context.Context, h *hand, c *change) error) error {
	all, group := errgroup.WithContext(ctx)
	all.SetLimit(2 * runtime.GOMAXPROCS(0))
	for len(list) > 0 && group.Err() == nil {
		n := 1
		for n < len(list) && list[n].dir == list[0].dir && n < batch {
			n++
		}
		some := list[:n]
		list = list[n:]
		all.Go(func() error { return a.some(group, some, do) })
	}
	err := all.Wait()
	if err == nil {
		err = ctx.Err()
	}
	return explained(err)
}

// some does something to changes of one directory.
func (a *act) some(ctx context.Context, list []change, do func(ctx context.Context, h *hand, c *change) error) error {
	at, err := a.dst.open(list[0].dir)
	if err != nil {
		return err
	}
	h := &hand{act: a, dir: list[0].dir, at: at}
	defer h.close()
	for i := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		a.p.File(list[i].path())
		if err := do(ctx, h, &list[i]); err != nil {
			return err
		}
	}
	return nil
}

// explained says what to do about what can go wrong with any file.
func explained(err error) error {
	switch {
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return config.Hint(err, "make room, then run it again: it goes on from here")
	case errors.Is(err, unix.EIO):
		return config.Hint(err, "look at the disk; run again, it goes on from here")
	case errors.Is(err, unix.EXDEV):
		return config.Hint(err, "the undo directory and the tree must be on one file system: set undo to a directory beside the tree")
	case errors.Is(err, unix.EMLINK):
		return config.Hint(err, "the file has as many names as it can have; remove old undo areas: gantry prune TARGET")
	}
	return err
}

// place brings the files and links of a stage into their places: those that are
// other names of one that is there after the others.
func (a *act) place(ctx context.Context, list []change, at stage) error {
	var first, names []change
	for _, c := range list {
		switch {
		case c.new == nil || stageOf(c.dir, c.name, c.new.kind) != at:
		case c.leader != "":
			names = append(names, c)
		default:
			first = append(first, c)
		}
	}
	if at == heads { // repomd.xml after its signature
		slices.SortStableFunc(first, func(a, b change) int {
			last := func(c change) int {
				if c.name == "repomd.xml" {
					return 1
				}
				return 0
			}
			return cmp.Or(cmp.Compare(a.dir, b.dir), cmp.Compare(last(a), last(b)))
		})
	}
	for _, some := range [][]change{first, names} {
		if err := a.each(ctx, some, func(ctx context.Context, h *hand, c *change) error { return h.replace(ctx, c) }); err != nil {
			return err
		}
	}
	return nil
}

// replace gives a name to what it is to be, in one moment.
func (h *hand) replace(ctx context.Context, c *change) error {
	temp := h.temp(c.name)
	if err := h.put(ctx, h, c, temp); err != nil {
		if gone := h.at.unlink(temp); gone != nil && !errors.Is(gone, unix.ENOENT) {
			return errors.Join(err, gone)
		}
		return err
	}
	storage.Reach("tree.made")
	if c.old != nil {
		if err := h.save(h, c); err != nil {
			return errors.Join(err, h.at.unlink(temp))
		}
		storage.Reach("tree.saved")
	}
	if err := h.at.rename(temp, h.at, c.name); err != nil {
		return errors.Join(err, h.at.unlink(temp))
	}
	storage.Reach("tree.placed")
	h.count(pipeline.Files, 1)
	return nil
}

// remove takes away files and links that are to go.
func (a *act) remove(ctx context.Context, list []change) error {
	list = slices.DeleteFunc(slices.Clone(list), func(c change) bool { return c.new != nil })
	return a.each(ctx, list, func(_ context.Context, h *hand, c *change) error {
		has, err := h.at.stat(c.name)
		if err != nil || has == nil {
			return err // gone before
		}
		if err := h.drop(h, c); err != nil {
			return err
		}
		storage.Reach("tree.removed")
		h.count(pipeline.Files, 1)
		return nil
	})
}

// prune removes directories that are to go, the deepest first. One in which
// others have left something stays, and is told of.
func (a *act) prune(folders []change) (stay []string, err error) {
	for i := len(folders) - 1; i >= 0; i-- {
		c := &folders[i]
		if c.new != nil || c.old == nil || c.name == "." {
			continue
		}
		at, err := a.dst.open(c.dir)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return stay, err
		}
		err = at.rmdir(c.name)
		if errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EEXIST) {
			if err = a.tidy(c.path()); err == nil {
				err = at.rmdir(c.name)
			}
		}
		at.close()
		switch {
		case errors.Is(err, unix.ENOTEMPTY), errors.Is(err, unix.EEXIST):
			stay = append(stay, c.path())
		case err != nil && !errors.Is(err, unix.ENOENT):
			return stay, err
		}
	}
	return stay, nil
}

// tidy removes from a directory what interrupted syncs left.
func (a *act) tidy(p string) error {
	at, err := a.dst.open(p)
	if err != nil {
		return err
	}
	defer at.close()
	names, err := at.names(make([]byte, 16<<10))
	if err != nil {
		return err
	}
	for _, name := range names {
		if ours(name) {
			if err := at.unlink(name); err != nil && !errors.Is(err, unix.ENOENT) {
				return err
			}
		}
	}
	return nil
}

// clear makes way, before anything is made: it removes what has a name that
// something of another kind gets. What is left to do is returned.
func (a *act) clear(ctx context.Context, changes, folders []change) (_, _ []change, err error) {
	way := inTheWay(changes, folders)
	if len(way) == 0 {
		return changes, folders, nil
	}
	var gone [2][]change
	split := func(n int, list []change) (rest []change) {
		for _, c := range list {
			if c.new == nil && under(way, c.path()) {
				gone[n] = append(gone[n], c)
			} else {
				rest = append(rest, c)
			}
		}
		return rest
	}
	changes, folders = split(0, changes), split(1, folders)
	if err := a.remove(ctx, gone[0]); err != nil {
		return nil, nil, err
	}
	stay, err := a.prune(gone[1])
	if err == nil && len(stay) > 0 {
		err = config.Hint(fmt.Errorf("%s cannot make way: it holds what a sync leaves alone", few(stay)), "move that away by hand")
	}
	return changes, folders, err
}

// under tells whether a path is one of some, or below one.
func under(some map[string]bool, p string) bool {
	for ; p != "."; p = path.Dir(p) {
		if some[p] {
			return true
		}
	}
	return false
}

// inTheWay are the paths where one kind of thing goes and another one comes.
func inTheWay(changes, folders []change) map[string]bool {
	goes, way := map[string]bool{}, map[string]bool{}
	for _, list := range [][]change{changes, folders} {
		for _, c := range list {
			if c.new == nil {
				goes[c.path()] = true
			}
		}
	}
	if len(goes) == 0 {
		return nil
	}
	for _, list := range [][]change{changes, folders} {
		for _, c := range list {
			if c.new != nil && goes[c.path()] {
				way[c.path()] = true
			}
		}
	}
	return way
}

// mkdirs makes the directories that are to come, with room for us to work in.
func (a *act) mkdirs(folders []change) error {
	for _, c := range folders {
		if c.new == nil || c.old != nil || c.name == "." {
			continue
		}
		if err := a.dst.mkdir(c.path(), c.new.mode|0o700); err != nil && !errors.Is(err, unix.EEXIST) {
			return explained(err)
		}
	}
	return nil
}

// dress gives directories their owner, mode and time, after everything in them
// is done: the deepest first.
func (a *act) dress(folders []change) error {
	for i := len(folders) - 1; i >= 0; i-- {
		c := &folders[i]
		if c.new == nil {
			continue
		}
		at, err := a.dst.open(c.dir)
		if err != nil {
			return err
		}
		has, err := at.stat(c.name)
		switch {
		case err != nil:
		case has == nil || has.kind != dir:
			err = at.fail("set owner, mode or time of", c.name, unix.ENOTDIR)
		case !c.new.alike(has) || has.mtime != c.new.mtime:
			err = at.dress(c.name, c.new, has)
		}
		at.close()
		if err != nil {
			return err
		}
	}
	return nil
}
