package check

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

func TestPrivate(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.9.9.9": true, "::1": true, "0.0.0.0": true, "0.1.2.3": true, "::": true,
		"10.0.0.1": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.1.1": true,
		"169.254.169.254": true, "fe80::1": true, "fe80::1%eth0": true, "fc00::1": true, "fd12:3456::1": true, "fec0::1": true,
		"100.64.0.1": true, "100.127.255.255": true, "192.0.0.1": true, "198.18.0.1": true, "255.255.255.255": true, "224.0.0.1": true, "ff02::1": true,
		"::ffff:127.0.0.1": true, "::ffff:169.254.169.254": true, "::ffff:10.0.0.1": true, "::ffff:100.64.0.1": true,
		"64:ff9b::10.0.0.1": true, "64:ff9b::127.0.0.1": true,
		"1.1.1.1": false, "9.255.255.255": false, "11.0.0.1": false, "172.15.0.1": false, "172.32.0.1": false, "192.169.0.1": false,
		"100.63.255.255": false, "100.128.0.1": false, "169.253.0.1": false, "::ffff:1.1.1.1": false, "64:ff9b::1.1.1.1": false,
		"2606:4700::1111": false, "2001:67c::1": false,
	} {
		if got := private(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s: %v", address, got)
		}
	}
	if !private(netip.Addr{}) {
		t.Error("no address at all is public")
	}
}

func TestGuard(t *testing.T) {
	const public, inside = "1.1.1.1:443", "[::ffff:169.254.169.254]:80"
	hop := func(g *guard) {
		t.Helper()
		via, _ := http.NewRequest(http.MethodGet, "http://h/", nil)
		req, _ := http.NewRequest(http.MethodGet, "http://h/x", nil)
		if err := g.redirect(req, []*http.Request{via}); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		first, second string
		refused       bool
	}{
		"public to private":  {public, inside, true},
		"public to public":   {public, "8.8.8.8:80", false},
		"private to private": {"10.0.0.1:80", inside, false},
		"private to public":  {"10.0.0.1:80", public, false},
	} {
		var g guard
		if err := g.dial("tcp", tc.first, nil); err != nil {
			t.Errorf("%s: the first is refused: %v", name, err)
		}
		hop(&g)
		if err := g.dial("tcp", tc.second, nil); (err != nil) != tc.refused {
			t.Errorf("%s: got %v", name, err)
		}
	}
	var g guard // one name, at home and abroad: no redirect
	if err := g.dial("tcp", public, nil); err != nil {
		t.Error(err)
	}
	if err := g.dial("tcp", inside, nil); err != nil {
		t.Error(err)
	}
	if err := g.dial("tcp", "nonsense", nil); err == nil {
		t.Error("an address that is none was taken")
	}
}

func TestCredentialsStayAtTheirOrigin(t *testing.T) {
	for to, want := range map[string]string{
		"https://pkg.example.org/other":      "kept",
		"https://PKG.example.org:443/other":  "kept",
		"https://pkg.example.org:8443/other": "gone",
		"https://sub.pkg.example.org/":       "gone",
		"https://example.org/":               "gone",
		"http://pkg.example.org/":            "from https to http",
		"ftp://pkg.example.org/":             "other than http",
	} {
		via, _ := http.NewRequest(http.MethodGet, "https://pkg.example.org/", nil)
		req, err := http.NewRequest(http.MethodGet, to, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("u", "hunter2") // as net/http hands them on
		got := "kept"
		if err := new(guard).redirect(req, []*http.Request{via}); err != nil {
			got = err.Error()
		} else if req.Header.Get("Authorization") == "" {
			got = "gone"
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
}
