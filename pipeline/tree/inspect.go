package tree

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
)

// findings are how a tree differs from what its sync left.
type findings struct {
	files, hashed int
	repos         int
	odd           []string // paths with what is wrong, bounded
	more          int
	since         int // of staging: what differs from what the sync left
}

func (f *findings) add(format string, args ...any) {
	if len(f.odd) < 20 {
		f.odd = append(f.odd, config.Inert(fmt.Sprintf(format, args...)))
	} else {
		f.more++
	}
}

func (f *findings) err() error {
	if len(f.odd) == 0 {
		return nil
	}
	slices.Sort(f.odd)
	return config.Hint(fmt.Errorf("%s: %s", repository.Count(len(f.odd)+f.more, "difference", "differences"), repository.Few(f.odd, "; ")),
		"find out who writes there; to have it as it was, sync again")
}

// inspect compares a tree with what its latest sync left: every name, size, time,
// mode and link; of staging, which is worked on after that, it only counts what
// differs. full also hashes what the metadata of its repositories names.
func inspect(ctx context.Context, t *config.Tree, c *chain, r *record, full bool, count func(int64)) (*findings, error) {
	if count == nil {
		count = func(int64) {}
	}
	if half := c.half(); half != nil {
		return nil, errors.New(c.apart(half))
	}
	if c.far != nil {
		return c.far.inspect(ctx, t, r, full, count)
	}
	to, err := destination(c.root, c.place, r.To)
	if err != nil {
		return nil, err
	}
	if to == nil {
		return nil, fmt.Errorf("%s is gone", r.To)
	}
	defer to.close()
	home, err := c.root.open(c.at + "/" + r.ID)
	if err != nil {
		return nil, err
	}
	defer home.close()
	want := map[string]*entry{}
	err = lines(home, listingFile, func(line []byte) error {
		p, text, ok := bytes.Cut(line, []byte("\t"))
		e, err := parseEntry(text)
		if !ok || err != nil || e == nil {
			return errEntry
		}
		want[string(p)] = e
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what sync %s left: %w", r.ID, err)
	}
	has, err := compare(ctx, to, nil, rules{skip: t.Exclude, root: us.uid == 0})
	if err != nil {
		return nil, err
	}
	f := &findings{}
	f.match(t, has, want)
	if c.place == staging { // errata, signatures and images come after the sync
		f = &findings{files: f.files, since: len(f.odd) + f.more}
	}
	if full && len(f.odd) == 0 {
		err = f.hash(ctx, to, has, count)
	}
	return f, err
}

// match compares what is there with what is wanted.
func (f *findings) match(t *config.Tree, has *difference, want map[string]*entry) {
	names := map[uint64]*leader{} // by what tells it in the record
	for i := range has.source {
		l := &has.source[i]
		for j := range l.here {
			e := &l.here[j].entry
			p := path.Join(l.path, l.here[j].name)
			w := want[p]
			delete(want, p)
			if e.kind != dir {
				f.files++
			}
			switch {
			case w == nil:
				f.add("%s was not there", p)
				continue
			case t.Private: // its world bits come with the bitflip
				w.mode, e.mode = w.mode&^0o007, e.mode&^0o007
			}
			w.owned = us.uid == 0
			if !w.alike(e) {
				f.add("%s differs", p)
			}
			if w.kind != file || w.ino == 0 {
				continue
			}
			if first := names[w.ino]; first == nil {
				names[w.ino] = &leader{p, e.ino}
			} else if first.ino != e.ino {
				f.add("%s is not one file with %s any more", p, first.path)
			}
		}
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		f.add("%s is missing", p)
	}
}

// leader is the first name of a file that has several.
type leader struct {
	path string
	ino  uint64
}

// hash hashes what the metadata of the repositories names, and the metadata.
func (f *findings) hash(ctx context.Context, to *folder, has *difference, count func(int64)) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex // guards f
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		f.add(format, args...)
	}
	for _, at := range slices.SortedFunc(maps.Values(has.repos), func(a, b *repo) int { return strings.Compare(a.path, b.path) }) {
		f.repos++
		r, err := repodata.Open(ctx, filesOf(to, at.path))
		if err == nil {
			err = r.Verify(ctx)
		}
		if err != nil {
			note("%s: %v", at.path, err)
			continue
		}
		err = r.Packages(ctx, func(p repodata.PackageRef) error {
			mu.Lock()
			f.hashed++
			mu.Unlock()
			all.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := hashed(to, path.Join(at.path, p.Href), p, count); err != nil {
					note("%v", err)
				}
				return nil
			})
			return ctx.Err()
		})
		if err != nil {
			note("%s: %v", at.path, err)
		}
	}
	return all.Wait()
}

// hashed compares a package with what its repository says of it.
func hashed(top *folder, at string, p repodata.PackageRef, count func(int64)) error {
	f, size, err := openFile(top, at)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if size != p.Size {
		return fmt.Errorf("%s has %d bytes, its repository says %d", at, size, p.Size)
	}
	n, err := io.Copy(sum, f)
	count(n)
	if err == nil && hex.EncodeToString(sum.Sum(nil)) != p.SHA256 {
		err = fmt.Errorf("%s has another SHA-256 than its repository says", at)
	}
	return err
}
