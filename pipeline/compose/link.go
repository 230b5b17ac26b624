package compose

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
)

// link is a symbolic link that names a directory beside it. Other names cannot
// be written: so no link leads to itself, upwards or out of its directory.
type link struct {
	name string // below a root
	to   string // one name
}

// check refuses a link that would lead nowhere, to itself or to another link.
func (l link) check(root *os.Root) error {
	if !filepath.IsLocal(l.name) || l.name != path.Clean(l.name) || l.name == "." {
		return fmt.Errorf("%q is no name of a link", config.Inert(l.name))
	}
	if l.to == "" || l.to == "." || l.to == ".." || path.Base(l.to) != l.to {
		return config.Hint(fmt.Errorf("%s cannot lead to %q", config.Inert(l.name), config.Inert(l.to)), "a link names one directory beside it")
	}
	if path.Base(l.name) == l.to {
		return fmt.Errorf("%s cannot lead to itself", config.Inert(l.name))
	}
	to := path.Join(path.Dir(l.name), l.to)
	fi, err := root.Lstat(to)
	if err != nil {
		return fmt.Errorf("where %s is to lead: %w", config.Inert(l.name), err)
	}
	if !fi.IsDir() {
		return fmt.Errorf("where %s is to lead: %s is no directory", config.Inert(l.name), config.Inert(to))
	}
	return nil
}

// from is where the link leads now, empty where there is none. What is there and
// is no link is never touched.
func (l link) from(root *os.Root) (string, error) {
	fi, err := root.Lstat(l.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case fi.Mode()&fs.ModeSymlink == 0:
		return "", config.Hint(fmt.Errorf("%s is there and is no link", config.Inert(l.name)), "find out what it is; nothing here removes it")
	}
	return root.Readlink(l.name)
}

// set lets the link lead elsewhere, if it leads where it did, by one rename: at
// every moment it is there and leads to the old or the new.
func (l link) set(root *os.Root, from string) error {
	is, err := l.from(root)
	if err != nil {
		return err
	}
	if is == l.to {
		return nil
	}
	if is != from {
		return &pipeline.ConflictError{Reason: fmt.Sprintf("%s leads to %s, not to %s any more", config.Inert(l.name), orNowhere(is), orNowhere(from)), Hint: "plan again"}
	}
	if err := aside.Symlink(root, l.name, l.to); err != nil {
		return err
	}
	if is, err = l.from(root); err == nil && is != l.to {
		err = fmt.Errorf("%s leads to %s after it was moved to %s", config.Inert(l.name), orNowhere(is), config.Inert(l.to))
	}
	return err
}

func orNowhere(to string) string {
	if to == "" {
		return "nowhere"
	}
	return config.Inert(to)
}
