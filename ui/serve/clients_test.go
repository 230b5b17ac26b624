package serve_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/rpmpack"

	"gantry/ui/serve"
	"gantry/ui/serve/registry"
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

// run runs a program in a directory and returns what it prints and whether it
// succeeded.
func run(t *testing.T, dir string, env []string, program string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func sh(t *testing.T, dir string, env []string, program string, args ...string) string {
	t.Helper()
	out, err := run(t, dir, env, program, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return out
}

func write(t *testing.T, at, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, to, at string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

// TestApt points a real apt at a suite: with the key it downloads, without and
// with another one it is told 401.
func TestApt(t *testing.T) {
	need(t, "apt-get", "apt-ftparchive", "dpkg-deb")
	dir := t.TempDir()
	at := filepath.Join(dir, "served/deb/core/2025")
	build := filepath.Join(dir, "build")
	write(t, filepath.Join(build, "DEBIAN/control"), "Package: acme\nVersion: 1.0~rc1+b\nArchitecture: all\nMaintainer: x <x@acme.example>\nDescription: x\n")
	pool := filepath.Join(at, "pool/noble/core/a/acme")
	if err := os.MkdirAll(pool, 0o755); err != nil {
		t.Fatal(err)
	}
	sh(t, dir, nil, "dpkg-deb", "--root-owner-group", "-b", build, filepath.Join(pool, "acme_1.0~rc1+b_all.deb"))
	snapshot := filepath.Join(at, "suites/noble/snapshots", id)
	write(t, filepath.Join(snapshot, "core/binary-amd64/Packages"), sh(t, at, nil, "apt-ftparchive", "packages", "pool"))
	write(t, filepath.Join(snapshot, "Release"), sh(t, snapshot, nil, "apt-ftparchive", "-o", "APT::FTPArchive::Release::Suite=noble",
		"-o", "APT::FTPArchive::Release::Components=core", "-o", "APT::FTPArchive::Release::Architectures=amd64", "release", "."))
	link(t, "snapshots/"+id, filepath.Join(at, "suites/noble/production"))
	link(t, "../suites/noble/production", filepath.Join(at, "dists/noble"))

	s := start(t, serve.Options{Files: serve.Directory(filepath.Join(dir, "served"))})
	apt := filepath.Join(dir, "apt")
	write(t, filepath.Join(apt, "status"), "")
	write(t, filepath.Join(apt, "lists/partial/x"), "")
	write(t, filepath.Join(apt, "archives/partial/x"), "")
	write(t, filepath.Join(apt, "sources.list"), "deb [trusted=yes arch=amd64] "+s.url+"/deb/core/2025 noble core\n")
	write(t, filepath.Join(apt, "conf"), fmt.Sprintf(`Dir::Etc::Main "/dev/null"; Dir::Etc::Parts "/dev/null"; Dir::Etc::SourceList "%[1]s/sources.list"; Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Netrc "%[1]s/auth"; Dir::Etc::NetrcParts "/dev/null"; Dir::State "%[1]s"; Dir::State::Lists "%[1]s/lists"; Dir::State::Status "%[1]s/status";
Dir::Cache "%[1]s"; Dir::Cache::Archives "%[1]s/archives"; APT::Architecture "amd64"; APT::Architectures { "amd64"; }; APT::Sandbox::User "root"; Acquire::Languages "none";`, apt))
	env := []string{"APT_CONFIG=" + filepath.Join(apt, "conf")}
	for _, auth := range []string{"", "machine " + s.url + " login subscriber password " + strings.Repeat("0", 64) + "\n"} {
		write(t, filepath.Join(apt, "auth"), auth)
		if out, err := run(t, dir, env, "apt-get", "update", "-o", "APT::Update::Error-Mode=any"); err == nil || !strings.Contains(out, "401") {
			t.Errorf("apt without the key: %v\n%s", err, out)
		}
	}
	write(t, filepath.Join(apt, "auth"), "machine "+s.url+" login subscriber password "+key+"\n")
	sh(t, dir, env, "apt-get", "update", "-o", "APT::Update::Error-Mode=any")
	sh(t, dir, env, "apt-get", "download", "acme")
	if got, _ := filepath.Glob(filepath.Join(dir, "acme_1.0*.deb")); len(got) != 1 {
		t.Errorf("apt downloaded %v", got)
	}
}

// TestDNF points a real dnf at a repository by its mirrorlist, which names a
// directory, and by its base address.
func TestDNF(t *testing.T) {
	need(t, "dnf", "createrepo_c")
	dir := t.TempDir()
	at := filepath.Join(dir, "served/rpm/core")
	snapshot := filepath.Join(at, "snapshots", id)
	write(t, filepath.Join(snapshot, "mirrorlist"), "file:///nowhere/rpm/core/snapshots/"+id+"/\n")
	rpm, err := rpmpack.NewRPM(rpmpack.RPMMetaData{Name: "acme", Version: "1.0", Release: "1", Arch: "noarch", Epoch: rpmpack.NoEpoch, Compressor: "gzip"})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(snapshot, "acme-1.0-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := rpm.Write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sh(t, dir, nil, "createrepo_c", "-q", snapshot)
	link(t, "snapshots/"+id, filepath.Join(at, "production"))

	s := start(t, serve.Options{Files: serve.Directory(filepath.Join(dir, "served"))})
	dnf := func(line, password, into string) (string, error) {
		conf := filepath.Join(t.TempDir(), "dnf.conf")
		write(t, conf, fmt.Sprintf("[main]\nreposdir=/dev/null\ncachedir=%[1]s/cache\npersistdir=%[1]s/persist\nlogdir=%[1]s\nretries=1\n\n[acme]\nname=acme\n%[2]s\ngpgcheck=0\nusername=subscriber\npassword=%[3]s\n",
			filepath.Dir(conf), line, password))
		return run(t, dir, nil, "dnf", "-y", "-q", "-c", conf, "--installroot="+filepath.Join(filepath.Dir(conf), "root"), "--releasever=9", "--forcearch=x86_64",
			"install", "--downloadonly", "--downloaddir", into, "acme")
	}
	for _, line := range []string{"mirrorlist=" + s.url + "/rpm/core/production/mirrorlist", "baseurl=" + s.url + "/rpm/core/production/"} {
		into := t.TempDir()
		if out, err := dnf(line, key, into); err != nil {
			t.Errorf("dnf by %s: %v\n%s", line, err, out)
		}
		if got, _ := filepath.Glob(filepath.Join(into, "acme-1.0-1.noarch.rpm")); len(got) != 1 {
			t.Errorf("dnf by %s downloaded %v", line, got)
		}
		if out, err := dnf(line, strings.Repeat("0", 64), t.TempDir()); err == nil {
			t.Errorf("dnf with another key: %v\n%s", err, out)
		}
	}
}

// TestImages points real clients of registries at it, to push and to pull.
func TestImages(t *testing.T) {
	need(t, "skopeo", "crane")
	images, err := registry.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, serve.Options{Registry: images, Writers: serve.Credentials{Username: "release", Password: "secret-word"}})
	t.Cleanup(func() { images.Close() })
	host := strings.TrimPrefix(s.url, "http://")
	img, err := random.Image(100<<10, 3)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(host + "/acme/core:2025")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img, remote.WithAuth(&authn.Basic{Username: "subscriber", Password: key})); err == nil {
		t.Error("a subscriber pushed an image")
	}
	if err := remote.Write(tag, img, remote.WithAuth(&authn.Basic{Username: "release", Password: "secret-word"})); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	from := "docker://" + tag.Name()
	sh(t, dir, nil, "skopeo", "copy", "--src-tls-verify=false", "--src-creds", "subscriber:"+key, from, "dir:"+filepath.Join(dir, "pulled"))
	sh(t, dir, nil, "skopeo", "copy", "--src-tls-verify=false", "--src-creds", "subscriber:"+key, "--dest-tls-verify=false", "--dest-creds", "release:secret-word",
		"dir:"+filepath.Join(dir, "pulled"), "docker://"+host+"/acme/copy:1")
	if out, err := run(t, dir, nil, "skopeo", "inspect", "--tls-verify=false", "--creds", "subscriber:0", from); err == nil || !strings.Contains(strings.ToLower(out), "un") {
		t.Errorf("skopeo with another key: %v\n%s", err, out)
	}
	docker := []string{"DOCKER_CONFIG=" + dir}
	sh(t, dir, docker, "crane", "auth", "login", host, "-u", "subscriber", "-p", key)
	sh(t, dir, docker, "crane", "validate", "--remote", tag.Name())
	if out, err := run(t, dir, docker, "crane", "tag", tag.Name(), "mine"); err == nil || !strings.Contains(out, "DENIED") {
		t.Errorf("a subscriber tags: %v\n%s", err, out)
	}
}
