package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"gantry/pipeline/sign"
)

// Who is known to the servers of a demo.
const (
	subscriber = "subscriber" // reads what is served
	publisher  = "release"    // pushes images
)

// Files of a demo's secrets, below its directory.
const (
	subscriberKey     = "keys/subscriber.key"
	publisherPassword = "keys/registry.password"
)

// keys makes the keys that sign, and the passwords. The OpenPGP key does not
// expire: rpm 4.18 does not import keys that say so in the way of the library
// that makes this one.
func keys(dir, name string) error {
	at := filepath.Join(dir, "keys")
	if err := os.MkdirAll(at, 0o700); err != nil {
		return fmt.Errorf("make the keys: %w", err)
	}
	private, public, err := sign.Generate(name+" demo", "demo@"+strings.ToLower(name)+".example", 3072, 0, time.Now())
	if err != nil {
		return fmt.Errorf("make the keys: %w", err)
	}
	password := word16()
	cosign, cosignPublic, err := cosignKeys([]byte(password))
	if err != nil {
		return fmt.Errorf("make the keys of images: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
		mode fs.FileMode
	}{
		{"keys/private.asc", private, 0o600},
		{"keys/public.asc", public, 0o644},
		{"keys/cosign.key", cosign, 0o600},
		{"keys/cosign.password", []byte(password + "\n"), 0o600},
		{"keys/cosign.pub", cosignPublic, 0o644},
		{subscriberKey, []byte(word16() + word16() + "\n"), 0o600},
		{publisherPassword, []byte(word16() + "\n"), 0o600},
	} {
		if err := os.WriteFile(filepath.Join(dir, f.name), f.data, f.mode); err != nil {
			return fmt.Errorf("write the keys: %w", err)
		}
	}
	return nil
}

// word16 is a password of 16 random bytes, in hexadecimal.
func word16() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// cosignKeys makes a key pair as cosign generate-key-pair does: ECDSA on P-256,
// the private half as PKCS #8, encrypted and in PEM.
func cosignKeys(password []byte) (private, public []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := encrypted.Encrypt(der, password)
	if err != nil {
		return nil, nil, err
	}
	half, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, nil, err
	}
	private = pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED SIGSTORE PRIVATE KEY", Bytes: sealed})
	return private, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: half}), nil
}
