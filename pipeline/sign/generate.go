package sign

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Generate makes an RSA key of so many bits and returns both halves armored, the
// private one without a passphrase. It expires so long after at, never if that
// is 0. The primary key signs: rpm 4.18 refuses the signing subkeys that this
// OpenPGP library binds.
func Generate(name, email string, bits int, expires time.Duration, at time.Time) (private, public []byte, err error) {
	fail := func(err error) ([]byte, []byte, error) {
		return nil, nil, fmt.Errorf("make a key for %q: %w", name, err)
	}
	if bits < minRSABits {
		return fail(fmt.Errorf("%d bits are less than %d", bits, minRSABits))
	}
	if expires < 0 || expires/time.Second > 1<<32-1 {
		return fail(fmt.Errorf("it cannot expire after %s", expires))
	}
	raw, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		return fail(err)
	}
	at = at.Truncate(time.Second)
	with := settings(at)
	with.KeyLifetimeSecs = uint32(expires / time.Second)
	key := packet.NewSignerPrivateKey(at, raw)
	entity := &openpgp.Entity{
		PrimaryKey: &key.PublicKey,
		PrivateKey: key,
		Identities: map[string]*openpgp.Identity{},
	}
	if err := entity.AddUserId(name, "", email, with); err != nil {
		return fail(err)
	}
	var b bytes.Buffer
	if err := entity.SerializePrivateWithoutSigning(&b, with); err != nil {
		return fail(err)
	}
	private = armored(openpgp.PrivateKeyType, bytes.Clone(b.Bytes()))
	b.Reset()
	if err := entity.Serialize(&b); err != nil {
		return fail(err)
	}
	return private, armored(openpgp.PublicKeyType, b.Bytes()), nil
}
