package storage

import (
	"context"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"
)

const (
	downloadWhole = 32 << 20 // larger objects come over several connections
	downloadPart  = 16 << 20
)

// Download writes an object to w, large ones over several connections at once.
// count hears of bytes as they arrive; it may be nil, and is called from several
// goroutines. Where w can be read as well, as a file can, the whole is compared
// with what is known of it, as Open does; else it comes over one connection.
// Where there is an error, what w holds means nothing.
func (s *S3) Download(ctx context.Context, key string, w io.WriterAt, count func(int64)) (Object, error) {
	if count == nil {
		count = func(int64) {}
	}
	doing := "read " + key
	if err := CheckKey(key); err != nil {
		return Object{}, err
	}
	out, err := s.get(ctx, key, "", "")
	if err != nil {
		return Object{}, s.fail(doing, err)
	}
	known := expectedOf(out)
	r, o, err := s.body(ctx, key, Range{}, out)
	if err != nil {
		return Object{}, fmt.Errorf("%s: %w", doing, err)
	}
	defer r.Close()
	back, ok := w.(io.ReaderAt)
	if o.Size <= downloadWhole || !ok {
		_, err := io.Copy(&offsetWriter{w, 0, count}, r)
		return o, err
	}
	// The connection that is open brings the first part.
	r.check, r.end = nil, downloadPart
	n := int((o.Size-1)/downloadPart) + 1
	arrived := make([]chan struct{}, n)
	for i := range arrived {
		arrived[i] = make(chan struct{})
	}
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return verifyBack(ctx, doing, back, o.Size, known.verifier(), arrived) })
	all.Go(func() error {
		fetch, ctx := errgroup.WithContext(ctx)
		fetch.SetLimit(partsAtOnce)
		for i := range n {
			fetch.Go(func() error {
				from, part := int64(i)*downloadPart, r
				if i > 0 {
					part = &s3Reader{ctx: ctx, s: s, object: o, at: from, end: min(from+downloadPart, o.Size)}
					defer part.Close()
				}
				if _, err := io.Copy(&offsetWriter{w, from, count}, part); err != nil {
					return err
				}
				close(arrived[i])
				return nil
			})
		}
		return fetch.Wait()
	})
	return o, all.Wait()
}

// verifyBack reads what arrived, in its order, and compares it.
func verifyBack(ctx context.Context, doing string, back io.ReaderAt, size int64, v *verifier, arrived []chan struct{}) error {
	if v == nil {
		return nil
	}
	for i := range arrived {
		select {
		case <-arrived[i]:
		case <-ctx.Done():
			return ctx.Err()
		}
		from := int64(i) * downloadPart
		if err := copyAll(ctx, v, io.NewSectionReader(back, from, min(downloadPart, size-from))); err != nil {
			return fmt.Errorf("%s: read what arrived: %w", doing, err)
		}
	}
	if err := v.compare(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// offsetWriter writes one after another from a place on, and counts.
type offsetWriter struct {
	w     io.WriterAt
	at    int64
	count func(int64)
}

func (w *offsetWriter) Write(p []byte) (int, error) {
	n, err := w.w.WriteAt(p, w.at)
	w.at += int64(n)
	w.count(int64(n))
	return n, err
}
