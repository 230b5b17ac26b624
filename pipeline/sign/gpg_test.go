package sign_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// need skips a test whose foreign program is missing, or fails it where the
// machine promises to have them all.
func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// gpg is a GnuPG home of its own.
type gpg struct {
	t   testing.TB
	dir string
}

func newGPG(t testing.TB) gpg {
	t.Helper()
	need(t, "gpg", "gpgv", "gpgconf")
	// The agent's socket has a short name only below a short directory.
	dir, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	g := gpg{t, dir}
	t.Cleanup(func() {
		g.command("gpgconf", "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	return g
}

func (g gpg) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "GNUPGHOME="+g.dir, "LC_ALL=C")
	return c
}

// run runs gpg and returns what it prints.
func (g gpg) run(args ...string) []byte {
	g.t.Helper()
	c := g.command("gpg", append([]string{"--batch", "--yes", "--no-tty", "--pinentry-mode", "loopback"}, args...)...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		g.t.Fatalf("gpg %q: %v\n%s", args, err, stderr.Bytes())
	}
	return out
}

// write puts a file beside the keys and returns its path.
func (g gpg) write(name string, data []byte) string {
	g.t.Helper()
	path := filepath.Join(g.dir, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		g.t.Fatal(err)
	}
	return path
}

// make makes a key and returns its fingerprint.
func (g gpg) make(name, passphrase, algorithm, usage, expires string, more ...string) string {
	g.t.Helper()
	g.run(append(more, "--passphrase", passphrase, "--quick-generate-key", name, algorithm, usage, expires)...)
	for line := range strings.Lines(string(g.run("--with-colons", "--list-keys", name))) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			return f[9]
		}
	}
	g.t.Fatalf("gpg does not list the key of %s", name)
	return ""
}

func (g gpg) private(fingerprint, passphrase string) []byte {
	g.t.Helper()
	return g.run("--passphrase", passphrase, "--armor", "--export-secret-keys", fingerprint)
}

func (g gpg) public(fingerprint string) []byte {
	g.t.Helper()
	return g.run("--armor", "--export", fingerprint)
}
