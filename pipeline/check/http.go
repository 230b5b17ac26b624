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
	target    string // that the item is about
}

// newProbe makes an HTTP check of the configuration (With probe). With expect
// another status is wanted, With anonymous: "true" no credentials are sent.
func newProbe(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("probe", "expect", "anonymous"); err != nil {
		return nil, err
	}
	p, ok := cfg.Probe(item.With["probe"])
	if !ok {
		return nil, config.Hint(fmt.Errorf("item %s makes probe %q, which the configuration does not have", item.ID, config.Inert(item.With["probe"])),
			"write it under probes in release.yaml")
	}
	pr := probe{Probe: *p, dir: cfg.Dir(), target: item.Target}
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

func (p probe) run(ctx context.Context, env *pipeline.Env, log *pipeline.Progress) (pipeline.Evidence, error) {
	a, err := p.ask(ctx, env)
	for _, c := range a.cautions {
		log.Logf("%s", c)
	}
	return a.evidence(), err
}

// answer is what a server answered.
type answer struct {
	url      string
	status   int // 0 where there was no answer
	bytes    int
	took     time.Duration
	days     *int           // that its certificate lasts
	skew     *time.Duration // how far its clock is ahead of ours
	cautions []string       // what is not wrong, but may soon be
}

func (a answer) statusText() string {
	return strings.TrimSpace(strconv.Itoa(a.status) + " " + http.StatusText(a.status))
}

func (a answer) evidence() pipeline.Evidence {
	if a.status == 0 {
		return nil
	}
	ev := pipeline.Evidence{"status": a.statusText(), "bytes": strconv.Itoa(a.bytes), "url": a.url}
	if a.days != nil {
		ev["certificate days left"] = strconv.Itoa(*a.days)
	}
	if a.skew != nil {
		ev["clock skew"] = off(*a.skew)
	}
	return ev
}

// ask makes the request and judges what came back.
func (p probe) ask(ctx context.Context, env *pipeline.Env) (a answer, err error) {
	if err := p.expand(env); err != nil {
		return a, fmt.Errorf("probe %s: %w", p.Name, err)
	}
	ctx, stop := context.WithTimeoutCause(ctx, time.Duration(p.Timeout), fmt.Errorf("no whole answer within %s", time.Duration(p.Timeout)))
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL, nil)
	if err != nil {
		return a, fmt.Errorf("probe %s: %w", p.Name, err)
	}
	req.Header.Set("User-Agent", "gantry")
	if p.Username != "" && !p.anonymous {
		secret, err := p.Password.Reveal(p.dir)
		if err != nil {
			return a, fmt.Errorf("probe %s: %w", p.Name, err)
		}
		req.SetBasicAuth(p.Username, string(secret))
	}
	client, done := newClient()
	defer done()
	began, before := time.Now(), env.Now()
	resp, err := client.Do(req)
	after := env.Now()
	if err != nil {
		return a, config.Hint(fmt.Errorf("probe %s: %s: %w", p.Name, p.URL, why(ctx, err)), trouble(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, bodyMost))
	if err != nil {
		return a, fmt.Errorf("probe %s: read the answer of %s: %w", p.Name, p.URL, why(ctx, err))
	}
	a = answer{url: shown(resp.Request.URL), status: resp.StatusCode, bytes: len(body), took: time.Since(began)}
	a.days, a.skew = certificate(resp.TLS, after), clock(resp.Header, before, after)
	if resp.StatusCode != p.Status {
		return a, fmt.Errorf("probe %s: %s answers %s, wanted is %d", p.Name, a.url, a.statusText(), p.Status)
	}
	if p.Contains != "" && !bytes.Contains(body, []byte(p.Contains)) {
		return a, fmt.Errorf("probe %s: the first %d bytes of %s do not hold %q", p.Name, len(body), a.url, p.Contains)
	}
	if err := p.lasting(&a); err != nil {
		return a, fmt.Errorf("probe %s: %s: %w", p.Name, a.url, err)
	}
	if limit := time.Duration(p.Timeout); a.took > limit/2 {
		a.cautions = append(a.cautions, fmt.Sprintf("it took %s, near the limit of %s", a.took.Round(time.Millisecond), limit))
	}
	return a, nil
}

// trouble is what to look at where there is no answer.
func trouble(err error) string {
	var bad *tls.CertificateVerificationError
	if errors.As(err, &bad) {
		return "renew the certificate, or make the system trust who issued it: clients refuse it too"
	}
	return "is the server up, and reachable from here?"
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
