package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"runtime"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"

	"gantry/config"
)

// layer is a layer of an image, which lies in a file.
type layer struct {
	from     *os.File
	at, size int64
	digest   v1.Hash // of these bytes
	diffID   v1.Hash // of what they hold
	kind     types.MediaType
}

func (l *layer) Digest() (v1.Hash, error)            { return l.digest, nil }
func (l *layer) DiffID() (v1.Hash, error)            { return l.diffID, nil }
func (l *layer) Size() (int64, error)                { return l.size, nil }
func (l *layer) MediaType() (types.MediaType, error) { return l.kind, nil }
func (l *layer) Compressed() (io.ReadCloser, error)  { return l.open(), nil }
func (l *layer) Uncompressed() (io.ReadCloser, error) {
	return nil, errors.New("layers are handed on as they are")
}
func (l *layer) open() *part { return &part{file: l.from, at: l.at, left: l.size} }

// part is a stretch of a file that is read once.
type part struct {
	file     *os.File
	at, left int64
	count    func(int64) // may be nil
}

func (p *part) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	if int64(len(b)) > p.left {
		b = b[:p.left]
	}
	n, err := p.file.ReadAt(b, p.at)
	p.advance(int64(n))
	if err == io.EOF && p.left > 0 {
		err = io.ErrUnexpectedEOF
	} else if n > 0 {
		err = nil
	}
	return n, err
}

// advance takes n bytes for read.
func (p *part) advance(n int64) {
	p.at, p.left = p.at+n, p.left-n
	if p.count != nil {
		p.count(n)
	}
}

func (p *part) Close() error { return nil }

// check hashes every layer, as it is and decompressed, one for each processor at
// a time.
func (i *Image) check(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, l := range i.layers {
		g.Go(func() error { return l.check(ctx) })
	}
	return g.Wait()
}

func (l *layer) check(ctx context.Context) error {
	in := &source{ctx: ctx, r: l.open()}
	outer, inner := sha256.New(), sha256.New()
	tee := io.TeeReader(in, outer)
	err := l.unpack(tee, in, inner)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, rest := io.Copy(io.Discard, tee); rest != nil {
		return fmt.Errorf("read the layer %s: %w", l.digest, rest)
	}
	if is := digestOf(outer); is != l.digest {
		return fmt.Errorf("the layer %s has the digest %s", l.digest, is)
	}
	if err != nil {
		return fmt.Errorf("the layer %s: %w", l.digest, err)
	}
	if is := digestOf(inner); is != l.diffID {
		return fmt.Errorf("the layer %s holds %s, the configuration of the image says %s", l.digest, is, l.diffID)
	}
	return nil
}

// unpack decompresses a layer into a hash.
func (l *layer) unpack(r io.Reader, in *source, into io.Writer) error {
	switch l.kind {
	case types.OCILayer, types.DockerLayer:
		z, err := gzip.NewReader(r)
		if err != nil {
			return err
		}
		r = z
	case types.OCILayerZStd:
		const window = 32 << 20 // bytes
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		if err != nil {
			return err
		}
		defer z.Close()
		r = z
	case types.OCIUncompressedLayer, types.DockerUncompressedLayer:
	default:
		return config.Hint(fmt.Errorf("it is %s, which is no layer that can be released", config.Inert(clip(string(l.kind)))),
			"images with layers that lie elsewhere, or that are encrypted, are not taken")
	}
	_, err := io.CopyBuffer(struct{ io.Writer }{into}, &bounded{r: r, in: in, most: maxArchive}, make([]byte, 256<<10))
	return err
}

func digestOf(h hash.Hash) v1.Hash {
	return v1.Hash{Algorithm: "sha256", Hex: hex.EncodeToString(h.Sum(nil))}
}
