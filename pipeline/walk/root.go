package walk

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/config"
)

// Root is an open directory whose tree is read and worked on.
type Root struct {
	path string
	file *os.File
}

// Open opens a directory. Where mount is set it must be a mount point: what is
// below one that is not mounted lies on the machine's own disk, and is not the
// tree.
func Open(path string, mount bool) (*Root, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("open the tree: %w", err)
	}
	r := &Root{path, file}
	if mount {
		is, err := mounted(int(file.Fd()))
		if err == nil && !is {
			err = config.Hint(fmt.Errorf("%s is not mounted", path), "mount it, and plan again")
		}
		if err != nil {
			file.Close()
			return nil, err
		}
	}
	return r, nil
}

// Path is where it was opened, for messages.
func (r *Root) Path() string { return r.path }

// Close lets go of the directory.
func (r *Root) Close() error { return r.file.Close() }

// mounted tells whether an open directory is a mount point: what is above it is
// on another device, or is itself.
func mounted(fd int) (bool, error) {
	var here, above unix.Stat_t
	if err := unix.Fstat(fd, &here); err != nil {
		return false, fmt.Errorf("look whether it is mounted: %w", err)
	}
	if err := statAt(fd, "..", &above, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, fmt.Errorf("look whether it is mounted: %w", err)
	}
	return here.Dev != above.Dev || here.Ino == above.Ino || bound(fd), nil
}

// top is the directory itself, open anew, to be read.
func (r *Root) top() (*Dir, error) {
	fd, err := openAt(int(r.file.Fd()), ".")
	if err != nil {
		return nil, fmt.Errorf("open the tree %s: %w", r.path, err)
	}
	return &Dir{fd: fd}, nil
}

// Below opens a directory of the tree, at a path with '/' or ".", to make and
// replace files in it. No link is followed on the way.
func (r *Root) Below(path string) (*os.Root, error) {
	at, err := os.OpenRoot(r.path)
	if err != nil {
		return nil, fmt.Errorf("open the tree: %w", err)
	}
	same, err := r.same(at)
	if err == nil && !same {
		err = fmt.Errorf("%s was replaced while it was worked on", r.path)
	}
	for name := range strings.SplitSeq(path, "/") {
		if err != nil {
			break
		}
		var below *os.Root
		if below, err = descend(at, name); err == nil {
			at.Close()
			at = below
		}
	}
	if err != nil {
		at.Close()
		return nil, fmt.Errorf("open %s in %s: %w", config.Inert(path), r.path, err)
	}
	return at, nil
}

// Sub opens a directory of the tree as a root of its own. Links on the way are
// followed as long as they stay in the tree: the latest compose is one.
func (r *Root) Sub(path string) (*Root, error) {
	at, err := r.Below(".")
	if err != nil {
		return nil, err
	}
	defer at.Close()
	below, err := at.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("open %s in %s: %w", config.Inert(path), r.path, err)
	}
	defer below.Close()
	file, err := below.Open(".")
	if err != nil {
		return nil, fmt.Errorf("open %s in %s: %w", config.Inert(path), r.path, err)
	}
	return &Root{r.path + "/" + path, file}, nil
}

func (r *Root) same(at *os.Root) (bool, error) {
	opened, err := at.Stat(".")
	if err != nil {
		return false, err
	}
	is, err := r.file.Stat()
	return err == nil && os.SameFile(opened, is), err
}

func descend(at *os.Root, name string) (*os.Root, error) {
	was, err := at.Lstat(name)
	if err != nil {
		return nil, err
	}
	below, err := at.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	is, err := below.Stat(".")
	if err == nil && !os.SameFile(was, is) {
		err = fmt.Errorf("%s is a link, which is never followed", config.Inert(name))
	}
	if err != nil {
		below.Close()
		return nil, err
	}
	return below, nil
}
