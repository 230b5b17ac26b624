package oci_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"

	"gantry/pipeline/cosign"
	"gantry/pipeline/oci"
	"gantry/storage/storagetest"
)

// program finds a foreign program.
func program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
			t.Fatal(err)
		}
		t.Skip(name + " is not installed")
	}
	return path
}

// run runs a foreign program without any configuration of the machine's.
func run(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(program(t, name), args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "DOCKER_CONFIG="+t.TempDir(), "COSIGN_PASSWORD="+password)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %v: %w\n%s", name, args, err, errs.String())
	}
	return out.String(), nil
}

// TestRealClients promotes into a real registry and lets cosign, crane and skopeo
// judge it.
func TestRealClients(t *testing.T) {
	for _, name := range []string{"cosign", "crane", "skopeo"} {
		program(t, name)
	}
	host, dir := storagetest.Registry(t)
	s := newShop(t, host, ", snapshots: 2")
	private, public, err := cosign.Generate([]byte(password))
	if err != nil {
		t.Fatal(err)
	}
	s.put("keys/cosign.key", private)
	s.put("keys/cosign.pub", public)
	s.stageVersion("1.0")
	s.release()
	pub := filepath.Join(s.dir, "keys/cosign.pub")
	_, other, err := cosign.Generate(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.put("other.pub", other)
	verify := func(ref, key string, bundle bool) error {
		_, err := run(t, "cosign", "verify", "--key", key, "--insecure-ignore-tlog", "--allow-http-registry", fmt.Sprintf("--new-bundle-format=%v", bundle), ref)
		return err
	}
	refs := []string{s.ref("2025"), s.ref("2025-x86_64"), s.ref("2025-arm64"), s.ref("2025-staging")}
	for _, ref := range refs {
		for _, bundle := range []bool{true, false} {
			if err := verify(ref, pub, bundle); err != nil {
				t.Errorf("cosign refuses %s (bundle %v): %v", ref, bundle, err)
			}
			if verify(ref, filepath.Join(s.dir, "other.pub"), bundle) == nil {
				t.Errorf("cosign takes %s with another key", ref)
			}
		}
	}
	if out, err := run(t, "crane", "manifest", "--insecure", s.ref("2025")); err != nil || !strings.Contains(out, "image.index") || !strings.Contains(out, `"arm64"`) || !strings.Contains(out, `"amd64"`) {
		t.Errorf("%s %v", out, err)
	}

	// both architectures copy, by both tools, and the copy is the same index
	index := s.digestAt("2025")
	if _, err := run(t, "crane", "copy", "--insecure", s.ref("2025"), host+"/copy:crane"); err != nil {
		t.Error(err)
	}
	if out, err := run(t, "crane", "digest", "--insecure", host+"/copy:crane"); err != nil || strings.TrimSpace(out) != index {
		t.Errorf("crane copied %s, want %s: %v", out, index, err)
	}
	if _, err := run(t, "skopeo", "--insecure-policy", "copy", "--all", "--preserve-digests", "--src-tls-verify=false", "docker://"+s.ref("2025"), "oci:"+filepath.Join(s.dir, "copied")+":2025"); err != nil {
		t.Error(err)
	}
	copied, err := layout.FromPath(filepath.Join(s.dir, "copied"))
	if err != nil {
		t.Fatal(err)
	}
	ii, err := copied.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	if m, err := ii.IndexManifest(); err != nil || m.Manifests[0].Digest.String() != index {
		t.Errorf("skopeo copied %+v, %v", m, err)
	}

	// what cosign signed itself stays, and is not made again by the same key
	if _, err := run(t, "cosign", "sign", "--key", filepath.Join(s.dir, "keys/cosign.key"), "--tlog-upload=false", "--use-signing-config=false", "--new-bundle-format=false", "--yes", "--allow-http-registry", s.host+"/core@"+index); err != nil {
		t.Error(err)
	}
	s.do("verify")

	// a new key adds its signatures to those of the old one
	s.key(0)
	s.do("refresh")
	s.do("verify")
	for _, ref := range refs[:3] {
		for _, bundle := range []bool{true, false} {
			if err := verify(ref, pub, bundle); err != nil {
				t.Errorf("after a refresh cosign refuses %s (bundle %v): %v", ref, bundle, err)
			}
		}
	}
	if err := verify(s.ref("2025-arm64"), filepath.Join(s.dir, "other.pub"), true); err == nil {
		t.Error("cosign takes another key after a refresh")
	}

	// deletion works there
	for _, v := range []string{"1.1", "1.2", "1.3"} {
		s.stageVersion(v)
		s.release()
		s.clock = s.clock.Add(10 * 24 * time.Hour)
	}
	s.do("prune")
	s.do("verify")

	// a byte of a layer that flips on the registry's disk
	m, _, err := s.served.Manifest(t.Context(), s.at("production"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := flipLargest(t, dir, s.ref("sha256:"+m.Files[0].SHA256))
	if _, _, err := s.try("verify"); err == nil || !strings.Contains(err.Error(), flipped) {
		t.Errorf("a flipped byte is not seen: %v", err)
	}
	if _, err := run(t, "crane", "copy", "--insecure", s.ref("2025"), inProcess(t, true, nil)+"/copy:2025"); err == nil {
		t.Error("crane copies a flipped byte")
	}
	if _, err := run(t, "skopeo", "--insecure-policy", "copy", "--all", "--preserve-digests", "--src-tls-verify=false", "docker://"+s.ref("2025"), "oci:"+filepath.Join(s.dir, "flipped")+":2025"); err == nil {
		t.Error("skopeo copies a flipped byte")
	}
}

// flipLargest flips a byte of the largest layer of an image in a registry's
// directory, and returns its digest.
func flipLargest(t *testing.T, dir, ref string) string {
	t.Helper()
	out, err := run(t, "crane", "manifest", "--insecure", ref)
	if err != nil {
		t.Fatal(err)
	}
	last := out[strings.LastIndex(out, "sha256:"):][:len("sha256:")+64]
	hex := strings.TrimPrefix(last, "sha256:")
	path := filepath.Join(dir, "docker/registry/v2/blobs/sha256", hex[:2], hex, "data")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return last
}

func TestClients(t *testing.T) {
	s := newShop(t, "registry.example:5000", `, subscriber: {username: subscriber, password: "env:NOBODY"}`)
	files, err := oci.Clients(s.cfg, s.target)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 || files[1].Name != "cosign.pub" || !strings.Contains(files[1].Text, "BEGIN PUBLIC KEY") {
		t.Errorf("%+v", files)
	}
	for _, line := range []string{
		"docker login --username subscriber registry.example:5000\n",
		"docker pull registry.example:5000/core:2025\n",
		"docker pull registry.example:5000/core:2025-arm64\n",
		"cosign verify --key cosign.pub --insecure-ignore-tlog registry.example:5000/core:2025\n",
	} {
		if !strings.Contains(files[0].Text, line) {
			t.Errorf("%q is missing in\n%s", line, files[0].Text)
		}
	}
	s.configure(`, url: "https://pkg.example/oci/core"`)
	if files, err = oci.Clients(s.cfg, s.target); err != nil || !strings.Contains(files[0].Text, "docker pull pkg.example/oci/core:2025\n") || strings.Contains(files[0].Text, "login") {
		t.Errorf("%v, %v", files, err)
	}
}

func TestCompareVersions(t *testing.T) {
	for _, pair := range [][2]string{{"1.0", "1.1"}, {"1.9", "1.10"}, {"1.0-rc1", "1.0"}, {"1.0~rc1", "1.0"}, {"1.0-rc1", "1.0-rc2"}, {"1.0", "1.0.1"}, {"2025.4.1", "2025.10"}, {"09", "10"}, {"v1.2", "v1.3"}} {
		if oci.CompareVersions(pair[0], pair[1]) >= 0 || oci.CompareVersions(pair[1], pair[0]) <= 0 {
			t.Errorf("%s is not before %s", pair[0], pair[1])
		}
	}
	for _, pair := range [][2]string{{"1.0", "1.0"}, {"sha256:aa", "sha256:bb"}, {"", ""}, {"1.01", "1.1"}} {
		if oci.CompareVersions(pair[0], pair[1]) != 0 {
			t.Errorf("%s and %s are not alike", pair[0], pair[1])
		}
	}
}
