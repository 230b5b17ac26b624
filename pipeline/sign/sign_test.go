package sign_test

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline/sign"
)

var message = []byte("<repomd/>\n")

// demo is a key that every test may use, made once.
var demo = sync.OnceValues(func() ([2][]byte, error) {
	private, public, err := sign.Generate("Gantry Demo", "demo@example.com", 2048, 0, time.Now())
	return [2][]byte{private, public}, err
})

func demoKey(t testing.TB) (*sign.Key, []byte, []byte) {
	t.Helper()
	halves, err := demo()
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.Load(halves[0], nil)
	if err != nil {
		t.Fatal(err)
	}
	return key, halves[0], halves[1]
}

func TestSignAndVerify(t *testing.T) {
	key, _, text := demoKey(t)
	public, err := sign.ReadPublic(text)
	if err != nil {
		t.Fatal(err)
	}
	if public.Fingerprint() != key.Fingerprint() || public.Identity() != "Gantry Demo <demo@example.com>" {
		t.Errorf("public half is %s of %s, private %s", public.Fingerprint(), public.Identity(), key.Fingerprint())
	}
	if !strings.HasSuffix(key.Fingerprint(), key.SigningID()) {
		t.Errorf("%s signs, not the primary key %s", key.SigningID(), key.Fingerprint())
	}
	if end, ends := key.Expires(); ends {
		t.Errorf("the key expires at %s", end)
	}
	if !bytes.Equal(public.Armored(), text) {
		t.Error("the armored key is not what was read")
	}
	now := time.Now()
	sig, err := key.Signature(bytes.NewReader(message), now)
	if err != nil {
		t.Fatal(err)
	}
	again, err := key.Signature(bytes.NewReader(message), now)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(sig, again) {
		t.Error("the same data at the same time has another signature")
	}
	detached, err := key.Detached(message, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := public.VerifyBinary(bytes.NewReader(message), sig, now); err != nil {
		t.Error(err)
	}
	if err := public.VerifyDetached(message, detached, now); err != nil {
		t.Error(err)
	}
	if err := sign.Inspect(sig); err != nil {
		t.Error(err)
	}
	if err := public.VerifyDetached(append([]byte(" "), message...), detached, now); err == nil {
		t.Error("other data verifies")
	}
	if err := public.VerifyBinary(bytes.NewReader(message), sig, now.Add(-time.Hour)); err == nil {
		t.Error("a signature from the future verifies")
	}
	if err := public.VerifyBinary(bytes.NewReader(message), append(bytes.Clone(sig), sig...), now); err == nil {
		t.Error("two signatures verify")
	}
	if err := public.VerifyBinary(bytes.NewReader(message), nil, now); err == nil {
		t.Error("no signature verifies")
	}
	if err := public.VerifyDetached(message, nil, now); err == nil {
		t.Error("no armored signature verifies")
	}
	// Several, since the length of the number in it differs by chance.
	for n := range 8 {
		sig, err := key.Signature(bytes.NewReader(message), now.Add(time.Duration(n)*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		for i := range sig {
			bad := bytes.Clone(sig)
			bad[i] ^= 1
			if err := public.VerifyBinary(bytes.NewReader(message), bad, now.Add(time.Hour)); err == nil {
				t.Errorf("signature %d with byte %d changed verifies", n, i)
			}
		}
	}
}

func TestSignInParallel(t *testing.T) {
	key, _, _ := demoKey(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if _, err := key.Detached(message, time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestGPGTakesOurKeysAndSignatures(t *testing.T) {
	g := newGPG(t)
	private, public, err := sign.Generate("Gantry Demo", "demo@example.com", 4096, 90*24*time.Hour, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.Load(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	if end, ends := key.Expires(); !ends || time.Until(end).Round(time.Hour) != 90*24*time.Hour {
		t.Errorf("the key expires at %s, %v", end, ends)
	}
	sig, err := key.Detached(message, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	g.run("--import", g.write("public", public))
	g.verify(message, sig, key.Fingerprint())
	g.run("--import", g.write("private", private))
	g.run("--local-user", key.Fingerprint(), "--output", g.dir+"/theirs", "--armor", "--detach-sign", g.write("data", message))
	theirs, err := os.ReadFile(g.dir + "/theirs")
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Public().VerifyDetached(message, theirs, time.Now()); err != nil {
		t.Errorf("gpg's signature with our key: %v", err)
	}
}

// verify lets gpg and gpgv verify a signature.
func (g gpg) verify(data, sig []byte, fingerprint string) {
	g.t.Helper()
	d, s := g.write("data", data), g.write("data.asc", sig)
	g.run("--verify", s, d)
	ring := g.write("ring.gpg", g.run("--export", fingerprint))
	if out, err := g.command("gpgv", "--keyring", ring, s, d).CombinedOutput(); err != nil {
		g.t.Errorf("gpgv: %v\n%s", err, out)
	}
}

func TestKeysOfGPG(t *testing.T) {
	g := newGPG(t)
	for _, tt := range []struct {
		name, algorithm, usage, subkey, passphrase string
	}{
		{name: "rsa", algorithm: "rsa2048", usage: "sign"},
		{name: "ed25519", algorithm: "ed25519", usage: "sign"},
		{name: "nistp256", algorithm: "nistp256", usage: "sign"},
		{name: "locked", algorithm: "ed25519", usage: "sign", passphrase: "open sesame"},
		{name: "subkey", algorithm: "rsa2048", usage: "cert", subkey: "rsa2048"},
		{name: "curve subkey", algorithm: "ed25519", usage: "cert", subkey: "ed25519"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := gpg{t, g.dir}
			name := tt.name + " <test@example.com>"
			fingerprint := g.make(name, tt.passphrase, tt.algorithm, tt.usage, "1y")
			if tt.subkey != "" {
				g.run("--passphrase", tt.passphrase, "--quick-add-key", fingerprint, tt.subkey, "sign", "30d")
			}
			private := g.private(fingerprint, tt.passphrase)
			key, err := sign.Load(private, []byte(tt.passphrase))
			if err != nil {
				t.Fatal(err)
			}
			if key.Fingerprint() != fingerprint || key.Identity() != name {
				t.Errorf("loaded %s of %s, want %s", key.Fingerprint(), key.Identity(), fingerprint)
			}
			if primary := strings.HasSuffix(fingerprint, key.SigningID()); primary != (tt.subkey == "") {
				t.Errorf("key %s signs for %s", key.SigningID(), fingerprint)
			}
			days := 365
			if tt.subkey != "" {
				days = 30
			}
			if end, ends := key.Expires(); !ends || int(time.Until(end).Round(24*time.Hour).Hours()/24) != days {
				t.Errorf("expires %s, %v, want in %d days", end, ends, days)
			}
			sig, err := key.Detached(message, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			g.verify(message, sig, fingerprint)
			public, err := sign.ReadPublic(g.public(fingerprint))
			if err != nil {
				t.Fatal(err)
			}
			if err := public.VerifyDetached(message, sig, time.Now()); err != nil {
				t.Error(err)
			}
			_, late := sign.Load(private, nil)
			if tt.passphrase != "" {
				wantError(t, late, "no passphrase was given")
				_, err := sign.Load(private, []byte("wrong"))
				wantError(t, err, "passphrase is wrong")
			}
			if _, err := key.Detached(message, time.Now().Add(400*24*time.Hour)); err == nil {
				t.Error("it signs after its end")
			}
			if err := public.VerifyDetached(message, sig, time.Now().Add(400*24*time.Hour)); err == nil {
				t.Error("it verifies after its end")
			}
		})
	}
}

// wantError checks an error's text and that it says what to do.
func wantError(t *testing.T, err error, text string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("no error, want %q", text)
	case !strings.Contains(err.Error(), text):
		t.Errorf("error %q, want %q", err, text)
	case config.HintOf(err) == "":
		t.Errorf("error %q says not what to do", err)
	}
}

func TestKeysThatAreRefused(t *testing.T) {
	g := newGPG(t)
	_, private, public := demoKey(t)
	expired := g.make("expired", "", "rsa2048", "sign", "2020-02-01", "--faked-system-time", "20200101T000000")
	weak := g.make("weak", "", "rsa1024", "sign", "never")
	sha1 := g.make("sha1", "", "rsa2048", "sign", "never", "--cert-digest-algo", "SHA1", "--allow-weak-digest-algos")
	encrypts := g.make("encrypts", "", "rsa2048", "cert", "never")
	dsa := g.make("dsa", "", "dsa2048", "sign", "never")
	revoked := g.make("revoked", "", "ed25519", "sign", "never")
	certificate, err := os.ReadFile(g.dir + "/openpgp-revocs.d/" + revoked + ".rev")
	if err != nil {
		t.Fatal(err)
	}
	g.run("--import", g.write("revocation", bytes.ReplaceAll(certificate, []byte(":-----BEGIN"), []byte("-----BEGIN"))))
	stub := g.make("stub", "", "ed25519", "sign", "never")
	g.run("--passphrase", "", "--quick-add-key", stub, "cv25519", "encr", "never")

	for _, tt := range []struct {
		name    string
		private []byte
		want    string
	}{
		{"public half", public, "it is a public key"},
		{"expired", g.private(expired, ""), "it expired on 1 February 2020"},
		{"revoked", g.private(revoked, ""), "it was revoked"},
		{"weak", g.private(weak, ""), "RSA with 1024 bits"},
		{"sha1", g.private(sha1, ""), "SHA-1"},
		{"dsa", g.private(dsa, ""), "not known here"},
		{"encrypts alone", g.private(encrypts, ""), "none of its keys may sign"},
		{"stub", g.run("--armor", "--export-secret-subkeys", stub), "only a stub"},
		{"two keys", append(bytes.Clone(private), private...), "more than one key"},
		{"two keys in one block", g.run("--armor", "--export-secret-keys", stub, dsa), "more than one key"},
		{"cut", private[:len(private)/2], "damaged"},
		{"binary", g.run("--export-secret-keys", stub), "not armored"},
		{"empty", nil, "placeholder"},
		{"a path", []byte("/etc/keys/private.asc\n"), "not armored"},
	} {
		t.Run("private/"+tt.name, func(t *testing.T) {
			_, err := sign.Load(tt.private, nil)
			wantError(t, err, tt.want)
		})
	}
	for _, tt := range []struct {
		name   string
		public []byte
		want   string
	}{
		{"private half", private, "it is a private key"},
		{"weak", g.public(weak), "RSA with 1024 bits"},
		{"sha1", g.public(sha1), "SHA-1"},
		{"two keys", g.run("--armor", "--export", stub, revoked), "more than one key"},
		{"cut", public[:len(public)/2], "damaged"},
		{"signature", g.run("--armor", "--local-user", stub, "--output", "-", "--sign", g.write("data", message)), "PGP MESSAGE"},
	} {
		t.Run("public/"+tt.name, func(t *testing.T) {
			_, err := sign.ReadPublic(tt.public)
			wantError(t, err, tt.want)
		})
	}
	for _, tt := range []struct{ name, fingerprint, want string }{
		{"expired", expired, "it expired on 1 February 2020"},
		{"revoked", revoked, "it was revoked"},
		{"cannot sign", encrypts, "none of its keys may sign"},
	} {
		t.Run("usable/"+tt.name, func(t *testing.T) {
			public, err := sign.ReadPublic(g.public(tt.fingerprint))
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, public.Usable(time.Now()), tt.want)
		})
	}
}

func TestPlaceholders(t *testing.T) {
	for _, text := range []string{
		"",
		"  \n",
		"REPLACE ME",
		"REPLACE_WITH_YOUR_PUBLIC_KEY\n",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nREPLACE ME\n-----END PGP PUBLIC KEY BLOCK-----\n",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n(placeholder)\n\n-----END PGP PUBLIC KEY BLOCK-----\n",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----\n...\n-----END PGP PUBLIC KEY BLOCK-----\n",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n-----END PGP PUBLIC KEY BLOCK-----\n",
		"# TODO: put the key here\n",
	} {
		if _, err := sign.ReadPublic([]byte(text)); !errors.Is(err, sign.ErrPlaceholder) || config.HintOf(err) == "" {
			t.Errorf("%q: %v (%s)", text, err, config.HintOf(err))
		}
	}
}

func TestSignaturesThatAreRefused(t *testing.T) {
	g := newGPG(t)
	fingerprint := g.make("signer", "", "rsa2048", "sign", "never")
	public, err := sign.ReadPublic(g.public(fingerprint))
	if err != nil {
		t.Fatal(err)
	}
	other, _, _ := demoKey(t)
	file := g.write("data", message)
	by := func(args ...string) []byte {
		return g.run(append(append([]string{"--output", "-"}, args...), file)...)
	}
	fromOther, err := other.Signature(bytes.NewReader(message), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	good := by("--detach-sign")
	for _, tt := range []struct {
		name string
		sig  []byte
		want string
	}{
		{"good", good, ""},
		{"sha1", by("--digest-algo", "SHA1", "--detach-sign"), "weak"},
		{"other key", fromOther, "not by"},
		{"text", by("--textmode", "--detach-sign"), "binary data"},
		{"two", append(bytes.Clone(good), good...), "more than one"},
		{"not detached", by("--compress-algo", "none", "--sign"), "not a whole OpenPGP signature"},
		{"none", nil, "no signature"},
		{"cut", good[:len(good)-1], "not a whole"},
		{"rubbish", []byte("rubbish"), "not a whole OpenPGP signature"},
		{"expired", by("--default-sig-expire", "1", "--faked-system-time", time.Now().UTC().Format("20060102T150405"), "--detach-sign"), "expired"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			at := time.Now().Add(48 * time.Hour)
			err := public.VerifyBinary(bytes.NewReader(message), tt.sig, at)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func FuzzReadPublic(f *testing.F) {
	halves, err := demo()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(halves[0])
	f.Add(halves[1])
	f.Add([]byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := sign.ReadPublic(data)
		if err != nil {
			return
		}
		p.Expires()
		p.Identity()
		if p.Usable(time.Now()) == nil && len(p.Fingerprint()) != 40 {
			t.Errorf("fingerprint %q", p.Fingerprint())
		}
	})
}

func FuzzSignature(f *testing.F) {
	halves, err := demo()
	if err != nil {
		f.Fatal(err)
	}
	key, err := sign.Load(halves[0], nil)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now()
	sig, err := key.Signature(bytes.NewReader(message), now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sig, message)
	f.Fuzz(func(t *testing.T, sig, data []byte) {
		verified := key.Public().VerifyBinary(bytes.NewReader(data), sig, now) == nil
		if verified && !bytes.Equal(data, message) {
			t.Errorf("%q verifies", data)
		}
		if verified && sign.Inspect(sig) != nil {
			t.Error("what verifies does not pass inspection")
		}
	})
}
