package deb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"

	"gantry/config"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// pool is where the packages of a suite lie, outside its snapshots. Paths are
// relative to the archive.
type pool struct {
	root storage.Store
	at   string // of the archive
}

func poolOf(w *repository.World) pool { return pool{w.Env.Root, w.Target.Path} }

func (p pool) key(file string) string { return path.Join(p.at, file) }

func (p pool) open(ctx context.Context, f storage.File) (io.ReadCloser, error) {
	r, _, err := p.root.Open(ctx, p.key(f.Path), storage.Range{})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.Path, err)
	}
	return r, nil
}

// has makes sure that files are there with their sizes.
func (p pool) has(ctx context.Context, files []storage.File) error {
	for _, f := range files {
		o, err := p.root.Stat(ctx, p.key(f.Path))
		if err == nil && o.Size != f.Size {
			err = fmt.Errorf("it has %d bytes, and should have %d", o.Size, f.Size)
		}
		if err != nil {
			return config.Hint(fmt.Errorf("the package %s: %w", f.Path, err), "somebody changed the pool; build again, which puts back what is staged")
		}
	}
	return nil
}

// put gives the pool a file, unless it is there. Other bytes under its path are
// an error: clients may hold either.
func (p pool) put(ctx context.Context, f storage.File, open func() (io.ReadCloser, error)) error {
	if there, _, err := p.root.Open(ctx, p.key(f.Path), storage.Range{}); err == nil {
		defer there.Close()
		if _, err := io.Copy(io.Discard, expect(there, f)); err != nil {
			return config.Hint(fmt.Errorf("the package %s has other bytes in the pool: %w", f.Path, err),
				"give the new build a higher version; one that was never published goes with its snapshots: gantry prune")
		}
		return nil
	} else if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	r, err := open()
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := p.root.Put(ctx, p.key(f.Path), expect(r, f), storage.IfAbsent); err != nil {
		return fmt.Errorf("put %s into the pool: %w", f.Path, err)
	}
	return nil
}

// expected gives what it reads, and in place of the end an error where that was
// not what it should be.
type expected struct {
	r   io.Reader
	f   storage.File
	sum hash.Hash
	n   int64
}

func expect(r io.Reader, f storage.File) *expected { return &expected{r: r, f: f, sum: sha256.New()} }

func (e *expected) Read(b []byte) (int, error) {
	n, err := e.r.Read(b)
	e.sum.Write(b[:n])
	e.n += int64(n)
	if err == io.EOF {
		if is := hex.EncodeToString(e.sum.Sum(nil)); e.n != e.f.Size || is != e.f.SHA256 {
			return n, fmt.Errorf("its SHA-256 is %s, and should be %s", is, e.f.SHA256)
		}
	}
	return n, err
}
