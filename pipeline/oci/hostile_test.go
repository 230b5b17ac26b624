package oci_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/cosign"
	"gantry/pipeline/oci"
	"gantry/storage"
)

// TestLies lets a registry say of other bytes that they have the digest, as the
// oldest form of manifests allows.
func TestLies(t *testing.T) {
	const signed1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
	forged := `{"schemaVersion":2,"mediaType":"` + manifestType + `","config":{"mediaType":"` + configType + `","size":2,"digest":"` + digestOf([]byte("{}")) + `"},"layers":[]}`
	for name, at := range map[string]func(s *shop) string{
		"by tag":    func(*shop) string { return "/manifests/2025" },
		"by digest": func(s *shop) string { return "/manifests/" + s.digestAt("2025-arm64") },
	} {
		t.Run(name, func(t *testing.T) {
			var suffix, digest atomic.Value
			s := meddling(t, func(w http.ResponseWriter, r *http.Request) bool {
				if where, _ := suffix.Load().(string); where == "" || r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, where) {
					return false
				}
				w.Header().Set("Content-Type", signed1)
				w.Header().Set("Docker-Content-Digest", digest.Load().(string))
				io.WriteString(w, forged)
				return true
			})
			s.stageVersion("1.0")
			s.release()
			where := at(s)
			digest.Store(s.digestAt(strings.TrimPrefix(where, "/manifests/")))
			suffix.Store(where)
			if _, _, err := s.try("verify"); err == nil {
				t.Error("verified what the registry made up")
			}
			if _, err := s.served.Pointer(t.Context(), "production"); name == "by tag" && err == nil {
				t.Error("a tag is believed that names other bytes")
			}
		})
	}
}

// TestRealm lets a registry send its clients to another host for a token: the
// password stays here.
func TestRealm(t *testing.T) {
	hasty(t)
	var got atomic.Value
	hostile := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		got.Store(r.Header.Get("Authorization") + r.Form.Get("password"))
		fmt.Fprint(w, `{"token":"x"}`)
	}))
	defer hostile.Close()
	realm := strings.Replace(hostile.URL, "127.0.0.1", "localhost", 1)
	host := inProcess(t, true, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+realm+`/token",service="x"`)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "no")
		})
	})
	t.Setenv("GANTRY_TEST_PASSWORD", "s3cret")
	s := newShop(t, host+`", username: publisher, password: "env:GANTRY_TEST_PASSWORD`, "")
	_, err := s.served.Pointer(t.Context(), "production")
	if err == nil || !strings.Contains(err.Error(), "localhost") || config.HintOf(err) == "" {
		t.Errorf("%v (%s)", err, config.HintOf(err))
	}
	if said, _ := got.Load().(string); said != "" {
		t.Errorf("the password went to another host: %q", said)
	}
}

// TestUploadElsewhere lets a registry send uploads and downloads to another host:
// the password stays here, and what comes from there is hashed.
func TestUploadElsewhere(t *testing.T) {
	hasty(t)
	var leaked, there atomic.Int64
	var backend http.Handler
	note := func(w http.ResponseWriter, r *http.Request) {
		there.Add(1)
		if r.Header.Get("Authorization") != "" {
			leaked.Add(1)
		}
		backend.ServeHTTP(w, r)
	}
	other := httptest.NewServer(http.HandlerFunc(note))
	defer other.Close()
	elsewhere := strings.Replace(other.URL, "127.0.0.1", "localhost", 1)
	host := inProcess(t, true, func(h http.Handler) http.Handler {
		backend = h
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, p, _ := r.BasicAuth(); p != "s3cret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
				refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "no")
				return
			}
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
				http.Redirect(w, r, elsewhere+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			h.ServeHTTP(&movedAway{w, elsewhere}, r)
		})
	})
	t.Setenv("GANTRY_TEST_PASSWORD", "s3cret")
	s := newShop(t, host+`", username: publisher, password: "env:GANTRY_TEST_PASSWORD`, "")
	s.stageVersion("1.0")
	s.release()
	s.do("verify")
	if there.Load() == 0 || leaked.Load() > 0 {
		t.Errorf("%d requests elsewhere, %d of them with the password", there.Load(), leaked.Load())
	}
}

// movedAway sends uploads to another host.
type movedAway struct {
	http.ResponseWriter
	to string
}

func (m *movedAway) WriteHeader(status int) {
	if at := m.Header().Get("Location"); strings.Contains(at, "/uploads/") && strings.HasPrefix(at, "/") {
		m.Header().Set("Location", m.to+at)
	}
	m.ResponseWriter.WriteHeader(status)
}

// TestSwapped gives each architecture the image of the other in the record of a
// snapshot: signed as they are, they go nowhere.
func TestSwapped(t *testing.T) {
	for name, change := range map[string]func(p []any){
		"names": func(p []any) {
			a, b := p[0].(map[string]any), p[1].(map[string]any)
			a["arch"], b["arch"] = b["arch"], a["arch"]
		},
		"names and platforms": func(p []any) {
			a, b := p[0].(map[string]any), p[1].(map[string]any)
			a["arch"], b["arch"] = b["arch"], a["arch"]
			x, y := a["image"].(map[string]any), b["image"].(map[string]any)
			x["platform"], y["platform"] = y["platform"], x["platform"]
		},
		"a path": func(p []any) { p[0].(map[string]any)["arch"] = "../../other/manifests/1" },
		"twice":  func(p []any) { p[1] = p[0] },
		"other":  func(p []any) { p[0].(map[string]any)["digest"] = p[1].(map[string]any)["digest"] },
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, inProcess(t, true, nil), "")
			s.stageVersion("1.0")
			s.do("build")
			s.do("stage")
			id := s.at("staging")
			m, _, err := s.served.Manifest(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			var r map[string]any
			if err := json.Unmarshal(m.Extra["image"], &r); err != nil {
				t.Fatal(err)
			}
			change(r["platforms"].([]any))
			if m.Extra["image"], err = json.Marshal(r); err != nil {
				t.Fatal(err)
			}
			b, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			s.put("state/records/core-image/"+id+".json", b)
			s.configure("")
			if _, _, err := s.try("promote"); err == nil {
				t.Error("promoted")
			}
			if d, err := s.served.(storage.Taker).Find(t.Context(), "production"); err == nil {
				t.Errorf("a tag moved: %v", d)
			}
		})
	}
}

func TestTrusts(t *testing.T) {
	for _, test := range []struct {
		host, address string
		want          bool
	}{
		{"index.docker.io", "https://auth.docker.io/token", true},
		{"registry.example.org", "https://gitlab.example.org/jwt/auth", true},
		{"registry.abc.co", "https://auth.abc.co/token", true},
		{"ghcr.io", "https://ghcr.io/token", true},
		{"localhost:5000", "http://localhost:5001/token", true},
		{"registry.example.org", "http://gitlab.example.org/jwt/auth", false},
		{"registry.example.org", "https://example.org.evil.net/", false},
		{"registry.example.org", "https://evilexample.org/", false},
		{"registry.example.co.uk", "https://evil.co.uk/", false},
		{"10.0.0.1:5000", "https://10.9.0.1/token", false},
		{"localhost:5000", "https://evil.net/token", false},
	} {
		if oci.Trusts(test.host, test.address) != test.want {
			t.Errorf("%s, %s: not %v", test.host, test.address, test.want)
		}
	}
}

// TestSharedRepository prunes one of two targets that have the same images in one
// repository: the other one stays whole.
func TestSharedRepository(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), `, snapshots: 2}
  - {name: next-image, format: oci, component: core, series: "2026", architectures: [x86_64, arm64], key: images, registry: local, snapshots: 2`)
	e := s.engine()
	do := func(verb, target string) {
		t.Helper()
		plan, err := e.Plan(t.Context(), pipeline.Job{Verb: verb, Target: target})
		if err != nil {
			t.Fatalf("%s %s: %v", verb, target, err)
		}
		run, err := e.Start(t.Context(), plan, plan.Phrase())
		if err == nil {
			err = run.Wait()
		}
		if err != nil {
			t.Fatalf("%s %s: %v", verb, target, err)
		}
	}
	for n, version := range []string{"1", "2", "3", "4"} {
		s.stageVersion(version)
		if n == 0 {
			for _, arch := range []string{"x86_64", "arm64"} {
				place := storage.Place{Component: "core", Series: "2026", Format: "oci", OS: arch}
				made := imageOf(t, map[string]string{"x86_64": "amd64", "arm64": "arm64"}[arch], version)
				archive := made.saved(t)
				if arch == "arm64" {
					archive = gzipped(t, made.layout(t))
				}
				if _, err := s.env.Staging.Put(t.Context(), place, "core.tar", bytes.NewReader(archive), true); err != nil {
					t.Fatal(err)
				}
			}
			for _, verb := range []string{"build", "stage", "promote"} {
				do(verb, "next-image")
			}
		}
		for _, verb := range []string{"build", "stage", "promote"} {
			do(verb, "core-image")
		}
		s.clock = s.clock.Add(10 * 24 * time.Hour)
	}
	do("verify", "next-image")
	do("prune", "core-image")
	do("verify", "core-image")
	do("verify", "next-image")
}

// TestOneUnsigned takes one signature away, of one form and of one manifest.
func TestOneUnsigned(t *testing.T) {
	var hidden atomic.Value
	s := meddling(t, func(w http.ResponseWriter, r *http.Request) bool {
		where, _ := hidden.Load().(string)
		return where != "" && strings.HasSuffix(r.URL.Path, where) && refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "unknown")
	})
	s.stageVersion("1.0")
	s.release()
	tags := []string{"2025", "2025-x86_64", "2025-arm64"}
	for _, tag := range tags {
		for _, form := range []string{".sig", ""} {
			hidden.Store("")
			at := "/manifests/" + strings.Replace(s.digestAt(tag), ":", "-", 1) + form
			hidden.Store(at)
			if _, _, err := s.try("verify"); err == nil || !strings.Contains(err.Error(), "not signed with the key") {
				t.Errorf("verified without %s of %s: %v", at, tag, err)
			}
		}
	}
	hidden.Store("")
	s.do("verify")
}

// TestManySignatures puts junk before and instead of our signature: ours is found
// among some of it, and too much of it is told.
func TestManySignatures(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	s.stageVersion("1.0")
	s.release()
	tag, err := name.NewTag(s.ref(strings.Replace(s.digestAt("2025"), ":", "-", 1)+".sig"), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	ours, err := remote.Image(tag)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ours.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := ours.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{20, 400} {
		image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
		for i := range n {
			junk := mutate.Addendum{Layer: static.NewLayer([]byte("junk"), cosign.PayloadType), Annotations: map[string]string{cosign.SignatureAnnotation: "anVuaw=="}}
			if i == 15 && n == 20 {
				junk = mutate.Addendum{Layer: layers[0], Annotations: m.Layers[0].Annotations, MediaType: cosign.PayloadType}
			}
			if image, err = mutate.Append(image, junk); err != nil {
				t.Fatal(err)
			}
		}
		if err := remote.Write(tag, image); err != nil {
			t.Fatal(err)
		}
		_, _, err := s.try("verify")
		if n == 20 && err != nil {
			t.Errorf("ours is not found among others: %v", err)
		}
		if n == 400 && (err == nil || !strings.Contains(config.HintOf(err), "crane delete")) {
			t.Errorf("%v (%s)", err, config.HintOf(err))
		}
	}
}
