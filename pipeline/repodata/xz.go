package repodata

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ulikunitz/xz/lzma"
)

// xzReader unpacks the container of xz, whose format is The .xz File Format of
// tukaani.org. A block says how much memory its reader needs, up to 4 GiB, and a
// small file may have many: one that asks for more than maxWindow is refused.
// The checks at the end of blocks are skipped, since the whole file has a digest.
type xzReader struct {
	r     *bufio.Reader
	n     int // bytes of the block read
	check int // bytes of the check after a block
	block io.Reader
	done  bool
}

var errXZ = errors.New("it is no xz file of the kind that is read here")

// checkSizes are the bytes of a check by its kind.
var checkSizes = map[byte]int{0: 0, 1: 4, 4: 8, 10: 32}

func newXZ(r io.Reader) (*xzReader, error) {
	x := &xzReader{r: bufio.NewReaderSize(r, 64<<10)}
	var head [12]byte
	if err := x.take(head[:]); err != nil {
		return nil, err
	}
	size, known := checkSizes[head[7]]
	if !bytes.HasPrefix(head[:], []byte("\xfd7zXZ\x00\x00")) || !known {
		return nil, errXZ
	}
	x.check = size
	return x, nil
}

// take reads exactly so many bytes of the container.
func (x *xzReader) take(p []byte) error {
	_, err := io.ReadFull(x.r, p)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Read implements io.Reader.
func (x *xzReader) Read(p []byte) (int, error) {
	for !x.done {
		if x.block == nil {
			if err := x.next(); err != nil {
				return 0, err
			}
			continue
		}
		n, err := x.block.Read(p)
		if err == io.EOF {
			err = x.leave()
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// next enters the next block, or ends at the index, which is not needed.
func (x *xzReader) next() error {
	var size [1]byte
	if err := x.take(size[:]); err != nil {
		return err
	}
	if size[0] == 0 {
		x.done = true
		return nil
	}
	head := make([]byte, (int(size[0])+1)*4-1)
	if err := x.take(head); err != nil {
		return err
	}
	// Flags, the sizes where these say so, and one filter: LZMA2, whose only property
	// is its window. A checksum ends it.
	flags, rest := head[0], head[1:len(head)-4]
	for _, has := range []byte{0x40, 0x80} {
		if flags&has == 0 {
			continue
		}
		_, n := binary.Uvarint(rest)
		if n <= 0 {
			return errXZ
		}
		rest = rest[n:]
	}
	if flags&^0xc0 != 0 || len(rest) < 3 || rest[0] != 0x21 || rest[1] != 1 {
		return errXZ
	}
	window, err := lzma.DecodeDictCap(rest[2])
	if err != nil {
		return err
	}
	if window > maxWindow {
		return fmt.Errorf("unpacking it takes %d bytes of memory, more than %d", window, maxWindow)
	}
	x.n = 0
	x.block, err = lzma.Reader2Config{DictCap: int(max(window, lzma.MinDictCap))}.NewReader2(compressed{x})
	return err
}

// leave skips what stands after a block: zeros up to the next four bytes, and
// its check.
func (x *xzReader) leave() error {
	x.block = nil
	return x.take(make([]byte, (4-x.n%4)%4+x.check))
}

// compressed is the bytes of a block, which it counts.
type compressed struct{ x *xzReader }

// Read implements io.Reader.
func (c compressed) Read(p []byte) (int, error) {
	n, err := c.x.r.Read(p)
	c.x.n += n
	return n, err
}

// ReadByte implements io.ByteReader.
func (c compressed) ReadByte() (byte, error) {
	b, err := c.x.r.ReadByte()
	if err == nil {
		c.x.n++
	}
	return b, err
}
