package repodata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"syscall"
)

// Files opens a file of a repository by its path from the repository's root, and
// tells its size in bytes, -1 where that is not known beforehand.
type Files func(ctx context.Context, path string) (io.ReadCloser, int64, error)

// Below is the files of the repository that lies in a directory of a tree, such
// as BaseOS/x86_64/os. Nothing outside of the tree is opened, and nothing but
// files.
func Below(root *os.Root, dir string) Files {
	return func(_ context.Context, name string) (io.ReadCloser, int64, error) {
		// A pipe of that name must not hold the reader up until somebody writes to it.
		f, err := root.OpenFile(path.Join(dir, name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if err != nil {
			return nil, 0, err
		}
		about, err := f.Stat()
		if err == nil && !about.Mode().IsRegular() {
			err = errors.New("it is no file")
		}
		if err != nil {
			f.Close()
			return nil, 0, err
		}
		return f, about.Size(), nil
	}
}

// use opens a file, hands it on and closes it.
func (open Files) use(ctx context.Context, name string, size int64, do func(io.Reader) error) error {
	r, has, err := open(ctx, name)
	if err != nil {
		return fmt.Errorf("open %s: %w", clip(name), err)
	}
	defer r.Close()
	if size >= 0 && has >= 0 && size != has {
		return fmt.Errorf("%s has %d bytes, repomd.xml says %d", clip(name), has, size)
	}
	return do(cancelled{ctx, r})
}

// cancelled reads until the context is done.
type cancelled struct {
	ctx context.Context
	r   io.Reader
}

// Read implements io.Reader.
func (c cancelled) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
