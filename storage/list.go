package storage

import (
	"context"
	"errors"
	"iter"
	"strings"
)

// List yields the objects whose keys start with prefix, in key order. Only the
// names of the directories on the way are held in memory. Names that no key
// could have are yielded too, to be shown and never opened; a directory of such
// a name comes as one Link whose key ends in '/'. Where there is no directory
// there is nothing.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		dir, _ := splitKey(prefix)
		if dir != "" {
			if err := CheckKey(dir); err != nil {
				yield(Object{}, err)
				return
			}
		}
		f, err := d.folder(dir, false)
		if errors.Is(err, ErrNotFound) {
			return
		}
		if err != nil {
			yield(Object{}, err)
			return
		}
		above := ""
		if dir != "" {
			above = dir + "/"
		}
		f.list(ctx, above, prefix, yield)
	}
}

// list yields what is in the directory, and closes it. It tells whether to go on.
func (f *folder) list(ctx context.Context, above, prefix string, yield func(Object, error) bool) bool {
	defer f.close()
	names, err := f.names()
	if err != nil {
		yield(Object{}, f.fail("list", "", err))
		return false
	}
	for _, e := range names {
		key := above + e.key()
		if !strings.HasPrefix(key, prefix) && !(e.dir && strings.HasPrefix(prefix, key)) {
			continue
		}
		if err := ctx.Err(); err != nil {
			yield(Object{}, err)
			return false
		}
		if e.dir && CheckName(e.name) == nil {
			sub, err := openFolder(f.root, f.path, e.name, false, false)
			if err != nil {
				if errors.Is(explain("", err), ErrNotFound) {
					continue // gone since the names were read
				}
				yield(Object{}, f.fail("open", e.name, err))
				return false
			}
			if !sub.list(ctx, key, prefix, yield) {
				return false
			}
			continue
		}
		st, err := f.stat(e.name)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			yield(Object{}, err)
			return false
		}
		o := object(key, st)
		if !yield(o, nil) {
			return false
		}
	}
	return true
}
