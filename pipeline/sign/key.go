// Package sign is OpenPGP: it reads keys strictly, signs with them and verifies
// each signature with the public key before it hands it out.
package sign

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"gantry/config"
)

// Key is a private key that is ready to sign. It is safe for parallel use.
type Key struct {
	public *Public
	signer *packet.PrivateKey
}

// Load reads an armored private key and unlocks it. The passphrase may be nil
// where the key has none. Each error says what to do about it: not armored or a
// placeholder, a public key, revoked, expired, weak, no key that may sign,
// passphrase missing or wrong.
func Load(private, passphrase []byte) (*Key, error) {
	entity, err := readEntity(private, openpgp.PrivateKeyType)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	var b bytes.Buffer
	if err := entity.Serialize(&b); err != nil {
		return nil, fmt.Errorf("private key: take its public half: %w", err)
	}
	public := &Public{entity: entity, armored: armored(openpgp.PublicKeyType, b.Bytes())}
	now := time.Now()
	if err := public.Usable(now); err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	if err := unlock(entity, passphrase); err != nil {
		return nil, fmt.Errorf("private key %s: %w", public.Fingerprint(), err)
	}
	for _, m := range public.members() {
		if m.usable(now) == nil && m.private != nil && !m.private.Dummy() && !m.private.Encrypted {
			return &Key{public: public, signer: m.private}, nil
		}
	}
	return nil, config.Hint(fmt.Errorf("private key %s: its signing key is only a stub", public.Fingerprint()),
		"export it on the machine that holds it: gpg --armor --export-secret-keys "+public.Fingerprint())
}

func unlock(e *openpgp.Entity, passphrase []byte) error {
	locked := e.PrivateKey.Encrypted && !e.PrivateKey.Dummy()
	for _, s := range e.Subkeys {
		locked = locked || s.PrivateKey != nil && s.PrivateKey.Encrypted && !s.PrivateKey.Dummy()
	}
	if !locked {
		return nil
	}
	if len(passphrase) == 0 {
		return config.Hint(errors.New("it is locked and no passphrase was given"), "name the passphrase in release.yaml: keys, passphrase: env:NAME or file:PATH")
	}
	// What comes back tells of checksums and paddings, not of a passphrase.
	if e.DecryptPrivateKeys(passphrase) != nil {
		return config.Hint(errors.New("the passphrase is wrong"), "check the secret that release.yaml names as its passphrase")
	}
	return nil
}

// Public is the public half.
func (k *Key) Public() *Public { return k.public }

// Fingerprint is that of the primary key, in upper-case hex.
func (k *Key) Fingerprint() string { return k.public.Fingerprint() }

// SigningID is the id of the key or subkey that signs, 16 upper-case hex digits.
func (k *Key) SigningID() string { return fmt.Sprintf("%016X", k.signer.KeyId) }

// RSA tells an RSA key from one on an elliptic curve.
func (k *Key) RSA() bool { return k.signer.PubKeyAlgo == packet.PubKeyAlgoRSA }

// Expires is when the key can no longer sign; false if it always can.
func (k *Key) Expires() (time.Time, bool) { return k.public.Expires() }

// Identity is the primary user id, harmless to show.
func (k *Key) Identity() string { return k.public.Identity() }

// armored wraps packets as text, with the checksum that gpgv of Debian 12 needs.
func armored(kind string, packets []byte) []byte {
	var b bytes.Buffer
	w, err := armor.EncodeWithChecksumOption(&b, kind, nil, true)
	if err == nil {
		_, err = w.Write(packets)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return append(b.Bytes(), '\n')
}
