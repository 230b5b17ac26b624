package sign

import (
	"errors"
	"fmt"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"gantry/config"
)

// member is one key of a certificate that may sign: the primary key or a subkey.
type member struct {
	public  *packet.PublicKey
	private *packet.PrivateKey // nil in a public key
	primary *packet.PublicKey
	self    *packet.Signature // binds the primary key to its name
	binding *packet.Signature // binds this key: self for the primary key
	revoked bool              // it is, or the primary key is
}

// members are the keys that may sign: subkeys first, the newest first, as gpg
// chooses them; then the primary key.
func (p *Public) members() []member {
	e := p.entity
	self, _ := e.PrimarySelfSignature()
	if self == nil {
		return nil
	}
	var all []member
	for i := range e.Subkeys {
		s := &e.Subkeys[i]
		if !s.Sig.FlagsValid || !s.Sig.FlagSign || !s.PublicKey.PubKeyAlgo.CanSign() {
			continue
		}
		m := member{s.PublicKey, s.PrivateKey, e.PrimaryKey, self, s.Sig, p.Revoked() || len(s.Revocations) > 0}
		at := len(all)
		for at > 0 && all[at-1].public.CreationTime.Before(s.PublicKey.CreationTime) {
			at--
		}
		all = append(all[:at], append([]member{m}, all[at:]...)...)
	}
	if self.FlagsValid && self.FlagSign {
		all = append(all, member{e.PrimaryKey, e.PrivateKey, e.PrimaryKey, self, self, p.Revoked()})
	}
	return all
}

// expires is the first end among those of the keys and of what binds them.
func (m member) expires() (end time.Time, ends bool) {
	earlier := func(from time.Time, seconds *uint32) {
		if seconds == nil || *seconds == 0 {
			return
		}
		if t := from.Add(time.Duration(*seconds) * time.Second); !ends || t.Before(end) {
			end, ends = t.UTC(), true
		}
	}
	earlier(m.primary.CreationTime, m.self.KeyLifetimeSecs)
	earlier(m.public.CreationTime, m.binding.KeyLifetimeSecs)
	earlier(m.self.CreationTime, m.self.SigLifetimeSecs)
	earlier(m.binding.CreationTime, m.binding.SigLifetimeSecs)
	return end, ends
}

func (m member) usable(at time.Time) error {
	if m.revoked {
		return config.Hint(errors.New("it was revoked"), "use another key, and give its public half to clients")
	}
	if end, ends := m.expires(); ends && !at.Before(end) {
		return config.Hint(fmt.Errorf("it expired on %s", end.Format("2 January 2006")), "extend it with gpg --quick-set-expire, export both halves again and give the public one to clients")
	}
	// A key and its bindings count in whole seconds.
	if begin := m.public.CreationTime; at.Before(begin) {
		return config.Hint(fmt.Errorf("it was made on %s, which is in the future", begin.UTC().Format(time.RFC3339)), "set the clock of this machine")
	}
	return nil
}
