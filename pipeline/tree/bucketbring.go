package tree

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"

	"gantry/config"
	"gantry/storage"
)

// bring uploads a file, or has the store copy what is there by another name; one
// that is there already with these bytes stays.
func (a *shipment) bring(ctx context.Context, c *change) (*entry, error) {
	p := c.path()
	if c.leader != "" {
		like := a.notes.placed(c.leader)
		if like == nil {
			like = a.v.here[c.leader]
		}
		if like != nil && like.sum != nil && like.size == c.new.size && like.mtime == c.new.mtime && !a.v.foreign[c.leader] {
			if err := a.asPlanned(ctx, c); err != nil {
				return nil, err
			}
			o, err := a.Copy(ctx, a.key(c.leader), a.key(p))
			if err == nil && o.Size != c.new.size {
				err = storage.ErrConflict
			}
			return &entry{kind: file, size: c.new.size, mtime: c.new.mtime, sum: like.sum, text: o.Version}, err
		}
	}
	at := p
	if to := a.v.links[p]; to != "" {
		at = to
	}
	f, _, err := openFile(a.v.from, at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if was := c.old; was != nil && was.sum != nil && was.size == c.new.size && !c.foreign {
		r := &proven{ctx: ctx, f: f, want: c.new, sum: sha256.New()}
		if _, err := io.Copy(io.Discard, r); err != nil {
			return nil, err
		}
		if e := r.entry(was.text); *e.sum == *was.sum {
			a.p.Add(c.new.size)
			return e, a.asPlanned(ctx, c)
		}
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	when := storage.IfAbsent
	if c.old != nil {
		when = storage.IfMatch(c.old.text)
	}
	r := &proven{ctx: ctx, f: f, want: c.new, sum: sha256.New(), count: a.p.Add}
	o, err := a.Put(ctx, a.key(p), r, when)
	if err != nil {
		return nil, err
	}
	return r.entry(o.Version), nil
}

// proven reads a file of the source to its end, which it refuses to come to when
// the file is not what was planned: so nothing else is ever published.
type proven struct {
	ctx   context.Context
	f     *os.File
	want  *entry
	sum   hash.Hash
	n     int64
	count func(int64)
}

func (r *proven) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.f.Read(b)
	r.sum.Write(b[:n])
	r.n += int64(n)
	if r.count != nil {
		r.count(int64(n))
	}
	if err == io.EOF {
		if bad := r.check(); bad != nil {
			return n, bad
		}
	}
	return n, err
}

func (r *proven) check() error {
	if err := same(int(r.f.Fd()), r.want); err != nil {
		return err
	}
	if r.n != r.want.size || r.want.sum != nil && *r.want.sum != [32]byte(r.sum.Sum(nil)) {
		return config.Hint(errors.New("it has another SHA-256 than its repository says"), "look at the source; it is damaged, or its metadata is of other files")
	}
	return nil
}

// entry is the object that was made of it.
func (r *proven) entry(version string) *entry {
	return &entry{kind: file, size: r.want.size, mtime: r.want.mtime, sum: (*[32]byte)(r.sum.Sum(nil)), text: version}
}
