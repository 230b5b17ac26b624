package storagetest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Registry starts Debian's docker-registry on a directory for the length of a
// test. Where there is none on this machine the test is skipped, or fails where
// GANTRY_REQUIRE_CLIENTS is 1.
func Registry(t testing.TB) (host, dir string) {
	t.Helper()
	path, err := exec.LookPath("docker-registry")
	if err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
			t.Fatal("docker-registry is required, and is not installed")
		}
		t.Skip("docker-registry is not installed")
	}
	dir = t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host = l.Addr().String()
	l.Close()
	conf := filepath.Join(dir, "registry.yml")
	text := fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %q}, delete: {enabled: true}}\nhttp: {addr: %q}\n", dir, host)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "serve", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait() // killed is how it ends
	})
	for range 400 {
		if r, err := http.Get("http://" + host + "/v2/"); err == nil {
			r.Body.Close()
			return host, dir
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("docker-registry does not answer")
	return "", ""
}
