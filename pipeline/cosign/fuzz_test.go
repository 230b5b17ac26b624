package cosign_test

import (
	"testing"

	"gantry/config"
	"gantry/pipeline/cosign"
)

func hint(err error) string { return config.HintOf(err) }

func FuzzReadPublic(f *testing.F) {
	_, private, public := keys(f)
	f.Add(public)
	f.Add(private)
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		key, err := cosign.ReadPublic(b)
		if err == nil {
			if again, err := cosign.ReadPublic(key.PEM()); err != nil || again.Fingerprint() != key.Fingerprint() {
				t.Errorf("the key does not survive being written: %v", err)
			}
		}
	})
}

func FuzzVerifyBundle(f *testing.F) {
	key, _, _ := keys(f)
	bundle, err := key.Bundle(digest)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(bundle)
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{"signatures":[{}]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		if key.Public().VerifyBundle(b, another) == nil {
			t.Error("a bundle is taken for an image that was never signed")
		}
	})
}
