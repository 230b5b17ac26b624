package check

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"syscall"
)

const (
	redirectsMost = 3
	headersMost   = 64 << 10 // bytes of an answer's headers
)

// newClient is a client for one check, and what ends it.
func newClient() (*http.Client, func()) {
	var g guard
	dialer := &net.Dialer{Control: g.dial}
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableKeepAlives:      true, // so that every request asks the guard
		MaxResponseHeaderBytes: headersMost,
	}
	return &http.Client{Transport: transport, CheckRedirect: g.redirect}, transport.CloseIdleConnections
}

// guard watches where redirects lead. Where the operator's URL is at a public
// address, none may lead to a private one: who answers there was not chosen by
// the operator. Addresses of one host may be dialled at once.
type guard struct{ public, redirected atomic.Bool }

// dial is asked before each connection.
func (g *guard) dial(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	if !private(at.Addr()) {
		g.public.Store(true)
		return nil
	}
	if g.redirected.Load() && g.public.Load() {
		return fmt.Errorf("redirected to the private address %s", at.Addr().Unmap())
	}
	return nil
}

// redirect is asked before each redirect. Credentials go nowhere but where the
// operator wrote: net/http itself would also send them to other ports of the
// host and to hosts below it.
func (g *guard) redirect(req *http.Request, via []*http.Request) error {
	g.redirected.Store(true)
	switch {
	case len(via) > redirectsMost:
		return errors.New("redirected too often")
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return errors.New("redirected to something other than http and https")
	case via[0].URL.Scheme == "https" && req.URL.Scheme != "https":
		return errors.New("redirected from https to http")
	}
	if origin(req.URL) != origin(via[0].URL) {
		req.Header.Del("Authorization")
	}
	req.Header.Del("Referer")
	return nil
}

// origin is scheme, host and port.
func origin(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// special are the addresses, besides those net/netip knows of, that lead to no
// public host: RFC 6890 and its successors.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // behind a provider's NAT
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("192.88.99.0/24"),  // relays of 6to4, of old
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("::/96"),           // IPv4 in IPv6, of old
	netip.MustParsePrefix("::ffff:0:0:0/96"), // IPv4, translated (SIIT)
	netip.MustParsePrefix("64:ff9b:1::/48"),  // NAT64 of a network's own
	netip.MustParsePrefix("100::/64"),        // nowhere
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, with Teredo, which holds an IPv4 address
	netip.MustParsePrefix("2002::/16"),       // 6to4, which holds another
	netip.MustParsePrefix("5f00::/16"),       // segments of a network
	netip.MustParsePrefix("fec0::/10"),       // site-local, of old
}

// nat64 carries an IPv4 address in its last four bytes (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// private tells whether an address leads into this machine or its networks.
func private(ip netip.Addr) bool {
	ip = ip.WithZone("").Unmap()
	if nat64.Contains(ip) {
		b := ip.As16()
		ip = netip.AddrFrom4([4]byte(b[12:]))
	}
	for _, p := range special {
		if p.Contains(ip) {
			return true
		}
	}
	return !ip.IsValid() || ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast()
}
