package walk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const pathLimit = 4096 // bytes of a path: what lies deeper no client can open by its path either

// Dir is a directory of a tree.
type Dir struct {
	Entries    []Entry // sorted by name
	Unreadable bool    // it may not be read, and has no entries for that reason
	Gone       bool    // it vanished before it could be read

	parent *Dir
	name   string
	length int // of its path
	fd     int
	users  atomic.Int32 // of fd: the directory itself, and each one in it that is not open yet
}

// Entry is what is in a directory: a link is described itself, not what it leads
// to.
type Entry struct {
	Name     string
	Dir      *Dir // of a directory
	Size     int64
	Modified int64 // of its content, Unix time in nanoseconds
	Changed  int64 // of its inode, Unix time in nanoseconds
	Device   uint64
	Inode    uint64
	Links    uint32
	UID, GID uint32
	Mode     uint32 // type and permissions as in unix.Stat_t
	Target   uint32 // the same of what a link leads to; 0 where that is nothing
}

// Kind is the type bits of an entry's mode, such as unix.S_IFREG.
func (e *Entry) Kind() uint32 { return e.Mode & unix.S_IFMT }

// Path is where the directory is below the top, with '/'; empty for the top.
func (d *Dir) Path() string {
	if d.parent == nil {
		return ""
	}
	if d.parent.parent == nil {
		return d.name
	}
	return d.parent.Path() + "/" + d.name
}

// Find is the directory at a path below this one, with '/'; "." is itself. It is
// nil where there is none.
func (d *Dir) Find(path string) *Dir {
	if path == "." {
		return d
	}
	for name := range strings.SplitSeq(path, "/") {
		e, ok := d.Entry(name)
		if !ok || e.Dir == nil {
			return nil
		}
		d = e.Dir
	}
	return d
}

// Entry finds what has a name in the directory.
func (d *Dir) Entry(name string) (Entry, bool) {
	i, ok := slices.BinarySearchFunc(d.Entries, name, func(e Entry, name string) int { return strings.Compare(e.Name, name) })
	if !ok {
		return Entry{}, false
	}
	return d.Entries[i], true
}

// read opens and reads a directory, and returns those in it.
func (d *Dir) read(buffer []byte, skip func(dir, name string) bool) (below []*Dir, err error) {
	if d.parent != nil {
		d.fd, err = openAt(d.parent.fd, d.name)
		d.parent.drop()
		if err != nil {
			return nil, err
		}
	}
	d.users.Store(1)
	defer d.drop()
	if d.length > pathLimit {
		return nil, fmt.Errorf("its path is longer than %d bytes", pathLimit)
	}
	names, err := d.names(buffer, skip)
	if err != nil {
		return nil, err
	}
	d.Entries = make([]Entry, 0, len(names))
	for _, name := range names {
		var st unix.Stat_t
		err := statAt(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at %q: %w", name, err)
		}
		d.Entries = append(d.Entries, newEntry(name, &st))
		switch e := &d.Entries[len(d.Entries)-1]; e.Kind() {
		case unix.S_IFDIR:
			e.Dir = &Dir{parent: d, name: name, fd: -1, length: d.length + 1 + len(name)}
			below = append(below, e.Dir)
		case unix.S_IFLNK:
			if statAt(d.fd, name, &st, 0) == nil { // what cannot be reached leads nowhere
				e.Target = uint32(st.Mode)
			}
		}
	}
	d.users.Add(int32(len(below)))
	return below, nil
}

// names are those in the directory that are not skipped, sorted. They share one
// piece of memory.
func (d *Dir) names(buffer []byte, skip func(dir, name string) bool) ([]string, error) {
	var names []string
	for {
		n, err := unix.ReadDirent(d.fd, buffer)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n <= 0 {
			break
		}
		_, _, names = unix.ParseDirent(buffer[:n], -1, names)
	}
	if skip != nil {
		path := d.Path()
		names = slices.DeleteFunc(names, func(name string) bool { return skip(path, name) })
	}
	slices.Sort(names)
	all, at := strings.Join(names, ""), 0
	for i, name := range names {
		names[i] = all[at : at+len(name)]
		at += len(name)
	}
	return names, nil
}

// drop lets go of the descriptor once; the last of its users closes it.
func (d *Dir) drop() {
	if d.users.Add(-1) == 0 {
		unix.Close(d.fd)
	}
}

// abandon lets go of what a directory that was never read keeps open.
func (d *Dir) abandon() {
	if d.parent != nil {
		d.parent.drop()
		return
	}
	unix.Close(d.fd)
}

func newEntry(name string, st *unix.Stat_t) Entry {
	return Entry{
		Name: name, Size: st.Size, Modified: st.Mtim.Nano(), Changed: st.Ctim.Nano(),
		Device: uint64(st.Dev), Inode: st.Ino, Links: uint32(st.Nlink), UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode),
	}
}

// openAt opens a directory in another one, never through a link.
func openAt(fd int, name string) (int, error) {
	for {
		at, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return at, err
		}
	}
}

func statAt(fd int, name string, st *unix.Stat_t, flags int) error {
	for {
		if err := unix.Fstatat(fd, name, st, flags); err != unix.EINTR {
			return err
		}
	}
}
