package check

import (
	"context"
	"fmt"
	"os"
	"slices"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/cosign"
)

// newCosign checks the keys of the images that the item is about, or one key
// (With key): the file that clients are given is a real public key and no
// placeholder, the private key can be unlocked, and it is its other half.
func newCosign(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("key"); err != nil {
		return nil, err
	}
	about, err := newScope(cfg, item)
	if err != nil {
		return nil, err
	}
	var only *config.CosignKey
	if name := item.With["key"]; name != "" {
		k, ok := cfg.CosignKey(name)
		if !ok {
			return nil, fmt.Errorf("item %s is about cosign key %q, which the configuration does not have", item.ID, config.Inert(name))
		}
		only = k
	}
	return observation{func(_ context.Context, env *pipeline.Env, p *pipeline.Progress) (pipeline.Evidence, error) {
		keys := []*config.CosignKey{only}
		if only == nil {
			var err error
			if keys, err = imageKeys(cfg, about.targets(env)); err != nil {
				return nil, err
			}
		}
		if len(keys) == 0 {
			return pipeline.Evidence{"images": "none: no target of this release is an image"}, nil
		}
		ev := pipeline.Evidence{}
		for _, k := range keys {
			p.File(string(k.Name))
			print, err := cosignKey(cfg, k)
			if err != nil {
				return nil, fmt.Errorf("cosign key %s: %w", k.Name, err)
			}
			ev["fingerprint of cosign key "+string(k.Name)] = print
		}
		return ev, nil
	}}, nil
}

// imageKeys are the keys of targets that are images, each once.
func imageKeys(cfg *config.Release, targets []*config.Target) ([]*config.CosignKey, error) {
	var keys []*config.CosignKey
	for _, t := range targets {
		if t.Format != config.FormatOCI {
			continue
		}
		k, ok := cfg.CosignKey(string(t.Key))
		if !ok {
			return nil, config.Hint(fmt.Errorf("the image %s has no cosign key", t.Name), "write one under cosign_keys in release.yaml, and name it as key of the target")
		}
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// cosignKey checks one key pair and returns its fingerprint.
func cosignKey(cfg *config.Release, k *config.CosignKey) (fingerprint string, err error) {
	b, err := os.ReadFile(cfg.Path(k.Public))
	if err != nil {
		return "", config.Hint(fmt.Errorf("read the public key: %w", err), "put cosign.pub there, as cosign generate-key-pair writes it")
	}
	public, err := cosign.ReadPublic(b)
	if err != nil {
		return "", fmt.Errorf("%s: %w", k.Public, err)
	}
	private, err := k.Private.Reveal(cfg.Dir())
	if err != nil {
		return "", err
	}
	defer clear(private)
	var password []byte
	if !k.Password.IsZero() {
		if password, err = k.Password.Reveal(cfg.Dir()); err != nil {
			return "", err
		}
		defer clear(password)
	}
	signer, err := cosign.Load(private, password)
	if err != nil {
		return "", fmt.Errorf("%s: %w", k.Private.Reference(), err)
	}
	if signer.Fingerprint() != public.Fingerprint() {
		return "", config.Hint(fmt.Errorf("the public key clients have is %.16s, the signing key is %.16s", public.Fingerprint(), signer.Fingerprint()),
			"write the public half of the signing key to "+k.Public+": cosign public-key --key FILE")
	}
	return public.Fingerprint(), nil
}
