package sign

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// OpenPGP numbers (RFC 4880, 9.1 and 9.4).
const (
	signaturePacket = 2

	dsa = 17

	sha256 = 8
	sha384 = 9
	sha512 = 10
)

// Inspect reads a binary signature without a key to verify it by: exactly one,
// of version 3 or 4, by algorithms that are known and not weak. Version 3 is
// what rpm wrote until EL8.
func Inspect(sig []byte) error {
	_, err := parse(sig, packet.SigTypeBinary)
	if errors.Is(err, errVersion3) {
		return nil
	}
	return err
}

var errVersion3 = errors.New("the signature is of version 3, which clients no longer take")

// parse reads exactly one signature over data of that kind: binary or text.
func parse(sig []byte, kind packet.SignatureType) (*packet.Signature, error) {
	if len(sig) > maxSignatureSize {
		return nil, fmt.Errorf("%d bytes are too many for a signature", len(sig))
	}
	if len(sig) == 0 {
		return nil, errors.New("there is no signature")
	}
	r := bytes.NewReader(sig)
	op, err := packet.NewOpaqueReader(r).Next()
	if err != nil || op.Tag != signaturePacket {
		return nil, errors.New("it is not a whole OpenPGP signature")
	}
	if r.Len() > 0 {
		return nil, errors.New("there is more than one signature")
	}
	body := op.Contents
	if len(body) > 0 && body[0] == 3 {
		// version, length of what is hashed (5), type, time, key, algorithms
		const least = 19
		if len(body) < least || body[1] != 5 || body[2] != byte(kind) {
			return nil, errors.New("the signature is damaged")
		}
		if err := known(body[15], body[16]); err != nil {
			return nil, err
		}
		return nil, errVersion3
	}
	if len(body) < 4 {
		return nil, errors.New("the signature is damaged")
	}
	if body[0] != 4 {
		return nil, fmt.Errorf("the signature is of version %d, which is not known here", body[0])
	}
	if err := known(body[2], body[3]); err != nil {
		return nil, err
	}
	p, err := op.Parse()
	if err != nil {
		return nil, fmt.Errorf("the signature is damaged: %w", err)
	}
	s, ok := p.(*packet.Signature)
	if !ok || s.SigType != kind {
		what := "binary data"
		if kind == packet.SigTypeText {
			what = "text"
		}
		return nil, errors.New("the signature is not over " + what)
	}
	return s, nil
}

// exact refuses a signature of version 4 that parse took, whose numbers have not
// the length in bits that they say (RFC 4880, 3.2): gpg refuses them, and else
// two texts would be the same signature.
func exact(sig []byte) error {
	errLength := errors.New("the signature is damaged: a number of it has another length than it says")
	op, err := packet.NewOpaqueReader(bytes.NewReader(sig)).Next()
	if err != nil {
		return err
	}
	const head, tag = 4, 2 // version, type and algorithms; the digest's first bytes
	rest := op.Contents[head:]
	for range 2 { // hashed and unhashed subpackets
		if len(rest) < 2 || len(rest)-2 < int(binary.BigEndian.Uint16(rest)) {
			return errLength
		}
		rest = rest[2+int(binary.BigEndian.Uint16(rest)):]
	}
	if len(rest) < tag {
		return errLength
	}
	for rest = rest[tag:]; len(rest) > 0; {
		if len(rest) < 2 {
			return errLength
		}
		length := int(binary.BigEndian.Uint16(rest))
		size := (length + 7) / 8
		if rest = rest[2:]; size == 0 || len(rest) < size || bits.Len8(rest[0]) != length-8*(size-1) {
			return errLength
		}
		rest = rest[size:]
	}
	return nil
}

// known refuses algorithms that are unknown or weak.
func known(algorithm, digest byte) error {
	if a := packet.PublicKeyAlgorithm(algorithm); !knownAlgorithm(a) && algorithm != dsa {
		return fmt.Errorf("the signature is by algorithm %d, which is not known here", algorithm)
	}
	switch digest {
	case sha256, sha384, sha512:
		return nil
	case 1, 2:
		return errors.New("the signature is over MD5 or SHA-1, which are weak")
	}
	return fmt.Errorf("the signature is over digest %d, which is not known here", digest)
}
