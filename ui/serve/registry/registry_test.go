package registry_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"gantry/ui/serve/registry"
)

// shop is a registry that can be closed and opened again.
type shop struct {
	t    *testing.T
	dir  string
	url  string
	stop func()
}

func open(t *testing.T, dir string) *shop {
	t.Helper()
	r, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(r)
	var once sync.Once
	stop := func() {
		once.Do(func() {
			s.Close()
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(stop)
	return &shop{t, dir, s.URL, stop}
}

func (s *shop) repository(n string) name.Repository {
	s.t.Helper()
	repo, err := name.NewRepository(strings.TrimPrefix(s.url, "http://") + "/" + n)
	if err != nil {
		s.t.Fatal(err)
	}
	return repo
}

// ask sends a request and returns the status, the header and the body.
func (s *shop) ask(method, path string, body []byte, header ...string) (int, http.Header, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func index(t *testing.T) v1.ImageIndex {
	t.Helper()
	var idx v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for range 2 {
		img, err := random.Image(64<<10, 2)
		if err != nil {
			t.Fatal(err)
		}
		idx = mutate.AppendManifests(idx, mutate.IndexAddendum{Add: img})
	}
	return idx
}

// TestSurvives pushes an index with something that refers to it, by digest and
// by tags, and reads all of it from a registry that was started again.
func TestSurvives(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	repo := s.repository("acme/core")
	idx := index(t)
	digest, err := idx.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(repo.Digest(digest.String()), idx); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"2025", "2025-20261121t140000z"} {
		if err := remote.Tag(repo.Tag(tag), idx); err != nil {
			t.Fatal(err)
		}
	}
	subject, err := remote.Head(repo.Tag("2025"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := random.Image(100, 1)
	if err != nil {
		t.Fatal(err)
	}
	signature = mutate.Subject(mutate.MediaType(signature, types.OCIManifestSchema1), *subject).(v1.Image)
	signed, _ := signature.Digest()
	if err := remote.Write(repo.Digest(signed.String()), signature); err != nil {
		t.Fatal(err)
	}

	s.stop()
	s = open(t, dir)
	repo = s.repository("acme/core")
	got, err := remote.Index(repo.Tag("2025"))
	if err != nil {
		t.Fatal(err)
	}
	if is, _ := got.Digest(); is != digest {
		t.Errorf("the tag leads to %s, not to %s", is, digest)
	}
	if err := validate.Index(got); err != nil {
		t.Error(err)
	}
	tags, err := remote.List(repo)
	if diff := cmp.Diff([]string{"2025", "2025-20261121t140000z"}, tags); err != nil || diff != "" {
		t.Errorf("tags: %v %s", err, diff)
	}
	refers, err := remote.Referrers(repo.Digest(digest.String()))
	if err != nil {
		t.Fatal(err)
	}
	m, err := refers.IndexManifest()
	if err != nil || len(m.Manifests) != 1 || m.Manifests[0].Digest != signed {
		t.Errorf("referrers: %v %+v", err, m)
	}

	if err := remote.Delete(repo.Tag("2025")); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(repo.Tag("2025")); err == nil {
		t.Error("a tag is there after it was removed")
	}
	if err := remote.Delete(repo.Digest(digest.String())); err != nil {
		t.Fatal(err)
	}
	if tags, err := remote.List(repo); err != nil || len(tags) != 0 {
		t.Errorf("tags of a manifest that is gone: %v %v", tags, err)
	}
}

// TestUpload sends a blob in pieces, as docker does.
func TestUpload(t *testing.T) {
	s := open(t, t.TempDir())
	body := []byte(strings.Repeat("layer ", 1000))
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(body))
	_, h, _ := s.ask("POST", "/v2/acme/blobs/uploads/", nil)
	at := h.Get("Location")
	if code, h, _ := s.ask("PATCH", at, body[:1000], "Content-Range", "0-999"); code != 202 || h.Get("Range") != "0-999" {
		t.Fatalf("first piece: %d %v", code, h)
	}
	if code, _, _ := s.ask("PATCH", at, body[500:], "Content-Range", "500-5999"); code != 416 {
		t.Errorf("a piece out of order: %d", code)
	}
	if code, h, _ := s.ask("GET", at, nil); code != 204 || h.Get("Range") != "0-999" {
		t.Errorf("where it is: %d %v", code, h)
	}
	if code, _, text := s.ask("PUT", at+"?digest="+digest, body[1000:]); code != 201 {
		t.Fatalf("the end: %d %s", code, text)
	}
	if code, _, got := s.ask("GET", "/v2/acme/blobs/"+digest, nil, "Range", "bytes=6-11"); code != 206 || got != "layer " {
		t.Errorf("a part of it: %d %q", code, got)
	}
	if code, _, _ := s.ask("POST", "/v2/other/blobs/uploads/?mount="+digest+"&from=acme", nil); code != 201 {
		t.Errorf("the same blob for another repository: %d", code)
	}
	if code, _, _ := s.ask("PATCH", at, body); code != 404 {
		t.Errorf("an upload goes on after its end: %d", code)
	}
}

// TestRefuses asks for what no client should.
func TestRefuses(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "registry"))
	none := "sha256:" + strings.Repeat("0", 64)
	image, _ := json.Marshal(v1.Manifest{SchemaVersion: 2, Config: v1.Descriptor{Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}, MediaType: types.OCIConfigJSON}})
	list, _ := json.Marshal(v1.IndexManifest{SchemaVersion: 2, Manifests: []v1.Descriptor{{MediaType: types.OCIManifestSchema1, Digest: v1.Hash{Algorithm: "sha256", Hex: strings.Repeat("0", 64)}}}})
	oci, ociIndex := string(types.OCIManifestSchema1), string(types.OCIImageIndex)
	_, h, _ := s.ask("POST", "/v2/a/blobs/uploads/", nil)
	upload := h.Get("Location")
	for _, tt := range []struct {
		what, method, path string
		body               []byte
		kind               string
		want               int
		code               string
	}{
		{"a way out", "GET", "/v2/../../secret", nil, "", 404, "UNSUPPORTED"},
		{"a way out in a name", "GET", "/v2/a/%2e%2e/%2e%2e/tags/list", nil, "", 400, "NAME_INVALID"},
		{"a way out in a tag", "GET", "/v2/a/manifests/%2e%2e", nil, "", 400, "MANIFEST_INVALID"},
		{"the files of a repository", "GET", "/v2/a/_tags/manifests/x", nil, "", 400, "NAME_INVALID"},
		{"upper case", "GET", "/v2/A/tags/list", nil, "", 400, "NAME_INVALID"},
		{"a long name", "GET", "/v2/" + strings.Repeat("a", 300) + "/tags/list", nil, "", 400, "NAME_INVALID"},
		{"an unknown page", "GET", "/v2/a/other/x", nil, "", 404, "UNSUPPORTED"},
		{"an unknown name", "GET", "/v2/nobody/tags/list", nil, "", 404, "NAME_UNKNOWN"},
		{"an unknown tag", "GET", "/v2/a/manifests/x", nil, "", 404, "MANIFEST_UNKNOWN"},
		{"an unknown blob", "GET", "/v2/a/blobs/" + none, nil, "", 404, "BLOB_UNKNOWN"},
		{"a weak digest", "GET", "/v2/a/blobs/md5:0cc175b9c0f1b6a831c399e269772661", nil, "", 400, "DIGEST_INVALID"},
		{"a blob removed", "DELETE", "/v2/a/blobs/" + none, nil, "", 405, "UNSUPPORTED"},
		{"an upload of nobody", "PATCH", "/v2/a/blobs/uploads/" + strings.Repeat("0", 32), nil, "", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"an upload of another", "PATCH", strings.Replace(upload, "/a/", "/b/", 1), nil, "", 404, "BLOB_UPLOAD_UNKNOWN"},
		{"other bytes than the digest's", "PUT", upload + "?digest=" + none, []byte("x"), "", 400, "DIGEST_INVALID"},
		{"one request with other bytes", "POST", "/v2/a/blobs/uploads/?digest=" + none, []byte("x"), "", 400, "DIGEST_INVALID"},
		{"no JSON", "PUT", "/v2/a/manifests/x", []byte("x"), oci, 400, "MANIFEST_INVALID"},
		{"another kind", "PUT", "/v2/a/manifests/x", image, "text/html", 400, "MANIFEST_INVALID"},
		{"an old kind", "PUT", "/v2/a/manifests/x", image, string(types.DockerManifestSchema1Signed), 400, "MANIFEST_INVALID"},
		{"another version", "PUT", "/v2/a/manifests/x", []byte(`{"schemaVersion":1}`), oci, 400, "MANIFEST_INVALID"},
		{"no config", "PUT", "/v2/a/manifests/x", []byte(`{"schemaVersion":2}`), oci, 400, "MANIFEST_INVALID"},
		{"a blob that is not there", "PUT", "/v2/a/manifests/x", image, oci, 400, "MANIFEST_BLOB_UNKNOWN"},
		{"a manifest that is not there", "PUT", "/v2/a/manifests/x", list, ociIndex, 400, "MANIFEST_BLOB_UNKNOWN"},
		{"another digest", "PUT", "/v2/a/manifests/" + none, list, ociIndex, 400, "DIGEST_INVALID"},
		{"a subject without a digest", "PUT", "/v2/a/manifests/x", []byte(`{"schemaVersion":2,"subject":{"digest":"../x"}}`), ociIndex, 400, "MANIFEST_INVALID"},
		{"a manifest that is too long", "PUT", "/v2/a/manifests/x", make([]byte, 5<<20), oci, 413, "MANIFEST_INVALID"},
		{"referrers of nothing", "GET", "/v2/a/referrers/x", nil, "", 400, "DIGEST_INVALID"},
		{"a tag removed that is not there", "DELETE", "/v2/a/manifests/x", nil, "", 404, "MANIFEST_UNKNOWN"},
		{"a method nobody has", "POST", "/v2/a/manifests/x", nil, "", 405, "UNSUPPORTED"},
	} {
		code, _, body := s.ask(tt.method, tt.path, tt.body, "Content-Type", tt.kind)
		var got struct{ Errors []struct{ Code string } }
		if json.Unmarshal([]byte(body), &got) != nil || code != tt.want || len(got.Errors) != 1 || got.Errors[0].Code != tt.code {
			t.Errorf("%s: %d %s, want %d %s", tt.what, code, body, tt.want, tt.code)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "registry", "blobs"))
	if err != nil || len(left) != 0 {
		t.Errorf("refused bytes are kept: %v %v", left, err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "registry", "uploads")); len(left) != 0 {
		t.Errorf("refused uploads are kept: %v", left)
	}
}

// TestTogether pushes from several clients at once to one tag.
func TestTogether(t *testing.T) {
	s := open(t, t.TempDir())
	repo := s.repository("acme/core")
	var clients sync.WaitGroup
	var mu sync.Mutex
	pushed := map[string]bool{}
	for range 4 {
		clients.Go(func() {
			img, err := random.Image(8<<10, 1)
			if err == nil {
				err = remote.Write(repo.Tag("latest"), img)
			}
			if err != nil {
				t.Error(err)
				return
			}
			digest, _ := img.Digest()
			mu.Lock()
			pushed[digest.String()] = true
			mu.Unlock()
		})
	}
	clients.Wait()
	got, err := remote.Image(repo.Tag("latest"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(got); err != nil {
		t.Error(err)
	}
	if digest, _ := got.Digest(); !pushed[digest.String()] {
		t.Errorf("the tag leads to %s, which nobody pushed", digest)
	}
}
