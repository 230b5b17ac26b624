package storage

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"gantry/config"
)

// Check compares a snapshot with its manifest, both ways: files that are missing
// or that the manifest does not know, sizes, and digests of those whose device,
// inode or mtime is not the one remembered, or of all where full is set. Every
// difference is in the error, up to a bound. count hears of the bytes of files
// as they are checked; it may be nil.
func (s *servedDir) Check(ctx context.Context, id string, full bool, count func(int64)) error {
	m, _, err := s.Manifest(ctx, id)
	if err != nil {
		return fmt.Errorf("check snapshot %s: %w", config.Inert(id), err)
	}
	f, err := s.dir.folder(snapshotsDir+"/"+id, false)
	if err != nil {
		return fmt.Errorf("check snapshot %s: %w", id, err)
	}
	defer f.close()
	c := comparison{
		files: dirFiles{&Dir{root: f.root, path: f.path}, false}, manifest: m, count: count,
		rehash: func(f File, stat string) bool { return full || f.Stat != stat },
	}
	if err := c.run(ctx); err != nil {
		return fmt.Errorf("check snapshot %s: %w", id, err)
	}
	return nil
}

// comparison is of a manifest with the files that are there.
type comparison struct {
	files    files
	manifest *Manifest
	rehash   func(f File, stat string) bool // whether to hash a file that has this stat now
	count    func(int64)

	found []error
	more  int
}

// files are those of a snapshot, by path.
type files interface {
	list(ctx context.Context) iter.Seq2[Object, error] // each with its stat
	hash(ctx context.Context, paths []string, count func(int64)) ([]Hashed, error)
}

// dirFiles are the files in a directory; cold ones are read from the disk, not
// from the cache.
type dirFiles struct {
	dir  *Dir
	cold bool
}

func (d dirFiles) list(ctx context.Context) iter.Seq2[Object, error] { return d.dir.List(ctx, "") }

func (d dirFiles) hash(ctx context.Context, paths []string, count func(int64)) ([]Hashed, error) {
	return d.dir.hashFiles(ctx, paths, 0, hashing{count: count, cold: d.cold})
}

// maxDifferences is how many differences are named before the rest is counted.
const maxDifferences = 20

func (c *comparison) differs(format string, args ...any) {
	if len(c.found) == maxDifferences {
		c.more++
		return
	}
	c.found = append(c.found, fmt.Errorf(format, args...))
}

func (c *comparison) run(ctx context.Context) error {
	files := make(map[string]File, len(c.manifest.Files))
	for _, f := range c.manifest.Files {
		files[f.Path] = f
	}
	var keys []string
	for o, err := range c.files.list(ctx) {
		if err != nil {
			return err
		}
		f, known := files[o.Key]
		delete(files, o.Key)
		switch {
		case o.Key == manifestName && !o.Link:
		case o.Link:
			c.differs("%s is not a regular file", config.Inert(o.Key))
		case !known:
			c.differs("%s is not in the manifest", config.Inert(o.Key))
		case o.Size != f.Size:
			c.differs("%s has %d bytes, the manifest says %d", f.Path, o.Size, f.Size)
		case c.rehash(f, o.stat):
			keys = append(keys, o.Key)
		case c.count != nil:
			c.count(f.Size)
		}
	}
	for _, f := range c.manifest.Files {
		if _, missing := files[f.Path]; missing {
			c.differs("%s is missing", f.Path)
		}
	}
	if err := c.hash(ctx, keys); err != nil {
		return err
	}
	if c.more > 0 {
		c.found = append(c.found, fmt.Errorf("and %d more", c.more))
	}
	return errors.Join(c.found...)
}

func (c *comparison) hash(ctx context.Context, keys []string) error {
	want := make(map[string]string, len(keys))
	for _, f := range c.manifest.Files {
		want[f.Path] = f.SHA256
	}
	sums, err := c.files.hash(ctx, keys, c.count)
	if err != nil {
		return err
	}
	for i, sum := range sums {
		switch {
		case sum.Err != nil:
			c.differs("%w", sum.Err)
		case sum.SHA256 != want[keys[i]]:
			c.differs("%s has the SHA-256 %s, the manifest says %s", keys[i], sum.SHA256, want[keys[i]])
		}
	}
	return nil
}
