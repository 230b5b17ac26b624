package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"
)

// transfers is how many objects are on their way at a time.
const transfers = 8

// Stamp is the form in which File.Stat remembers that an object of a store was
// hashed: as long as its version is the same, so are its bytes.
func (o Object) Stamp() string { return "store:" + o.Version }

// each calls f for every number below n, several at a time, until one fails.
func each(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(transfers)
	for i := range n {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return f(ctx, i)
		})
	}
	return g.Wait()
}

// download reads an object to its end, into w and through SHA-256. An object
// that is cut short, or longer than the store says, is an error.
func download(ctx context.Context, s Store, key string, w io.Writer, count func(int64)) (Hashed, error) {
	r, o, err := s.Open(ctx, key, Range{})
	if err != nil {
		return Hashed{}, err
	}
	defer r.Close()
	sum := sha256.New()
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	into := []io.Writer{sum, w}
	if count != nil {
		into = append(into, counter(count))
	}
	n, err := io.CopyBuffer(io.MultiWriter(into...), io.LimitReader(reader{ctx, r}, o.Size+1), *buf)
	if err == nil && n != o.Size {
		err = fmt.Errorf("%d bytes came, it has %d: %w", n, o.Size, io.ErrUnexpectedEOF)
	}
	if err != nil {
		return Hashed{}, fmt.Errorf("read %s: %w", key, err)
	}
	return Hashed{Object: o, SHA256: hex.EncodeToString(sum.Sum(nil)), Stat: o.Stamp()}, nil
}

// counter is a writer that hears how much is written.
type counter func(n int64)

func (c counter) Write(p []byte) (int, error) {
	c(int64(len(p)))
	return len(p), nil
}

// hashObjects hashes objects of a store, several at a time. Results are in the
// order of keys; an error of one is in its result, the error returned is that of
// ctx.
func hashObjects(ctx context.Context, s Store, keys []string, h hashing) ([]Hashed, error) {
	all := make([]Hashed, len(keys))
	err := each(ctx, len(keys), func(ctx context.Context, i int) error {
		if h.name != nil {
			h.name(keys[i])
		}
		sum, err := download(ctx, s, keys[i], io.Discard, h.count)
		sum.Err = err
		all[i] = sum
		return ctx.Err()
	})
	return all, err
}

// fetch downloads an object into a file without a name, at its start again. An
// object that is not what f says is refused.
func fetch(ctx context.Context, s Store, key string, f File) (*os.File, error) {
	file, err := SpoolFile()
	if err != nil {
		return nil, err
	}
	is, err := download(ctx, s, key, file, nil)
	if err == nil {
		err = is.same(f)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// same tells in words why what was hashed is not the file.
func (h Hashed) same(f File) error {
	switch {
	case h.Err != nil:
		return h.Err
	case h.Object.Size != f.Size:
		return fmt.Errorf("%s has %d bytes, it should have %d", f.Path, h.Object.Size, f.Size)
	case h.SHA256 != f.SHA256:
		return fmt.Errorf("%s has the SHA-256 %s, it should have %s", f.Path, h.SHA256, f.SHA256)
	}
	return nil
}

// verify downloads an object and compares it with what it should be.
func verify(ctx context.Context, s Store, key string, f File) (Object, error) {
	is, err := download(ctx, s, key, io.Discard, nil)
	if err != nil {
		return Object{}, err
	}
	return is.Object, is.same(f)
}
