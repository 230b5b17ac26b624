package rpm_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/google/rpmpack"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// Whatever is staged or configured wrongly, there is one clear message that
// names it and the way out, and clients see nothing of it.
func TestBadInput(t *testing.T) {
	public := func(s *shop, text string) { s.put("keys/public.asc", []byte(text)) }
	other := func(t *testing.T, expires time.Duration) (private, public []byte) {
		t.Helper()
		private, public, err := sign.Generate("Other", "other@example.com", 2048, expires, time.Now().Add(-200*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return private, public
	}
	raw := func(s *shop, name string, content []byte) {
		s.put("staging/core/2025/rpm/el9-x86_64/"+name, content)
	}
	good := func(t *testing.T) []byte { return pkg(t, "agent", "2.0", "x86_64") }
	for name, c := range map[string]struct {
		spoil func(t *testing.T, s *shop)
		want  string // in the message
	}{
		"missing sidecar": {func(t *testing.T, s *shop) { raw(s, "agent.rpm", good(t)) }, "agent.rpm is missing sidecar"},
		"half a sidecar": {func(t *testing.T, s *shop) {
			raw(s, "agent.rpm", good(t))
			raw(s, "agent.rpm.sha256", []byte(sumOf(good(t))[:31]))
		}, "agent.rpm is malformed sidecar"},
		"orphan sidecar": {func(t *testing.T, s *shop) { raw(s, "agent.rpm.sha256", []byte(sumOf(good(t)))) }, "agent.rpm.sha256 is orphan sidecar"},
		"mismatch": {func(t *testing.T, s *shop) {
			raw(s, "agent.rpm", good(t))
			raw(s, "agent.rpm.sha256", []byte(strings.Repeat("0", 64)))
		}, "agent.rpm cannot be released: the file's SHA-256 is " + sumOf(pkg(t, "agent", "2.0", "x86_64"))},
		"truncated": {func(t *testing.T, s *shop) { s.stageFile("agent.rpm", good(t)[:len(good(t))-10]) }, "agent.rpm cannot be released: the package is damaged"},
		"truncated upload": {func(t *testing.T, s *shop) {
			raw(s, "agent.rpm", good(t)[:len(good(t))-10])
			raw(s, "agent.rpm.sha256", []byte(sumOf(good(t))))
		}, "its sidecar says"},
		"cut header":   {func(t *testing.T, s *shop) { s.stageFile("agent.rpm", good(t)[:500]) }, "agent.rpm cannot be released: header: not an RPM package"},
		"not an RPM":   {func(t *testing.T, s *shop) { s.stageFile("agent.rpm", bytes.Repeat([]byte("text "), 100)) }, "agent.rpm cannot be released: not an RPM package"},
		"empty":        {func(t *testing.T, s *shop) { s.stageFile("agent.rpm", nil) }, "agent.rpm cannot be released: not an RPM package"},
		"changed byte": {func(t *testing.T, s *shop) { s.stageFile("agent.rpm", flipped(good(t), len(good(t))-5)) }, "payload does not match"},
		"staged twice with other bytes": {func(t *testing.T, s *shop) {
			s.stageFile("a.rpm", good(t))
			s.stageFile("b.rpm", pack(t, rpmpack.RPMMetaData{Name: "agent", Version: "2.0", Release: "1.el9"}))
		}, "agent-2.0-1.el9.x86_64 is staged twice with other bytes: a.rpm and b.rpm"},
		"other bytes of what is served": {func(t *testing.T, s *shop) {
			s.stageFile("agent.rpm", pack(t, rpmpack.RPMMetaData{Name: "agent", Version: "1.0", Release: "1.el9"}))
		}, "agent-1.0-1.el9.x86_64 is served by snapshot"},
		"epoch alone": {func(t *testing.T, s *shop) { s.stage("agent-1:1.0.x86_64") }, "they differ in the epoch alone"},
		"wrong architecture": {func(t *testing.T, s *shop) { s.stage("agent-2.0.aarch64") },
			"agent-2.0-1.el9.aarch64 is built for aarch64, and core-el9 serves x86_64 and noarch"},
		"name that climbs":     {func(t *testing.T, s *shop) { s.stageFile("x.rpm", pkg(t, "../../../etc/x", "1", "noarch")) }, `bad name "../../../etc/x"`},
		"name with escapes":    {func(t *testing.T, s *shop) { s.stageFile("x.rpm", pkg(t, "a\x1b[31m", "1", "noarch")) }, `bad name "a\x1b[31m"`},
		"name of 300 letters":  {func(t *testing.T, s *shop) { s.stageFile("x.rpm", pkg(t, strings.Repeat("n", 300), "1", "noarch")) }, "bad name"},
		"file with a newline":  {func(t *testing.T, s *shop) { raw(s, "a\nb.rpm", good(t)) }, `a\x0ab.rpm is bad name`},
		"file with an escape":  {func(t *testing.T, s *shop) { raw(s, "\x1b[31mred.rpm", good(t)) }, `\x1b[31mred.rpm is bad name`},
		"file of 250 letters":  {func(t *testing.T, s *shop) { raw(s, strings.Repeat("n", 250), good(t)) }, "nnn... is missing sidecar"},
		"directory":            {func(t *testing.T, s *shop) { raw(s, "dir.rpm/file", good(t)) }, "dir.rpm/file is bad name"},
		"link":                 {func(t *testing.T, s *shop) { link(t, s, "agent.rpm", "/etc/passwd") }, "agent.rpm is symlink"},
		"nothing staged":       {func(t *testing.T, s *shop) { emptied(t, s) }, "nothing is staged for core-el9"},
		"placeholder for key":  {func(t *testing.T, s *shop) { public(s, "REPLACE ME WITH THE KEY\n") }, "it is a placeholder, not a key"},
		"no public key":        {func(t *testing.T, s *shop) { os.Remove(filepath.Join(s.dir, "keys/public.asc")) }, "public key of core-el9"},
		"no private key":       {func(t *testing.T, s *shop) { os.Remove(filepath.Join(s.dir, "keys/private.asc")) }, "secret file:keys/private.asc"},
		"placeholder private":  {func(t *testing.T, s *shop) { s.put("keys/private.asc", []byte("changeme")) }, "private key: it is a placeholder"},
		"halves of other keys": {func(t *testing.T, s *shop) { private, _ := other(t, 0); s.put("keys/private.asc", private) }, "clients are given"},
		"expired key": {func(t *testing.T, s *shop) {
			private, public := other(t, time.Hour)
			s.put("keys/private.asc", private)
			s.put("keys/public.asc", public)
		}, "it expired on"},
		"locked key": {func(t *testing.T, s *shop) { s.put("keys/private.asc", locked(t)) }, "it is locked and no passphrase was given"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, ", policy: replace")
			s.stage("agent-1.0.x86_64", "lib-1.0.x86_64")
			s.release()
			s.unstage("agent-1.0.x86_64.rpm")
			before := tree(t, s.served.Path())
			c.spoil(t, s)
			_, _, err := s.try("build")
			if err == nil {
				t.Fatal("it was built")
			}
			if !strings.Contains(err.Error(), c.want) || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("it says:\n%q\nand not:\n%s", err, c.want)
			}
			if config.HintOf(err) == "" {
				t.Errorf("no way out of: %v", err)
			}
			if after := tree(t, s.served.Path()); after != before {
				t.Errorf("clients see another tree:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

func flipped(b []byte, at int) []byte {
	b = slices.Clone(b)
	b[at] ^= 1
	return b
}

func link(t *testing.T, s *shop, name, to string) {
	t.Helper()
	if err := os.Symlink(to, filepath.Join(s.area(), name)); err != nil {
		t.Fatal(err)
	}
}

func emptied(t *testing.T, s *shop) {
	t.Helper()
	if err := os.RemoveAll(s.area()); err != nil {
		t.Fatal(err)
	}
}

// locked is the shops' private key under a passphrase.
func locked(t *testing.T) []byte {
	t.Helper()
	key, err := shopKey()
	if err != nil {
		t.Fatal(err)
	}
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(key[0]))
	if err != nil {
		t.Fatal(err)
	}
	if err := list[0].EncryptPrivateKeys([]byte("secret"), nil); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w, err := armor.Encode(&b, openpgp.PrivateKeyType, nil)
	if err == nil {
		err = list[0].SerializePrivateWithoutSigning(w, nil)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A build that is cancelled leaves nothing that clients see, and the next one
// removes what is left.
func TestInterruptedBuild(t *testing.T) {
	for _, point := range []string{"build.begun", "build.file.written", "build.linked", "build.dirs.synced"} {
		t.Run(point, func(t *testing.T) {
			s := newShop(t, ", policy: replace")
			s.stage("lib-1.0.x86_64")
			s.release()
			s.stage("agent-1.0.x86_64")
			step, plan, err := s.plan("build")
			if err != nil {
				t.Fatal(err)
			}
			before := tree(t, s.served.Path())
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			storage.OnReach(func(at string) {
				if at == point {
					cancel()
				}
			})
			_, err = step.Run(ctx, s.env, plan, pipeline.NewProgress(nil))
			storage.OnReach(nil)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("it ended with: %v", err)
			}
			if after := tree(t, s.served.Path()); after != before {
				t.Errorf("it left:\n%s\nbefore:\n%s", after, before)
			}
			if _, ev := s.do("build"); ev["new"] != "1" {
				t.Errorf("afterwards: %v", ev)
			}
		})
	}
}
