package check

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/sign"
)

// margin is how long a key must last at least.
const margin = 30

// newKey checks one key (With key), or those of the targets that the item is
// about: the public file that clients are given is a real key and no placeholder,
// it is the private key's, the private key can be unlocked, and neither expires
// within 30 days (With days). Images are signed with keys of another kind, which
// check.cosign checks.
func newKey(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("key", "days"); err != nil {
		return nil, err
	}
	about, err := newScope(cfg, item)
	if err != nil {
		return nil, err
	}
	var only *config.Key
	if name := item.With["key"]; name != "" {
		k, ok := cfg.Key(name)
		if !ok {
			return nil, fmt.Errorf("item %s is about key %q, which the configuration does not have", item.ID, config.Inert(name))
		}
		only = k
	}
	days := margin
	if text := item.With["days"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 36500 {
			return nil, fmt.Errorf("item %s: days is %q, not a number of days up to 36500", item.ID, config.Inert(text))
		}
		days = n
	}
	return observation{func(_ context.Context, env *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
		keys := []*config.Key{only}
		if only == nil {
			var err error
			if keys, err = packageKeys(cfg, about.targets(env)); err != nil {
				return nil, err
			}
		}
		if len(keys) == 0 {
			return pipeline.Evidence{"keys": "none to check: every target is an image"}, nil
		}
		ev := pipeline.Evidence{}
		for _, k := range keys {
			p.File(string(k.Name))
			if err := key(cfg, *k, env.Now(), days, ev); err != nil {
				return nil, fmt.Errorf("key %s: %w", k.Name, err)
			}
		}
		return ev, nil
	}}, nil
}

// packageKeys are the OpenPGP keys of targets, each once. They are none only
// where every target is an image.
func packageKeys(cfg *config.Release, targets []*config.Target) ([]*config.Key, error) {
	var keys []*config.Key
	for _, t := range targets {
		if t.Format == config.FormatOCI {
			continue
		}
		k, ok := cfg.Key(string(t.Key))
		if !ok {
			return nil, config.Hint(fmt.Errorf("target %s has no key", t.Name), "write one under keys in release.yaml, and name it as key of the target")
		}
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

func key(cfg *config.Release, k config.Key, now time.Time, days int, ev pipeline.Evidence) error {
	b, err := os.ReadFile(cfg.Path(k.Public))
	if err != nil {
		return config.Hint(fmt.Errorf("read the public key: %w", err), "put the armored public key there: gpg --armor --export")
	}
	public, err := sign.ReadPublic(b)
	if err != nil {
		return fmt.Errorf("%s: %w", k.Public, err)
	}
	private, err := k.Private.Reveal(cfg.Dir())
	if err != nil {
		return err
	}
	var pass []byte
	if !k.Passphrase.IsZero() {
		if pass, err = k.Passphrase.Reveal(cfg.Dir()); err != nil {
			return err
		}
	}
	signer, err := sign.Load(private, pass)
	if err != nil {
		return fmt.Errorf("%s: %w", k.Private.Reference(), err)
	}
	if signer.Fingerprint() != public.Fingerprint() {
		return config.Hint(fmt.Errorf("the public key clients have is %s, the signing key is %s", public.Fingerprint(), signer.Fingerprint()),
			"export the public half of the signing key to "+k.Public)
	}
	expires := "never"
	var first time.Time // of the two halves, whose expiry may differ
	for _, until := range []func() (time.Time, bool){signer.Expires, public.Expires} {
		if at, ends := until(); ends && (first.IsZero() || at.Before(first)) {
			first, expires = at, at.UTC().Format(time.DateOnly)
		}
	}
	if !first.IsZero() && first.Before(now.AddDate(0, 0, days)) {
		what := fmt.Errorf("it expires on %s, within %d days", expires, days)
		if !first.After(now) {
			what = fmt.Errorf("it expired on %s", expires)
		}
		return config.Hint(what, "extend it (gpg --quick-set-expire) and give clients the new public key first")
	}
	ev["fingerprint of key "+string(k.Name)] = public.Fingerprint()
	ev["key "+string(k.Name)+" expires"] = expires
	return nil
}
