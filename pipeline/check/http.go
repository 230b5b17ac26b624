package check

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

const (
	bodyMost  = 1 << 20 // bytes of a body that are looked at
	shownMost = 300     // bytes of a URL or an error that are repeated
)

type probe struct {
	config.Probe
	anonymous bool
	dir       string
}

// newProbe makes an HTTP check of the configuration (With probe). With expect
// another status is wanted, With anonymous: "true" no credentials are sent.
func newProbe(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := knows(item, "probe", "expect", "anonymous"); err != nil {
		return nil, err
	}
	p, ok := cfg.Probe(item.With["probe"])
	if !ok {
		return nil, config.Hint(fmt.Errorf("item %s makes probe %q, which the configuration does not have", item.ID, config.Inert(item.With["probe"])),
			"write it under probes in release.yaml")
	}
	pr := probe{Probe: *p, dir: cfg.Dir()}
	switch text := item.With["anonymous"]; text {
	case "true":
		pr.anonymous = true
	case "", "false":
	default:
		return nil, fmt.Errorf("item %s: anonymous is %q, neither true nor false", item.ID, config.Inert(text))
	}
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
	ctx, stop := context.WithTimeoutCause(ctx, time.Duration(p.Timeout), fmt.Errorf("no whole answer within %s", time.Duration(p.Timeout)))
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
		req.SetBasicAuth(p.Username, string(secret))
	}
	client, done := newClient()
	defer done()
	resp, err := client.Do(req)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("probe %s: %s: %w", p.Name, p.URL, why(ctx, err)), "is the server up, and reachable from here?")
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyMost))
	if err != nil {
		return nil, fmt.Errorf("probe %s: read the answer of %s: %w", p.Name, p.URL, why(ctx, err))
	}
	status := strings.TrimSpace(strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode))
	ev := pipeline.Evidence{"status": status, "bytes": strconv.Itoa(len(body)), "url": shown(resp.Request.URL)}
	if days, ok := certificate(resp.TLS, env.Now()); ok {
		ev["tls days left"] = strconv.Itoa(days)
	}
	if resp.StatusCode != p.Status {
		return ev, fmt.Errorf("probe %s: %s answers %s, wanted is %d", p.Name, ev["url"], status, p.Status)
	}
	if p.Contains != "" && !bytes.Contains(body, []byte(p.Contains)) {
		return ev, fmt.Errorf("probe %s: the first %d bytes of %s do not hold %q", p.Name, len(body), ev["url"], p.Contains)
	}
	return ev, nil
}

// why is what went wrong, without the URL: a redirect may have filled it with a
// token. What the server wrote is made harmless and short.
func why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if at := (*url.Error)(nil); errors.As(err, &at) {
		err = at.Err
	}
	switch text := err.Error(); {
	case strings.HasPrefix(text, "failed to parse Location header"):
		return errors.New("redirected to what is no URL")
	case len(text) > shownMost || config.Inert(text) != text:
		return errors.New(config.Inert(text[:min(shownMost, len(text))]))
	}
	return err
}

// shown is a URL without what may be secret in it.
func shown(u *url.URL) string {
	text := config.Inert((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String())
	return text[:min(shownMost, len(text))]
}

// certificate tells how long the server's certificate lasts.
func certificate(state *tls.ConnectionState, now time.Time) (days int, ok bool) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return 0, false
	}
	return int(state.PeerCertificates[0].NotAfter.Sub(now).Hours() / 24), true
}
