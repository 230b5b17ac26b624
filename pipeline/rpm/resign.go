package rpm

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"gantry/config"
	"gantry/pipeline/repodata"
	"gantry/pipeline/sign"
)

// Signed is what Resign made of a package.
type Signed struct {
	NEVRA        repodata.NEVRA
	Source       bool      // a source package
	BuildTime    time.Time // UTC
	SourceSHA256 string    // of the bytes that were read, hex
	SourceSize   int64
	HeaderStart  int64 // of the header in what was written
	HeaderEnd    int64
}

// Resign copies a package and replaces its OpenPGP signatures by one of the
// key's over the header, which names the SHA-256 of the payload; with SignBoth
// also by one over header and payload, for rpm before 4.14, and src must then be
// an io.Seeker. Headers and payload stay as they are.
//
// All that Check verifies of an unsigned package is verified on the way. After
// an error what was written is to be thrown away.
//
// Signatures are OpenPGP v4 with SHA-256 in the tags that rpmsign writes: RSA
// 268 and 1002, EdDSA 267 and 1005, of which rpm 4.14 (EL8) to 4.20 read the
// former. Against what rpmsign 4.18 writes, tag by tag: the same tags, types and
// counts, but for the space that rpmbuild reserves in the signature header
// (1008; 999 by rpm 6), which goes; rpmsign signs such a package again without
// it. Within the signature, the packet's length has the new format where gpg
// writes the old one, the key's id is hashed where gpg appends it unhashed, and
// RSA goes with SHA-256 where gpg prefers SHA-512. rpm 4.18 takes them; those of
// EL8 to EL10 read both forms by their sources, which is not tried here.
func Resign(dst io.Writer, src io.Reader, key *sign.Key, mode config.Signatures, at time.Time) (*Signed, error) {
	seeker, _ := src.(io.Seeker)
	if mode == config.SignBoth && seeker == nil {
		return nil, errors.New("sign header and payload: the package cannot be read twice")
	}
	whole := sha256.New()
	in := io.TeeReader(src, whole)
	facts, c, err := begin(in, nil, at)
	if err != nil {
		return nil, err
	}
	h := facts.Header
	values, err := h.sign(c, key, mode, src, seeker, at)
	if err != nil {
		return nil, err
	}
	front := append(bytes.Clone(h.lead), values...)
	start := int64(len(front))
	front = append(front, h.raw...)
	if _, err := dst.Write(front); err != nil {
		return nil, err
	}
	if err := copyPayload(io.MultiWriter(dst, c), in); err != nil {
		return nil, err
	}
	if err := c.finish(); err != nil {
		return nil, err
	}
	return &Signed{
		NEVRA:        facts.NEVRA,
		Source:       facts.Source,
		BuildTime:    facts.BuildTime,
		SourceSHA256: hex.EncodeToString(whole.Sum(nil)),
		SourceSize:   h.End + c.size,
		HeaderStart:  start,
		HeaderEnd:    int64(len(front)),
	}, nil
}

// sign makes the new signature header. The signature over the payload is made
// in a pass of its own and verified against what the last pass reads.
func (h *Header) sign(c *checking, key *sign.Key, mode config.Signatures, src io.Reader, seeker io.Seeker, at time.Time) ([]byte, error) {
	header, payload := sigRSA, sigPGP
	if !key.RSA() {
		header, payload = sigDSA, sigGPG
	}
	sig, err := key.Signature(bytes.NewReader(h.raw), at)
	if err != nil {
		return nil, err
	}
	values := h.kept()
	values = append(values, tagged{header, typeBinary, uint32(len(sig)), sig})
	if mode == config.SignBoth {
		if sig, err = key.Signature(io.MultiReader(bytes.NewReader(h.raw), src), at); err != nil {
			return nil, err
		}
		if _, err := seeker.Seek(h.End, io.SeekStart); err != nil {
			return nil, fmt.Errorf("read the package again: %w", err)
		}
		v, err := key.Public().Begin(sig, at)
		if err != nil {
			return nil, err
		}
		v.Write(h.raw)
		c.sigs = append(c.sigs, v)
		values = append(values, tagged{payload, typeBinary, uint32(len(sig)), sig})
	}
	return signatureHeader(values), nil
}

// tagged is an entry of a header with its data.
type tagged struct {
	tag         int
	kind, count uint32
	data        []byte
}

// kept are the entries of the signature header that stay: digests, sizes and
// the signatures of files.
func (h *Header) kept() []tagged {
	var all []tagged
	for _, e := range h.Signature.index {
		switch e.tag {
		case sigSHA1, sigLongSize, sigLongArchive, sigSHA256, sigFileSignatures, sigFileLength, sigVerity, sigVerityAlgorithm,
			sigSHA3, sigSize, sigMD5, sigArchive:
			n, _ := dataLength([]byte(h.Signature.store), e)
			data := h.Signature.store[e.offset:][:n]
			all = append(all, tagged{e.tag, e.kind, e.count, []byte(data)})
		}
	}
	return all
}

// signatureHeader writes a signature header, padded to 8 bytes.
func signatureHeader(values []tagged) []byte {
	slices.SortFunc(values, func(a, b tagged) int { return a.tag - b.tag })
	var index, store []byte
	entry := func(b []byte, tag int, kind, offset, count uint32) []byte {
		for _, n := range []uint32{uint32(tag), kind, offset, count} {
			b = binary.BigEndian.AppendUint32(b, n)
		}
		return b
	}
	for _, v := range values {
		for width := widthOf(v.kind); len(store)%width != 0; {
			store = append(store, 0)
		}
		index = entry(index, v.tag, v.kind, uint32(len(store)), v.count)
		store = append(store, v.data...)
	}
	entries := len(values) + 1
	region := entry(nil, tagSignatures, typeBinary, uint32(len(store)), entrySize)
	store = entry(store, tagSignatures, typeBinary, uint32(-entries*entrySize), entrySize)

	b := bytes.Clone(introMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(entries))
	b = binary.BigEndian.AppendUint32(b, uint32(len(store)))
	b = slices.Concat(b, region, index, store)
	for len(b)%8 != 0 {
		b = append(b, 0)
	}
	return b
}
