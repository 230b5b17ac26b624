package deb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/bits"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Limits of control.tar in bytes. The largest ones of Debian's packages are
// lists of checksums, a few MiB.
const (
	maxPacked   = 8 << 20
	maxUnpacked = 32 << 20
)

var errBomb = fmt.Errorf("its control.tar has more than %d MiB", maxUnpacked>>20)

// unpackers are kept for the next package: each takes memory to make.
var (
	gzips = sync.Pool{New: func() any { return new(gzip.Reader) }}
	zstds = sync.Pool{New: func() any {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxUnpacked), zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			panic(err) // only of options
		}
		return d
	}}
)

// unpack hands what a member of that extension holds to use, which gets an error
// where it has more than maxUnpacked bytes.
func unpack(extension string, r io.Reader, use func(io.Reader) error) error {
	switch extension {
	case "":
		return use(&bounded{r: r, left: maxUnpacked})
	case ".gz":
		g := gzips.Get().(*gzip.Reader)
		defer gzips.Put(g)
		if err := g.Reset(r); err != nil {
			return damaged(err)
		}
		return use(&bounded{r: g, left: maxUnpacked})
	case ".zst":
		z := zstds.Get().(*zstd.Decoder)
		defer zstds.Put(z)
		if err := z.Reset(r); err != nil {
			return damaged(err)
		}
		defer z.Reset(nil)
		return use(&bounded{r: z, left: maxUnpacked})
	case ".xz":
		packed, err := io.ReadAll(io.LimitReader(r, maxPacked+1))
		if err != nil {
			return err
		}
		if len(packed) > maxPacked {
			return errBomb
		}
		if err := shrinkXZ(packed); err != nil {
			return err
		}
		x, err := xz.ReaderConfig{DictCap: 4 << 10, SingleStream: true}.NewReader(bytes.NewReader(packed))
		if err != nil {
			return damaged(err)
		}
		return use(&bounded{r: x, left: maxUnpacked})
	}
	return fmt.Errorf("its control.tar is compressed in a way that is not known here: %q", clip(extension))
}

func damaged(err error) error { return fmt.Errorf("its control.tar is damaged: %w", err) }

// bounded fails where there is more to read than may be.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p[:min(int64(len(p)), b.left+1)])
	if b.left -= int64(n); b.left < 0 {
		return 0, errBomb
	}
	if err != nil && err != io.EOF {
		err = damaged(err)
	}
	return n, err
}

var errXZ = errors.New("its control.tar.xz is damaged, or not a single stream of a single block")

// shrinkXZ makes sure that an .xz file (format 1.1.0) is one stream of one block
// with no more than maxUnpacked bytes in it, and lets it ask for no more memory
// than those need: the dictionary that a header asks for is what a reader takes.
func shrinkXZ(b []byte) error {
	const head, foot = 12, 12
	if len(b) < head+foot || string(b[len(b)-2:]) != "YZ" {
		return errXZ
	}
	back := int64(binary.LittleEndian.Uint32(b[len(b)-8:])+1) * 4
	if back > int64(len(b)-head-foot) {
		return errXZ
	}
	index := b[int64(len(b)-foot)-back : len(b)-foot]
	if len(index) < 4 || index[0] != 0 || index[1] != 1 { // an index of one record
		return errXZ
	}
	_, n := binary.Uvarint(index[2:])
	if n <= 0 {
		return errXZ
	}
	size, m := binary.Uvarint(index[2+n:])
	if m <= 0 {
		return errXZ
	}
	if size > maxUnpacked {
		return errBomb
	}
	// The block's header: its size, flags, perhaps two sizes, the filter, padding
	// and a checksum.
	block := b[head:]
	length := (int(block[0]) + 1) * 4
	if block[0] == 0 || length > len(block) || block[1]&0x3f != 0 { // another filter besides
		return errXZ
	}
	at := 2
	for flag := byte(0x40); flag != 0; flag <<= 1 {
		if block[1]&flag == 0 {
			continue
		}
		_, n := binary.Uvarint(block[at : length-4])
		if n <= 0 {
			return errXZ
		}
		at += n
	}
	if at+3 > length-4 || block[at] != 0x21 || block[at+1] != 1 { // LZMA2
		return errXZ
	}
	sum := block[length-4 : length]
	if crc32.ChecksumIEEE(block[:length-4]) != binary.LittleEndian.Uint32(sum) {
		return errXZ
	}
	// The dictionary is 2 or 3 times a power of two: 2^12 is 0, 3*2^11 is 1.
	enough := byte(2 * max(0, bits.Len64(size)-12))
	block[at+2] = min(block[at+2], enough)
	binary.LittleEndian.PutUint32(sum, crc32.ChecksumIEEE(block[:length-4]))
	return nil
}
