package cosign

import (
	"fmt"
	"io"
	"os"

	"gantry/config"
)

// OpenPublic reads the public key file that clients are given.
func OpenPublic(cfg *config.Release, k *config.CosignKey) (*Public, error) {
	path := cfg.Path(k.Public)
	f, err := os.Open(path)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("public half of key %s: %w", k.Name, err), "put the public key that clients verify with, cosign.pub, at "+path)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeySize+1))
	if err != nil {
		return nil, fmt.Errorf("public half of key %s: %w", k.Name, err)
	}
	public, err := ReadPublic(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return public, nil
}

// Open opens the private key that a configuration names and checks that its
// public half is the one that clients are given.
func Open(cfg *config.Release, k *config.CosignKey) (*Key, error) {
	public, err := OpenPublic(cfg, k)
	if err != nil {
		return nil, err
	}
	private, err := k.Private.Reveal(cfg.Dir())
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.Name, err)
	}
	var password []byte
	if !k.Password.IsZero() {
		if password, err = k.Password.Reveal(cfg.Dir()); err != nil {
			return nil, fmt.Errorf("password of key %s: %w", k.Name, err)
		}
	}
	key, err := Load(private, password)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.Name, err)
	}
	if key.Fingerprint() != public.Fingerprint() {
		return nil, config.Hint(
			fmt.Errorf("key %s: the private key is %s, and clients are given %s", k.Name, key.Fingerprint(), public.Fingerprint()),
			"name both halves of the same key: cosign public-key --key FILE writes the public one")
	}
	return key, nil
}
