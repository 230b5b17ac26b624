package proof

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

const (
	seenMost  = 200_000 // names that a pattern is compared with
	foundMost = 20_000  // files that it may find
)

var errTooMany = config.Hint(errors.New("too many files to look at"), "name fewer of them: begin with more directories that have no * in their names")

// find is the regular files that a pattern names. done lets go of what they are
// opened from.
func find(ctx context.Context, env *pipeline.Env, pattern string) (files []found, done func() error, err error) {
	rest, remote := strings.CutPrefix(pattern, "store:")
	name, key, _ := strings.Cut(rest, "/")
	if remote {
		pattern = key
	}
	absolute := !remote && filepath.IsAbs(pattern)
	segments := strings.Split(strings.TrimPrefix(pattern, "/"), "/")
	for _, s := range segments {
		if _, err := path.Match(s, ""); err != nil || s == "" || s == "." || s == ".." || strings.ContainsRune(s, 0) {
			return nil, nil, errors.New("this is no clean path, nor a pattern of one")
		}
	}
	fixed := slices.IndexFunc(segments, wild)
	if fixed < 0 {
		fixed = len(segments) - 1
	}
	if remote {
		files, err = onStore(ctx, env, "store:"+name, segments[:fixed], segments[fixed:])
		return files, func() error { return nil }, err
	}
	at := env.Config.Dir()
	if absolute {
		at = "/" + path.Join(segments[:fixed]...)
		segments = segments[fixed:]
	}
	root, err := os.OpenRoot(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, func() error { return nil }, nil
	}
	if err != nil {
		return nil, nil, err
	}
	w := &walk{ctx: ctx, root: root}
	if err := w.match(".", segments); err != nil {
		root.Close()
		return nil, nil, err
	}
	return w.files, root.Close, nil
}

func wild(segment string) bool { return strings.ContainsAny(segment, `*?[\`) }

// walk looks for files below a root.
type walk struct {
	ctx   context.Context
	root  *os.Root
	seen  int
	files []found
}

// match finds what segments name below a directory of the root.
func (w *walk) match(dir string, segments []string) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	segment, rest := segments[0], segments[1:]
	if !wild(segment) {
		return w.take(path.Join(dir, segment), rest)
	}
	f, err := w.root.Open(dir)
	if err != nil {
		return absent(err)
	}
	defer f.Close()
	for {
		entries, err := f.ReadDir(1024)
		for _, e := range entries {
			if w.seen++; w.seen > seenMost {
				return errTooMany
			}
			if ok, _ := path.Match(segment, e.Name()); !ok || e.Name()[0] == '.' && segment[0] != '.' {
				continue
			}
			if err := w.take(path.Join(dir, e.Name()), rest); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return absent(err) // it is no directory, for instance
		}
	}
}

// take goes on at what a segment named.
func (w *walk) take(at string, rest []string) error {
	info, err := w.root.Stat(at)
	switch {
	case err != nil:
		return absent(err)
	case len(rest) > 0 && info.IsDir():
		return w.match(at, rest)
	case len(rest) > 0 || !info.Mode().IsRegular():
		return nil
	case len(w.files) >= foundMost:
		return errTooMany
	}
	w.files = append(w.files, found{name: at, size: info.Size(), modified: info.ModTime(), open: func() (io.ReadCloser, error) {
		f, err := w.root.OpenFile(at, os.O_RDONLY|syscall.O_NONBLOCK, 0) // it must not wait for a pipe that took its place
		if err != nil {
			return nil, err
		}
		return f, nil
	}})
	return nil
}

// absent is nil for an error that says only that something is not there.
func absent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// onStore finds objects below a prefix of a store.
func onStore(ctx context.Context, env *pipeline.Env, place string, prefix, segments []string) ([]found, error) {
	if len(prefix) > 0 {
		place += "/" + path.Join(prefix...)
	}
	s, err := env.Area(ctx, "store of the proof", place)
	if err != nil {
		return nil, err
	}
	var files []found
	seen := 0
	pattern := path.Join(segments...)
	start := pattern
	if i := strings.IndexAny(pattern, `*?[\`); i >= 0 {
		start = pattern[:i]
	}
	for o, err := range s.List(ctx, start) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", config.Inert(place), err)
		}
		if seen++; seen > seenMost || len(files) > foundMost {
			return nil, errTooMany
		}
		if ok, _ := path.Match(pattern, o.Key); !ok || o.Link {
			continue
		}
		files = append(files, found{name: o.Key, size: o.Size, modified: o.Modified, open: func() (io.ReadCloser, error) {
			r, _, err := s.Open(ctx, o.Key, storage.Range{})
			return r, err
		}})
	}
	return files, nil
}
