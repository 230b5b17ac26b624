package sign

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"gantry/config"
)

// ErrPlaceholder is wrapped by the error for a key file that still waits for
// its key.
var ErrPlaceholder = errors.New("it is a placeholder, not a key")

const (
	maxKeySize = 1 << 20
	minRSABits = 2048
)

// Public is a public key as clients are given it. It is safe for parallel use.
type Public struct {
	entity  *openpgp.Entity
	armored []byte
}

// ReadPublic reads an armored public key, exactly one. A placeholder, a private
// key, a weak or unknown algorithm and more than 1 MiB are errors; whether the
// key has expired or was revoked is asked with Usable.
func ReadPublic(data []byte) (*Public, error) {
	entity, err := readEntity(data, openpgp.PublicKeyType)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	return &Public{entity: entity, armored: bytes.Clone(data)}, nil
}

// Armored is the key as text, as it was read.
func (p *Public) Armored() []byte { return bytes.Clone(p.armored) }

// Fingerprint is that of the primary key, in upper-case hex.
func (p *Public) Fingerprint() string { return fmt.Sprintf("%X", p.entity.PrimaryKey.Fingerprint) }

// Identity is the primary user id, harmless to show.
func (p *Public) Identity() string {
	if id := p.entity.PrimaryIdentity(); id != nil {
		return config.Inert(id.Name)
	}
	return ""
}

// Created is when the key was made.
func (p *Public) Created() time.Time { return p.entity.PrimaryKey.CreationTime.UTC() }

// Revoked says whether the key was revoked.
func (p *Public) Revoked() bool {
	id := p.entity.PrimaryIdentity()
	return len(p.entity.Revocations) > 0 || id != nil && len(id.Revocations) > 0
}

// Expires is when the last of its keys can no longer sign; false if one always
// can.
func (p *Public) Expires() (time.Time, bool) {
	var last time.Time
	for _, m := range p.members() {
		if m.revoked {
			continue
		}
		end, ends := m.expires()
		if !ends {
			return time.Time{}, false
		}
		if end.After(last) {
			last = end
		}
	}
	return last, true
}

// Usable is nil if the key can sign at that time, else the reason why not.
func (p *Public) Usable(at time.Time) error {
	members := p.members()
	if len(members) == 0 {
		return config.Hint(fmt.Errorf("key %s: none of its keys may sign", p.Fingerprint()), "use a key with the usage flag S")
	}
	var reason error
	for _, m := range members {
		err := m.usable(at)
		if err == nil {
			return nil
		}
		if reason == nil {
			reason = err
		}
	}
	return fmt.Errorf("key %s: %w", p.Fingerprint(), reason)
}

var (
	block       = regexp.MustCompile(`(?m)^-----BEGIN PGP ([A-Z ]+)-----[ \t]*\r?$`)
	placeholder = regexp.MustCompile(`(?i:replace|place.?holder|change.?me|your[ _-].*key|<[a-z _-]+>|\.\.\.)|\bTODO\b`)
)

// readEntity reads the one key of an armored block of that kind.
func readEntity(data []byte, kind string) (*openpgp.Entity, error) {
	if len(data) > maxKeySize {
		return nil, fmt.Errorf("%d bytes are too many for a key", len(data))
	}
	found := block.FindAllSubmatch(data, 3)
	waiting := len(bytes.TrimSpace(data)) == 0 || placeholder.Match(data)
	wanted := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(kind, "PGP "), " KEY BLOCK")) // private, public
	unreadable := func(err error) error {
		if waiting {
			err = ErrPlaceholder
		}
		return config.Hint(err, "put the armored "+wanted+" key there, as gpg --armor exports it")
	}
	if len(found) == 0 {
		return nil, unreadable(errors.New("it is not armored text of an OpenPGP key"))
	}
	if len(found) > 1 {
		return nil, config.Hint(errors.New("there is more than one key"), "keep one key in the file")
	}
	switch got := "PGP " + string(found[0][1]); {
	case got == kind:
	case got == openpgp.PublicKeyType:
		return nil, config.Hint(errors.New("it is a public key"), "give the private key, as gpg --armor --export-secret-keys writes it")
	case got == openpgp.PrivateKeyType:
		return nil, config.Hint(errors.New("it is a private key, which no client may get"), "give the public key, as gpg --armor --export writes it, and replace the key if others could read that file")
	default:
		return nil, config.Hint(fmt.Errorf("it is a %s", got), "put the armored "+wanted+" key there, as gpg --armor exports it")
	}
	decoded, err := armor.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, unreadable(fmt.Errorf("its armor is damaged: %w", err))
	}
	packets, err := io.ReadAll(decoded.Body)
	if err != nil {
		return nil, unreadable(fmt.Errorf("its armor is damaged: %w", err))
	}
	if len(packets) == 0 {
		return nil, unreadable(ErrPlaceholder)
	}
	r := packet.NewReader(bytes.NewReader(packets))
	entity, err := openpgp.ReadEntity(r)
	if err != nil {
		return nil, unreadable(fmt.Errorf("it is damaged: %w", err))
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		return nil, config.Hint(errors.New("there is more than one key"), "keep one key in the file")
	}
	if kind == openpgp.PrivateKeyType && entity.PrivateKey == nil {
		return nil, config.Hint(errors.New("it is a public key"), "give the private key, as gpg --armor --export-secret-keys writes it")
	}
	if kind == openpgp.PublicKeyType && entity.PrivateKey != nil {
		return nil, config.Hint(errors.New("it is a private key, which no client may get"), "give the public key, as gpg --armor --export writes it")
	}
	for _, m := range (&Public{entity: entity}).members() {
		if err := m.strong(); err != nil {
			return nil, config.Hint(err, "make a new key, RSA with 4096 bits is read by every client, and give it to them")
		}
	}
	return entity, nil
}

// strong refuses keys that clients cannot or should not trust.
func (m member) strong() error {
	if m.public.Version != 4 {
		return fmt.Errorf("it is a key of version %d, which rpm and apt cannot read", m.public.Version)
	}
	bits, err := m.public.BitLength()
	switch {
	case !knownAlgorithm(m.public.PubKeyAlgo):
		return fmt.Errorf("its algorithm (OpenPGP number %d) is not known here", m.public.PubKeyAlgo)
	case err != nil:
		return err
	case m.public.PubKeyAlgo == packet.PubKeyAlgoRSA && bits < minRSABits:
		return fmt.Errorf("it is weak: RSA with %d bits, less than %d", bits, minRSABits)
	case !strongHash(m.self.Hash) || !strongHash(m.binding.Hash):
		return errors.New("it is weak: it is bound to its name by SHA-1")
	}
	return nil
}

func knownAlgorithm(a packet.PublicKeyAlgorithm) bool {
	return a == packet.PubKeyAlgoRSA || a == packet.PubKeyAlgoECDSA || a == packet.PubKeyAlgoEdDSA
}

func strongHash(h crypto.Hash) bool {
	return h == crypto.SHA256 || h == crypto.SHA384 || h == crypto.SHA512
}
