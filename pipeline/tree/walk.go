package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"gantry/config"
)

// Bounds of a tree. What is beyond them is none that anybody mirrors.
const (
	maxEntries = 20_000_000
	maxPath    = 3000 // bytes
)

// child is an entry under its name.
type child struct {
	name string
	entry
}

// listing is what a directory holds, sorted by name.
type listing struct {
	path string
	here []child
}

// find is the child of a name, or nil.
func (l *listing) find(name string) *child {
	i, ok := slices.BinarySearchFunc(l.here, name, func(c child, name string) int { return strings.Compare(c.name, name) })
	if !ok {
		return nil
	}
	return &l.here[i]
}

// reader reads directories of one side.
type reader struct {
	side    string // what it is, for messages
	top     *folder
	skip    excludes
	dents   []byte
	newest  int64 // change time of what was read, Unix seconds
	skipped bool  // the last directory holds what is left alone
	litter  []string
}

// list reads a directory, and adds what it holds. What cannot be in a tree is an error; what vanishes
// while it is read is one as well, since nobody can tell what else changes.
func (r *reader) list(at *folder, p string, all []child) ([]child, error) {
	if len(p) > maxPath {
		return nil, fmt.Errorf("%s: a path of %d bytes begins with %.80q", r.side, len(p), p)
	}
	if r.dents == nil {
		r.dents = make([]byte, 64<<10)
	}
	names, err := at.names(r.dents)
	if err != nil {
		return nil, r.fail(err)
	}
	slices.Sort(names)
	r.skipped, r.litter = false, nil
	all = slices.Grow(all, len(names))
	for _, name := range names {
		if r.skip.skips(p, name) {
			if r.skipped = true; ours(name) {
				r.litter = append(r.litter, name)
			}
			continue
		}
		if err := plainName(name); err != nil {
			return nil, fmt.Errorf("%s: in %s: %w", r.side, config.Inert(p), err)
		}
		var st unix.Stat_t
		if err := retry(func() error { return unix.Fstatat(at.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) }); err != nil {
			return nil, r.fail(at.fail("look at", name, err))
		}
		c := child{name, entryOf(&st)}
		r.newest = max(r.newest, st.Ctim.Sec)
		switch c.kind {
		case special:
			return nil, config.Hint(fmt.Errorf("%s: %s is a device, socket or pipe", r.side, at.name(name)), "remove it, or exclude it")
		case symlink:
			if c.text, err = at.readlink(name); err != nil {
				return nil, r.fail(err)
			}
			if err := plainName(c.text); err != nil || c.text == "" {
				return nil, config.Hint(fmt.Errorf("%s: %s is a link to %q", r.side, at.name(name), c.text), "remove it, or exclude it")
			}
		}
		all = append(all, c)
	}
	return all, nil
}

func (r *reader) fail(err error) error {
	hint := ""
	switch {
	case errors.Is(err, unix.ENOENT):
		hint = "somebody writes to it at this moment; wait until they are done"
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		hint = "let the user of this console read it, or exclude it"
	}
	return config.Hint(fmt.Errorf("%s: %w", r.side, err), hint)
}

// descent walks directories in parallel, the deepest first, so that few wait.
type descent struct {
	mu      sync.Mutex
	more    sync.Cond
	waiting []place
	busy    int
	seen    int
	err     error
}

// place is a directory to walk, and the sides that have it.
type place struct {
	path     string
	src, dst bool
	stays    bool // with all below it, though the source lacks it
}

// walk calls visit for a directory and for all that visit returns, from as many
// goroutines as there are processors; each has its own number.
func walk(ctx context.Context, first place, visit func(worker int, p place) (below []place, entries int, err error)) error {
	d := &descent{waiting: []place{first}}
	d.more.L = &d.mu
	var workers sync.WaitGroup
	for n := range walkers() {
		workers.Go(func() { d.work(ctx, n, visit) })
	}
	workers.Wait()
	return d.err
}

func walkers() int { return runtime.GOMAXPROCS(0) + 1 }

func (d *descent) work(ctx context.Context, n int, visit func(int, place) ([]place, int, error)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for {
		for len(d.waiting) == 0 && d.busy > 0 && d.err == nil {
			d.more.Wait()
		}
		if d.err == nil {
			d.err = ctx.Err()
		}
		if len(d.waiting) == 0 || d.err != nil {
			d.more.Broadcast()
			return
		}
		p := d.waiting[len(d.waiting)-1]
		d.waiting = d.waiting[:len(d.waiting)-1]
		d.busy++
		d.mu.Unlock()
		below, entries, err := visit(n, p)
		d.mu.Lock()
		d.busy--
		d.waiting = append(d.waiting, below...)
		if d.seen += entries; d.seen > maxEntries && err == nil {
			err = fmt.Errorf("more than %d files", maxEntries)
		}
		if err != nil && d.err == nil {
			d.err = err
		}
		d.more.Broadcast()
	}
}

// openDir opens the directory of a path, as the error of a side.
func (r *reader) openDir(p string) (*folder, error) {
	f, err := r.top.open(p)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		err = &os.PathError{Op: "open directory", Path: p, Err: unix.ENOENT} // it was one a moment ago
	}
	if err != nil {
		return nil, r.fail(err)
	}
	return f, nil
}
