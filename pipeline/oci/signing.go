package oci

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
	"gantry/pipeline/cosign"
)

// Limits of what is read of signatures.
const (
	maxSignature  = 1 << 20 // bytes
	maxSignatures = 256     // of one image
)

const (
	emptyType = "application/vnd.oci.empty.v1+json"
	emptyBlob = "{}"
)

// sign signs a manifest in both forms that cosign reads, unless it is signed by
// the key already. Signatures by others stay.
func (r *registry) sign(ctx context.Context, key *cosign.Key, d v1.Descriptor, at time.Time) error {
	public := key.Public()
	if err := r.payloadSigned(ctx, public, d.Digest); err != nil {
		if !errors.Is(err, errUnsigned) {
			return err
		}
		if err := r.signPayload(ctx, key, d.Digest); err != nil {
			return fmt.Errorf("sign %s: %w", d.Digest, err)
		}
	}
	if err := r.bundleSigned(ctx, public, d.Digest); err != nil {
		if !errors.Is(err, errUnsigned) {
			return err
		}
		if err := r.signBundle(ctx, key, d, at); err != nil {
			return fmt.Errorf("sign %s: %w", d.Digest, err)
		}
	}
	return nil
}

// errUnsigned says that there is no signature by the key, of that form.
var errUnsigned = errors.New("it is not signed with the key that clients have")

// signed verifies that a manifest is signed in both forms: older clients read the
// one, newer the other.
func (r *registry) signed(ctx context.Context, public *cosign.Public, h v1.Hash) error {
	if err := r.payloadSigned(ctx, public, h); err != nil {
		return fmt.Errorf("%s: %w", h, err)
	}
	if err := r.bundleSigned(ctx, public, h); err != nil {
		return fmt.Errorf("%s: %w", h, err)
	}
	return nil
}

// signatureTag is where the older form keeps signatures of a manifest.
func (r *registry) signatureTag(h v1.Hash) name.Tag {
	return r.repo.Tag(h.Algorithm + "-" + h.Hex + ".sig")
}

// referrersTag is where registries that cannot tell what refers to a manifest
// have it written down.
func (r *registry) referrersTag(h v1.Hash) name.Tag {
	return r.repo.Tag(h.Algorithm + "-" + h.Hex)
}

// payloadSigned looks for a signature of the older form that holds.
func (r *registry) payloadSigned(ctx context.Context, public *cosign.Public, h v1.Hash) error {
	d, err := r.manifest(ctx, r.signatureTag(h))
	if err != nil {
		return err
	}
	if d == nil {
		return fmt.Errorf("%w: nothing is tagged %s", errUnsigned, r.signatureTag(h).TagStr())
	}
	var m v1.Manifest
	if err := parse(d.raw, &m); err != nil {
		return fmt.Errorf("%w: its signatures cannot be read: %w", errUnsigned, err)
	}
	var why error
	for n, l := range m.Layers {
		if n == maxSignatures {
			break
		}
		if l.MediaType != cosign.PayloadType {
			continue
		}
		sig, err := base64.StdEncoding.DecodeString(l.Annotations[cosign.SignatureAnnotation])
		if err == nil {
			var payload []byte
			if payload, err = r.blob(ctx, l.Digest, maxSignature); err == nil {
				err = public.VerifyPayload(payload, sig, h.String())
			}
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		why = err
	}
	if len(m.Layers) > maxSignatures {
		tag := r.signatureTag(h)
		return config.Hint(fmt.Errorf("it has %d signatures, and the first %d are not by the key that clients have", len(m.Layers), maxSignatures),
			"look who adds to "+tag.String()+"; then delete that tag, and sign again: crane delete "+tag.String())
	}
	if why == nil {
		return errUnsigned
	}
	return fmt.Errorf("%w: %w", errUnsigned, why)
}

// signPayload adds a signature of the older form to those that are there.
func (r *registry) signPayload(ctx context.Context, key *cosign.Key, h v1.Hash) error {
	s, err := r.agreed()
	if err != nil {
		return err
	}
	payload, err := cosign.Payload(r.repo.Name(), h.String())
	if err != nil {
		return err
	}
	sig, err := key.Sign(payload)
	if err != nil {
		return err
	}
	tag := r.signatureTag(h)
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if is, err := s.puller.Get(ctx, tag); err == nil {
		if base, err = is.Image(); err != nil {
			return r.explain(ctx, "read "+tag.String(), err)
		}
	} else if !missing(err) {
		return r.explain(ctx, "read "+tag.String(), err)
	}
	img, err := mutate.Append(base, mutate.Addendum{
		Layer:       small(payload, cosign.PayloadType),
		Annotations: map[string]string{cosign.SignatureAnnotation: base64.StdEncoding.EncodeToString(sig)},
	})
	if err != nil {
		return r.explain(ctx, "add to "+tag.String(), err)
	}
	return r.explain(ctx, "write "+tag.String(), s.pusher.Push(ctx, tag, img))
}

// bundleSigned looks for a signature of the newer form that holds.
func (r *registry) bundleSigned(ctx context.Context, public *cosign.Public, h v1.Hash) error {
	all, err := r.referrers(ctx, h)
	if err != nil {
		return err
	}
	var why error
	for n, d := range all {
		if n == maxSignatures {
			break
		}
		// What a registry says of the type of a referrer is not to be relied upon.
		err := r.bundle(ctx, public, d.Digest, h)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return err
		}
		why = err
	}
	if why == nil {
		return fmt.Errorf("%w: no bundle refers to it", errUnsigned)
	}
	return fmt.Errorf("%w: %w", errUnsigned, why)
}

// bundle verifies the bundle in one manifest.
func (r *registry) bundle(ctx context.Context, public *cosign.Public, at, of v1.Hash) error {
	d, err := r.manifest(ctx, r.repo.Digest(at.String()))
	if err != nil {
		return err
	}
	if d == nil {
		return fmt.Errorf("the bundle %s is not there", at)
	}
	var m v1.Manifest
	if err := parse(d.raw, &m); err != nil {
		return fmt.Errorf("the bundle %s: %w", at, err)
	}
	if m.Subject == nil || m.Subject.Digest != of || len(m.Layers) != 1 || m.Layers[0].MediaType != cosign.BundleType {
		return fmt.Errorf("%s holds no bundle for it", at)
	}
	b, err := r.blob(ctx, m.Layers[0].Digest, maxSignature)
	if err != nil {
		return err
	}
	return public.VerifyBundle(b, of.String())
}

// signBundle adds a signature of the newer form.
func (r *registry) signBundle(ctx context.Context, key *cosign.Key, d v1.Descriptor, at time.Time) error {
	b, err := key.Bundle(d.Digest.String())
	if err != nil {
		return err
	}
	m := v1.Manifest{
		SchemaVersion: 2, MediaType: types.OCIManifestSchema1, ArtifactType: cosign.BundleType,
		Subject: &v1.Descriptor{MediaType: d.MediaType, Size: d.Size, Digest: d.Digest},
		Annotations: map[string]string{
			"dev.sigstore.bundle.content":       "dsse-envelope",
			"dev.sigstore.bundle.predicateType": cosign.PredicateType,
			"org.opencontainers.image.created":  at.UTC().Format(time.RFC3339),
		},
	}
	for _, part := range []struct {
		bytes []byte
		kind  types.MediaType
	}{{[]byte(emptyBlob), emptyType}, {b, cosign.BundleType}} {
		l := small(part.bytes, part.kind)
		if err := r.upload(ctx, l); err != nil {
			return err
		}
		h, size, err := v1.SHA256(bytes.NewReader(part.bytes))
		if err != nil {
			return err
		}
		desc := v1.Descriptor{MediaType: part.kind, Size: size, Digest: h}
		if part.kind == emptyType {
			m.Config = desc
		} else {
			m.Layers = []v1.Descriptor{desc}
		}
	}
	doc, err := newDocument(m, types.OCIManifestSchema1)
	if err != nil {
		return err
	}
	return r.put(ctx, r.repo.Digest(doc.digest.String()), doc)
}

// newDocument is a manifest or an index as it is written.
func newDocument(m any, kind types.MediaType) (*document, error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	h, _, err := v1.SHA256(bytes.NewReader(raw))
	return &document{raw: raw, kind: kind, digest: h}, err
}

// openKey opens the target's private key, whose public half clients have.
func openKey(cfg *config.Release, t *config.Target) (*cosign.Key, error) {
	k, err := keyOf(cfg, t)
	if err != nil {
		return nil, err
	}
	return cosign.Open(cfg, k)
}

// openPublic reads the key file that clients of the target are given.
func openPublic(cfg *config.Release, t *config.Target) (*cosign.Public, error) {
	k, err := keyOf(cfg, t)
	if err != nil {
		return nil, err
	}
	return cosign.OpenPublic(cfg, k)
}

func keyOf(cfg *config.Release, t *config.Target) (*config.CosignKey, error) {
	for i := range cfg.CosignKeys {
		if cfg.CosignKeys[i].Name == t.Key {
			return &cfg.CosignKeys[i], nil
		}
	}
	return nil, config.Hint(fmt.Errorf("target %s: no key %q in the configuration", t.Name, config.Inert(string(t.Key))), "write it under cosign_keys in release.yaml")
}

var _ remote.Taggable = (*document)(nil)
