// Package walk reads whole directory trees, on all processors and without
// following a symbolic link: what the file lists are made of, and what files are
// looked for in that could be one.
package walk

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"gantry/config"
)

const entryLimit = 16 << 20 // of a tree: more is a tree that holds itself

// Options say how a tree is read.
type Options struct {
	// Skip leaves out an entry, with all that is below it; dir is the path of its
	// directory, empty for the top. Several goroutines call it. It may be nil.
	Skip func(dir, name string) bool
	// Count hears of the entries of each directory as it was read; it may be nil.
	Count func(n int64)
}

// Read reads the tree of a root. What vanishes while it is read is left out. A
// directory that may not be read is there and says so. Anything else that cannot
// be looked at is an error.
func Read(ctx context.Context, r *Root, o Options) (*Dir, error) {
	top, err := r.top()
	if err != nil {
		return nil, err
	}
	w := &walk{o: o, todo: []*Dir{top}, left: 1}
	w.changed = sync.NewCond(&w.mu)
	stop := context.AfterFunc(ctx, func() { w.fail(context.Cause(ctx)) })
	defer stop()
	var working sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		working.Go(w.work)
	}
	working.Wait()
	if w.err != nil {
		for _, d := range w.todo {
			d.abandon()
		}
		return nil, fmt.Errorf("walk %s: %w", r.path, w.err)
	}
	return top, nil
}

// walk is a tree that is being read. The directory that was found last is read
// first: so few are open at a time.
type walk struct {
	o Options

	mu      sync.Mutex
	changed *sync.Cond // todo, left or err
	todo    []*Dir
	left    int // directories that were found and not read yet
	entries int
	err     error
}

func (w *walk) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.changed.Broadcast()
}

// next is a directory to read; there is none when all are, or when one failed.
func (w *walk) next() (*Dir, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.todo) == 0 && w.left > 0 && w.err == nil {
		w.changed.Wait()
	}
	if w.err != nil || w.left == 0 {
		return nil, false
	}
	d := w.todo[len(w.todo)-1]
	w.todo = w.todo[:len(w.todo)-1]
	return d, true
}

func (w *walk) work() {
	buffer := make([]byte, 64<<10)
	for d, ok := w.next(); ok; d, ok = w.next() {
		below, err := d.read(buffer, w.o.Skip)
		switch {
		case err == nil:
		case d.parent == nil:
		case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
			d.Unreadable, err = true, nil
		case errors.Is(err, unix.ENOENT):
			d.Gone, err = true, nil
		}
		if err != nil {
			w.fail(fmt.Errorf("%s: %w", config.Inert(d.Path()), err))
			return
		}
		if w.o.Count != nil {
			w.o.Count(int64(len(d.Entries)))
		}
		w.add(below, len(d.Entries))
	}
}

// add hands on what was found in a directory.
func (w *walk) add(below []*Dir, entries int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.todo = append(w.todo, below...)
	w.left += len(below) - 1
	w.entries += entries
	if w.entries > entryLimit && w.err == nil {
		w.err = config.Hint(fmt.Errorf("more than %d entries", entryLimit), "is a file system mounted inside of itself there?")
	}
	if len(below) > 0 || w.left == 0 || w.err != nil {
		w.changed.Broadcast()
	}
}
