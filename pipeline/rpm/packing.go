package rpm

import (
	"bytes"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"

	"gantry/config"
)

// gzipHead begins a gzip member: no name, no time, so that equal packages make
// equal bytes (RFC 1952).
const gzipHead = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

// gzipLast is an empty last block of deflate (RFC 1951).
const gzipLast = "\x03\x00"

// packer compresses chunks so that they can be joined: as blocks of one gzip
// member that look back at nothing before them, or as zstd frames.
type packer struct {
	compression config.Compression
	deflate     *flate.Writer
	inflate     io.ReadCloser
	source      bytes.Reader
	encoder     *zstd.Encoder
	decoder     *zstd.Decoder
}

// newPacker returns a packer for one goroutine.
func newPacker(c config.Compression) (*packer, error) {
	p := &packer{compression: c}
	var err error
	switch c {
	case config.Gzip:
		if p.deflate, err = flate.NewWriter(nil, gzipLevel); err == nil {
			p.inflate = flate.NewReader(nil)
		}
	case config.Zstd:
		if p.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault)); err == nil {
			p.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxChunk))
		}
	default:
		err = fmt.Errorf("compression %q is not one of gz, zstd", c)
	}
	return p, err
}

// close lets go of what the packer holds.
func (p *packer) close() {
	if p.decoder != nil {
		p.decoder.Close()
	}
}

// maxChunk is the most XML that a chunk of one document may have in bytes: 256
// packages with the largest header that is read.
const maxChunk = 1 << 30

// gzipLevel makes documents about as small as createrepo_c's.
const gzipLevel = 6

// pack appends src, compressed, to dst.
func (p *packer) pack(dst *bytes.Buffer, src []byte) error {
	if p.encoder != nil {
		dst.Write(p.encoder.EncodeAll(src, dst.AvailableBuffer()))
		return nil
	}
	p.deflate.Reset(dst)
	if _, err := p.deflate.Write(src); err != nil {
		return err
	}
	return p.deflate.Flush()
}

var errUnpack = errors.New("compressed data is damaged")

// unpack decompresses what pack made of size bytes, at most maxChunk, into dst.
func (p *packer) unpack(dst, src []byte, size int64) ([]byte, error) {
	if p.decoder != nil {
		out, err := p.decoder.DecodeAll(src, dst[:0])
		if err == nil && int64(len(out)) != size {
			err = errUnpack
		}
		return out, err
	}
	p.source.Reset(append(src, gzipLast...))
	if err := p.inflate.(flate.Resetter).Reset(&p.source, nil); err != nil {
		return nil, err
	}
	if int64(cap(dst)) < size {
		dst = make([]byte, size)
	}
	dst = dst[:size]
	if _, err := io.ReadFull(p.inflate, dst); err != nil {
		return nil, err
	}
	if n, err := p.inflate.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		return nil, errUnpack
	}
	return dst, nil
}

// document is one of the three documents being written.
type document struct {
	w            io.Writer
	packed, open hash.Hash
	crc          uint32
	size, bytes  int64 // compressed and plain
}

func newDocument(w io.Writer) *document {
	return &document{w: w, packed: sha256.New(), open: sha256.New()}
}

// add writes compressed bytes and takes note of the plain ones they stand for.
func (d *document) add(packed, plain []byte) error {
	d.packed.Write(packed)
	d.open.Write(plain)
	d.crc = crc32.Update(d.crc, crc32.IEEETable, plain)
	d.size += int64(len(packed))
	d.bytes += int64(len(plain))
	_, err := d.w.Write(packed)
	return err
}

// state is what the digest of the plain text has come to.
func (d *document) state() ([]byte, error) {
	return d.open.(encoding.BinaryMarshaler).MarshalBinary()
}

// resume takes note of size bytes of plain text, after which the digests had
// come to the given ones in an earlier document that was the same so far.
func (d *document) resume(size int64, state []byte, crc uint32) error {
	d.bytes += size
	d.crc = crc
	return d.open.(encoding.BinaryUnmarshaler).UnmarshalBinary(state)
}

// finish ends the compressed file.
func (d *document) finish(c config.Compression) error {
	if c != config.Gzip {
		return nil
	}
	b := binary.LittleEndian.AppendUint32([]byte(gzipLast), d.crc)
	return d.add(binary.LittleEndian.AppendUint32(b, uint32(d.bytes)), nil)
}
