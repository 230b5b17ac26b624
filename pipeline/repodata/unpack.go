package repodata

import (
	"compress/bzip2"
	"errors"
	"io"
	"path"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is how far back packed bytes may point: as far as the strongest
// presets of the tools do.
const maxWindow = 64 << 20

// unpack unpacks a file by the end of its name.
func unpack(r io.Reader, href string) (io.ReadCloser, error) {
	switch path.Ext(href) {
	case ".gz":
		return gzip.NewReader(r)
	case ".zst":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDocument),
			zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	case ".xz":
		x, err := newXZ(r)
		return io.NopCloser(x), err
	case ".bz2":
		return io.NopCloser(bzip2.NewReader(r)), nil
	case ".zck":
		return nil, errors.New("what is packed by zchunk is not read here")
	}
	return io.NopCloser(r), nil
}
