package config

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
)

// kind is what a kind of key looks like in its files.
type kind struct {
	private func([]byte) bool
	secret  string // what a private key file holds, in words
	make    string // how to get one
	public  func([]byte) error
	export  string // how to get the public half
}

var errPlaceholder = errors.New("is a placeholder, not a public key")

var openPGP = kind{
	private: func(b []byte) bool { return bytes.Contains(b, []byte("BEGIN PGP PRIVATE KEY BLOCK")) },
	secret:  "no armored private key",
	make:    "export it: gpg --armor --export-secret-keys",
	public: func(b []byte) error {
		if !bytes.Contains(b, []byte("BEGIN PGP PUBLIC KEY BLOCK")) {
			return errPlaceholder
		}
		return nil
	},
	export: "gpg --armor --export",
}

var cosign = kind{
	private: holds("ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY"),
	secret:  "no PEM private key",
	make:    "make one: cosign generate-key-pair",
	public: func(b []byte) error {
		block, _ := pem.Decode(b)
		if block == nil || block.Type != "PUBLIC KEY" {
			return errPlaceholder
		}
		if _, err := x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return fmt.Errorf("holds no public key that can be read: %w", err)
		}
		return nil
	},
	export: "cosign public-key --key",
}

var openSSH = kind{
	private: holds("OPENSSH PRIVATE KEY", "PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"),
	secret:  "no SSH private key",
	make:    "make one: ssh-keygen -t ed25519",
}

// holds tells whether there is a PEM block of one of these types.
func holds(types ...string) func([]byte) bool {
	return func(b []byte) bool {
		block, _ := pem.Decode(b)
		return block != nil && slices.Contains(types, block.Type)
	}
}

// private looks whether a private key can be had and is one.
func (l *linter) private(where string, s Secret, k kind) {
	b, err := s.Reveal(l.r.dir)
	if err == nil && !k.private(b) {
		err = Hint(fmt.Errorf("%s holds %s", s.Reference(), k.secret), k.make)
	}
	l.add(where, err)
}

// public looks at the file that clients import.
func (l *linter) public(where, file string, k kind) {
	hint := "put the public key there: " + k.export
	b, err := readBounded(l.r.Path(file))
	switch {
	case err != nil:
		err = Hint(fmt.Errorf("read the public key: %w", err), hint)
	case bytes.Contains(b, []byte("PRIVATE KEY")):
		err = Hint(fmt.Errorf("%s holds a private key, and clients are given it", file), "write the public half alone there: "+k.export)
	default:
		if bad := k.public(b); bad != nil {
			err = Hint(fmt.Errorf("%s %w", file, bad), hint)
		}
	}
	l.add(where, err)
}
