package cosign

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"

	"gantry/config"
)

// ErrPlaceholder is wrapped by the error for a key file that still waits for
// its key.
var ErrPlaceholder = errors.New("it is a placeholder, not a key")

var errAlgorithm = config.Hint(errors.New("it is not ECDSA on P-256, the one kind that every cosign verifies alike"),
	"make one with: cosign generate-key-pair")

const maxKeySize = 64 << 10 // bytes

// Public is a public key as clients are given it. It is safe for parallel use.
type Public struct {
	key *ecdsa.PublicKey
	der []byte // PKIX
}

// ReadPublic reads a PEM public key such as cosign.pub: exactly one, ECDSA on
// P-256. A placeholder, a private key and more than 64 KiB are errors.
func ReadPublic(data []byte) (*Public, error) {
	block, err := readBlock(data)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", publicHint(err))
	}
	switch block.Type {
	case publicBlock:
	case sigstoreBlock, cosignBlock, pkcs8Block, sec1Block, encryptedBlock:
		return nil, fmt.Errorf("public key: %w", config.Hint(errors.New("it is a private key, which no client may get"),
			"put the public key there, as cosign public-key writes it, and replace the key if others could read that file"))
	default:
		return nil, fmt.Errorf("public key: %w", publicHint(fmt.Errorf("it is a %s", config.Inert(block.Type))))
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", publicHint(errors.New("it is damaged")))
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("public key: %w", errAlgorithm)
	}
	public, err := newPublic(key)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return public, nil
}

func publicHint(err error) error {
	return config.Hint(err, "put the public key there, as cosign generate-key-pair writes it to cosign.pub")
}

func newPublic(key *ecdsa.PublicKey) (*Public, error) {
	if key.Curve != elliptic.P256() {
		return nil, errAlgorithm
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return &Public{key: key, der: der}, nil
}

// Fingerprint is the SHA-256 of the key's PKIX form, in lower-case hex.
func (p *Public) Fingerprint() string {
	sum := sha256.Sum256(p.der)
	return hex.EncodeToString(sum[:])
}

// Hint is how bundles name the key: the SHA-256 of its PKIX form, in base64.
func (p *Public) Hint() string {
	sum := sha256.Sum256(p.der)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// PEM is the key as text, as clients are given it.
func (p *Public) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: p.der})
}

// Verify checks a signature as Sign makes it.
func (p *Public) Verify(data, signature []byte) error {
	sum := sha256.Sum256(data)
	if !ecdsa.VerifyASN1(p.key, sum[:], signature) {
		return fmt.Errorf("the signature is not by the key %s, or not over this", p.Fingerprint()[:16])
	}
	return nil
}

var placeholder = regexp.MustCompile(`(?i:replace|place.?holder|change.?me|your[ _-].*key|<[a-z _-]+>|\.\.\.)|\bTODO\b`)

// readBlock reads the one PEM block of a key file. openssl puts the curve before
// a private key; that is passed over.
func readBlock(data []byte) (*pem.Block, error) {
	if len(data) > maxKeySize {
		return nil, fmt.Errorf("%d bytes are too many for a key", len(data))
	}
	block, rest := pem.Decode(data)
	if block != nil && block.Type == curveBlock {
		block, rest = pem.Decode(rest)
	}
	if block == nil || len(block.Bytes) == 0 {
		if len(bytes.TrimSpace(data)) == 0 || block != nil || placeholder.Match(data) {
			return nil, ErrPlaceholder
		}
		return nil, errors.New("it is not a key in PEM form")
	}
	if more, _ := pem.Decode(rest); more != nil {
		return nil, errors.New("there is more than one key")
	}
	return block, nil
}
