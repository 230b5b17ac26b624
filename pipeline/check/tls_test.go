package check_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"gantry/config"
)

// authority issues the certificates of these tests. The roots of the system are
// read once in a process, so that it is made before any test runs.
var authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "roots")
	if err != nil {
		panic(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der := certificate(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * 24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}, nil, &key.PublicKey, key)
	if authority.cert, err = x509.ParseCertificate(der); err != nil {
		panic(err)
	}
	authority.key = key
	roots := filepath.Join(dir, "roots.pem")
	if err := os.WriteFile(roots, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		panic(err)
	}
	os.Setenv("SSL_CERT_FILE", roots)
	os.Setenv("SSL_CERT_DIR", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func certificate(c, parent *x509.Certificate, public, signer any) []byte {
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, signer)
	if err != nil {
		panic(err)
	}
	return der
}

// serveTLS starts a server whose certificate lasts so long.
func serveTLS(t *testing.T, lasts time.Duration, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the roots of this system cannot be replaced for one process")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der := certificate(&x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(lasts),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, authority.cert, &key.PublicKey, authority.key)
	s := httptest.NewUnstartedServer(f)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it is told of connections that are refused
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

const day = 24 * time.Hour

func TestCertificate(t *testing.T) {
	for name, tc := range map[string]struct {
		lasts time.Duration
		wants string // of the configuration
		words string
		left  string
		log   string
	}{
		"long":         {100*day + time.Hour, "", "", "100", ""},
		"enough":       {21*day + time.Hour, "certificate: 21d", "", "21", ""},
		"too short":    {20*day + time.Hour, "certificate: 21d", "its certificate lasts 20 days more, wanted are 21", "20", ""},
		"nobody asked": {day + time.Hour, "", "", "1", "its certificate lasts 1 day more"},
		"expired":      {-time.Hour, "", "expired", "", ""},
		"beyond root":  {2000 * day, "", "", "999", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := serveTLS(t, tc.lasts, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
			b := newBench(t)
			b.now = time.Now()
			b.probes = fmt.Sprintf("{name: web, url: %q, timeout: 1m, %s}", s.URL, tc.wants)
			ev, err := b.run("check.http", withProbe(nil))
			wants(t, err, tc.words)
			if ev["certificate days left"] != tc.left || !strings.Contains(b.log, tc.log) {
				t.Errorf("evidence %v, log %q", ev, b.log)
			}
			if err != nil && config.HintOf(err) == "" {
				t.Error("no hint")
			}
		})
	}
	s := serveTLS(t, day, func(http.ResponseWriter, *http.Request) {})
	b := newBench(t)
	b.url = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	_, err := b.run("check.http", withProbe(nil))
	wants(t, err, "certificate")
	wants(t, fmt.Errorf("%s", config.HintOf(err)), "renew the certificate")
}

func TestSkew(t *testing.T) {
	for name, tc := range map[string]struct {
		header http.Header // beside that of the server itself
		wants  string
		words  string
		skew   string
		log    string
	}{
		"right":        {dated(0, ""), "skew: 1m", "", "-", ""},
		"its own":      {nil, "skew: 1m", "", "none", ""},
		"a little":     {dated(-20*time.Second, ""), "skew: 1m", "", "-", ""},
		"behind":       {dated(-time.Hour, ""), "skew: 10m", "behind ours, more than 10m", "-", ""},
		"ahead":        {dated(time.Hour, ""), "skew: 10m", "ahead of ours, more than 10m", "-", ""},
		"nobody asked": {dated(time.Hour, ""), "", "", "-", "ahead of ours"},
		"cached":       {dated(-time.Hour, "3600"), "skew: 1m", "", "-", ""},
		"a bad age":    {dated(-time.Hour, "99999999999999999999"), "skew: 1m", "behind ours", "-", ""},
		"no time":      {http.Header{"Date": nil}, "skew: 1m", "does not tell the time", "", ""},
		"nonsense":     {http.Header{"Date": {"yesterday"}}, "skew: 1m", "does not tell the time", "", ""},
		"not asked":    {http.Header{"Date": nil}, "", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				for k, v := range tc.header {
					w.Header()[k] = v
				}
			}))
			defer s.Close()
			b := newBench(t)
			b.change = nowIsNow
			b.probes = fmt.Sprintf("{name: web, url: %q, timeout: 1m, %s}", s.URL, tc.wants)
			ev, err := b.run("check.http", withProbe(nil))
			wants(t, err, tc.words)
			if got := ev["clock skew"]; tc.skew != "-" && got != tc.skew || tc.skew == "-" && got == "" || !strings.Contains(b.log, tc.log) {
				t.Errorf("evidence %v, log %q", ev, b.log)
			}
		})
	}
}

func dated(ahead time.Duration, age string) http.Header {
	h := http.Header{"Date": {time.Now().Add(ahead).UTC().Format(http.TimeFormat)}}
	if age != "" {
		h.Set("Age", age)
	}
	return h
}
