package cosign_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gantry/pipeline/cosign"
)

const (
	digest  = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	another = "sha256:1123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

var password = []byte("hunter2")

// pair is made once: deriving a key from a password takes its time.
var pair = sync.OnceValues(func() ([2][]byte, error) {
	private, public, err := cosign.Generate(password)
	return [2][]byte{private, public}, err
})

func keys(t testing.TB) (*cosign.Key, []byte, []byte) {
	t.Helper()
	halves, err := pair()
	if err != nil {
		t.Fatal(err)
	}
	key, err := cosign.Load(halves[0], password)
	if err != nil {
		t.Fatal(err)
	}
	return key, halves[0], halves[1]
}

func TestSignAndVerify(t *testing.T) {
	key, _, text := keys(t)
	public, err := cosign.ReadPublic(text)
	if err != nil {
		t.Fatal(err)
	}
	if public.Fingerprint() != key.Fingerprint() || len(public.Fingerprint()) != 64 {
		t.Errorf("public half is %s, private %s", public.Fingerprint(), key.Fingerprint())
	}
	if !bytes.Equal(public.PEM(), text) {
		t.Error("the key as text is not what was read")
	}
	payload, err := cosign.Payload("registry.example.org/core", digest)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := key.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	if err := public.VerifyPayload(payload, sig, digest); err != nil {
		t.Error(err)
	}
	bundle, err := key.Bundle(digest)
	if err != nil {
		t.Fatal(err)
	}
	if err := public.VerifyBundle(bundle, digest); err != nil {
		t.Error(err)
	}
	if public.VerifyPayload(payload, sig, another) == nil || public.VerifyBundle(bundle, another) == nil {
		t.Error("a signature is taken for another image")
	}
	for i := range payload {
		changed := bytes.Clone(payload)
		changed[i] ^= 1
		if public.VerifyPayload(changed, sig, digest) == nil {
			t.Fatalf("a payload with byte %d flipped is taken", i)
		}
	}
	_, other, err := cosign.Generate(nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := cosign.ReadPublic(other)
	if err != nil {
		t.Fatal(err)
	}
	if stranger.VerifyPayload(payload, sig, digest) == nil || stranger.VerifyBundle(bundle, digest) == nil {
		t.Error("another key verifies the signatures")
	}
	// What the key signed must be a claim about an image, not anything at all.
	for _, said := range []string{`{}`, `[]`, `{"critical":{"image":{"docker-manifest-digest":"` + digest + `"},"type":"atomic"}}`} {
		sig, err := key.Sign([]byte(said))
		if err != nil {
			t.Fatal(err)
		}
		if public.VerifyPayload([]byte(said), sig, digest) == nil {
			t.Errorf("%s is taken for a claim", said)
		}
	}
	for _, bad := range []string{"", "sha256:", "sha512:" + strings.Repeat("0", 128), strings.ToUpper(digest), digest + "\n"} {
		if _, err := key.Bundle(bad); err == nil {
			t.Errorf("%q is signed", bad)
		}
		if _, err := cosign.Payload("x", bad); err == nil {
			t.Errorf("%q is claimed", bad)
		}
	}
}

func TestLoad(t *testing.T) {
	_, locked, public := keys(t)
	ec := func(c elliptic.Curve) *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	block := func(kind string, der []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	pkcs8 := func(k any) []byte {
		der, err := x509.MarshalPKCS8PrivateKey(k)
		return block("PRIVATE KEY", der, err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalECPrivateKey(ec(elliptic.P256()))
	sec1 := block("EC PRIVATE KEY", der, err)
	cut := bytes.Replace(locked, []byte("\n"), []byte("\nAAAA"), 1)
	for name, test := range map[string]struct {
		private, password []byte
		wrong             string
	}{
		"locked":          {locked, password, ""},
		"older name":      {bytes.ReplaceAll(locked, []byte("SIGSTORE"), []byte("COSIGN")), password, ""},
		"pkcs8":           {pkcs8(ec(elliptic.P256())), nil, ""},
		"sec1":            {sec1, nil, ""},
		"openssl":         {append(block("EC PARAMETERS", []byte{6, 0}, nil), sec1...), nil, ""},
		"no password":     {locked, nil, "no password"},
		"wrong password":  {locked, []byte("x"), "wrong"},
		"damaged":         {cut, password, "damaged"},
		"public":          {public, nil, "public key"},
		"another curve":   {pkcs8(ec(elliptic.P384())), nil, "P-256"},
		"edwards":         {pkcs8(edwards), nil, "P-256"},
		"empty":           {nil, nil, "placeholder"},
		"placeholder":     {[]byte("REPLACE ME"), nil, "placeholder"},
		"not a key":       {[]byte("hello"), nil, "PEM"},
		"two":             {append(bytes.Clone(sec1), sec1...), nil, "more than one"},
		"openssl's":       {block("ENCRYPTED PRIVATE KEY", []byte{1}, nil), nil, "import-key-pair"},
		"certificate":     {block("CERTIFICATE", []byte{1}, nil), nil, "CERTIFICATE"},
		"parameters only": {block("EC PARAMETERS", []byte{6, 0}, nil), nil, "PEM"},
		"large":           {make([]byte, 1<<20), nil, "too many"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := cosign.Load(test.private, test.password)
			switch {
			case test.wrong == "" && err != nil:
				t.Error(err)
			case test.wrong != "" && (err == nil || !strings.Contains(err.Error()+hint(err), test.wrong)):
				t.Errorf("%v, want one about %q", err, test.wrong)
			case err != nil && hint(err) == "" && name != "two" && name != "large":
				t.Errorf("%v: without a hint", err)
			}
		})
	}
}

func TestReadPublic(t *testing.T) {
	_, private, public := keys(t)
	if _, err := cosign.ReadPublic([]byte("-----BEGIN PUBLIC KEY-----\nREPLACE WITH COSIGN.PUB\n-----END PUBLIC KEY-----\n")); !errors.Is(err, cosign.ErrPlaceholder) {
		t.Errorf("a placeholder: %v", err)
	}
	if _, err := cosign.ReadPublic(private); err == nil || !strings.Contains(hint(err), "replace the key") {
		t.Errorf("a private key where a public one belongs: %v", err)
	}
	if _, err := cosign.ReadPublic(append(bytes.Clone(public), public...)); err == nil {
		t.Error("two keys are taken for one")
	}
}

// TestRealCosign lets cosign itself verify a payload's signature, with a key of
// this package and with the public half taken by cosign.
func TestRealCosign(t *testing.T) {
	program, err := exec.LookPath("cosign")
	if err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
			t.Fatal(err)
		}
		t.Skip("cosign is not installed")
	}
	key, private, public := keys(t)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(args ...string) (string, error) {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "COSIGN_PASSWORD="+string(password))
		out, err := cmd.Output()
		return string(out), err
	}
	out, err := run("public-key", "--key", write("cosign.key", private))
	if err != nil || out != string(public) {
		t.Errorf("cosign takes another public half from the key: %q, %v", out, err)
	}
	bundle, err := key.Bundle(digest)
	if err != nil {
		t.Fatal(err)
	}
	verify := func(digest string) error {
		_, err := run("verify-blob-attestation", "--key", write("cosign.pub", public), "--bundle", write("bundle.json", bundle),
			"--type", cosign.PredicateType, "--insecure-ignore-tlog", "--digest", strings.TrimPrefix(digest, "sha256:"), "--digestAlg", "sha256")
		return err
	}
	if err := verify(digest); err != nil {
		t.Errorf("cosign refuses the bundle: %v", err)
	}
	if verify(another) == nil {
		t.Error("cosign takes the bundle for another image")
	}
}
