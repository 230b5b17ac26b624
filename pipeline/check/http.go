package check

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

const (
	bodyMost      = 1 << 20 // bytes of a body that are looked at
	redirectsMost = 3
)

type probe struct {
	config.Probe
	anonymous bool
	dir       string
}

// newProbe makes an HTTP check of the configuration (With probe). With expect
// another status is wanted, With anonymous: "true" no credentials are sent.
func newProbe(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	p, ok := cfg.Probe(item.With["probe"])
	if !ok {
		return nil, config.Hint(fmt.Errorf("item %s makes probe %q, which the configuration does not have", item.ID, config.Inert(item.With["probe"])),
			"write it under probes in release.yaml")
	}
	pr := probe{Probe: *p, anonymous: item.With["anonymous"] == "true", dir: cfg.Dir()}
	if text := item.With["expect"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 100 || n > 599 {
			return nil, fmt.Errorf("item %s expects %q, which is no HTTP status", item.ID, config.Inert(text))
		}
		pr.Status, pr.Contains = n, "" // what the page holds belongs to the status it has
	}
	return observation{pr.run}, nil
}

func (p probe) run(ctx context.Context, env *pipeline.Env, _ *pipeline.Progress) (pipeline.Evidence, error) {
	ctx, stop := context.WithTimeout(ctx, time.Duration(p.Timeout))
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return nil, fmt.Errorf("probe %s: %w", p.Name, err)
	}
	req.Header.Set("User-Agent", "gantry")
	if p.Username != "" && !p.anonymous {
		secret, err := p.Password.Reveal(p.dir)
		if err != nil {
			return nil, fmt.Errorf("probe %s: %w", p.Name, err)
		}
		req.SetBasicAuth(p.Username, string(secret)) // net/http leaves it out when a redirect goes to another host
	}
	client, done := newClient()
	defer done()
	resp, err := client.Do(req)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("probe %s: %w", p.Name, err), "is the server up, and reachable from here?")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyMost))
	if err != nil {
		return nil, fmt.Errorf("probe %s: read the answer: %w", p.Name, err)
	}
	ev := pipeline.Evidence{"status": resp.Status, "bytes": strconv.Itoa(len(body)), "url": config.Inert(resp.Request.URL.Redacted())}
	if days, ok := certificate(resp.TLS, env.Now()); ok {
		ev["tls days left"] = strconv.Itoa(days)
	}
	if resp.StatusCode != p.Status {
		return ev, fmt.Errorf("probe %s: %s answers %s, wanted is %d", p.Name, p.URL, config.Inert(resp.Status), p.Status)
	}
	if p.Contains != "" && !bytes.Contains(body, []byte(p.Contains)) {
		return ev, fmt.Errorf("probe %s: the first %d bytes of %s do not hold %q", p.Name, len(body), p.URL, p.Contains)
	}
	return ev, nil
}

func certificate(state *tls.ConnectionState, now time.Time) (days int, ok bool) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return 0, false
	}
	return int(state.PeerCertificates[0].NotAfter.Sub(now).Hours() / 24), true
}

// newClient is a client for one check. Where its first connection goes to a
// public address, no redirect may lead it to a private one: who answers there
// was not chosen by the operator.
func newClient() (*http.Client, func()) {
	var public atomic.Bool // addresses of one host may be dialled at once
	dialer := &net.Dialer{Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address %q: %w", address, err)
		}
		ip := at.Addr().Unmap()
		private := ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast()
		if public.Load() && private {
			return fmt.Errorf("redirected to the private address %s", ip)
		}
		if !private {
			public.Store(true)
		}
		return nil
	}}
	transport := &http.Transport{
		DialContext:       dialer.DialContext,
		TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12},
		DisableKeepAlives: true,
	}
	client := &http.Client{
		Transport: transport,
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > redirectsMost {
				return errors.New("redirected too often")
			}
			if via[0].URL.Scheme == "https" && req.URL.Scheme != "https" {
				return errors.New("redirected from https to http")
			}
			return nil
		},
	}
	return client, transport.CloseIdleConnections
}
