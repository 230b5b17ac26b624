package tree

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// folder is an open directory below a root. Names are resolved in it and nowhere
// else; no symbolic link is followed.
type folder struct {
	fd   int
	path string // from the root, "." for itself
}

// openRoot opens a directory by its path, which may lead through links.
func openRoot(at string) (*folder, error) {
	fd, err := again(func() (int, error) {
		return unix.Open(at, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: at, Err: err}
	}
	return &folder{fd, "."}, nil
}

func (f *folder) close() { unix.Close(f.fd) }

// name is a path below the root, for messages.
func (f *folder) name(of string) string { return path.Join(f.path, of) }

// open opens the directory at a path from here.
func (f *folder) open(p string) (*folder, error) {
	fd, err := openBelow(f.fd, p)
	if err != nil {
		return nil, &os.PathError{Op: "open directory", Path: f.name(p), Err: err}
	}
	return &folder{fd, f.name(p)}, nil
}

// make opens the directory at a path from here, and makes what lacks of it with a
// mode. made hears of each that is new.
func (f *folder) make(p string, mode uint32, made func(path string)) (*folder, error) {
	sub, err := f.open(p)
	if !errors.Is(err, unix.ENOENT) {
		return sub, err
	}
	parts := strings.Split(p, "/")
	for i := range parts {
		at := strings.Join(parts[:i+1], "/")
		switch err := f.mkdir(at, mode); {
		case err == nil && made != nil:
			made(at)
		case err != nil && !errors.Is(err, unix.EEXIST):
			return nil, err
		}
	}
	return f.open(p)
}

// mkdir makes a directory at a path from here, whose parent is there.
func (f *folder) mkdir(p string, mode uint32) error {
	dir, name := path.Split(p)
	at := f
	if dir != "" {
		var err error
		if at, err = f.open(path.Clean(dir)); err != nil {
			return err
		}
		defer at.close()
	}
	return at.fail("make directory", name, retry(func() error { return unix.Mkdirat(at.fd, name, mode) }))
}

// stat looks at what a name is. What is not there is nil.
func (f *folder) stat(name string) (*entry, error) {
	var st unix.Stat_t
	err := retry(func() error { return unix.Fstatat(f.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, f.fail("look at", name, err)
	}
	e := entryOf(&st)
	if e.kind == symlink {
		e.text, err = f.readlink(name)
	}
	return &e, err
}

// self looks at the directory itself.
func (f *folder) self() (*entry, error) {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(f.fd, &st) }); err != nil {
		return nil, f.fail("look at", "", err)
	}
	e := entryOf(&st)
	return &e, nil
}

func (f *folder) readlink(name string) (string, error) {
	var buf [4096]byte
	n, err := again(func() (int, error) { return unix.Readlinkat(f.fd, name, buf[:]) })
	if err == nil && n == len(buf) {
		err = unix.ENAMETOOLONG
	}
	if err != nil {
		return "", f.fail("read link", name, err)
	}
	return string(buf[:n]), nil
}

// names reads the names in the directory, in no order.
func (f *folder) names(buf []byte) ([]string, error) {
	var all []string
	for {
		n, err := again(func() (int, error) { return unix.ReadDirent(f.fd, buf) })
		if err != nil {
			return nil, f.fail("list", "", err)
		}
		if n <= 0 {
			return all, nil
		}
		all = parseNames(buf[:n], all)
	}
}

// create makes a new file that nobody else can read yet.
func (f *folder) create(name string) (int, error) {
	fd, err := again(func() (int, error) {
		return unix.Openat(f.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	return fd, f.fail("create", name, err)
}

// read opens a file for reading. A pipe of that name does not hold it up.
func (f *folder) read(name string) (int, error) {
	fd, err := again(func() (int, error) {
		return unix.Openat(f.fd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	})
	return fd, f.fail("open", name, err)
}

// link gives a file another name, in this or another directory.
func (f *folder) link(name string, to *folder, as string) error {
	return f.fail("link", name, retry(func() error { return unix.Linkat(f.fd, name, to.fd, as, 0) }))
}

func (f *folder) symlink(text, name string) error {
	return f.fail("link", name, retry(func() error { return unix.Symlinkat(text, f.fd, name) }))
}

// rename moves a name, over what has the other name.
func (f *folder) rename(name string, to *folder, as string) error {
	return f.fail("rename", name, retry(func() error { return unix.Renameat(f.fd, name, to.fd, as) }))
}

func (f *folder) unlink(name string) error {
	return f.fail("remove", name, retry(func() error { return unix.Unlinkat(f.fd, name, 0) }))
}

func (f *folder) rmdir(name string) error {
	return f.fail("remove directory", name, retry(func() error { return unix.Unlinkat(f.fd, name, unix.AT_REMOVEDIR) }))
}

// dress gives a name the owner, mode and time of an entry; dressed is what it has
// by now.
func (f *folder) dress(name string, e, has *entry) error {
	err := error(nil)
	if e.owned && (has.uid != e.uid || has.gid != e.gid) {
		err = retry(func() error {
			return unix.Fchownat(f.fd, name, int(e.uid), int(e.gid), unix.AT_SYMLINK_NOFOLLOW)
		})
	}
	if err == nil && e.kind != symlink && (has.mode != e.mode || has.uid != e.uid || has.gid != e.gid) {
		err = retry(func() error { return unix.Fchmodat(f.fd, name, e.mode, 0) })
	}
	if err == nil {
		err = f.setTime(name, e.mtime)
	}
	return f.fail("set owner, mode or time of", name, err)
}

func (f *folder) setTime(name string, mtime int64) error {
	ts := []unix.Timespec{unix.NsecToTimespec(mtime), unix.NsecToTimespec(mtime)}
	return retry(func() error { return unix.UtimesNanoAt(f.fd, name, ts, unix.AT_SYMLINK_NOFOLLOW) })
}

// fail says what was done to what, unless nothing went wrong.
func (f *folder) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: f.name(name), Err: err}
}

// retry does again what a signal interrupted.
func retry(do func() error) error {
	for {
		if err := do(); err != unix.EINTR {
			return err
		}
	}
}

func again(do func() (int, error)) (n int, err error) {
	err = retry(func() error { n, err = do(); return err })
	return n, err
}

// writeFile replaces a file of the directory, durably.
func (f *folder) writeFile(name string, data []byte) error {
	temp := tempPrefix + name
	if err := f.unlink(temp); err != nil && !errors.Is(err, unix.ENOENT) {
		return err
	}
	fd, err := f.create(temp)
	if err != nil {
		return err
	}
	file := os.NewFile(uintptr(fd), f.name(name))
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", f.name(name), err)
	}
	if err := f.rename(temp, f, name); err != nil {
		return err
	}
	return f.sync()
}

// sync makes the names in the directory durable.
func (f *folder) sync() error {
	return f.fail("sync", "", retry(func() error { return unix.Fsync(f.fd) }))
}

// tempPrefix begins the names of records in the making.
const tempPrefix = ".tmp-"
