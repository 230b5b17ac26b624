package sign_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"gantry/pipeline/sign"
)

const releaseText = "Origin: demo\nDate: Sat, 21 Nov 2026 12:00:00 UTC\n- a line that begins with a dash\nSHA256:\n 0123 45 main/binary-amd64/Packages\n"

func TestClearText(t *testing.T) {
	key, _, _ := demoKey(t)
	now := time.Now()
	signed, err := key.Clear([]byte(releaseText), now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := key.Public().VerifyClear(signed, now)
	if err != nil || string(text) != releaseText {
		t.Fatalf("got %q, %v", text, err)
	}
	again, err := key.Clear([]byte(releaseText), now)
	if err != nil || !bytes.Equal(again, signed) {
		t.Fatalf("signed twice: %v, and equal is %t", err, bytes.Equal(again, signed))
	}
}

func TestClearTextThatIsRefused(t *testing.T) {
	key, _, _ := demoKey(t)
	now := time.Now()
	good, err := key.Clear([]byte(releaseText), now)
	if err != nil {
		t.Fatal(err)
	}
	detached, err := key.Detached([]byte(releaseText), now)
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	for name, signed := range map[string]string{
		"nothing":            "",
		"text before":        "Origin: evil\n" + string(good),
		"empty line before":  "\n" + string(good),
		"text after":         string(good) + "Origin: evil\n",
		"space after":        string(good) + " \n",
		"signed twice":       string(good) + string(good),
		"two signatures":     string(good) + string(detached),
		"no signature":       string(good[:bytes.Index(good, []byte("-----BEGIN PGP SIGNATURE"))]),
		"other text":         replace("Origin: demo", "Origin: evil"),
		"a line more":        replace("Origin: demo\n", "Origin: demo\nSuite: evil\n"),
		"space at an end":    replace("Origin: demo\n", "Origin: demo \n"),
		"a carriage return":  replace("Origin: demo\n", "Origin: demo\r\n"),
		"another header":     replace("Hash: SHA256\n", "Hash: SHA256\nComment: x\n"),
		"text in the header": replace("Hash: SHA256\n\n", "Hash: SHA256\nOrigin: evil\n\n"),
		"a dash not escaped": replace("- - a line", "- a line"),
		"no header":          strings.TrimPrefix(string(good), "-----BEGIN PGP SIGNED MESSAGE-----\n"),
		"detached as clear":  "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" + releaseText + string(detached),
		"signature alone":    string(detached),
		"windows lines":      strings.ReplaceAll(string(good), "\n", "\r\n"),
		"cut short":          string(good[:len(good)-20]),
		"from the future":    "",
	} {
		t.Run(name, func(t *testing.T) {
			at := now
			if name == "from the future" {
				signed, at = string(good), now.Add(-time.Hour)
			}
			if text, err := key.Public().VerifyClear([]byte(signed), at); err == nil {
				t.Errorf("accepted as %q", text)
			}
		})
	}
	for _, text := range []string{"", "no end", "space \n", "tab\t\n", "return\r\n"} {
		if signed, err := key.Clear([]byte(text), now); err == nil {
			t.Errorf("signed %q: %q", text, signed)
		}
	}
}

// TestClearTextWithGpgv signs with many keys: whether the armor needs padding,
// which decides whether gpgv wants its checksum, depends on the signature.
func TestClearTextWithGpgv(t *testing.T) {
	g := newGPG(t)
	id := g.make("Clear <clear@example.com>", "", "ed25519", "sign", "0")
	key, err := sign.Load(g.private(id, ""), nil)
	if err != nil {
		t.Fatal(err)
	}
	ring := g.write("key.gpg", g.run("--export", id))
	for i := range 20 {
		signed, err := key.Clear([]byte(releaseText+strings.Repeat("x", i)+"\n"), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if out, err := g.command("gpgv", "--keyring", ring, g.write("InRelease", signed)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

func FuzzVerifyClear(f *testing.F) {
	key, _, _ := demoKey(f)
	now := time.Now()
	good, err := key.Clear([]byte(releaseText), now)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n-----BEGIN PGP SIGNATURE-----\n"))
	public := key.Public()
	f.Fuzz(func(t *testing.T, b []byte) {
		if text, err := public.VerifyClear(b, now); err == nil && string(text) != releaseText {
			t.Fatalf("accepted %q", text)
		}
	})
}
