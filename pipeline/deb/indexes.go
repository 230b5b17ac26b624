package deb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sync/errgroup"

	"gantry/pipeline"
	"gantry/storage"
)

// indexes writes Packages of every architecture, in each compression, under its
// own name and that of its digest.
func (a *assembly) indexes(ctx context.Context, packages []candidate, stanzas map[string][]byte) error {
	files := make([]storage.File, len(packages))
	for i, c := range packages {
		files[i] = c.File
	}
	order(files)
	a.p.Phase("indexes", pipeline.Files, 0)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, arch := range architectures(a.Target) {
		var all [][]byte
		for _, f := range files {
			if f.Arch == arch || f.Arch == "all" {
				all = append(all, stanzas[f.Path])
			}
		}
		for _, c := range compressions(a.Target.Compress) {
			g.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return a.index(ctx, indexDir(a.Target, arch), c, all)
			})
		}
	}
	return g.Wait()
}

// index writes one form of an index.
func (a *assembly) index(ctx context.Context, dir string, c compression, stanzas [][]byte) error {
	named, err := a.build.Create(ctx, dir+"/Packages"+c.extension)
	if err != nil {
		return err
	}
	defer named.Abort()
	hashed, err := a.build.Create(ctx, dir+"/by-hash/SHA256/Packages"+c.extension)
	if err != nil {
		return err
	}
	defer hashed.Abort()
	sum := sha256.New()
	out, err := c.pack(io.MultiWriter(named, hashed, sum))
	if err != nil {
		return err
	}
	if err := errors.Join(writeIndex(out, stanzas), out.Close()); err != nil {
		return fmt.Errorf("write %s/Packages%s: %w", dir, c.extension, err)
	}
	if err := hashed.Rename(hex.EncodeToString(sum.Sum(nil))); err != nil {
		return err
	}
	one, err := named.Commit()
	if err != nil {
		return err
	}
	other, err := hashed.Commit()
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.paths[one.Path], a.paths[other.Path] = true, true
	a.files = append(a.files, IndexFile{Path: one.Path, Size: one.Size, SHA256: one.SHA256})
	return nil
}

// retain takes over the indexes that clients may still ask for which hold an
// earlier InRelease.
func (a *assembly) retain(ctx context.Context) error {
	kept := a.Kept()
	a.p.Phase("keep served", pipeline.Files, 0)
	for _, id := range kept {
		s, err := a.Snapshot(ctx, id)
		if err != nil {
			return err
		}
		for _, f := range (trade{}).Lasting(s) {
			if a.paths[f.Path] {
				continue
			}
			a.paths[f.Path] = true
			f.Retained = true
			is, err := a.build.Link(ctx, id, f)
			if err != nil {
				return err
			}
			a.build.Add(is)
			a.p.Add(1)
		}
	}
	return nil
}
