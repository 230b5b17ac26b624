package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"strings"

	"gantry/config"
)

// Pool holds files outside the snapshots, which the metadata of several may
// name. A name that is taken keeps its bytes: nothing is ever written over.
type Pool struct {
	store  Store
	prefix string // "" or a key
}

// NewPool is the pool at that prefix of a store ("" for all of it). In a
// directory, what it makes is open to all readers.
func NewPool(s Store, prefix string) *Pool {
	if d, ok := s.(*Dir); ok {
		s = d.forReaders()
	}
	return &Pool{s, prefix}
}

// Path is where the pool is: an absolute directory, or an address.
func (p *Pool) Path() string { return addressOf(p.store, p.prefix) }

func (p *Pool) key(path string) (string, error) {
	if err := CheckKey(path); err != nil {
		return "", fmt.Errorf("a file of the pool: %w", err)
	}
	if p.prefix == "" {
		return path, nil
	}
	key := p.prefix + "/" + path
	return key, CheckKey(key)
}

// Put makes sure that a file is there with those bytes: it is written where the
// name is free, and read back. Other bytes under the name are ErrExists and stay.
// open gives the bytes; where they are not those of the digest nothing is left
// under the name. File.Stat is the Stamp of the object returned.
func (p *Pool) Put(ctx context.Context, path string, size int64, digest string, open func() (io.ReadCloser, error)) (Object, error) {
	f := File{Path: path, Size: size, SHA256: digest}
	key, err := p.key(path)
	if err != nil {
		return Object{}, err
	}
	if size < 0 || !isDigest(digest) {
		return Object{}, fmt.Errorf("put %s into the pool: no size or no SHA-256", path)
	}
	o, err := p.has(ctx, key, f)
	if errors.Is(err, ErrNotFound) {
		o, err = p.write(ctx, key, f, open)
	}
	if err != nil {
		return Object{}, fmt.Errorf("put %s into the pool: %w", path, err)
	}
	return o, nil
}

func (p *Pool) write(ctx context.Context, key string, f File, open func() (io.ReadCloser, error)) (Object, error) {
	r, err := open()
	if err != nil {
		return Object{}, err
	}
	defer r.Close()
	checked := &checkedReader{r: r, file: f, sum: sha256.New()}
	if _, local := p.store.(*Dir); local {
		// A file gets its name after the last byte was read without an error.
		_, err = p.store.Put(ctx, key, checked, IfAbsent)
	} else {
		err = p.upload(ctx, key, checked)
	}
	if errors.Is(err, ErrExists) {
		return p.has(ctx, key, f) // another was faster, or an earlier try of our own
	}
	if err != nil {
		return Object{}, err
	}
	Reach("pool.put")
	o, err := verify(ctx, p.store, key, f)
	if err != nil {
		return Object{}, config.Hint(fmt.Errorf("read back: %w", err), "look at what is there now; nobody was told of it yet")
	}
	return o, nil
}

// upload sends a file when all of it was read and found right.
func (p *Pool) upload(ctx context.Context, key string, r io.Reader) error {
	file, err := spool(ctx, r)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = p.store.Put(ctx, key, file, IfAbsent)
	return err
}

// checkedReader ends in an error instead of io.EOF where what was read is not
// the file.
type checkedReader struct {
	r    io.Reader
	file File
	sum  hash.Hash
	size int64
}

func (c *checkedReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.sum.Write(b[:n])
	c.size += int64(n)
	if c.size > c.file.Size {
		return n, fmt.Errorf("%s has more than the %d bytes that it should have", c.file.Path, c.file.Size)
	}
	if err == io.EOF {
		is := Hashed{Object: Object{Size: c.size}, SHA256: hex.EncodeToString(c.sum.Sum(nil))}
		if wrong := is.same(c.file); wrong != nil {
			return n, wrong
		}
	}
	return n, err
}

// Has tells whether a file is there, at the cost of a look where it still has the
// version that File.Stat remembers, and of reading it otherwise. Other bytes under
// the name are ErrExists.
func (p *Pool) Has(ctx context.Context, f File) (bool, error) {
	key, err := p.key(f.Path)
	if err != nil {
		return false, err
	}
	if f.Size < 0 || !isDigest(f.SHA256) {
		return false, fmt.Errorf("look for %s in the pool: no size or no SHA-256", f.Path)
	}
	_, err = p.has(ctx, key, f)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s in the pool: %w", f.Path, err)
	}
	return true, nil
}

// has is the object of a file that is there; ErrNotFound where the name is free.
func (p *Pool) has(ctx context.Context, key string, f File) (Object, error) {
	o, err := p.store.Stat(ctx, key)
	if err != nil {
		return o, err
	}
	taken := func(why string) error {
		return config.Hint(fmt.Errorf("%w, with other bytes: %s", ErrExists, why), "what was published keeps its bytes; give the new file another version")
	}
	switch {
	case o.Link:
		return o, fmt.Errorf("%w, and is no regular file", ErrExists)
	case o.Size != f.Size:
		return o, taken(fmt.Sprintf("it has %d, not %d", o.Size, f.Size))
	case o.Stamp() == f.Stat:
		return o, nil
	}
	is, err := download(ctx, p.store, key, io.Discard, nil)
	if err != nil {
		return o, err
	}
	if is.same(f) != nil {
		return o, taken("its SHA-256 is " + is.SHA256 + ", not " + f.SHA256)
	}
	return is.Object, nil
}

// Stat describes a file of the pool; ErrNotFound where there is none.
func (p *Pool) Stat(ctx context.Context, path string) (Object, error) {
	key, err := p.key(path)
	if err != nil {
		return Object{}, err
	}
	o, err := p.store.Stat(ctx, key)
	o.Key = path
	return o, err
}

// Open reads a file of the pool.
func (p *Pool) Open(ctx context.Context, path string) (io.ReadCloser, Object, error) {
	key, err := p.key(path)
	if err != nil {
		return nil, Object{}, err
	}
	r, o, err := p.store.Open(ctx, key, Range{})
	o.Key = path
	return r, o, err
}

// List yields the files of the pool whose paths start with that, in order; keys
// are relative to the pool.
func (p *Pool) List(ctx context.Context, start string) iter.Seq2[Object, error] {
	above := p.prefix
	if above != "" {
		above += "/"
	}
	return func(yield func(Object, error) bool) {
		for o, err := range p.store.List(ctx, above+start) {
			o.Key = strings.TrimPrefix(o.Key, above)
			if !yield(o, err) {
				return
			}
		}
	}
}

// Remove deletes a file that no snapshot names any more, which is for the caller
// to know. One that is gone is no error.
func (p *Pool) Remove(ctx context.Context, path string) error {
	key, err := p.key(path)
	if err != nil {
		return err
	}
	if err := p.store.Delete(ctx, key); err != nil && !errors.Is(err, ErrNotFound) {
		return fmt.Errorf("remove %s from the pool: %w", path, err)
	}
	return nil
}
