package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
)

// write writes links first, then the checksums that name them, and tells how many
// files that were.
func (t *task) write(ctx context.Context, sums []Sum) (int, error) {
	wrote := 0
	for _, name := range slices.Sorted(maps.Keys(t.links)) {
		if t.Links[name] == t.links[name] {
			continue
		}
		if err := t.replace(name, func(temp string) error { return t.root.Symlink(t.links[name], temp) }); err != nil {
			return wrote, err
		}
		wrote++
	}
	texts := map[string][]Sum{t.checksum: sums}
	names := []string{}
	for _, s := range sums {
		names = append(names, s.Name+".CHECKSUM")
		texts[s.Name+".CHECKSUM"] = []Sum{s}
	}
	for _, name := range append(names, t.checksum) {
		text, err := Format(texts[name])
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return wrote, err
		}
		if was, err := t.text(name); err == nil && bytes.Equal(was, text) && t.Links[name] == "" {
			continue
		}
		if err := t.replace(name, func(temp string) error { return t.save(temp, text) }); err != nil {
			return wrote, err
		}
		wrote++
	}
	return wrote, nil
}

// replace makes something aside and renames it over what is there, so that the
// name is never missing and nothing that is linked elsewhere is written to.
func (t *task) replace(name string, make func(temp string) error) error {
	temp := "." + name + ".~tmp~" // the run holds the tree
	if err := t.root.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := make(temp)
	if err == nil {
		err = t.root.Rename(temp, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), t.root.RemoveAll(temp))
	}
	d, err := t.root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// save writes a new file durably.
func (t *task) save(name string, text []byte) error {
	f, err := t.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
