// Package cosign makes and verifies signatures of images as cosign does, by a
// key pair and without a transparency log. It knows both forms that cosign
// reads: a signed payload kept in an image beside the signed one, and a sigstore
// bundle that refers to it. It knows nothing of registries.
package cosign

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"runtime"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"gantry/config"
)

// Kinds of PEM blocks, as cosign and openssl write them.
const (
	sigstoreBlock  = "ENCRYPTED SIGSTORE PRIVATE KEY"
	cosignBlock    = "ENCRYPTED COSIGN PRIVATE KEY"
	pkcs8Block     = "PRIVATE KEY"
	encryptedBlock = "ENCRYPTED PRIVATE KEY"
	sec1Block      = "EC PRIVATE KEY"
	publicBlock    = "PUBLIC KEY"
	curveBlock     = "EC PARAMETERS"
)

// Key is a private key that is ready to sign. It is safe for parallel use.
type Key struct {
	private *ecdsa.PrivateKey
	public  *Public
}

// Load reads a PEM private key: encrypted as cosign writes it, or plain as
// PKCS #8 or SEC 1. The key must be ECDSA on P-256, which is what cosign makes.
// The password may be nil; a plain key needs none.
func Load(private, password []byte) (*Key, error) {
	block, err := readBlock(private)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", privateHint(err))
	}
	parsed, err := parsePrivate(block, password)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("private key: %w", errAlgorithm)
	}
	public, err := newPublic(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return &Key{private: key, public: public}, nil
}

// parsePrivate decrypts and parses a private key. What the parsers say tells of
// DER, which is nothing an operator can use, and might repeat what is in the key.
func parsePrivate(block *pem.Block, password []byte) (any, error) {
	damaged := privateHint(errors.New("it is damaged"))
	switch block.Type {
	case sigstoreBlock, cosignBlock:
		der, err := encrypted.Decrypt(block.Bytes, password)
		runtime.GC() // a key is derived in 64 MiB or more, which are not to add up
		switch {
		case err == nil:
		case len(password) == 0:
			return nil, config.Hint(errors.New("it is locked and no password was given"), "name the password in release.yaml: cosign_keys, password: env:NAME or file:PATH")
		default:
			return nil, config.Hint(errors.New("the password is wrong, or the key is damaged"), "check the secret that release.yaml names as its password")
		}
		key, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, damaged
		}
		return key, nil
	case pkcs8Block:
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, damaged
		}
		return key, nil
	case sec1Block:
		key, err := x509.ParseECPrivateKey(block.Bytes)
		if err != nil {
			return nil, damaged
		}
		return key, nil
	case publicBlock:
		return nil, privateHint(errors.New("it is a public key"))
	case encryptedBlock:
		return nil, config.Hint(errors.New("it is encrypted in a form that cosign does not write"), "turn it into cosign's with: cosign import-key-pair --key FILE")
	}
	return nil, privateHint(fmt.Errorf("it is a %s", config.Inert(block.Type)))
}

func privateHint(err error) error {
	return config.Hint(err, "put the private key there, as cosign generate-key-pair writes it to cosign.key")
}

// Public is the public half.
func (k *Key) Public() *Public { return k.public }

// Fingerprint is that of the public half.
func (k *Key) Fingerprint() string { return k.public.Fingerprint() }

// Sign signs data with ECDSA over its SHA-256, ASN.1-encoded, and verifies what
// it made before it hands it out.
func (k *Key) Sign(data []byte) ([]byte, error) {
	sum := sha256.Sum256(data)
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, sum[:])
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	if err := k.public.Verify(data, signature); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return signature, nil
}
