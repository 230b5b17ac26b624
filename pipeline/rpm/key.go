package rpm

import (
	"fmt"
	"io"
	"os"
	"time"

	"gantry/config"
	"gantry/pipeline/sign"
)

// publicKey reads the key file that clients of the target are given.
func (t trade) publicKey() (*sign.Public, error) {
	k, ok := t.cfg.Key(string(t.target.Key))
	if !ok {
		return nil, fmt.Errorf("target %s: no key %q in the configuration", t.target.Name, t.target.Key)
	}
	path := t.cfg.Path(k.Public)
	f, err := os.Open(path)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("public key of %s: %w", t.target.Name, err), "put the armored public key that clients import at "+path)
	}
	defer f.Close()
	const most = 2 << 20 // more than any key, which the reader refuses
	b, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return nil, fmt.Errorf("public key of %s: %w", t.target.Name, err)
	}
	public, err := sign.ReadPublic(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return public, nil
}

// signingKey opens the target's private key and checks that it can sign at that
// time and is the one whose public half clients have.
func (t trade) signingKey(at time.Time) (*sign.Key, error) {
	public, err := t.publicKey()
	if err != nil {
		return nil, err
	}
	if err := public.Usable(at); err != nil {
		return nil, fmt.Errorf("the public key of %s: %w", t.target.Name, err)
	}
	k, _ := t.cfg.Key(string(t.target.Key)) // publicKey found it
	private, err := k.Private.Reveal(t.cfg.Dir())
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", k.Name, err)
	}
	var passphrase []byte
	if !k.Passphrase.IsZero() {
		if passphrase, err = k.Passphrase.Reveal(t.cfg.Dir()); err != nil {
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
