package cli_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// servedDemo is a demo that gantry demo --serve serves.
type servedDemo struct {
	*session
	address string // of subscribers
	key     string
	stop    func() error
}

// serve starts the server of a demo and waits until it told what it serves.
func (s *session) serve() *servedDemo {
	s.t.Helper()
	cmd := exec.Command("gantry", "demo", "--dir", s.dir, "--serve", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	ended := false
	d := &servedDemo{session: s, stop: func() error {
		if ended {
			return nil
		}
		ended = true
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return err
		}
		return cmd.Wait()
	}}
	s.t.Cleanup(func() { d.stop() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, rest, ok := strings.Cut(lines.Text(), "subscribers read at http://"); ok {
			d.address, _, _ = strings.Cut(rest, ",")
		}
		if strings.Contains(lines.Text(), "/gpg/") { // the last thing that it tells
			break
		}
	}
	go func() { // its log
		for lines.Scan() {
		}
	}()
	key, err := os.ReadFile(filepath.Join(s.dir, "keys/subscriber.key"))
	if err != nil {
		s.t.Fatal(err)
	}
	d.key = strings.TrimSpace(string(key))
	if d.address == "" {
		s.t.Fatal("the server told no address")
	}
	return d
}

// TestServeDemo points real clients at a demo that is served: dnf, apt, skopeo
// and cosign read it as subscribers. While it is served images are promoted by
// hand; afterwards gantry says what to start.
func TestServeDemo(t *testing.T) {
	need(t, "dnf", "apt-get", "skopeo", "cosign", "curl")
	s := play(t)
	d := s.serve()
	d.read(t, "before")

	before := d.digest(t)
	s.confirm("rollback", "core-image")
	if after := d.digest(t); after == before {
		t.Errorf("subscribers still get %s after a rollback", after)
	}
	s.confirm("promote", "core-image")
	if after := d.digest(t); after != before {
		t.Errorf("subscribers get %s after promoting it again, not %s", after, before)
	}

	if err := d.stop(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	out, err := exec.Command("gantry", "-C", filepath.Join(s.dir, "release.yaml"), "rollback", "core-image").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "gantry demo --serve") {
		t.Errorf("without the server: %v\n%s", err, out)
	}
}

// TestServeBucket is the same demo in a bucket of a real server.
func TestServeBucket(t *testing.T) {
	need(t, "versitygw", "dnf", "apt-get", "skopeo", "cosign", "curl")
	endpoint := bucketServer(t)
	s := &session{t: t, dir: filepath.Join(t.TempDir(), "a demo")}
	t.Log("\n" + sh(t, "gantry", "demo", "packyard", "--dir", s.dir, "--headless", "--s3", endpoint))
	for _, name := range []string{"state", "staging", "served"} {
		if _, err := os.Lstat(filepath.Join(s.dir, name)); err == nil {
			t.Errorf("there is a directory %s although all lives in a bucket", name)
		}
	}
	d := s.serve()
	d.read(t, "before")
	for _, target := range []string{"core-el9", "core-noble", "core-image"} {
		verb := "rollback"
		if target == "core-el9" { // which the demo leaves rolled back
			verb = "promote"
		}
		s.confirm(verb, target)
	}
	d.read(t, "after")
}

// bucketServer starts an S3-compatible server and returns its address; its
// credentials are in the environment.
func bucketServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	t.Setenv("AWS_ACCESS_KEY_ID", "demo")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "demo-secret")
	t.Setenv("AWS_SESSION_TOKEN", "")
	cmd := exec.Command("versitygw", "--access", "demo", "--secret", "demo-secret", "--port", address, "posix", "--sidecar", t.TempDir(), t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
	})
	for {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return "http://" + address
		}
		select {
		case <-ended:
			t.Fatal("versitygw ended at once")
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// read reads everything as subscribers do.
func (d *servedDemo) read(t *testing.T, when string) {
	base := "http://" + d.address
	t.Run(when+" dnf", func(t *testing.T) { d.dnfOverHTTP(t, base) })
	t.Run(when+" apt", func(t *testing.T) { d.aptOverHTTP(t, base) })
	t.Run(when+" images", d.pull)
}

// curl asks for a page as a subscriber with a key, and returns the status.
func (d *servedDemo) curl(t *testing.T, path, key string) string {
	t.Helper()
	args := []string{"-s", "-o", os.DevNull, "-w", "%{http_code}", "http://" + d.address + path}
	if key != "" {
		args = append(args, "-u", "subscriber:"+key)
	}
	return sh(t, "curl", args...)
}

func (d *servedDemo) dnfOverHTTP(t *testing.T, base string) {
	dir, into := t.TempDir(), t.TempDir()
	conf := filepath.Join(dir, "dnf.conf")
	text := fmt.Sprintf("[main]\nreposdir=/dev/null\ncachedir=%[1]s/cache\npersistdir=%[1]s/persist\nlogdir=%[1]s\n\n[core]\nname=core\nmirrorlist=%[2]s/rpm/core/2025/el9-x86_64/production/mirrorlist\ngpgcheck=1\nrepo_gpgcheck=1\ngpgkey=%[2]s/gpg/public.asc\nusername=subscriber\npassword=%[3]s\n", dir, base, d.key)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sh(t, "dnf", "-y", "-q", "-c", conf, "--installroot="+filepath.Join(dir, "root"), "--releasever=9", "--forcearch=x86_64",
		"install", "--downloadonly", "--downloaddir", into, "packyard-sentinel")
	if got, _ := filepath.Glob(filepath.Join(into, "packyard-*.rpm")); len(got) != 4 {
		t.Errorf("dnf downloaded %v", got)
	}
	const list = "/rpm/core/2025/el9-x86_64/production/mirrorlist"
	for key, want := range map[string]string{"": "401", strings.Repeat("0", 64): "401", d.key: "200"} {
		if got := d.curl(t, list, key); got != want {
			t.Errorf("%s with key %q: %s, want %s", list, key, got, want)
		}
	}
}

func (d *servedDemo) aptOverHTTP(t *testing.T, base string) {
	for _, suite := range []string{"noble", "bookworm"} {
		dir := t.TempDir()
		for _, name := range []string{"lists/partial", "archives/partial"} {
			if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range map[string]string{
			"status":       "",
			"auth":         "machine " + base + " login subscriber password " + d.key + "\n",
			"key.asc":      sh(t, "curl", "-s", "-f", base+"/gpg/public.asc"),
			"sources.list": fmt.Sprintf("deb [signed-by=%s/key.asc arch=amd64] %s/deb/core/2025 %s core\n", dir, base, suite),
			"conf": fmt.Sprintf(`Dir::Etc::Main "/dev/null"; Dir::Etc::Parts "/dev/null"; Dir::Etc::SourceList "%[1]s/sources.list"; Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Netrc "%[1]s/auth"; Dir::Etc::NetrcParts "/dev/null"; Dir::State "%[1]s"; Dir::State::Lists "%[1]s/lists"; Dir::State::Status "%[1]s/status";
Dir::Cache "%[1]s"; Dir::Cache::Archives "%[1]s/archives"; APT::Architecture "amd64"; APT::Architectures { "amd64"; }; APT::Sandbox::User "root"; Acquire::Languages "none";`, dir),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		apt := func(args ...string) {
			t.Helper()
			cmd := exec.Command("apt-get", args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(dir, "conf"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("apt-get %v: %v\n%s", args, err, out)
			}
		}
		apt("update", "-o", "APT::Update::Error-Mode=any")
		apt("download", "packyard-core", "packyard-minion", "packyard-sentinel", "packyard-tools")
		// Each suite has its own build of what is called the same.
		got, _ := filepath.Glob(filepath.Join(dir, "packyard-*.deb"))
		if len(got) != 4 {
			t.Errorf("apt downloaded of %s: %v", suite, got)
		}
		for _, deb := range got {
			_, version, _ := strings.Cut(filepath.Base(deb), "_")
			version, _, _ = strings.Cut(version, "_")
			same(t, deb, filepath.Join(d.dir, "packages", version, "core-"+suite, filepath.Base(deb)))
		}
	}
}

// digest is that of the image that subscribers get.
func (d *servedDemo) digest(t *testing.T) string {
	t.Helper()
	return sh(t, "skopeo", "inspect", "--tls-verify=false", "--creds", "subscriber:"+d.key, "--override-os", "linux", "--override-arch", "arm64",
		"--format", "{{.Digest}}", "docker://"+d.address+"/packyard-core:2025")
}

func (d *servedDemo) pull(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		sh(t, "skopeo", "copy", "--src-tls-verify=false", "--src-creds", "subscriber:"+d.key, "--override-os", "linux", "--override-arch", arch,
			"docker://"+d.address+"/packyard-core:2025", "dir:"+t.TempDir())
	}
	for _, tag := range []string{"2025", "2025-x86_64", "2025-arm64"} {
		sh(t, "cosign", "verify", "--key", filepath.Join(d.dir, "keys/cosign.pub"), "--insecure-ignore-tlog", "--allow-insecure-registry",
			"--registry-username", "subscriber", "--registry-password", d.key, d.address+"/packyard-core:"+tag)
	}
	if got := d.curl(t, "/v2/packyard-core/manifests/2025", ""); got != "401" {
		t.Errorf("the image without the key: %s", got)
	}
}
