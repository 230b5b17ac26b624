package cosign

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gantry/config"
)

// Names of the newer form of a signature: a sigstore bundle that holds a DSSE
// envelope (https://github.com/secure-systems-lab/dsse) with an in-toto
// statement about the image.
const (
	BundleType    = "application/vnd.dev.sigstore.bundle.v0.3+json"
	PredicateType = "https://sigstore.dev/cosign/sign/v1"

	bundleTypes   = "application/vnd.dev.sigstore.bundle" // of any version
	statementType = "https://in-toto.io/Statement/v1"
	envelopeType  = "application/vnd.in-toto+json"
)

type bundle struct {
	MediaType string   `json:"mediaType"`
	Material  material `json:"verificationMaterial"`
	Envelope  envelope `json:"dsseEnvelope"`
}

type material struct {
	PublicKey struct {
		Hint string `json:"hint"`
	} `json:"publicKey"`
}

type envelope struct {
	Payload     []byte      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

type signature struct {
	Sig []byte `json:"sig"`
}

type statement struct {
	Type      string          `json:"_type"`
	Subject   []subject       `json:"subject"`
	Predicate string          `json:"predicateType"`
	Content   json.RawMessage `json:"predicate"`
}

type subject struct {
	Digest      map[string]string `json:"digest"`
	Annotations struct{}          `json:"annotations"`
}

// Bundle signs the manifest with that digest (sha256:<hex>) in the newer form.
func (k *Key) Bundle(digest string) ([]byte, error) {
	if err := checkDigest(digest); err != nil {
		return nil, err
	}
	said, err := json.Marshal(statement{
		Type:      statementType,
		Subject:   []subject{{Digest: map[string]string{"sha256": strings.TrimPrefix(digest, "sha256:")}}},
		Predicate: PredicateType,
		Content:   json.RawMessage("{}"),
	})
	if err != nil {
		return nil, err
	}
	sig, err := k.Sign(preAuth(envelopeType, said))
	if err != nil {
		return nil, err
	}
	b := bundle{MediaType: BundleType, Envelope: envelope{Payload: said, PayloadType: envelopeType, Signatures: []signature{{sig}}}}
	b.Material.PublicKey.Hint = k.public.Hint()
	return json.Marshal(b)
}

// VerifyBundle checks that a bundle holds a signature by the key which says what
// Bundle does of that manifest.
func (p *Public) VerifyBundle(data []byte, digest string) error {
	if err := checkDigest(digest); err != nil {
		return err
	}
	if len(data) > maxPayload {
		return fmt.Errorf("%d bytes are too many for a signature", len(data))
	}
	var b bundle
	if err := json.Unmarshal(data, &b); err != nil {
		return fmt.Errorf("the bundle cannot be read: %w", err)
	}
	switch {
	case !strings.HasPrefix(b.MediaType, bundleTypes):
		return fmt.Errorf("it is a %s, not a bundle", config.Inert(clip(b.MediaType)))
	case b.Envelope.PayloadType != envelopeType:
		return errors.New("the bundle holds no statement about an image")
	case len(b.Envelope.Signatures) != 1:
		return fmt.Errorf("the bundle has %d signatures, not one", len(b.Envelope.Signatures))
	}
	if err := p.Verify(preAuth(envelopeType, b.Envelope.Payload), b.Envelope.Signatures[0].Sig); err != nil {
		return err
	}
	var said statement
	if err := json.Unmarshal(b.Envelope.Payload, &said); err != nil {
		return fmt.Errorf("what the signature says cannot be read: %w", err)
	}
	if said.Type != statementType || said.Predicate != PredicateType {
		return errors.New("what is signed is not a claim about an image")
	}
	if !slices.ContainsFunc(said.Subject, func(s subject) bool { return "sha256:"+s.Digest["sha256"] == digest }) {
		return fmt.Errorf("the signature is for another image than %s", digest)
	}
	return nil
}

// preAuth is what a DSSE envelope signs: its type and its payload, each with its
// length.
func preAuth(kind string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(payload), payload)
}
