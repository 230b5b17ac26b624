package demo_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"gantry/config"
	"gantry/ui/cli/demo"
)

// safeBuffer is a buffer that requests write to at once.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestServe pushes to the registry of a demo as gantry does, and reads it and
// the files as a subscriber, also after the server was started again.
func TestServe(t *testing.T) {
	dir, cfg := made(t, "acme", config.FormatRPM)
	home := cfg.Registries[0].Host
	read := func(file string) string {
		b, err := os.ReadFile(filepath.Join(dir, "keys", file))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	key, pushes := read("subscriber.key"), authn.FromConfig(authn.AuthConfig{Username: cfg.Registries[0].Username, Password: read("registry.password")})
	reads := authn.FromConfig(authn.AuthConfig{Username: "subscriber", Password: key})
	at := filepath.Join(dir, "served/rpm/core/2025/el9-x86_64/pool")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "a.rpm"), []byte("a package"), 0o644); err != nil {
		t.Fatal(err)
	}
	img, err := random.Image(1000, 1)
	if err != nil {
		t.Fatal(err)
	}
	tag := func(address string) name.Tag {
		ref, err := name.NewTag(address + "/acme-core:2025")
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}
	get := func(address, path, password string) string {
		req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if password != "" {
			req.SetBasicAuth("subscriber", password)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		return fmt.Sprint(res.StatusCode, " ", string(b), err)
	}

	s, err := demo.Serve(t.Context(), dir, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Serve(t.Context(), dir, "", nil); err == nil || config.HintOf(err) == "" {
		t.Errorf("two servers for one demo: %v", err)
	}
	if err := remote.Write(tag(home), img, remote.WithAuth(pushes)); err != nil {
		t.Error(err)
	}
	other, err := random.Image(1000, 1) // one that is there already is not sent again
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag(home), other, remote.WithAuth(reads)); err == nil {
		t.Error("a subscriber pushes images")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if log, err := os.ReadFile(filepath.Join(dir, "access.log")); err != nil || !bytes.Contains(log, []byte(" PUT /v2/acme-core/manifests/2025 201 ")) {
		t.Errorf("the log of requests: %v\n%s", err, log)
	}

	var told safeBuffer
	s, err = demo.Serve(t.Context(), dir, "127.0.0.1:0", &told)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	about := strings.Join(s.About(), "\n")
	_, rest, _ := strings.Cut(about, "subscribers read at http://")
	public, _, _ := strings.Cut(rest, ",")
	for _, address := range []string{home, public} {
		if _, err := remote.Image(tag(address), remote.WithAuth(reads)); err != nil {
			t.Errorf("a subscriber of %s: %v", address, err)
		}
		if got := get(address, "/rpm/core/2025/el9-x86_64/pool/a.rpm", key); got != "200 a package<nil>" {
			t.Errorf("a file of %s: %s", address, got)
		}
		if got := get(address, "/rpm/core/2025/el9-x86_64/pool/a.rpm", ""); !strings.HasPrefix(got, "401 ") {
			t.Errorf("a file of %s without the key: %s", address, got)
		}
		if got := get(address, "/gpg/cosign.pub", ""); !strings.Contains(got, "BEGIN PUBLIC KEY") {
			t.Errorf("the key of images at %s: %s", address, got)
		}
	}
	if err := remote.Write(tag(public), other, remote.WithAuth(pushes)); err == nil {
		t.Error("images are pushed to the address of subscribers")
	}
	if strings.Contains(told.String(), key) || strings.Contains(about, key) || told.String() == "" {
		t.Errorf("what is told:\n%s\n%s", about, told.String())
	}
}

func TestServeRefuses(t *testing.T) {
	dir, cfg := made(t, "acme", config.FormatRPM)
	if _, err := demo.Serve(t.Context(), t.TempDir(), "", nil); err == nil || config.HintOf(err) == "" {
		t.Errorf("a directory without a demo is served: %v", err)
	}
	at := filepath.Join(dir, "release.yaml")
	text, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	open := bytes.Replace(text, []byte(cfg.Registries[0].Host), []byte("0.0.0.0:5000"), 1)
	if err := os.WriteFile(at, open, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := demo.Serve(t.Context(), dir, "", nil); err == nil || config.HintOf(err) == "" {
		t.Errorf("images are pushed from anywhere: %v", err)
	}
}
