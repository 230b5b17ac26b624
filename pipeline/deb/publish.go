package deb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

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
