package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"gantry/config"
)

// link makes the directory that clients read lead to a pointer, where the face
// has one for it. It is made once, before the pointer moves for the first time.
func (s *servedDir) link(pointer string) error {
	dir, ok := s.face.Dir[pointer]
	if !ok {
		return nil
	}
	at := filepath.Join(s.dir.path, filepath.FromSlash(dir))
	to, err := filepath.Rel(filepath.Dir(at), filepath.Join(s.dir.path, pointer))
	if err != nil {
		return fmt.Errorf("find the way from %s to the pointer %s: %w", at, pointer, err)
	}
	is, err := os.Readlink(at)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeDurable(filepath.Dir(at), true); err != nil {
			return explain("make "+filepath.Dir(at), err)
		}
		if err := os.Symlink(to, at); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make the link that clients follow: %w", err)
		}
		if err := syncPath(filepath.Dir(at)); err != nil {
			return explain("sync "+filepath.Dir(at), err)
		}
		is, err = os.Readlink(at)
	}
	if err != nil || is != to {
		return config.Hint(fmt.Errorf("%s is there and does not lead to %s, as clients need it", at, to), "move it away; gantry makes that link itself")
	}
	return nil
}

// syncPath makes what a directory lists durable.
func syncPath(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
