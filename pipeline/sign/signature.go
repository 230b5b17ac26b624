package sign

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const maxSignatureSize = 1 << 16

// settings make signatures as gpg makes them: no salt notation, so that equal
// input gives equal bytes (RSA, EdDSA), and no subpacket marked critical, which
// older rpm and yum refuse.
func settings(at time.Time) *packet.Config {
	no := false
	return &packet.Config{
		DefaultHash:                           crypto.SHA256,
		Time:                                  func() time.Time { return at },
		NonDeterministicSignaturesViaNotation: &no,
		InsecureGenerateNonCriticalKeyFlags:   true,
		InsecureGenerateNonCriticalSignatureCreationTime: true,
	}
}

// Signature is a binary OpenPGP v4 signature (RFC 4880, 5.2.3) by SHA-256 over
// what r gives, made at that time and verified with the public key. It costs one
// private operation and one public one.
func (k *Key) Signature(r io.Reader, at time.Time) ([]byte, error) {
	return k.signature(r, at, packet.SigTypeBinary)
}

func (k *Key) signature(r io.Reader, at time.Time, kind packet.SignatureType) ([]byte, error) {
	if err := k.public.Usable(at); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	with := settings(at)
	id := k.signer.KeyId
	sig := &packet.Signature{
		Version:      4,
		SigType:      kind,
		PubKeyAlgo:   k.signer.PubKeyAlgo,
		Hash:         crypto.SHA256,
		CreationTime: at,
		IssuerKeyId:  &id,
	}
	h, err := sig.PrepareSign(with)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if _, err := io.Copy(h, r); err != nil {
		return nil, fmt.Errorf("sign: read: %w", err)
	}
	twin, err := clone(h)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := sig.Sign(h, k.signer, with); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var b bytes.Buffer
	if err := sig.Serialize(&b); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	v, err := k.public.begin(b.Bytes(), at, kind)
	if err != nil {
		return nil, fmt.Errorf("sign: verify: %w", err)
	}
	v.hash = twin
	if err := v.Verify(); err != nil {
		return nil, fmt.Errorf("sign: verify: %w", err)
	}
	return b.Bytes(), nil
}

// Detached is Signature over data as armored text: repomd.xml.asc.
func (k *Key) Detached(data []byte, at time.Time) ([]byte, error) {
	sig, err := k.Signature(bytes.NewReader(data), at)
	if err != nil {
		return nil, err
	}
	text := armored(openpgp.SignatureType, sig)
	if err := k.public.VerifyDetached(data, text, at); err != nil {
		return nil, fmt.Errorf("sign: verify: %w", err)
	}
	return text, nil
}

// Verification is a signature that waits for the data it was made over, which
// is written to it.
type Verification struct {
	hash hash.Hash
	sig  *packet.Signature
	key  *packet.PublicKey
}

// Begin reads a binary signature and finds the key it was made with. An unknown
// or weak algorithm, an unknown issuer, a key that has expired or was revoked
// at that time, a signature from the future, none or several are errors.
func (p *Public) Begin(sig []byte, at time.Time) (*Verification, error) {
	return p.begin(sig, at, packet.SigTypeBinary)
}

func (p *Public) begin(sig []byte, at time.Time, kind packet.SignatureType) (*Verification, error) {
	s, err := parse(sig, kind)
	if err == nil {
		err = exact(sig)
	}
	if err != nil {
		return nil, err
	}
	for _, m := range p.members() {
		if !s.CheckKeyIdOrFingerprint(m.public) {
			continue
		}
		if err := m.usable(at); err != nil {
			return nil, fmt.Errorf("key %s: %w", p.Fingerprint(), err)
		}
		if s.CreationTime.Before(m.public.CreationTime) {
			return nil, errors.New("the signature is older than its key")
		}
		if s.CreationTime.Unix() > at.Unix() {
			return nil, fmt.Errorf("the signature is from the future: %s", s.CreationTime.UTC().Format(time.RFC3339))
		}
		if s.SigExpired(at) {
			return nil, errors.New("the signature has expired")
		}
		h, err := s.PrepareVerify()
		if err != nil {
			return nil, err
		}
		return &Verification{h, s, m.public}, nil
	}
	if s.IssuerKeyId != nil {
		return nil, fmt.Errorf("the signature is by key %016X, not by %s", *s.IssuerKeyId, p.Fingerprint())
	}
	return nil, fmt.Errorf("the signature is not by key %s", p.Fingerprint())
}

// Write takes more of the signed data. It returns no error.
func (v *Verification) Write(b []byte) (int, error) { return v.hash.Write(b) }

// Verify is nil if the signature is good for what was written. It is asked
// once. The two bytes of the digest that a signature repeats count, as they do
// for rpm.
func (v *Verification) Verify() error {
	twin, err := clone(v.hash)
	if err != nil {
		return err
	}
	if packet.VerifyHashTag(twin, v.sig) != nil || v.key.VerifySignature(v.hash, v.sig) != nil {
		return errors.New("the signature does not match: the data was changed")
	}
	return nil
}

func clone(h hash.Hash) (hash.Hash, error) {
	c, ok := h.(hash.Cloner)
	if !ok {
		return nil, errors.New("the digest cannot be taken twice")
	}
	return c.Clone()
}

// VerifyBinary verifies a binary signature over what r gives.
func (p *Public) VerifyBinary(r io.Reader, sig []byte, at time.Time) error {
	v, err := p.Begin(sig, at)
	if err != nil {
		return err
	}
	if _, err := io.Copy(v, r); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return v.Verify()
}

// VerifyDetached verifies an armored signature over data.
func (p *Public) VerifyDetached(data, sig []byte, at time.Time) error {
	if len(sig) > maxSignatureSize {
		return fmt.Errorf("%d bytes are too many for a signature", len(sig))
	}
	if n := len(block.FindAll(sig, 2)); n != 1 {
		return errors.New("it is not the armored text of one OpenPGP signature")
	}
	text, err := armor.Decode(bytes.NewReader(sig))
	if err != nil || text.Type != openpgp.SignatureType {
		return errors.New("it is not the armored text of an OpenPGP signature")
	}
	packets, err := io.ReadAll(text.Body)
	if err != nil {
		return errors.New("the armor of the signature is damaged")
	}
	return p.VerifyBinary(bytes.NewReader(data), packets, at)
}
