package serve_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gantry/storage"
	"gantry/ui/serve"
	"gantry/ui/serve/registry"
)

const key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var subscribers = serve.Credentials{Username: "subscriber", Password: key}

const (
	id  = "20261121T140000Z"
	old = "20261121T130000Z"
)

// tree writes what gantry serves, and what it does not.
func tree(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "served")
	for name, text := range map[string]string{
		"rpm/core/snapshots/" + id + "/mirrorlist":             "file:///srv/rpm/core/snapshots/" + id + "/\n",
		"rpm/core/snapshots/" + id + "/repodata/repomd.xml":    "<repomd/>",
		"rpm/core/snapshots/" + id + "/manifest.json":          "{}",
		"rpm/core/snapshots/" + id + "/Packages/a/a.rpm":       "0123456789",
		"rpm/core/snapshots/" + old + "/Packages/a/a.rpm":      "before",
		"rpm/core/snapshots/.tmp-1/x":                          "x",
		"rpm/minion/snapshots/" + id + "/mirrorlist":           "http://127.0.0.1:2/rpm/minion/snapshots/" + id + "/\n",
		"rpm/core/mirrorlist":                                  "http://elsewhere.example/x\n",
		"deb/core/suites/noble/snapshots/" + id + "/InRelease": "signed",
		"deb/core/pool/noble/a_1.0~rc1+b_amd64.deb":            "deb",
		"../secret": "secret",
	} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{
		"rpm/minion/production":                "snapshots/" + id,
		"rpm/core/production":                  "snapshots/" + id,
		"rpm/core/absolute":                    filepath.Join(dir, "rpm/core/snapshots", id),
		"rpm/core/out":                         "../../../secret",
		"rpm/core/self":                        "self",
		"rpm/core/other":                       "snapshots",
		"rpm/core/snapshots/" + id + "/inside": "Packages",
		"deb/core/suites/noble/production":     "snapshots/" + id,
		"deb/core/dists/noble":                 "../suites/noble/production",
		"deb/core/dists/jammy":                 "../suites/noble/production",
		"deb/core/dists/noble-staging":         "../suites/noble/staging",
		"rpm/core/" + "loop":                   "snapshots/" + id + "/../../loop",
	} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(to, at); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

type site struct {
	t   *testing.T
	url string
	mu  sync.Mutex
	log strings.Builder
}

func start(t *testing.T, o serve.Options) *site {
	s := &site{t: t}
	o.Readers = subscribers
	o.Log = func(format string, a ...any) {
		s.mu.Lock()
		fmt.Fprintf(&s.log, format, a...)
		s.mu.Unlock()
	}
	server := httptest.NewServer(serve.Handler(o))
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

// get asks as c; header is more of the request.
func (s *site) get(c serve.Credentials, method, path string, header ...string) (*http.Response, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.URL.Opaque = path // as it is
	if c.Username != "" {
		req.SetBasicAuth(c.Username, c.Password)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res, string(b)
}

func TestDirectory(t *testing.T) {
	s := start(t, serve.Options{Files: serve.Directory(tree(t))})
	for _, tt := range []struct {
		path, kind, body string
	}{
		{"/rpm/core/production/repodata/repomd.xml", "application/xml", "<repomd/>"},
		{"/rpm/core/production/Packages/a/a.rpm", "application/x-rpm", "0123456789"},
		{"/rpm/core/snapshots/" + id + "/Packages/a/a.rpm", "application/x-rpm", "0123456789"},
		{"/deb/core/dists/noble/InRelease", "text/plain; charset=utf-8", "signed"},
		{"/deb/core/pool/noble/a_1.0%7erc1%2bb_amd64.deb", "application/vnd.debian.binary-package", "deb"},
	} {
		res, body := s.get(subscribers, "GET", tt.path)
		if res.StatusCode != 200 || body != tt.body || res.Header.Get("Content-Type") != tt.kind {
			t.Errorf("%s: %s %q %s", tt.path, res.Status, body, res.Header.Get("Content-Type"))
		}
		if res.Header.Get("Last-Modified") == "" || res.Header.Get("ETag") == "" {
			t.Errorf("%s: no Last-Modified or ETag: %v", tt.path, res.Header)
		}
		if res, body := s.get(subscribers, "HEAD", tt.path); res.StatusCode != 200 || body != "" || res.ContentLength != int64(len(tt.body)) {
			t.Errorf("HEAD %s: %s %q %d", tt.path, res.Status, body, res.ContentLength)
		}
	}
	for _, path := range []string{
		"/", "/rpm", "/rpm/core/", "/rpm/core/production/", "/rpm/core/production", "/rpm/core/nothing",
		"/../secret", "/rpm/../../secret", "/rpm/%2e%2e/%2e%2e/secret", "/rpm/core/..%2f..%2f..%2fsecret", "//rpm/core/production/repodata/repomd.xml",
		"/rpm/core/out", "/rpm/core/absolute/mirrorlist", "/rpm/core/self", "/rpm/core/loop/x", "/rpm/core/other/" + id + "/mirrorlist",
		"/rpm/core/production/inside/a/a.rpm", "/rpm/core/production/manifest.json", "/rpm/core/snapshots/" + id + "/manifest.json",
		"/rpm/core/snapshots/.tmp-1/x", "/deb/core/dists/jammy/InRelease", "/deb/core/dists/noble-staging/InRelease",
		"/rpm/core/production/Packages/a/a.rpm/x", "/rpm/core/production/Packages%00", "/rpm/core/%ff",
		"/" + strings.Repeat("a", 300), "/" + strings.Repeat("a/", 3000) + "a",
	} {
		if res, body := s.get(subscribers, "GET", path); res.StatusCode != 404 || strings.Contains(body, "secret") {
			t.Errorf("%.100s: %s %q", path, res.Status, body)
		}
	}
	if res, _ := s.get(subscribers, "POST", "/rpm/core/production/mirrorlist"); res.StatusCode != 405 {
		t.Errorf("POST: %s", res.Status)
	}
}

// TestConditions asks as clients do that have something already.
func TestConditions(t *testing.T) {
	dir := tree(t)
	s := start(t, serve.Options{Files: serve.Directory(dir)})
	const pkg, pointer = "/rpm/core/production/Packages/a/a.rpm", "/rpm/core/production/repodata/repomd.xml"
	first, _ := s.get(subscribers, "GET", pkg)
	tag := first.Header.Get("ETag")
	if res, _ := s.get(subscribers, "GET", pkg, "If-None-Match", tag); res.StatusCode != 304 {
		t.Errorf("the same again: %s", res.Status)
	}
	if res, body := s.get(subscribers, "GET", pkg, "Range", "bytes=4-6", "If-Range", tag); res.StatusCode != 206 || body != "456" {
		t.Errorf("a part: %s %q", res.Status, body)
	}
	if got := first.Header.Get("Cache-Control"); got != "" {
		t.Errorf("a package: Cache-Control %s", got)
	}
	for _, path := range []string{pointer, "/rpm/core/production/mirrorlist", "/deb/core/dists/noble/InRelease"} {
		if res, _ := s.get(subscribers, "GET", path); res.Header.Get("Cache-Control") != "no-cache" {
			t.Errorf("%s: Cache-Control %q", path, res.Header.Get("Cache-Control"))
		}
	}
	production := filepath.Join(dir, "rpm/core/production")
	if err := os.Remove(production); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("snapshots/"+old, production); err != nil {
		t.Fatal(err)
	}
	if res, body := s.get(subscribers, "GET", pkg, "If-None-Match", tag); res.StatusCode != 200 || body != "before" {
		t.Errorf("after a flip: %s %q", res.Status, body)
	}
	if res, body := s.get(subscribers, "GET", pkg, "Range", "bytes=4-6", "If-Range", tag); res.StatusCode != 200 || body != "before" {
		t.Errorf("a part of another file: %s %q", res.Status, body)
	}
}

// TestMirrorlist leads who came by HTTP to the server that they came to.
func TestMirrorlist(t *testing.T) {
	s := start(t, serve.Options{Files: serve.Directory(tree(t))})
	host := strings.TrimPrefix(s.url, "http://")
	for path, want := range map[string]string{
		"/rpm/minion/production/mirrorlist":         "http://" + host + "/rpm/minion/snapshots/" + id + "/\n",
		"/rpm/core/production/mirrorlist":           "http://" + host + "/rpm/core/snapshots/" + id + "/\n",
		"/rpm/core/snapshots/" + id + "/mirrorlist": "http://" + host + "/rpm/core/snapshots/" + id + "/\n",
		"/rpm/core/mirrorlist":                      "http://elsewhere.example/x\n",
	} {
		if res, body := s.get(subscribers, "GET", path); body != want || res.ContentLength != int64(len(want)) {
			t.Errorf("%s: %s %q, want %q", path, res.Status, body, want)
		}
	}
}

func TestAuthentication(t *testing.T) {
	dir := tree(t)
	public := filepath.Join(t.TempDir(), "public.asc")
	if err := os.WriteFile(public, []byte("a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	images, err := registry.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { images.Close() })
	writer := serve.Credentials{Username: "release", Password: "secret word"}
	s := start(t, serve.Options{
		Files: serve.Directory(dir), Keys: map[string]string{"public.asc": public, "gone.asc": public + ".gone"},
		Registry: images, Writers: writer,
	})
	nobody := serve.Credentials{}
	wrong := serve.Credentials{Username: "subscriber", Password: strings.Repeat("0", 64)}
	other := serve.Credentials{Username: "subscribers", Password: key}
	const file, upload = "/rpm/core/production/repodata/repomd.xml", "/v2/a/blobs/uploads/"
	for _, tt := range []struct {
		what         string
		as           serve.Credentials
		method, path string
		want         int
	}{
		{"nobody", nobody, "GET", file, 401},
		{"nobody, of nothing", nobody, "GET", "/nothing", 401},
		{"a wrong key", wrong, "GET", file, 401},
		{"another name", other, "GET", file, 401},
		{"a short key", serve.Credentials{Username: "subscriber", Password: "0"}, "GET", file, 401},
		{"who pushes", writer, "GET", file, 401},
		{"a subscriber", subscribers, "GET", file, 200},
		{"the key, nobody", nobody, "GET", "/gpg/public.asc", 200},
		{"another key", nobody, "GET", "/gpg/private.asc", 404},
		{"a way out of the keys", nobody, "GET", "/gpg/../gpg/private.asc", 404},
		{"a key that is gone", nobody, "GET", "/gpg/gone.asc", 502},
		{"the key, written", nobody, "PUT", "/gpg/public.asc", 405},
		{"docker login, nobody", nobody, "GET", "/v2/", 401},
		{"docker login, wrong", wrong, "GET", "/v2/", 401},
		{"docker login", subscribers, "GET", "/v2/", 200},
		{"docker login, who pushes", writer, "GET", "/v2/", 200},
		{"a subscriber pushes", subscribers, "POST", upload, 403},
		{"a subscriber removes", subscribers, "DELETE", "/v2/a/manifests/x", 403},
		{"who pushes, pushes", writer, "POST", upload, 202},
	} {
		res, body := s.get(tt.as, tt.method, tt.path)
		if res.StatusCode != tt.want {
			t.Errorf("%s: %s %s, want %d", tt.what, res.Status, body, tt.want)
		}
		if asks := strings.HasPrefix(res.Header.Get("WWW-Authenticate"), "Basic "); asks != (tt.want == 401) {
			t.Errorf("%s: WWW-Authenticate %q", tt.what, res.Header.Get("WWW-Authenticate"))
		}
	}
	closed := start(t, serve.Options{Registry: images})
	for _, c := range []serve.Credentials{{Username: "", Password: ""}, {Username: ":", Password: ""}, writer} {
		if res, _ := closed.get(c, "POST", upload); res.StatusCode != 401 {
			t.Errorf("without anybody who pushes, %q may: %s", c.Username, res.Status)
		}
	}
	if res, _ := closed.get(subscribers, "GET", file); res.StatusCode != 404 {
		t.Errorf("no files: %s", res.Status)
	}
}

// TestLog has one harmless line for each request, and no key.
func TestLog(t *testing.T) {
	s := start(t, serve.Options{Files: serve.Directory(tree(t))})
	s.get(subscribers, "GET", "/rpm/core/production/repodata/repomd.xml?token="+key)
	s.get(subscribers, "GET", "/oops/"+key+"/%1b%5b31m%0aGET")
	s.get(serve.Credentials{Username: "subscriber", Password: "guess"}, "GET", "/"+strings.Repeat("x", 2000))
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.log.String()
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != 3 || !strings.Contains(lines[0], " GET /rpm/core/production/repodata/repomd.xml 200 9 ") || !strings.Contains(lines[1], "/oops/***/") || !strings.Contains(lines[2], " 401 ") {
		t.Errorf("the log:\n%s", got)
	}
	if strings.Contains(got, key) || strings.Contains(got, "guess") || strings.Contains(got, "\x1b") || len(got) > 2000 {
		t.Errorf("the log holds what it must not:\n%q", got)
	}
}

// TestStore serves objects that hold what a bucket does, and refuses one that
// changes while it is read.
func TestStore(t *testing.T) {
	d, err := storage.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	for name, data := range map[string][]byte{"served/rpm/production/mirrorlist": []byte("http://x/\n"), "served/a.rpm": big, "secret": []byte("secret")} {
		if _, err := d.Put(t.Context(), name, bytes.NewReader(data), storage.Always); err != nil {
			t.Fatal(err)
		}
	}
	s := start(t, serve.Options{Files: serve.Store(d, "served/")})
	res, body := s.get(subscribers, "GET", "/a.rpm")
	if res.StatusCode != 200 || body != string(big) {
		t.Errorf("whole: %s, %d bytes", res.Status, len(body))
	}
	tag := res.Header.Get("ETag")
	if res, body := s.get(subscribers, "GET", "/a.rpm", "Range", "bytes=1048570-", "If-Range", tag); res.StatusCode != 206 || body != "abcdef" {
		t.Errorf("a part: %s %q", res.Status, body)
	}
	if res, _ := s.get(subscribers, "GET", "/a.rpm", "If-None-Match", tag); res.StatusCode != 304 {
		t.Errorf("again: %s", res.Status)
	}
	for _, path := range []string{"/secret", "/../secret", "/rpm/production", "/nothing"} {
		if res, _ := s.get(subscribers, "GET", path); res.StatusCode != 404 {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
}
