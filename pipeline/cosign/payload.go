package cosign

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"gantry/config"
)

// Names of the older form of a signature: an image under the tag
// sha256-<hex>.sig, each layer of it a payload (see
// https://github.com/containers/image/blob/main/docs/containers-signature.5.md)
// with its signature as an annotation.
const (
	PayloadType         = "application/vnd.dev.cosign.simplesigning.v1+json"
	SignatureAnnotation = "dev.cosignproject.cosign/signature" // base64

	claim = "cosign container image signature"
)

const maxPayload = 1 << 20 // bytes

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

type payload struct {
	Critical struct {
		Identity struct {
			Reference string `json:"docker-reference"`
		} `json:"identity"`
		Image struct {
			Digest string `json:"docker-manifest-digest"`
		} `json:"image"`
		Type string `json:"type"`
	} `json:"critical"`
	Optional map[string]any `json:"optional"`
}

// Payload is what the older form signs: that an image of a repository, without
// tag, has the digest of this manifest (sha256:<hex>).
func Payload(repository, digest string) ([]byte, error) {
	if err := checkDigest(digest); err != nil {
		return nil, err
	}
	var p payload
	p.Critical.Identity.Reference = repository
	p.Critical.Image.Digest = digest
	p.Critical.Type = claim
	return json.Marshal(p)
}

// VerifyPayload checks that the key signed a payload, and that it says what
// Payload does of that manifest. Like cosign it does not look at the name of the
// repository: an image stays signed where it is copied.
func (p *Public) VerifyPayload(data, signature []byte, digest string) error {
	if err := checkDigest(digest); err != nil {
		return err
	}
	if len(data) > maxPayload {
		return fmt.Errorf("%d bytes are too many for what a signature says", len(data))
	}
	if err := p.Verify(data, signature); err != nil {
		return err
	}
	var said payload
	if err := json.Unmarshal(data, &said); err != nil {
		return fmt.Errorf("what the signature says cannot be read: %w", err)
	}
	if said.Critical.Type != claim {
		return errors.New("what is signed is not a claim about an image")
	}
	if said.Critical.Image.Digest != digest {
		return fmt.Errorf("the signature is for %s, not for %s", config.Inert(clip(said.Critical.Image.Digest)), digest)
	}
	return nil
}

func checkDigest(digest string) error {
	if !digestForm.MatchString(digest) {
		return fmt.Errorf("%q is not the digest of an image", config.Inert(clip(digest)))
	}
	return nil
}

func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most]
	}
	return s
}
