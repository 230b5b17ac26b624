package rpm

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Read checks the document against what repomd.xml says of it: r is the file's
// bytes, of which it reads all. The XML is handed to use, which may be nil, as it
// is unpacked: nothing of it is to be trusted before Read returns nil.
func (d Document) Read(r io.Reader, use func(io.Reader) error) error {
	if err := d.read(r, use); err != nil {
		return fmt.Errorf("read %s: %w", d.Href, err)
	}
	return nil
}

func (d Document) read(r io.Reader, use func(io.Reader) error) error {
	if err := d.check(); err != nil {
		return err
	}
	packed, err := newMeter(r, d.Checksum, d.Size)
	if err != nil {
		return err
	}
	var unpacked io.Reader
	switch {
	case strings.HasSuffix(d.Href, ".gz"):
		unpacked, err = gzip.NewReader(packed)
	case strings.HasSuffix(d.Href, ".zst"):
		var z *zstd.Decoder
		if z, err = zstd.NewReader(packed, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxDocument),
			zstd.WithDecoderMaxWindow(32<<20), zstd.WithDecoderLowmem(true)); err == nil {
			defer z.Close()
			unpacked = z
		}
	default:
		err = errors.New("it is neither .gz nor .zst")
	}
	if err != nil {
		return err
	}
	plain, err := newMeter(unpacked, d.Open, d.OpenSize)
	if err != nil {
		return err
	}
	if use != nil {
		if err := use(plain); err != nil {
			return err
		}
	}
	for _, m := range []*meter{plain, packed} {
		if _, err := io.Copy(io.Discard, m); err != nil {
			return err
		}
		if err := m.verify(); err != nil {
			return err
		}
	}
	return nil
}

// meter is a reader that knows what is to come through it.
type meter struct {
	r    io.Reader
	sum  hash.Hash
	left int64
	want string
}

func newMeter(r io.Reader, c Checksum, size int64) (*meter, error) {
	h, err := c.hash()
	return &meter{r: r, sum: h, left: size, want: c.Hex}, err
}

var errLonger = errors.New("it is longer than repomd.xml says")

func (m *meter) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if m.left -= int64(n); m.left < 0 {
		return 0, errLonger
	}
	m.sum.Write(p[:n])
	return n, err
}

// verify tells whether what came through was all and the right thing.
func (m *meter) verify() error {
	if m.left != 0 {
		return fmt.Errorf("it is %d bytes shorter than repomd.xml says", m.left)
	}
	if got := hex.EncodeToString(m.sum.Sum(nil)); got != m.want {
		return fmt.Errorf("its checksum is %s, repomd.xml says %s", got, m.want)
	}
	return nil
}
