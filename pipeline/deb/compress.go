package deb

import (
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"gantry/config"
)

// compression is a form in which an index is served.
type compression struct {
	extension string
	pack      func(io.Writer) (io.WriteCloser, error)
	unpack    func(io.Reader) (io.ReadCloser, error)
}

var (
	plain = compression{"",
		func(w io.Writer) (io.WriteCloser, error) { return open{w}, nil },
		func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(r), nil }}
	gz = compression{".gz",
		func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, 6) },
		func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }}
	xzip = compression{".xz",
		func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
		func(r io.Reader) (io.ReadCloser, error) {
			x, err := xz.NewReader(r)
			return io.NopCloser(x), err
		}}
	zst = compression{".zst",
		func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
		},
		func(r io.Reader) (io.ReadCloser, error) {
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
			if err != nil {
				return nil, err
			}
			return z.IOReadCloser(), nil
		}}
)

// compressions are the forms that every index has: as it is and by gzip, which
// all clients read, and a small one.
func compressions(c config.Compression) []compression {
	if c == config.Zstd {
		return []compression{zst, gz, plain}
	}
	return []compression{xzip, gz, plain}
}

// open is a writer with nothing to close.
type open struct{ io.Writer }

func (open) Close() error { return nil }
