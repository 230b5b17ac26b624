package walk

import (
	"fmt"

	"golang.org/x/sys/unix"

	"gantry/config"
)

// foldersOpen is how many directories are kept open: files that are worked on one
// after the other lie in a few.
const foldersOpen = 128

// Folders opens directories of a tree that was read, each from its parent and
// never through a link, and keeps some open. It is for one goroutine.
type Folders struct {
	root *Root
	open map[*Dir]int
}

// Folders gives the directories of the tree.
func (r *Root) Folders() *Folders { return &Folders{r, map[*Dir]int{}} }

// Open is the descriptor of a directory, good until Trim or Close.
func (f *Folders) Open(d *Dir) (int, error) {
	if d.parent == nil {
		return int(f.root.file.Fd()), nil
	}
	if fd, ok := f.open[d]; ok {
		return fd, nil
	}
	above, err := f.Open(d.parent)
	if err != nil {
		return -1, err
	}
	fd, err := openAt(above, d.name)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", config.Inert(d.Path()), err)
	}
	f.open[d] = fd
	return fd, nil
}

// Stat describes what has a name in a directory, not what it may lead to.
func (f *Folders) Stat(d *Dir, name string) (Entry, error) {
	fd, err := f.Open(d)
	if err != nil {
		return Entry{}, err
	}
	var st unix.Stat_t
	if err := statAt(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return Entry{}, err
	}
	return newEntry(name, &st), nil
}

// Stat describes an open file.
func Stat(fd int) (Entry, error) {
	var st unix.Stat_t
	for {
		if err := unix.Fstat(fd, &st); err != unix.EINTR {
			return newEntry("", &st), err
		}
	}
}

// Trim closes them where there are many.
func (f *Folders) Trim() {
	if len(f.open) >= foldersOpen {
		f.Close()
	}
}

// Close closes all of them.
func (f *Folders) Close() {
	for d, fd := range f.open {
		unix.Close(fd)
		delete(f.open, d)
	}
}
