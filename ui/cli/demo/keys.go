package demo

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gantry/pipeline/cosign"
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
	cosignPrivate, cosignPublic, err := cosign.Generate([]byte(password))
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
		{"keys/cosign.key", cosignPrivate, 0o600},
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
