package oci_test

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/oci"
)

// hasty shortens the time between attempts.
func hasty(t *testing.T) {
	t.Helper()
	t.Cleanup(oci.SetBackoff(remote.Backoff{Duration: time.Millisecond, Factor: 2, Steps: 4}))
}

// meddling is a registry whose answers to some requests are another's.
func meddling(t *testing.T, meddle func(w http.ResponseWriter, r *http.Request) (done bool)) *shop {
	t.Helper()
	hasty(t)
	return newShop(t, inProcess(t, false, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if meddle(w, r) {
				return
			}
			h.ServeHTTP(w, r)
		})
	}), "")
}

func refuse(w http.ResponseWriter, status int, code, message string) bool {
	w.WriteHeader(status)
	io.WriteString(w, `{"errors":[{"code":"`+code+`","message":"`+message+`"}]}`)
	return true
}

func isManifestPut(r *http.Request) bool {
	return r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/")
}

func isUpload(r *http.Request) bool { return r.Method == http.MethodPatch }

// drop ends a connection after it read some of what was sent.
func drop(w http.ResponseWriter, r *http.Request, after int64) bool {
	io.CopyN(io.Discard, r.Body, after)
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
	return true
}

// TestOverload gives 503, 429 and a dropped connection: a build goes through.
func TestOverload(t *testing.T) {
	for name, at := range map[string]func(*http.Request) bool{"blobs": isUpload, "manifests": isManifestPut} {
		t.Run(name, func(t *testing.T) {
			var n atomic.Int64
			s := meddling(t, func(w http.ResponseWriter, r *http.Request) bool {
				if !at(r) {
					return false
				}
				switch n.Add(1) {
				case 1:
					return refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "slow down")
				case 2:
					return refuse(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "slow down")
				case 3:
					return drop(w, r, 1000)
				}
				return false
			})
			s.stageVersion("1.0")
			s.release()
			s.do("verify")
			if n.Load() < 4 {
				t.Error("nothing was refused")
			}
		})
	}
}

// TestRefusals lets the registry fail in the middle for good: an error that says
// what it said, production untouched, and a second run that comes to its end.
func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		at          func(*http.Request) bool
		with        func(http.ResponseWriter, *http.Request) bool
		wrong, hint string
	}{
		"manifest refused": {isManifestPut, func(w http.ResponseWriter, _ *http.Request) bool {
			return refuse(w, http.StatusBadRequest, "MANIFEST_INVALID", `no \u001b[2J such layer`)
		}, `MANIFEST_INVALID: no \x1b[2J such layer`, "log of the registry"},
		"expired token": {isUpload, func(w http.ResponseWriter, _ *http.Request) bool {
			return refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "token expired")
		}, "401 Unauthorized, UNAUTHORIZED: token expired", "not sent again"},
		"no right": {isUpload, func(w http.ResponseWriter, _ *http.Request) bool {
			return refuse(w, http.StatusForbidden, "DENIED", "requested access is denied")
		}, "DENIED", "let the user"},
		"too large": {isUpload, func(w http.ResponseWriter, _ *http.Request) bool {
			return refuse(w, http.StatusRequestEntityTooLarge, "X", "x")
		}, "413", "proxy"},
		"down": {isUpload, func(w http.ResponseWriter, _ *http.Request) bool {
			return refuse(w, http.StatusServiceUnavailable, "UNAVAILABLE", "down")
		}, "503", "again later"},
		"drops": {isUpload, func(w http.ResponseWriter, r *http.Request) bool { return drop(w, r, 500) }, "send sha256:", "not sent again"},
	} {
		t.Run(name, func(t *testing.T) {
			var failing atomic.Bool
			var passed atomic.Int64
			s := meddling(t, func(w http.ResponseWriter, r *http.Request) bool {
				if failing.Load() && test.at(r) && passed.Add(1) > 1 {
					return test.with(w, r)
				}
				return false
			})
			s.stageVersion("1.0")
			s.release()
			served, digest := s.at("production"), s.digestAt("2025")
			s.stageVersion("1.1")
			failing.Store(true)
			_, _, err := s.try("build")
			if err == nil || !strings.Contains(err.Error(), test.wrong) || !strings.Contains(config.HintOf(err), test.hint) {
				t.Errorf("%v (%s), want one about %q (%q)", err, config.HintOf(err), test.wrong, test.hint)
			}
			if s.at("production") != served || s.digestAt("2025") != digest {
				t.Error("production moved")
			}
			failing.Store(false)
			s.release()
			s.do("verify")
			if s.at("production") == served {
				t.Error("the second run did not come to its end")
			}
		})
	}
}

// TestResume counts what a second run sends: nothing that is there.
func TestResume(t *testing.T) {
	var failing atomic.Bool
	var uploads atomic.Int64
	s := meddling(t, func(w http.ResponseWriter, r *http.Request) bool {
		if isUpload(r) {
			uploads.Add(1)
		}
		return failing.Load() && isManifestPut(r) && refuse(w, http.StatusForbidden, "DENIED", "no")
	})
	s.stageVersion("1.0")
	failing.Store(true)
	if _, _, err := s.try("build"); err == nil {
		t.Fatal("built without manifests")
	}
	if got := uploads.Swap(0); got != 6 { // two layers and a configuration each
		t.Errorf("the first run sent %d blobs, not 6", got)
	}
	failing.Store(false)
	s.do("build")
	// for three manifests a payload and its configuration, a bundle, and the empty blob once
	if got := uploads.Load(); got != 3*3+1 {
		t.Errorf("the second run sent %d blobs, not 10", got)
	}
}

// TestTamper changes what the registry gives: nothing of it is taken.
func TestTamper(t *testing.T) {
	for _, what := range []string{"/blobs/", "/manifests/sha256:"} {
		t.Run(what, func(t *testing.T) {
			var flip atomic.Bool
			s := newShop(t, inProcess(t, true, func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if flip.Load() && r.Method == http.MethodGet && strings.Contains(r.URL.Path, what) {
						w = &flipper{w}
					}
					h.ServeHTTP(w, r)
				})
			}), "")
			s.stageVersion("1.0")
			s.do("build")
			s.do("stage")
			flip.Store(true)
			if _, _, err := s.try("promote"); err == nil {
				t.Error("promoted what was tampered with")
			}
			if _, _, err := s.try("verify", "pointer=staging"); err == nil {
				t.Error("verified what was tampered with")
			}
			flip.Store(false)
			if at := s.at("production"); at != "" {
				t.Errorf("production serves %s", at)
			}
			s.do("promote")
		})
	}
}

// flipper changes one bit of an answer.
type flipper struct{ http.ResponseWriter }

func (f *flipper) Write(b []byte) (int, error) {
	if len(b) > 20 {
		b = append([]byte(nil), b...)
		b[len(b)-15] ^= 1
	}
	return f.ResponseWriter.Write(b)
}

// TestUnsigned takes a signature away before a promotion.
func TestUnsigned(t *testing.T) {
	var hide atomic.Bool
	s := meddling(t, func(w http.ResponseWriter, r *http.Request) bool {
		return hide.Load() && strings.HasSuffix(r.URL.Path, ".sig") && refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN", "unknown")
	})
	s.stageVersion("1.0")
	s.do("build")
	s.do("stage")
	hide.Store(true)
	if _, _, err := s.try("promote"); err == nil || !strings.Contains(err.Error(), "not signed with the key") {
		t.Errorf("promoted without signatures: %v", err)
	}
	if at := s.at("production"); at != "" {
		t.Errorf("production serves %s", at)
	}
}

// TestSubscriber asks a guarded registry as clients do.
func TestSubscriber(t *testing.T) {
	const user, key = "subscriber", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	var open atomic.Bool
	var backend http.Handler
	host := inProcess(t, true, func(h http.Handler) http.Handler { backend = h; return h })
	front := inProcess(t, true, func(http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if u, p, _ := r.BasicAuth(); !open.Load() && (u != user || p != key) {
				w.Header().Set("WWW-Authenticate", `Basic realm="packages"`)
				refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "no")
				return
			}
			backend.ServeHTTP(w, r)
		})
	})
	more := `, url: "http://` + front + `/core", subscriber: {username: subscriber, password: "file:keys/subscriber"}`
	s := newShop(t, host, "")
	s.put("keys/subscriber", []byte(key))
	s.configure(more)
	s.stageVersion("1.0")
	_, ev := s.release()
	if ev["http"] != front+"/core" {
		t.Errorf("a promotion does not look from outside: %v", ev)
	}
	_, ev = s.do("verify", "via=http")
	if ev["without credentials"] == "" || ev["address"] != front+"/core" {
		t.Errorf("%v", ev)
	}
	open.Store(true)
	if _, _, err := s.try("verify", "via=http"); err == nil || !strings.Contains(err.Error(), "SERVED TO ANYBODY") {
		t.Errorf("an open door is not seen: %v", err)
	}
	open.Store(false)
	s.put("keys/subscriber", []byte(strings.Repeat("f", 64)))
	if _, _, err := s.try("verify", "via=http"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("a key that was revoked is not seen: %v", err)
	}
}

// TestTunnel reaches a registry by a dialer of its own, which dies.
func TestTunnel(t *testing.T) {
	hasty(t)
	host := inProcess(t, true, nil)
	s := newShop(t, "localhost:1", "")
	var dead atomic.Bool
	var dialled atomic.Int64
	site := pipeline.Site{Config: s.cfg, State: s.env.Staging.Store(), Dial: func(config.Name) pipeline.Dial {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			if dead.Load() {
				return nil, &net.OpError{Op: "dial", Net: "ssh", Err: errors.New("the tunnel is down")}
			}
			dialled.Add(1)
			if addr != "localhost:1" {
				t.Errorf("dials %s", addr)
			}
			return (&net.Dialer{}).DialContext(ctx, network, host)
		}
	}}
	var err error
	if s.served, err = oci.Open(t.Context(), site, s.target); err != nil {
		t.Fatal(err)
	}
	defer s.served.Close()
	s.stageVersion("1.0")
	s.do("build")
	if dialled.Load() == 0 {
		t.Error("the tunnel was not used")
	}
	dead.Store(true)
	s.served.Close()
	if _, err := s.served.Pointer(t.Context(), "production"); err == nil || !strings.Contains(err.Error(), "tunnel is down") || config.HintOf(err) == "" {
		t.Errorf("%v (%s)", err, config.HintOf(err))
	}
}

// TestPlain refuses http to what is not this machine.
func TestPlain(t *testing.T) {
	hasty(t)
	host := inProcess(t, true, nil)
	_, port, err := net.SplitHostPort(host)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"10.0.0.1:" + port, "192.168.1.1:" + port, "registry.example:" + port} {
		s := newShop(t, name, "")
		site := pipeline.Site{Config: s.cfg, State: s.env.Staging.Store(), Dial: func(config.Name) pipeline.Dial {
			return func(ctx context.Context, network, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, host)
			}
		}}
		served, err := oci.Open(t.Context(), site, s.target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := served.Pointer(t.Context(), "production"); err == nil {
			t.Errorf("%s is spoken to without TLS", name)
		}
		served.Close()
	}
}

// TestSlow asks a registry that never answers, and one that never stops.
func TestSlow(t *testing.T) {
	hasty(t)
	t.Cleanup(oci.SetPatience(100 * time.Millisecond))
	done := make(chan struct{})
	for name, answer := range map[string]http.HandlerFunc{
		"silent": func(http.ResponseWriter, *http.Request) { <-done },
		"endless": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/v2/" {
				return
			}
			w.Header().Set("Content-Type", indexType)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		},
	} {
		s := newShop(t, inProcess(t, true, func(http.Handler) http.Handler { return answer }), "")
		if _, err := s.served.Pointer(t.Context(), "production"); err == nil || config.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	close(done)
}

// TestCredentials speaks to a registry that wants a password: that of the
// configuration, or that of docker's.
func TestCredentials(t *testing.T) {
	hasty(t)
	host := inProcess(t, true, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if u, p, _ := r.BasicAuth(); u != "publisher" || p != "s3cret" {
				w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
				refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	docker := t.TempDir()
	t.Setenv("DOCKER_CONFIG", docker)
	s := newShop(t, host, "")
	if _, err := s.served.Pointer(t.Context(), "production"); err == nil || !strings.Contains(err.Error(), "401") || !strings.Contains(config.HintOf(err), "docker login") {
		t.Errorf("without credentials: %v (%s)", err, config.HintOf(err))
	}
	auth := base64.StdEncoding.EncodeToString([]byte("publisher:s3cret"))
	if err := os.WriteFile(docker+"/config.json", []byte(`{"auths":{"`+host+`":{"auth":"`+auth+`"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	// the same console, after docker login
	if _, err := s.served.Pointer(t.Context(), "production"); err != nil {
		t.Errorf("with docker's: %v", err)
	}
	s.stageVersion("1.0")
	s.release()

	t.Setenv("DOCKER_CONFIG", t.TempDir())
	t.Setenv("GANTRY_TEST_PASSWORD", "s3cret")
	s.host += `", username: publisher, password: "env:GANTRY_TEST_PASSWORD`
	s.configure("")
	s.host = host
	s.do("verify")
	t.Setenv("GANTRY_TEST_PASSWORD", "wrong")
	s.host += `", username: publisher, password: "env:GANTRY_TEST_PASSWORD`
	s.configure("")
	if _, err := s.served.Pointer(t.Context(), "production"); err == nil || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
}
