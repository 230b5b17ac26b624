package check

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"gantry/pipeline/repodata"
)

// fence keeps away from every private network but those that the configuration
// allows: who wrote the address was not the operator.
type fence struct{ allowed []netip.Prefix }

// dial is asked before each connection, with the address that a name led to.
func (f fence) dial(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("address %q: %w", address, err)
	}
	ip := at.Addr().WithZone("").Unmap()
	if !private(ip) {
		return nil
	}
	for _, network := range f.allowed {
		if network.Contains(ip) {
			return nil
		}
	}
	return fmt.Errorf("%s is a private address, which no mirror may have", ip)
}

// client is one for mirrors, and what ends it. No proxy is asked: it would
// connect to what the fence keeps away.
func (f fence) client() (*http.Client, func()) {
	dialer := &net.Dialer{Control: f.dial}
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: headersMost,
		MaxIdleConnsPerHost:    1,
		IdleConnTimeout:        10 * time.Second,
		DisableCompression:     true, // what is digested is what the server has
	}
	return &http.Client{Transport: transport, CheckRedirect: new(guard).redirect}, transport.CloseIdleConnections
}

// refusal is an answer that is none of what was asked for.
type refusal int

func (r refusal) Error() string {
	return fmt.Sprintf("it answers %d %s", int(r), http.StatusText(int(r)))
}

// get fetches what is small.
func get(ctx context.Context, client *http.Client, address string, timeout time.Duration, most int64) ([]byte, error) {
	ctx, stop := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("too slow: no whole answer within %s", timeout))
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "gantry")
	resp, err := client.Do(req)
	if err != nil {
		return nil, why(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp.StatusCode)
	}
	tooLarge := fmt.Errorf("too large: more than %d bytes", most)
	if resp.ContentLength > most {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	switch {
	case err != nil:
		return nil, why(ctx, err)
	case int64(len(body)) > most:
		return nil, tooLarge
	}
	return body, nil
}

// ask reads every repository of a mirror, up to the first that cannot be read.
func (m *mirror) ask(ctx context.Context, client *http.Client, timeout time.Duration) {
	m.seen = map[string]generation{}
	for _, repo := range slices.Sorted(maps.Keys(m.repos)) {
		repomd, err := get(ctx, client, m.repos[repo]+"/"+repodata.Path, timeout, repodata.MaxRepomd)
		if err != nil {
			m.err = fmt.Errorf("%s: %w", repo, err)
			return
		}
		m.seen[repo] = generationOf(repomd)
	}
}
