package oci

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/sync/errgroup"

	"gantry/pipeline"
)

// uploads is how many blobs are sent at a time.
const uploads = 4

// push sends images by digest: what the registry has already is not sent again,
// and no tag is touched.
func (r *registry) push(ctx context.Context, images []*Image, p *pipeline.Progress) error {
	r.renew() // a session remembers what it sent, which the registry may have collected since
	var total int64
	for _, i := range images {
		total += i.Size
	}
	p.Phase("push", pipeline.Bytes, total)
	g, sending := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for _, i := range images {
		for _, l := range i.layers {
			g.Go(func() error { return r.send(sending, &upload{layer: l, p: p}) })
		}
		g.Go(func() error {
			return r.upload(sending, static.NewLayer(i.raw, i.config.MediaType))
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, i := range images {
		d := &document{raw: i.Manifest, kind: i.MediaType, digest: i.Digest}
		if err := r.put(ctx, r.repo.Digest(i.Digest.String()), d); err != nil {
			return err
		}
		p.Add(int64(len(i.raw) + len(i.Manifest)))
		p.Logf("pushed %s for %s, %d bytes", i.Digest, words(i.Platform), i.Size)
	}
	return nil
}

func (r *registry) send(ctx context.Context, u *upload) error {
	u.p.File(u.digest.String())
	if err := r.upload(ctx, u); err != nil {
		return err
	}
	u.p.Add(u.size - u.sent.Load()) // what was there already
	return nil
}

// upload is a layer on its way. What an attempt that failed had counted is taken
// back by the next one.
type upload struct {
	*layer
	p    *pipeline.Progress
	sent atomic.Int64
}

func (u *upload) Compressed() (io.ReadCloser, error) {
	u.p.Add(-u.sent.Swap(0))
	part := u.open()
	part.count = func(n int64) {
		u.sent.Add(n)
		u.p.Add(n)
	}
	return part, nil
}

// blob reads a small blob from the registry and makes sure of its digest.
func (r *registry) blob(ctx context.Context, h v1.Hash, most int64) ([]byte, error) {
	if err := known(h); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := r.fetch(ctx, h, &b, most); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// fetch reads a blob of at most that many bytes from the registry; one that has
// not its digest is an error.
func (r *registry) fetch(ctx context.Context, h v1.Hash, into io.Writer, most int64) (int64, error) {
	s, err := r.agreed()
	if err != nil {
		return 0, err
	}
	ref := r.repo.Digest(h.String())
	l, err := s.puller.Layer(ctx, ref)
	if err != nil {
		return 0, r.explain(ctx, "read "+ref.String(), err)
	}
	body, err := l.Compressed() // which hashes what it reads
	if err != nil {
		return 0, r.explain(ctx, "read "+ref.String(), err)
	}
	defer body.Close()
	n, err := io.Copy(into, io.LimitReader(body, most+1))
	if err != nil {
		return n, r.explain(ctx, "read "+ref.String(), err)
	}
	if n > most {
		return n, fmt.Errorf("read %s: it has more than %d bytes", ref, most)
	}
	return n, nil
}

// there tells the size of a blob, or that it is missing.
func (r *registry) there(ctx context.Context, h v1.Hash) (int64, error) {
	s, err := r.agreed()
	if err != nil {
		return 0, err
	}
	ref := r.repo.Digest(h.String())
	l, err := s.puller.Layer(ctx, ref)
	var n int64
	if err == nil {
		n, err = l.Size()
	}
	return n, r.explain(ctx, "look for "+ref.String(), err)
}

var _ v1.Layer = (*upload)(nil)

// small is a blob of a few bytes.
func small(b []byte, kind types.MediaType) v1.Layer { return static.NewLayer(b, kind) }
