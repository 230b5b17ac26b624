package repository

import (
	"fmt"
	"io"
	"os"
	"time"

	"gantry/config"
	"gantry/pipeline/sign"
)

// PublicKey reads the key file that clients of the target are given.
func PublicKey(cfg *config.Release, t *config.Target) (*sign.Public, error) {
	k, ok := cfg.Key(string(t.Key))
	if !ok {
		return nil, fmt.Errorf("target %s: no key %q in the configuration", t.Name, t.Key)
	}
	path := cfg.Path(k.Public)
	f, err := os.Open(path)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("public key of %s: %w", t.Name, err), "put the armored public key that clients import at "+path)
	}
	defer f.Close()
	const most = 2 << 20 // more than any key, which the reader refuses
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fmt.Errorf("public key of %s: %w", t.Name, err)
	}
	public, err := sign.ReadPublic(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return public, nil
}

// SigningKey opens the target's private key and checks that it can sign at that
// time and is the one whose public half clients have.
func SigningKey(cfg *config.Release, t *config.Target, at time.Time) (*sign.Key, error) {
	public, err := PublicKey(cfg, t)
	if err != nil {
		return nil, err
	}
	if err := public.Usable(at); err != nil {
		return nil, fmt.Errorf("the public key of %s: %w", t.Name, err)
	}
	k, _ := cfg.Key(string(t.Key)) // PublicKey found it
	private, err := k.Private.Reveal(cfg.Dir())
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.Name, err)
	}
	var passphrase []byte
	if !k.Passphrase.IsZero() {
		if passphrase, err = k.Passphrase.Reveal(cfg.Dir()); err != nil {
			return nil, fmt.Errorf("passphrase of key %s: %w", k.Name, err)
		}
	}
	key, err := sign.Load(private, passphrase)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.Name, err)
	}
	if key.Fingerprint() != public.Fingerprint() {
		return nil, config.Hint(
			fmt.Errorf("key %s: the private key is %s, and clients are given %s", k.Name, key.Fingerprint(), public.Fingerprint()),
			"export both halves of the same key")
	}
	return key, nil
}

// OpenPGP is what trades have in common whose clients are given an OpenPGP key.
type OpenPGP struct{}

// Key is the fingerprint of the key that clients of the target are given.
func (OpenPGP) Key(w *World) (string, error) {
	public, err := PublicKey(w.Config, w.Target)
	if err != nil {
		return "", err
	}
	return public.Fingerprint(), nil
}

// Ready makes sure that the target's private key is here and can sign.
func (OpenPGP) Ready(w *World) error {
	_, err := SigningKey(w.Config, w.Target, w.Env.Now())
	return err
}
