package storage

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// expected is what is known beforehand of the bytes of an object.
type expected struct {
	sha256    []byte // of the whole
	part      int64  // size of each part but the last of those that composite is made of
	composite string // base64 of the SHA-256 of the SHA-256 of all parts, a dash, their number
	sum       hash.Hash
	want      []byte // of sum, where the server has only that
}

// composite is the checksum that servers keep of an object made of parts.
func composite(sums [][sha256.Size]byte) string {
	h := sha256.New()
	for _, s := range sums {
		h.Write(s[:])
	}
	return fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), len(sums))
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	nvme       = crc64.MakeTable(0x9a6c9329ac4bc9b5)
)

// expectedOf reads what a server knows of a whole object: a SHA-256, the one that
// its writer left in the metadata, that of its parts, or a CRC. What is not
// well-formed is not known.
func expectedOf(out *s3.GetObjectOutput) expected {
	var e expected
	if sum, err := hex.DecodeString(out.Metadata[metaSHA256]); err == nil && len(sum) == sha256.Size {
		e.sha256 = sum
	}
	if is := aws.ToString(out.ChecksumSHA256); strings.Contains(is, "-") {
		e.part, e.composite = partOf(is, out.Metadata[metaPart], aws.ToInt64(out.ContentLength))
	} else if sum := checksum(is, sha256.Size); sum != nil {
		e.sha256 = sum
	}
	if e.sha256 != nil || e.composite != "" {
		return e
	}
	for _, c := range []struct {
		is  *string
		sum func() hash.Hash
	}{
		{out.ChecksumCRC64NVME, func() hash.Hash { return crc64.New(nvme) }},
		{out.ChecksumCRC32C, func() hash.Hash { return crc32.New(castagnoli) }},
		{out.ChecksumCRC32, func() hash.Hash { return crc32.NewIEEE() }},
	} {
		if c.is == nil {
			continue
		}
		h := c.sum()
		if want := checksum(*c.is, h.Size()); want != nil {
			e.sum, e.want = h, want
			return e
		}
	}
	return e
}

// checksum decodes the base64 of a checksum of that many bytes; nil where it is
// none.
func checksum(s string, size int) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != size {
		return nil
	}
	return b
}

// partOf tells whether a checksum of checksums can be computed again: where the
// parts that the writer says it has made are as many as the checksum says.
func partOf(composite, size string, length int64) (int64, string) {
	sum, count, _ := strings.Cut(composite, "-")
	n, err := strconv.ParseInt(count, 10, 32)
	part, bad := strconv.ParseInt(size, 10, 64)
	if err != nil || bad != nil || n < 1 || n > mostParts || part < 1 || length < 1 || checksum(sum, sha256.Size) == nil ||
		(length-1)/part+1 != n || strconv.FormatInt(n, 10) != count {
		return 0, ""
	}
	return part, composite
}

// verifier is fed the bytes of an object in their order.
type verifier struct {
	expected
	whole hash.Hash
	piece hash.Hash
	left  int64 // of the piece
	sums  [][sha256.Size]byte
}

// verifier starts the comparison; nil where there is nothing to compare with.
func (e expected) verifier() *verifier {
	v := &verifier{expected: e}
	switch {
	case e.sha256 != nil:
		v.whole = sha256.New()
	case e.composite != "":
		v.piece, v.left = sha256.New(), e.part
	case e.sum != nil:
		v.whole = e.sum
	default:
		return nil
	}
	return v
}

// Write takes the next bytes; it never fails.
func (v *verifier) Write(p []byte) (int, error) {
	if v == nil {
		return len(p), nil
	}
	if v.whole != nil {
		return v.whole.Write(p)
	}
	for rest := p; len(rest) > 0; {
		n := min(int64(len(rest)), v.left)
		v.piece.Write(rest[:n])
		rest = rest[n:]
		if v.left -= n; v.left == 0 {
			v.end()
		}
	}
	return len(p), nil
}

// end ends a piece.
func (v *verifier) end() {
	var sum [sha256.Size]byte
	v.piece.Sum(sum[:0])
	v.sums = append(v.sums, sum)
	v.piece.Reset()
	v.left = v.part
}

// compare tells whether the bytes were those expected.
func (v *verifier) compare() error {
	if v == nil {
		return nil
	}
	if v.whole != nil {
		want := v.sha256
		if want == nil {
			want = v.want
		}
		if is := v.whole.Sum(nil); !bytes.Equal(is, want) {
			return fmt.Errorf("its checksum is %x, it should be %x: the bytes are not those that were written", is, want)
		}
		return nil
	}
	if v.left < v.part {
		v.end()
	}
	if is := composite(v.sums); is != v.composite {
		return fmt.Errorf("its checksum is %s, it should be %s: the bytes are not those that were written", is, v.composite)
	}
	return nil
}
