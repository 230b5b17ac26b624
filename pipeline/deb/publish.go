package deb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// assembly is a snapshot in the making.
type assembly struct {
	*repository.World
	tree  storage.Tree
	build storage.Build
	pool  *storage.Pool
	key   *sign.Key
	p     *pipeline.Progress

	mu    sync.Mutex
	paths map[string]bool // what the snapshot holds so far
	files []IndexFile     // that Release is to name
}

// publish builds a snapshot of those packages, aside and whole: first the pool
// gets those that it has not, then come the indexes, then Release, signed. What
// the indexes of like say of packages is copied; like may be nil.
func publish(ctx context.Context, w *repository.World, packages []candidate, from repository.Lineage, m storage.Manifest, like *repository.Snapshot, p *pipeline.Progress) (pipeline.Evidence, error) {
	tree, ok := w.Served.(storage.Tree)
	if !ok {
		return nil, fmt.Errorf("%s is not served from files", w.Target.Name)
	}
	key, err := repository.SigningKey(w.Config, w.Target, w.Env.Now())
	if err != nil {
		return nil, err
	}
	if err := tree.Sweep(ctx); err != nil {
		return nil, fmt.Errorf("remove what an interrupted build left: %w", err)
	}
	build, err := tree.Begin(ctx, w.Env.Now(), w.Highest())
	if err != nil {
		return nil, err
	}
	defer build.Abort() // does nothing once it is committed
	a := &assembly{World: w, tree: tree, build: build, pool: poolOf(w), key: key, p: p, paths: map[string]bool{}}

	stanzas, read, err := a.describe(ctx, packages, like)
	if err != nil {
		return nil, err
	}
	added, bytes, err := a.fill(ctx, packages)
	if err != nil {
		return nil, err
	}
	if err := a.indexes(ctx, packages, stanzas); err != nil {
		return nil, err
	}
	if err := a.retain(ctx); err != nil {
		return nil, err
	}
	if err := a.release(ctx, &m); err != nil {
		return nil, err
	}
	if err := a.note(&m, "lineage", from); err != nil {
		return nil, err
	}
	m.Target, m.Release = string(w.Target.Name), w.Env.Release
	for _, c := range packages {
		m.Pool = append(m.Pool, c.File)
	}
	p.Phase("verify", pipeline.Bytes, 0)
	made, err := build.Commit(ctx, m, p.Add)
	if err != nil {
		return nil, err
	}
	p.Logf("built snapshot %s: %d packages, %d new in the pool, %d read, %d described before", made.ID, len(packages), added, read, len(packages)-read)
	return pipeline.Evidence{
		"snapshot": made.ID,
		"revision": strconv.FormatInt(made.Revision, 10),
		"packages": strconv.Itoa(len(packages)),
		"new":      strconv.Itoa(added),
		"reused":   strconv.Itoa(len(packages) - added),
		"bytes":    strconv.FormatInt(bytes, 10),
	}, nil
}

// note keeps a fact in the manifest.
func (a *assembly) note(m *storage.Manifest, name string, fact any) error {
	b, err := json.Marshal(fact)
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	if m.Extra == nil {
		m.Extra = map[string]json.RawMessage{}
	}
	m.Extra[name] = b
	return nil
}

// describe returns what the indexes are to say of each package.
func (a *assembly) describe(ctx context.Context, packages []candidate, like *repository.Snapshot) (map[string][]byte, int, error) {
	known := Stanzas{}
	for _, id := range []string{a.Production, idOf(like)} {
		if id == "" {
			continue
		}
		s, err := a.Snapshot(ctx, id)
		if err != nil {
			return nil, 0, err
		}
		if err := a.known(ctx, s, known); err != nil {
			a.p.Logf("packages are read anew: %v", err)
		}
	}
	staged := map[string]storage.Artifact{} // by path
	files := make([]storage.File, len(packages))
	for i, c := range packages {
		files[i] = c.File
		if c.staged() {
			staged[c.Path] = c.artifact
		}
	}
	a.p.Phase("describe", pipeline.Bytes, 0)
	stanzas, read, err := Describe(ctx, files, known, func(f storage.File) (io.ReadCloser, error) {
		a.p.File(f.Path)
		r, err := a.original(ctx, f, staged[f.Path])
		if err != nil {
			return nil, err
		}
		return reader{ctx, r, a.p}, nil
	})
	if err != nil {
		return nil, 0, err
	}
	byPath := make(map[string][]byte, len(files))
	for i, f := range files {
		byPath[f.Path] = stanzas[i]
	}
	return byPath, read, nil
}

func idOf(s *repository.Snapshot) string {
	if s == nil {
		return ""
	}
	return s.ID
}

// original opens a package: as it is staged, or where it is gone from there, in
// the pool.
func (a *assembly) original(ctx context.Context, f storage.File, staged storage.Artifact) (io.ReadCloser, error) {
	if staged.File != "" {
		return a.Env.Staging.Open(ctx, staged)
	}
	r, _, err := a.pool.Open(ctx, f.Path)
	return r, err
}

// known takes in what the indexes of a snapshot say, as long as they have their
// digests.
func (a *assembly) known(ctx context.Context, s *repository.Snapshot, into Stanzas) error {
	for _, f := range s.Files {
		if f.Retained || !strings.HasSuffix(f.Path, "/Packages") {
			continue
		}
		r, err := a.tree.Open(ctx, s.ID, f.Path)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(io.LimitReader(r, f.Size))
		r.Close()
		if err != nil {
			return err
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != f.SHA256 {
			return fmt.Errorf("%s of snapshot %s has not its digest", f.Path, s.ID)
		}
		into.addIndex(b)
	}
	return nil
}

// fill gives the pool the packages that it has not, and notes how it has them.
func (a *assembly) fill(ctx context.Context, packages []candidate) (added int, bytes int64, err error) {
	for _, c := range packages {
		if !c.pooled {
			bytes += c.Size
		}
	}
	a.p.Phase("pool", pipeline.Bytes, bytes)
	var fresh, size atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i := range packages {
		c := &packages[i]
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if c.pooled {
				if there, err := a.pool.Has(ctx, c.File); err != nil || there {
					return err
				}
				if !c.staged() {
					return pooled(ctx, a.pool, []storage.File{c.File})
				}
				a.p.Logf("%s is gone from the pool, and is put back", c.Path)
			}
			a.p.File(c.Path)
			o, err := a.pool.Put(ctx, c.Path, c.Size, c.SHA256, func() (io.ReadCloser, error) {
				r, err := a.Env.Staging.Open(ctx, c.artifact)
				if err != nil {
					return nil, err
				}
				return reader{ctx, r, a.p}, nil
			})
			if err != nil {
				return err
			}
			c.Stat = o.Stamp()
			fresh.Add(1)
			size.Add(c.Size)
			return nil
		})
	}
	err = g.Wait()
	return int(fresh.Load()), size.Load(), err
}

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

// release writes Release and its signatures, and makes sure of them with the key
// file that clients are given.
func (a *assembly) release(ctx context.Context, m *storage.Manifest) error {
	at, t := a.build.Time(), a.Target
	r := Release{
		Origin: t.Origin, Label: t.Label, Suite: string(t.Suite),
		Description:   fmt.Sprintf("%s %s for %s", t.Component, t.Series, t.Suite),
		Date:          at,
		Architectures: architectures(t), Components: []string{string(t.Component)},
		Files: a.files,
	}
	if t.ValidFor > 0 {
		r.ValidUntil = at.Add(time.Duration(t.ValidFor)).UTC()
		if err := a.note(m, "valid_until", r.ValidUntil); err != nil {
			return err
		}
	}
	text, err := r.Encode()
	if err != nil {
		return err
	}
	clear, err := a.key.Clear(text, at)
	if err != nil {
		return fmt.Errorf("sign InRelease: %w", err)
	}
	detached, err := a.key.Detached(text, at)
	if err != nil {
		return fmt.Errorf("sign Release: %w", err)
	}
	files := map[string][]byte{releasePath: text, signaturePath: detached, inReleasePath: clear}
	public, err := repository.PublicKey(a.Config, t)
	if err == nil {
		_, err = readSigned(files, public, at)
	}
	if err != nil {
		return fmt.Errorf("verify the signatures of Release as clients will: %w", err)
	}
	for _, name := range []string{releasePath, signaturePath, inReleasePath} {
		if err := a.create(ctx, name, files[name]); err != nil {
			return err
		}
	}
	return nil
}

// create writes a small file.
func (a *assembly) create(ctx context.Context, path string, content []byte) error {
	e, err := a.build.Create(ctx, path)
	if err != nil {
		return err
	}
	defer e.Abort()
	if _, err := e.Write(content); err != nil {
		return err
	}
	_, err = e.Commit()
	return err
}

// reader reads for a run: it stops with the run and counts as progress.
type reader struct {
	ctx context.Context
	io.ReadCloser
	p *pipeline.Progress
}

func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, context.Cause(r.ctx)
	}
	n, err := r.ReadCloser.Read(b)
	r.p.Add(int64(n))
	return n, err
}
