package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
	"gantry/storage"
)

// lead lets a link lead where it must, if it does not.
func (f *finding) lead(root *os.Root, l link, called string) error {
	from, err := l.from(root)
	if err != nil || from == l.to {
		return err
	}
	list := "changed"
	if from == "" {
		list = "added"
	}
	f.add(list, pipeline.Change{Name: called, From: config.Inert(from), To: "link to " + config.Inert(l.to)}, func(context.Context) error { return l.set(root, from) })
	return nil
}

// links gives repositories that once had other names those names too.
func (f *finding) links(all []link) error {
	for _, l := range all {
		if err := l.check(f.root); err != nil {
			return err
		}
		if err := f.lead(f.root, l, l.name); err != nil {
			return err
		}
	}
	return nil
}

// besides lets names beside the edition lead to it. Its own name needs none.
func (f *finding) besides(s *layout) error {
	words := s.target.Tree.Placeholders(f.edition)
	for _, text := range s.beside {
		name, err := config.Expand(text, words)
		if err != nil {
			return err
		}
		if path.Base(name) != name || !sound(name) {
			return fmt.Errorf("beside: %q is no name", config.Inert(name))
		}
		if name == f.name {
			continue
		}
		l := link{name, f.name}
		if err := l.check(f.above); err != nil {
			return err
		}
		if err := f.lead(f.above, l, "../"+name); err != nil {
			return err
		}
	}
	return nil
}

// drops removes directories that no mirror is given: each loses its name first,
// at once, then its files. What a run that died left of one goes too.
func (f *finding) drops(patterns []string) error {
	for _, pattern := range patterns {
		for _, p := range []string{pattern, aside.Name(pattern)} {
			found, err := f.matches(p)
			if err != nil {
				return err
			}
			for _, dir := range found {
				if err := f.dropped(dir); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// matches are the paths that a pattern names, of whatever is there. A directory
// on the way is never a link.
func (f *finding) matches(pattern string) ([]string, error) {
	found := []string{"."}
	for segment := range strings.SplitSeq(pattern, "/") {
		var next []string
		for _, dir := range found {
			if fi, err := f.root.Lstat(dir); err != nil || !fi.IsDir() {
				continue
			}
			names, err := f.read(dir, func(d fs.DirEntry) bool { ok, _ := path.Match(segment, d.Name()); return ok })
			if err != nil {
				return nil, err
			}
			for _, name := range names {
				next = append(next, path.Join(dir, name))
			}
		}
		found = next
	}
	return found, nil
}

func (f *finding) dropped(dir string) error {
	fi, err := f.root.Lstat(dir)
	if err == nil && !fi.IsDir() {
		err = fmt.Errorf("%s is to be dropped and is no directory", config.Inert(dir))
	}
	if err != nil {
		return err
	}
	f.add("removed", pipeline.Change{Name: dir, To: "nothing, the compose keeps it"}, func(context.Context) error {
		gone := dir
		if !aside.Passing(dir) {
			gone = aside.Name(dir)
			if err := f.root.RemoveAll(gone); err != nil {
				return err
			}
			if err := f.root.Rename(dir, gone); err != nil {
				return err
			}
			if err := aside.Sync(f.root, path.Dir(dir)); err != nil {
				return err
			}
		}
		storage.Reach("compose.dropping")
		return f.root.RemoveAll(gone)
	}).tree = dir
	return nil
}

// is tells whether a directory is there. What is there and is none is refused.
func (f *finding) is(dir string) (bool, error) {
	fi, err := f.root.Lstat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && !fi.IsDir() {
		err = fmt.Errorf("%s is there and is no directory", config.Inert(dir))
	}
	return err == nil, err
}
