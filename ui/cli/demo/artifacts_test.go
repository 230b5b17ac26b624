package demo_test

import (
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/secure-systems-lab/go-securesystemslib/encrypted"

	"gantry/config"
)

// need skips a test whose foreign programs are missing, unless they must be there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
				t.Fatalf("%s is missing", p)
			}
			t.Skipf("%s is missing", p)
		}
	}
}

// sh runs a program and returns what it prints; it must succeed.
func sh(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestDebs(t *testing.T) {
	need(t, "dpkg-deb")
	dir, _ := made(t, "packyard", config.FormatDEB)
	packages := filepath.Join(dir, "packages")
	for suite, want := range map[string][]string{
		"2025.1/core-noble":    {"packyard-core_2025.1_amd64.deb", "packyard-minion_2025.1_amd64.deb", "packyard-sentinel_2025.1_amd64.deb", "packyard-tools_2025.1_all.deb"},
		"2025.1/core-bookworm": {"packyard-core_2025.1_amd64.deb", "packyard-minion_2025.1_amd64.deb", "packyard-sentinel_2025.1_amd64.deb", "packyard-tools_2025.1_all.deb"},
		"2025.2/core-noble":    {"packyard-minion_2025.2_amd64.deb"},
		"2025.2/core-bookworm": {"packyard-minion_2025.2_amd64.deb"},
	} {
		files, err := filepath.Glob(filepath.Join(packages, suite, "*.deb"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, f := range files {
			got = append(got, filepath.Base(f))
			fields := sh(t, "dpkg-deb", "-f", f, "Package", "Version", "Architecture")
			name, rest, _ := strings.Cut(filepath.Base(f), "_")
			version, arch, _ := strings.Cut(strings.TrimSuffix(rest, ".deb"), "_")
			if diff := cmp.Diff("Package: "+name+"\nVersion: "+version+"\nArchitecture: "+arch+"\n", fields); diff != "" {
				t.Errorf("%s (-want +got):\n%s", f, diff)
			}
			if list := sh(t, "dpkg-deb", "-c", f); !strings.Contains(list, "root/root") || !strings.Contains(list, " ./usr/bin/"+name+"\n") {
				t.Errorf("%s holds:\n%s", f, list)
			}
			into := t.TempDir()
			sh(t, "dpkg-deb", "-R", f, into)
			cmd := exec.Command("md5sum", "--quiet", "-c", "DEBIAN/md5sums")
			cmd.Dir = into
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", f, err, out)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", suite, diff)
		}
	}
	// One name, and another build for each suite.
	const core = "packyard-core_2025.1_amd64.deb"
	noble, err := os.ReadFile(filepath.Join(packages, "2025.1/core-noble", core))
	if err != nil {
		t.Fatal(err)
	}
	bookworm, err := os.ReadFile(filepath.Join(packages, "2025.1/core-bookworm", core))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(noble, bookworm) {
		t.Error("the builds of both suites are the same")
	}
	if !bytes.Contains(noble, []byte("control.tar.zst ")) || !bytes.Contains(bookworm, []byte("control.tar.xz ")) {
		t.Error("the members of a package are not packed as its distribution does it")
	}
}

func TestArchives(t *testing.T) {
	dir, _ := made(t, "packyard", config.FormatOCI)
	at := filepath.Join(dir, "packages/2025.1/core-image")
	img, err := tarball.ImageFromPath(filepath.Join(at, "packyard-core_2025.1_x86_64.tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.OS != "linux" || file.Architecture != "amd64" || file.Config.Labels["org.opencontainers.image.version"] != "2025.1" {
		t.Errorf("the config says %s/%s %v", file.OS, file.Architecture, file.Config.Labels)
	}

	need(t, "skopeo")
	arm := "oci-archive:" + filepath.Join(at, "packyard-core_2025.1_arm64.tar")
	if got := sh(t, "skopeo", "--override-arch", "arm64", "inspect", "--format", "{{.Architecture}} {{.Labels}}", arm); !strings.HasPrefix(got, "arm64 ") || !strings.Contains(got, "2025.1") {
		t.Errorf("skopeo sees %s", got)
	}
	sh(t, "skopeo", "copy", "docker-archive:"+filepath.Join(at, "packyard-core_2025.1_x86_64.tar"), "dir:"+t.TempDir())
	sh(t, "skopeo", "--override-arch", "arm64", "copy", arm, "dir:"+t.TempDir())
}

func TestCosignKeys(t *testing.T) {
	dir, cfg := made(t, "packyard", config.FormatOCI)
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, "keys", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	password := bytes.TrimSpace(read("cosign.password"))
	block, _ := pem.Decode(read("cosign.key"))
	if block == nil || block.Type != "ENCRYPTED SIGSTORE PRIVATE KEY" {
		t.Fatal("the private key is not as cosign writes it")
	}
	if _, err := encrypted.Decrypt(block.Bytes, password); err != nil {
		t.Error(err)
	}
	if _, err := encrypted.Decrypt(block.Bytes, []byte("guess")); err == nil {
		t.Error("any password opens the key")
	}
	if len(cfg.CosignKeys) != 1 {
		t.Errorf("%d keys of images", len(cfg.CosignKeys))
	}

	need(t, "cosign")
	cmd := exec.Command("cosign", "public-key", "--key", filepath.Join(dir, "keys/cosign.key"))
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "COSIGN_") }), "COSIGN_PASSWORD="+string(password))
	got, err := cmd.Output()
	if err != nil || !bytes.Equal(bytes.TrimSpace(got), bytes.TrimSpace(read("cosign.pub"))) {
		t.Errorf("cosign finds another public half: %v\n%s", err, got)
	}
}
