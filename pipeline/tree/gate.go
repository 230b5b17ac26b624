package tree

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
)

const (
	repomd    = repodata.Path
	signature = repodata.Path + ".asc"
)

// whole refuses a source that is half written: each repository that changes must
// have what its metadata names, all of it. The digests that metadata gives are
// noted with the files, to be compared as they are copied.
func (s *syncing) whole(ctx context.Context, v *survey, now time.Time) error {
	for i := range v.changes {
		if at := v.repoOf(v.changes[i].dir); at != nil {
			at.changed = true
		}
	}
	if err := s.signed(v, now); err != nil {
		return err
	}
	var checks errgroup.Group
	checks.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	var bad []error // in no order
	for _, at := range slices.SortedFunc(maps.Values(v.repos), func(a, b *repo) int { return strings.Compare(a.path, b.path) }) {
		if !at.src || !at.changed {
			continue
		}
		checks.Go(func() error {
			if err := v.complete(ctx, at); err != nil {
				mu.Lock()
				defer mu.Unlock()
				bad = append(bad, fmt.Errorf("%s: %w", config.Inert(at.path), err))
			}
			return nil
		})
	}
	checks.Wait() // nothing there returns an error
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(bad) == 0 {
		return nil
	}
	slices.SortFunc(bad, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	err := fmt.Errorf("%s is half written, or damaged: %w", s.from, bad[0])
	if len(bad) > 1 {
		err = fmt.Errorf("%w; and %s", err, repository.Count(len(bad)-1, "other repository", "other repositories"))
	}
	return config.Hint(err, "wait until it is complete, or make its metadata again")
}

// filesOf opens files of a repository below a directory.
func filesOf(top *folder, dir string) repodata.Files {
	return func(_ context.Context, name string) (io.ReadCloser, int64, error) {
		f, size, err := openFile(top, path.Join(dir, name))
		if err != nil {
			return nil, 0, err
		}
		return f, size, nil
	}
}

// openFile opens a file below a directory.
func openFile(top *folder, p string) (*os.File, int64, error) {
	dir, name := splitPath(p)
	at, err := top.open(dir)
	if err != nil {
		return nil, 0, err
	}
	defer at.close()
	fd, err := at.read(name)
	if err != nil {
		return nil, 0, err
	}
	f := os.NewFile(uintptr(fd), at.name(name))
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

// complete reads the metadata of a repository, looks for all that it names, and
// makes sure that what is new of it would be copied.
func (v *survey) complete(ctx context.Context, at *repo) error {
	r, err := repodata.Open(ctx, filesOf(v.from, at.path))
	if err != nil {
		return err
	}
	for _, d := range r.Documents {
		if e := v.lookup(path.Join(at.path, d.Href)); e != nil && d.Checksum.Kind == "sha256" {
			e.sum = digest(d.Checksum.Hex)
		}
	}
	missing, first := 0, ""
	known, veiled := v.known(ctx, at), []string{}
	err = r.Packages(ctx, func(p repodata.PackageRef) error {
		e := v.lookup(path.Join(at.path, p.Href))
		switch {
		case e != nil && e.kind == symlink:
		case e == nil || e.kind != file || e.size != p.Size:
			if missing++; missing == 1 {
				first = p.Href
			}
		default:
			e.sum = digest(p.SHA256)
			if was := known(p.Href); was != nil && e.sum != nil && *was != *e.sum {
				same, err := v.masked(path.Join(at.path, p.Href), e)
				if err != nil {
					return err
				}
				if same {
					veiled = append(veiled, p.Href)
				}
			}
		}
		return nil
	})
	if err == nil && missing > 0 {
		err = fmt.Errorf("%s that primary.xml names, not there or of another size: %s", repository.Count(missing, "package", "packages"), config.Inert(first))
		if missing > 1 {
			err = fmt.Errorf("%w and others", err)
		}
	}
	if err == nil && len(veiled) > 0 {
		err = fmt.Errorf("%s with other bytes than clients have, but the same name, size and time, so that a sync would leave them out (touch them in the source): %s",
			repository.Count(len(veiled), "package", "packages"), config.Inert(few(veiled)))
	}
	return err
}

// digest is a SHA-256 in hex, nil where it is none.
func digest(text string) *[32]byte {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != 32 {
		return nil
	}
	return (*[32]byte)(b)
}
