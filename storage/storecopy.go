package storage

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// copyOut copies the chosen files of a snapshot to the directory of a pointer,
// but for the pointer itself. What is there already, and is the same, stays.
func (t *storeTree) copyOut(ctx context.Context, k knownManifest, dir string, choose func(string) bool) error {
	var files []File
	for _, f := range k.Files {
		if choose != nil && f.Path != t.face.File && choose(f.Path) {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return nil
	}
	source, err := index(ctx, t.store, t.files(k.ID).dir)
	if err != nil {
		return err
	}
	there, err := index(ctx, t.store, dir+"/")
	if err != nil {
		return err
	}
	return each(ctx, len(files), func(ctx context.Context, i int) error {
		f := files[i]
		from, ok := source[f.Path]
		if !ok {
			return fmt.Errorf("copy %s of snapshot %s: %w", f.Path, k.ID, ErrNotFound)
		}
		if is, ok := there[f.Path]; ok && t.sameCopy(ctx, from, is, f) {
			return nil
		}
		to := dir + "/" + f.Path
		_, proven, err := copyObject(ctx, t.store, from, f, to, Always)
		if err == nil && !proven {
			_, err = verify(ctx, t.store, to, f)
		}
		if err != nil {
			return fmt.Errorf("copy %s of snapshot %s: %w", f.Path, k.ID, err)
		}
		Reach("storetree.flip.copy")
		return nil
	})
}

// copyAfter copies what clients look at besides the pointer, once it names the
// snapshot. Whoever was stopped meanwhile may have been overtaken, and have put
// older copies over newer ones: so who copied looks where the pointer is, and
// copies what belongs to that, until it stays.
func (t *storeTree) copyAfter(ctx context.Context, name string, k knownManifest) error {
	if t.face.After == nil {
		return nil
	}
	dir, err := t.pointerDir(name)
	if err != nil {
		return err
	}
	for range 3 {
		if err := t.copyOut(ctx, k, dir, t.face.After); err != nil {
			return err
		}
		at, err := t.pointer(ctx, name)
		if err != nil || at.id == k.ID || at.id == "" {
			return err
		}
		if k, err = t.manifest(ctx, at.id); err != nil {
			return err
		}
	}
	return fmt.Errorf("the pointer %s moves all the time: %w", name, ErrConflict)
}

// sameCopy tells whether an object is the copy of that file already. One that is
// not named by its digest is only asked for its version: it is replaced anyway.
func (t *storeTree) sameCopy(ctx context.Context, from, is Object, f File) bool {
	if is.Link || is.Size != f.Size {
		return false
	}
	if is.Version == from.Version && from.Stamp() == f.Stat {
		return true
	}
	if !strings.Contains(f.Path, f.SHA256) {
		return false
	}
	_, err := verify(ctx, t.store, is.Key, f)
	return err == nil
}

// index lists what is below a prefix, by the rest of the key.
func index(ctx context.Context, s Store, prefix string) (map[string]Object, error) {
	all := map[string]Object{}
	for o, err := range s.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		all[strings.TrimPrefix(o.Key, prefix)] = o
	}
	return all, nil
}

// copyObject copies an object that must be that file, inside the store where it
// can do that. proven tells that the copy has the version of an object whose
// digest is known; otherwise it has to be read before it is relied upon.
func copyObject(ctx context.Context, s Store, from Object, f File, to string, c Condition) (o Object, proven bool, err error) {
	if from.Link {
		return o, false, errors.New("not a regular file")
	}
	if from.Size != f.Size {
		return o, false, fmt.Errorf("%s has %d bytes, it should have %d", f.Path, from.Size, f.Size)
	}
	copier, ok := s.(Copier)
	if !ok {
		file, err := fetch(ctx, s, from.Key, f)
		if err != nil {
			return o, false, err
		}
		defer file.Close()
		o, err = s.Put(ctx, to, file, c)
		return o, false, err
	}
	if from.Stamp() != f.Stat {
		if from, err = verify(ctx, s, from.Key, f); err != nil {
			return o, false, err
		}
	}
	if o, err = copier.Copy(ctx, from.Key, to); err != nil {
		return o, false, err
	}
	if o.Size != f.Size {
		return o, false, fmt.Errorf("the copy of %s has %d bytes, it should have %d", f.Path, o.Size, f.Size)
	}
	return o, o.Version == from.Version, nil
}
