package hardlink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline/walk"
)

const block = 256 << 10 // bytes that are compared at a time

// comparer finds files with the same content. It is for one goroutine.
type comparer struct {
	folders *walk.Folders
	seed    maphash.Seed
	a, b    []byte
}

func newComparer(r *walk.Root) *comparer {
	return &comparer{folders: r.Folders(), seed: maphash.MakeSeed(), a: make([]byte, block), b: make([]byte, block)}
}

// errMoved says that a file is not any more what was found by walking.
var errMoved = errors.New("it changed since it was found")

// errClosed says that a file may not be read.
var errClosed = errors.New("it cannot be read")

// errFull says that a file can have no more names.
var errFull = errors.New("it can have no more names")

// errApart says that a name lies where the other file can have none: a directory
// may be mounted from elsewhere on the same device.
var errApart = errors.New("it lies on another mount")

// unread is a file that could not be compared, and why.
type unread struct {
	file *inode
	err  error
}

// class are files of a group with the same beginning, of which others that are
// the same go to the first.
type class struct {
	head  uint64 // hash of the first block
	first *inode
}

// sort compares the files of a group and hands those that are the same to same,
// the one that stays first. Where that says errFull, the other one stays for
// those to come; where it says errApart, both do. count hears of the bytes of each file that was looked at.
func (c *comparer) sort(ctx context.Context, g group, count func(int64), same func(stays, goes *inode) error) (failed []unread, err error) {
	var classes []*class
	for _, f := range g {
		if err := context.Cause(ctx); err != nil {
			return failed, err
		}
		c.folders.Trim()
		if err := c.place(ctx, f, &classes, same); errors.Is(err, errMoved) || errors.Is(err, errClosed) {
			failed = append(failed, unread{f, err})
		} else if err != nil {
			return failed, fmt.Errorf("%s: %w", config.Inert(f.names[0].path()), err)
		}
		count(f.Size)
	}
	return failed, nil
}

// place finds the class of a file, or makes it one.
func (c *comparer) place(ctx context.Context, f *inode, classes *[]*class, same func(stays, goes *inode) error) error {
	fd, err := c.open(f)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	n, err := readAt(fd, c.a, 0)
	if err != nil {
		return err
	}
	head := maphash.Bytes(c.seed, c.a[:n])
	for _, k := range *classes {
		if k.head != head {
			continue
		}
		equal, err := c.equal(ctx, fd, f, k.first)
		if errors.Is(err, errMoved) || errors.Is(err, errClosed) {
			continue // the other one, or it shows again for this one
		}
		if err != nil {
			return err
		}
		if !equal {
			continue
		}
		if err := same(k.first, f); errors.Is(err, errFull) {
			k.first = f
		} else if errors.Is(err, errApart) {
			continue
		} else if err != nil {
			return err
		}
		return nil
	}
	*classes = append(*classes, &class{head, f})
	return nil
}

// open opens a file, if it is still the one that was found.
func (c *comparer) open(f *inode) (int, error) {
	dir, err := c.folders.Open(f.names[0].dir)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return -1, errMoved
	}
	if err != nil {
		return -1, err
	}
	var fd int
	for {
		fd, err = unix.Openat(dir, f.names[0].base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			break
		}
	}
	switch {
	case err == unix.ELOOP, err == unix.ENOENT:
		return -1, errMoved
	case err == unix.EACCES, err == unix.EPERM:
		return -1, errClosed
	case err != nil:
		return -1, err
	}
	st, err := walk.Stat(fd)
	if err == nil && !f.is(&st) {
		err = errMoved
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// is tells whether it is the file that was found. The time of its inode is left
// out: each name that comes or goes changes it.
func (f *inode) is(st *walk.Entry) bool {
	return st.Device == f.Device && st.Inode == f.Inode && outside(st, f.Entry) == 0
}

// equal compares a file, whose first block is in a, with another one: attributes,
// and content byte by byte. Both are the same files afterwards as before.
func (c *comparer) equal(ctx context.Context, fd int, f, with *inode) (bool, error) {
	other, err := c.open(with)
	if err != nil {
		return false, err
	}
	defer unix.Close(other)
	before, err := both(fd, other)
	if err != nil {
		return false, err
	}
	if alike, err := dressed(fd, other); err != nil || !alike {
		return false, err
	}
	for at := int64(0); at < f.Size; at += block {
		if at > 0 {
			if err := context.Cause(ctx); err != nil {
				return false, err
			}
		}
		n, err := readAt(fd, c.a, at)
		if err != nil {
			return false, err
		}
		m, err := readAt(other, c.b, at)
		if err != nil {
			return false, err
		}
		if !bytes.Equal(c.a[:n], c.b[:m]) {
			return false, nil
		}
	}
	after, err := both(fd, other)
	if err == nil && after != before {
		err = errMoved
	}
	return err == nil, err
}

func both(a, b int) (st [2]walk.Entry, err error) {
	if st[0], err = walk.Stat(a); err == nil {
		st[1], err = walk.Stat(b)
	}
	return st, err
}

// readAt fills a buffer as far as the file goes.
func readAt(fd int, into []byte, at int64) (n int, err error) {
	for n < len(into) {
		m, err := unix.Pread(fd, into[n:], at+int64(n))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return n, err
		case m == 0:
			return n, nil
		}
		n += m
	}
	return n, nil
}
