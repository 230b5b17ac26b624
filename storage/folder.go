package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// folder is an open directory. Files are reached from it by base name alone,
// so that a path is walked once for many files, and never through a symbolic
// link.
type folder struct {
	root *os.Root
	file *os.File
	path string // for messages
}

// openFolder opens the directory that dir names below root, making what is
// missing where create is set, open to all where readers is. Each directory that
// it makes is durable in its parent before it returns.
func openFolder(root *os.Root, base, dir string, create, readers bool) (*folder, error) {
	at, err := root.OpenRoot(".")
	if err != nil {
		return nil, err
	}
	for segment := range strings.SplitSeq(dir, "/") {
		if segment == "" {
			continue
		}
		next, err := descend(at, segment, create, readers)
		at.Close()
		if err != nil {
			return nil, err
		}
		at = next
	}
	f, err := at.Open(".")
	if err != nil {
		at.Close()
		return nil, err
	}
	return &folder{root: at, file: f, path: base + "/" + dir}, nil
}

// descend opens a directory inside another one. os.Root would follow a link
// that stays inside it; what is served or staged never does.
func descend(at *os.Root, name string, create, readers bool) (*os.Root, error) {
	was, err := at.Lstat(name)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err := at.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if readers {
			if err := at.Chmod(name, 0o755); err != nil {
				return nil, err
			}
		}
		if err := syncRoot(at); err != nil {
			return nil, err
		}
		was, err = at.Lstat(name)
	}
	if err != nil {
		return nil, err
	}
	if was.Mode()&fs.ModeSymlink != 0 {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errLink}
	}
	if !was.IsDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: unix.ENOTDIR}
	}
	next, err := at.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	is, err := next.Stat(".")
	if err == nil && !os.SameFile(was, is) {
		err = &fs.PathError{Op: "open", Path: name, Err: ErrConflict}
	}
	if err != nil {
		next.Close()
		return nil, err
	}
	return next, nil
}

func syncRoot(r *os.Root) error {
	f, err := r.Open(".")
	if err != nil {
		return err
	}
	err = f.Sync()
	return errors.Join(err, f.Close())
}

var errLink = errors.New("a symbolic link, which is never followed")

func (f *folder) close() {
	f.file.Close()
	f.root.Close()
}

// sync makes the names in the directory durable. It is never tried twice: the
// kernel forgets what it could not write.
func (f *folder) sync() error { return f.file.Sync() }

// names reads the names in the directory, sorted as keys are: a directory
// counts with the '/' behind it. Our own files in the making are left out.
func (f *folder) names() ([]entry, error) {
	again, err := f.create(".", unix.O_RDONLY|unix.O_DIRECTORY, 0) // a position of its own, for concurrent readers
	if err != nil {
		return nil, err
	}
	defer again.Close()
	var all []entry
	for {
		batch, err := again.ReadDir(1024)
		for _, d := range batch {
			if !ownTemp(d.Name()) {
				all = append(all, entry{d.Name(), d.IsDir()})
			}
		}
		if len(batch) == 0 {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.key(), b.key()) })
	return all, nil
}

// entry is a name in a directory.
type entry struct {
	name string
	dir  bool
}

// key is the entry's part of a key; that of a directory ends in '/'.
func (e entry) key() string {
	if e.dir {
		return e.name + "/"
	}
	return e.name
}

// stat describes a file without following it.
func (f *folder) stat(name string) (unix.Stat_t, error) {
	var st unix.Stat_t
	err := retry(func() error {
		return unix.Fstatat(int(f.file.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW)
	})
	if err != nil {
		return st, f.fail("stat", name, err)
	}
	return st, nil
}

// open opens a regular file for reading; a link, a pipe or a device is refused
// and never waited for.
func (f *folder) open(name string) (*os.File, unix.Stat_t, error) {
	fd, st, err := f.openFD(name)
	if err != nil {
		return nil, st, err
	}
	return os.NewFile(uintptr(fd), f.path+"/"+name), st, nil
}

// openFD is open for those who read many small files and need no *os.File.
func (f *folder) openFD(name string) (int, unix.Stat_t, error) {
	var (
		fd int
		st unix.Stat_t
	)
	err := retry(func() (err error) {
		fd, err = unix.Openat(int(f.file.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		return err
	})
	if errors.Is(err, unix.ELOOP) {
		return -1, st, f.fail("open", name, errLink)
	}
	if err != nil {
		return -1, st, f.fail("open", name, err)
	}
	if err = retry(func() error { return unix.Fstat(fd, &st) }); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errors.New("not a regular file")
	}
	if err != nil {
		unix.Close(fd)
		return -1, st, f.fail("open", name, err)
	}
	return fd, st, nil
}

// create opens a file for writing, making it where flags say so. It follows no
// link.
func (f *folder) create(name string, flags int, mode uint32) (*os.File, error) {
	var fd int
	err := retry(func() (err error) {
		fd, err = unix.Openat(int(f.file.Fd()), name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, mode)
		return err
	})
	if errors.Is(err, unix.ELOOP) {
		err = errLink
	}
	if err != nil {
		return nil, f.fail("create", name, err)
	}
	return os.NewFile(uintptr(fd), f.path+"/"+name), nil
}

func (f *folder) fail(op, name string, err error) error {
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	path := f.path
	if name != "" {
		path += "/" + name
	}
	return explain(fmt.Sprintf("%s %s", op, path), err)
}

func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

func modified(st unix.Stat_t) time.Time { return time.Unix(st.Mtim.Unix()) }

// version changes when a file is written to or replaced.
func version(st unix.Stat_t) string {
	return fmt.Sprintf("%x-%x-%x", st.Mtim.Nano(), st.Size, st.Ino)
}

// statOf is the form in which a manifest remembers that a file was hashed.
func statOf(st unix.Stat_t) string {
	return fmt.Sprintf("%d:%d:%d", st.Dev, st.Ino, st.Mtim.Nano())
}
