package rpm

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"
	"sync"
	"time"

	"gantry/config"
	"gantry/pipeline/repodata"
	"gantry/pipeline/sign"
)

// Facts are what a package says of itself, once all of it was read and verified.
type Facts struct {
	NEVRA     repodata.NEVRA
	Source    bool      // a source package
	BuildTime time.Time // UTC
	SHA256    string    // of the file, hex
	Size      int64     // of the file
	Header    *Header
}

// Check reads a whole package and verifies it as rpm -K does: each digest and
// size that it carries, of which SHA-256 of header and payload must be there.
// With a key, the header must be signed and every signature must be by that key
// and good at that time. Without one (nil) signatures only have to be readable
// and by known algorithms.
func Check(r io.Reader, want *sign.Public, at time.Time) (*Facts, error) {
	whole := sha256.New()
	in := io.TeeReader(r, whole)
	facts, c, err := begin(in, want, at)
	if err != nil {
		return nil, err
	}
	if err := copyPayload(c, in); err != nil {
		return nil, err
	}
	if err := c.finish(); err != nil {
		return nil, err
	}
	facts.SHA256, facts.Size = hex.EncodeToString(whole.Sum(nil)), facts.Header.End+c.size
	return facts, nil
}

// begin reads the headers of a package and verifies all that needs no payload.
func begin(r io.Reader, want *sign.Public, at time.Time) (*Facts, *checking, error) {
	h, err := ReadHeader(r)
	if err != nil {
		return nil, nil, damaged(err)
	}
	facts, err := h.facts()
	if err != nil {
		return nil, nil, err
	}
	c, err := h.check()
	if err != nil {
		return nil, nil, err
	}
	return facts, c, c.signatures(want, at)
}

func (h *Header) facts() (*Facts, error) {
	n, err := h.NEVRA()
	if err != nil {
		return nil, config.Hint(err, "build the package with a name that rpmbuild allows")
	}
	built := time.Unix(int64(h.Uint64(tagBuildTime)), 0).UTC()
	return &Facts{NEVRA: n, Source: h.IsSource(), BuildTime: built, Header: h}, nil
}

func damaged(err error) error {
	if errors.Is(err, errNotRPM) {
		return config.Hint(err, "stage whole RPM packages here, nothing else")
	}
	return config.Hint(fmt.Errorf("the package is damaged: %w", err), "fetch or build it again, then stage it again")
}

// checking takes the payload of a package to compare it with what the headers
// say of it.
type checking struct {
	head    *Header
	payload hash.Hash
	md5     hash.Hash // nil where the package has none
	size    int64     // of the payload so far
	sigs    []*sign.Verification
}

// check compares the main header with its digests and begins with the payload.
func (h *Header) check() (*checking, error) {
	if h.Signature.Str(sigSHA256) == "" || h.Str(tagPayloadDigest) == "" {
		return nil, config.Hint(errors.New("the package has no SHA-256 digest of header and payload"),
			"build it again with rpm 4.14 or newer: EL9 does not install it as it is")
	}
	for _, d := range []struct {
		tag  int
		name string
		hash func() hash.Hash
	}{
		{sigSHA256, "SHA-256", sha256.New},
		{sigSHA1, "SHA-1", sha1.New},
		{sigSHA3, "SHA3-256", func() hash.Hash { return sha3.New256() }},
	} {
		if !h.Signature.Has(d.tag) {
			continue
		}
		sum := d.hash()
		sum.Write(h.raw)
		if !strings.EqualFold(hex.EncodeToString(sum.Sum(nil)), h.Signature.Str(d.tag)) {
			return nil, damaged(fmt.Errorf("its header does not match its %s digest", d.name))
		}
	}
	const openPGPSHA256 = 8
	if h.Has(tagPayloadAlgorithm) && h.Uint64(tagPayloadAlgorithm) != openPGPSHA256 {
		return nil, config.Hint(fmt.Errorf("its payload has a digest by algorithm %d, which is not known here", h.Uint64(tagPayloadAlgorithm)), "build it with SHA-256, as rpm does by itself")
	}
	c := &checking{head: h, payload: sha256.New()}
	if h.Signature.Has(sigMD5) {
		c.md5 = md5.New()
		c.md5.Write(h.raw)
	}
	return c, nil
}

// signatures begins to verify the OpenPGP signatures of a package.
func (c *checking) signatures(want *sign.Public, at time.Time) error {
	all, err := c.head.signatures()
	if err != nil {
		return damaged(err)
	}
	signed := false
	for _, s := range all {
		if want == nil {
			if err := sign.Inspect(s.data); err != nil {
				return config.Hint(fmt.Errorf("its signature (tag %d): %w", s.tag, err), "remove its signatures with rpmsign --delsign, or sign it with an RSA key, then stage it again")
			}
			continue
		}
		v, err := want.Begin(s.data, at)
		if err != nil {
			return fmt.Errorf("its signature (tag %d): %w", s.tag, err)
		}
		v.Write(c.head.raw)
		if s.payload {
			c.sigs = append(c.sigs, v)
			continue
		}
		if err := v.Verify(); err != nil {
			return fmt.Errorf("its signature (tag %d): %w", s.tag, err)
		}
		signed = true
	}
	if want != nil && !signed {
		return errors.New("its header is not signed")
	}
	return nil
}

type signature struct {
	tag     int
	data    []byte
	payload bool // over header and payload, else over the header alone
}

// signatures are the OpenPGP signatures in the signature header.
func (h *Header) signatures() ([]signature, error) {
	var all []signature
	for _, tag := range []int{sigDSA, sigRSA, sigPGP, sigGPG, sigPGP5} {
		if !h.Signature.Has(tag) {
			continue
		}
		data := h.Signature.Bytes(tag)
		if data == "" {
			return nil, fmt.Errorf("signature tag %d is not binary", tag)
		}
		all = append(all, signature{tag, []byte(data), tag >= sigPGP})
	}
	if h.Signature.Has(sigOpenPGP) {
		texts := h.Signature.Strs(sigOpenPGP)
		if len(texts) == 0 {
			return nil, fmt.Errorf("signature tag %d is not text", sigOpenPGP)
		}
		for _, text := range texts {
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, fmt.Errorf("signature tag %d: %w", sigOpenPGP, err)
			}
			all = append(all, signature{sigOpenPGP, data, false})
		}
	}
	return all, nil
}

// Write takes more of the payload. It returns no error.
func (c *checking) Write(b []byte) (int, error) {
	c.payload.Write(b)
	if c.md5 != nil {
		c.md5.Write(b)
	}
	for _, v := range c.sigs {
		v.Write(b)
	}
	c.size += int64(len(b))
	return len(b), nil
}

// finish compares all of the payload with what the package says of it.
func (c *checking) finish() error {
	h := c.head
	if !strings.EqualFold(hex.EncodeToString(c.payload.Sum(nil)), h.Str(tagPayloadDigest)) {
		return damaged(errors.New("its payload does not match its SHA-256 digest"))
	}
	if c.md5 != nil && !bytes.Equal(c.md5.Sum(nil), []byte(h.Signature.Bytes(sigMD5))) {
		return damaged(errors.New("it does not match its MD5 digest"))
	}
	size := int64(len(h.raw)) + c.size
	for _, tag := range []int{sigSize, sigLongSize} {
		if h.Signature.Has(tag) && h.Signature.Uint64(tag) != uint64(size) {
			return damaged(fmt.Errorf("it has %d bytes, not %d", size, h.Signature.Uint64(tag)))
		}
	}
	for _, v := range c.sigs {
		if err := v.Verify(); err != nil {
			return fmt.Errorf("its signature over header and payload: %w", err)
		}
	}
	return nil
}

var payloadBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// copyPayload copies with a buffer that the next package uses again.
func copyPayload(dst io.Writer, src io.Reader) error {
	b := payloadBuffers.Get().(*[256 << 10]byte)
	defer payloadBuffers.Put(b)
	// Only Read and Write: ReadFrom or WriteTo would bring their own buffers.
	_, err := io.CopyBuffer(struct{ io.Writer }{dst}, struct{ io.Reader }{src}, b[:])
	return err
}
