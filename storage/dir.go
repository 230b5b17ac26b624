package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Dir is a Store on a directory. Whatever is below it stays below it: keys are
// checked, paths go through os.Root, symbolic links are never followed.
type Dir struct {
	root    *os.Root // nil of one that is only looked at
	path    string
	readers bool // what it makes is open to all readers, whatever the umask
}

// OpenDir opens a directory as a store, and makes it where it is missing.
func OpenDir(path string) (*Dir, error) { return openDir(path, false) }

// ViewDir is a directory as a store to look at: nothing is made when it is
// opened, and one that is missing is empty until somebody makes it. Writing to
// it is not for its users.
func ViewDir(path string) (*Dir, error) {
	if path == "" {
		return nil, errors.New("open a store: no path")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open a store: %w", err)
	}
	return &Dir{path: path}, nil
}

// openDir is OpenDir; where readers is set, what it makes is open to all
// readers, whatever the umask.
func openDir(path string, readers bool) (*Dir, error) {
	if path == "" {
		return nil, errors.New("open a store: no path")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open a store: %w", err)
	}
	if err := makeDurable(path, readers); err != nil {
		return nil, explain("make "+path, err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, explain("open "+path, err)
	}
	return &Dir{root: root, path: path, readers: readers}, nil
}

// makeDurable makes a directory and those above it, each synced in its parent.
func makeDurable(path string, readers bool) error {
	if fi, err := os.Stat(path); err == nil {
		if !fi.IsDir() {
			return unix.ENOTDIR
		}
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if parent != path {
		if err := makeDurable(parent, readers); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if readers {
		if err := os.Chmod(path, 0o755); err != nil {
			return err
		}
	}
	d, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// forReaders is the same directory, where what is made is open to all readers.
func (d *Dir) forReaders() *Dir { return &Dir{root: d.root, path: d.path, readers: true} }

// Path is where the store is, absolute.
func (d *Dir) Path() string { return d.path }

// Close lets go of the directory. Locks and files opened from it stay open.
func (d *Dir) Close() error {
	if d.root == nil {
		return nil
	}
	return d.root.Close()
}

// folder opens the directory of that key; "" is the store itself.
func (d *Dir) folder(dir string, create bool) (*folder, error) {
	root := d.root
	if root == nil {
		r, err := os.OpenRoot(d.path)
		if err != nil {
			return nil, explain("open "+d.path, err)
		}
		defer r.Close()
		root = r
	}
	f, err := openFolder(root, d.path, dir, create, d.readers)
	if err != nil {
		var inner *fs.PathError
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return nil, explain("open "+d.path+"/"+dir, err)
	}
	return f, nil
}

// at opens the directory of a key and returns the base name in it.
func (d *Dir) at(key string, create bool) (*folder, string, error) {
	if err := CheckKey(key); err != nil {
		return nil, "", err
	}
	dir, name := splitKey(key)
	f, err := d.folder(dir, create)
	return f, name, err
}

// Stat describes one object. What is not a regular file is a Link.
func (d *Dir) Stat(_ context.Context, key string) (Object, error) {
	f, name, err := d.at(key, false)
	if err != nil {
		return Object{}, err
	}
	defer f.close()
	st, err := f.stat(name)
	if err != nil {
		return Object{}, err
	}
	return object(key, st), nil
}

func object(key string, st unix.Stat_t) Object {
	return Object{
		Key: key, Size: st.Size, Modified: modified(st), Version: version(st),
		Link: st.Mode&unix.S_IFMT != unix.S_IFREG, stat: statOf(st),
	}
}

// Open reads an object, or a part of it. Links are refused.
func (d *Dir) Open(_ context.Context, key string, r Range) (io.ReadCloser, Object, error) {
	f, name, err := d.at(key, false)
	if err != nil {
		return nil, Object{}, err
	}
	defer f.close()
	file, st, err := f.open(name)
	if err != nil {
		return nil, Object{}, err
	}
	o := object(key, st)
	if r == (Range{}) {
		return file, o, nil
	}
	length := r.Length
	if length == 0 {
		length = max(0, o.Size-r.Offset)
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(file, r.Offset, length), file}, o, nil
}

// Put writes an object durably: a temporary file beside the name, fsync, then
// link(2) for IfAbsent or rename(2) otherwise, then fsync of the directory. An
// error leaves the object as it was, except one of that last fsync: the object
// is there, and may be gone after a power loss.
func (d *Dir) Put(ctx context.Context, key string, r io.Reader, c Condition) (Object, error) {
	f, name, err := d.at(key, true)
	if err != nil {
		return Object{}, err
	}
	defer f.close()
	t, temp, err := f.write(ctx, r, d.readers)
	if err != nil {
		return Object{}, err
	}
	defer t.Close() // all is written and synced
	st, err := f.stat(temp)
	if err == nil {
		err = d.name(f, key, temp, name, c)
	}
	if err != nil {
		return Object{}, errors.Join(err, f.remove(temp))
	}
	Reach("put.named")
	if err := f.sync(); err != nil {
		return Object{}, f.fail("sync", "", err)
	}
	Reach("put.durable")
	return object(key, st), nil
}

// name gives a temporary file its name, under the condition. The temporary name
// is gone when it returns without an error.
func (d *Dir) name(f *folder, key, temp, name string, c Condition) error {
	if c.absent {
		if err := f.root.Link(temp, name); errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s/%s: %w", f.path, name, ErrExists)
		} else if err != nil {
			return f.fail("link", name, linkError(err))
		}
		return f.remove(temp)
	}
	release, err := d.guard(c.version != "")
	if err != nil {
		return err
	}
	defer release()
	if c.version != "" {
		st, err := f.stat(name)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err != nil || version(st) != c.version {
			return fmt.Errorf("%s/%s: %w", f.path, name, ErrConflict)
		}
	}
	if err := f.root.Rename(temp, name); err != nil {
		return f.fail("rename to", name, linkError(err))
	}
	return nil
}

// linkError is the reason in an error of a call with two names.
func linkError(err error) error {
	var inner *os.LinkError
	if errors.As(err, &inner) {
		return inner.Err
	}
	return err
}

// remove deletes a name of the directory; one that is gone is no error.
func (f *folder) remove(name string) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f.fail("remove", name, err)
	}
	return nil
}

// Delete removes an object.
func (d *Dir) Delete(_ context.Context, key string) error {
	f, name, err := d.at(key, false)
	if err != nil {
		return err
	}
	defer f.close()
	st, err := f.stat(name)
	if err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return fmt.Errorf("remove %s/%s: a directory is not an object", f.path, name)
	}
	release, err := d.guard(false)
	if err != nil {
		return err
	}
	defer release()
	if err := f.root.Remove(name); err != nil {
		return f.fail("remove", name, err)
	}
	if err := f.sync(); err != nil {
		return f.fail("sync", "", err)
	}
	return nil
}

// guard keeps an IfMatch (alone) apart from other writers (together). It is a
// lock on one file at the top of the store.
func (d *Dir) guard(alone bool) (func(), error) {
	top, err := d.folder("", false)
	if err != nil {
		return nil, err
	}
	defer top.close()
	f, err := top.create(guardName, unix.O_CREAT|unix.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	how := unix.LOCK_SH
	if alone {
		how = unix.LOCK_EX
	}
	if err := retry(func() error { return unix.Flock(int(f.Fd()), how) }); err != nil {
		f.Close()
		return nil, explain("lock "+d.path, err)
	}
	return func() { f.Close() }, nil
}

// reader stops reading when the context ends.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
