// Package aside makes files and links beside the names that they are to have, and
// lets them appear there at once: so a name is never missing, never half a file,
// and what is linked elsewhere is never written to.
package aside

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

	"gantry/storage"
)

// What is in the making is called .NAME.gantry.~tmp~ beside NAME: mirrors and
// file lists skip names that end so. The run that holds the target is the only
// one that writes there, so that the name needs nothing random, and what a run
// that died left is taken over by the next one.
const (
	end  = ".gantry.~tmp~"
	skip = ".~tmp~"
)

// Name is where what gets a name is made.
func Name(name string) string {
	dir, base := path.Split(name)
	return dir + "." + base + end
}

// Passing tells whether a name is that of something in the making, ours or rsync's.
func Passing(name string) bool { return strings.Contains(name, skip) }

// Read reads a regular file of at most so many bytes, and tells which it was. A
// link is not followed, a pipe never waited for.
func Read(root *os.Root, name string, most int64) ([]byte, fs.FileInfo, error) {
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

// Fill makes a file aside, synced, with mode and owner of one that it is like; of
// nil, everybody may read it. What was left there is put out of the way, never
// written to.
func Fill(root *os.Root, name string, from io.Reader, like fs.FileInfo) (err error) {
	at := Name(name)
	if err := clear(root, at); err != nil {
		return err
	}
	f, err := root.OpenFile(at, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	_, err = io.Copy(f, from)
	if err == nil && like != nil {
		mode = like.Mode().Perm()
		err = Own(f.Chown, f.Stat, like)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), root.Remove(at))
	}
	return nil
}

func clear(root *os.Root, at string) error {
	if err := root.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Own gives something the owner of what it is like, where that is another one.
func Own(chown func(uid, gid int) error, stat func() (fs.FileInfo, error), like fs.FileInfo) error {
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

// Appear gives what was made aside its name. That is durable after Sync of the
// directory.
func Appear(root *os.Root, name string) error {
	storage.Reach("aside.made")
	if err := root.Rename(Name(name), name); err != nil {
		return err
	}
	storage.Reach("aside.appeared")
	return nil
}

// Sync makes the names in a directory durable.
func Sync(root *os.Root, dir string) error {
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Put lets what was made aside appear, durably.
func Put(root *os.Root, name string) error {
	if err := Appear(root, name); err != nil {
		return err
	}
	return Sync(root, path.Dir(name))
}

// Replace writes a file whole, or not at all; like is as that of Fill.
func Replace(root *os.Root, name string, data []byte, like fs.FileInfo) error {
	if err := Fill(root, name, bytes.NewReader(data), like); err != nil {
		return err
	}
	return Put(root, name)
}

// Symlink lets a symbolic link of a name lead somewhere, whatever was there but a
// directory.
func Symlink(root *os.Root, name, to string) error {
	if err := clear(root, Name(name)); err != nil {
		return err
	}
	if err := root.Symlink(to, Name(name)); err != nil {
		return err
	}
	return Put(root, name)
}

// Link gives a file another name, which it has at once where there was another
// file. It is not for two names of one file.
func Link(root *os.Root, from, name string) error {
	if err := clear(root, Name(name)); err != nil {
		return err
	}
	if err := root.Link(from, Name(name)); err != nil {
		return err
	}
	return Put(root, name)
}
