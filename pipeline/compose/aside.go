package compose

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// What is being written is called .NAME.gantry.~tmp~ beside NAME: mirrors and
// file lists skip names that end so. The run that holds the target is the only
// one that writes there, so that the name needs nothing random, and what a run
// that died left is taken over by the next one.
const (
	tempEnd  = ".gantry.~tmp~"
	skipName = ".~tmp~"
)

func temp(name string) string {
	dir, base := path.Split(name)
	return dir + "." + base + tempEnd
}

// passing tells whether a name is that of a file in the making, ours or rsync's.
func passing(name string) bool { return strings.Contains(name, skipName) }

// read reads a regular file of at most so many bytes. A link is not followed, a
// pipe never waited for.
func read(root *os.Root, name string, most int64) ([]byte, fs.FileInfo, error) {
	was, err := root.Lstat(name)
	if err == nil && !was.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	is, err := f.Stat()
	if err == nil && !os.SameFile(was, is) {
		err = fmt.Errorf("%s is being replaced", name)
	}
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return b, is, err
}

// write makes the temporary file of a name, synced, with mode and owner of a
// file like it. An older one of that name is put out of the way, never written to.
func write(root *os.Root, name string, data []byte, like fs.FileInfo) error {
	return fill(root, name, bytes.NewReader(data), like)
}

func fill(root *os.Root, name string, from io.Reader, like fs.FileInfo) (err error) {
	aside := temp(name)
	if err := root.Remove(aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, from)
	if err == nil {
		err = own(f.Chown, f.Stat, like)
	}
	if err == nil {
		err = f.Chmod(like.Mode().Perm())
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// own gives something the owner of what it is like, where that is another one.
func own(chown func(uid, gid int) error, stat func() (fs.FileInfo, error), like fs.FileInfo) error {
	is, err := stat()
	if err != nil {
		return err
	}
	has, wants := is.Sys().(*syscall.Stat_t), like.Sys().(*syscall.Stat_t)
	if has.Uid == wants.Uid && has.Gid == wants.Gid {
		return nil
	}
	return chown(int(wants.Uid), int(wants.Gid))
}

// appear gives a temporary file its name.
func appear(root *os.Root, name string) error { return root.Rename(temp(name), name) }

// replace writes a file whole, or not at all.
func replace(root *os.Root, name string, data []byte, like fs.FileInfo) error {
	err := write(root, name, data, like)
	if err == nil {
		err = appear(root, name)
	}
	if err == nil {
		err = settle(root, path.Dir(name))
	}
	return err
}

// settle makes the names in a directory durable.
func settle(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
