// Package forge speaks the API of GitHub, GitHub Enterprise, Gitea and Forgejo,
// as far as running workflows needs it: commits, files, workflow runs, their
// jobs and logs, and the names of secrets. All text that it gives out is
// harmless to draw and free of the token.
package forge

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"gantry/config"
)

const (
	bodyMost      = 8 << 20  // bytes of a JSON answer
	headersMost   = 64 << 10 // bytes of an answer's headers
	redirectsMost = 3
	pagesMost     = 20
	answerWithin  = 30 * time.Second // for one request; a log may take longer
	keptMost      = 64               // answers kept for conditional requests
	keptBytes     = 256 << 10        // of each
)

// Client is the API of one repository. Its methods may be called from many
// goroutines; none is tried again by itself.
type Client struct {
	kind  config.ForgeKind
	api   *url.URL
	repo  string // owner/name
	token string
	http  *http.Client

	mu   sync.Mutex
	kept map[string]kept // last answers by URL
	at   time.Time       // the server's clock at its last answer
	slow time.Duration   // how long to wait between requests, by what is left of the rate
}

type kept struct {
	etag  string
	body  []byte
	total int
}

// repositoryForm is owner/name.
var repositoryForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9._-]{1,100}$`)

// Open reveals the token of a forge and makes its client. No request is made.
func Open(cfg *config.Release, f *config.Forge) (*Client, error) {
	if !repositoryForm.MatchString(f.Repository) || strings.HasSuffix(f.Repository, "/.") || strings.Contains(f.Repository, "..") {
		return nil, config.Hint(fmt.Errorf("forge %s: %q is not a repository", f.Name, config.Inert(f.Repository)), "write owner/name")
	}
	kind := cmp.Or(f.Kind, config.GitHub)
	base := f.API
	if base == "" {
		if kind != config.GitHub {
			return nil, config.Hint(fmt.Errorf("forge %s has no api", f.Name), "write its base URL, such as https://forge.example.org/api/v1")
		}
		base = "https://api.github.com"
	}
	api, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil || api.Hostname() == "" || api.User != nil || api.Scheme != "https" && api.Scheme != "http" {
		return nil, config.Hint(fmt.Errorf("forge %s: api is not a URL", f.Name), "write one such as https://api.github.com")
	}
	if api.Scheme == "http" && !loopback(api.Hostname()) {
		return nil, config.Hint(fmt.Errorf("forge %s: over http the token could be read by anyone on the way", f.Name), "write https://")
	}
	if kind == config.Forgejo && api.Path == "" {
		api.Path = "/api/v1"
	}
	token, err := f.Token.Reveal(cfg.Dir())
	if err != nil {
		return nil, fmt.Errorf("forge %s: %w", f.Name, err)
	}
	text := strings.TrimSpace(string(token))
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return nil, config.Hint(fmt.Errorf("forge %s: %s holds no token", f.Name, f.Token.Reference()), "it is one line of letters, digits and _")
		}
	}
	if len(text) < 8 { // what is shorter could not be masked
		return nil, fmt.Errorf("forge %s: %s holds no token", f.Name, f.Token.Reference())
	}
	c := &Client{kind: kind, api: api, repo: f.Repository, token: text, kept: map[string]kept{}}
	c.http = &http.Client{
		CheckRedirect: c.redirect,
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    10 * time.Second,
			ResponseHeaderTimeout:  answerWithin,
			IdleConnTimeout:        90 * time.Second,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: headersMost,
		},
	}
	return c, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Repository is the repository, as owner/name.
func (c *Client) Repository() string { return c.repo }

// Kind is what software the forge runs.
func (c *Client) Kind() config.ForgeKind { return c.kind }

// Clock is the server's time at its last answer, in whole seconds; zero before
// one.
func (c *Client) Clock() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Pace is how long to wait at least before the next request, so that what the
// server allows in an hour lasts.
func (c *Client) Pace() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.slow
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// redirect is asked before each redirect. The token goes nowhere but where the
// operator wrote: net/http itself would also send it to other ports of the host
// and to hosts below it.
func (c *Client) redirect(req *http.Request, via []*http.Request) error {
	switch {
	case len(via) > redirectsMost:
		return fmt.Errorf("%w too often", errRedirected)
	case via[0].Method != http.MethodGet:
		return fmt.Errorf("%w: has the repository moved?", errRedirected)
	case req.URL.Scheme != "https" && req.URL.Scheme != via[len(via)-1].URL.Scheme:
		return fmt.Errorf("%w to something other than https", errRedirected)
	case req.URL.User != nil:
		return fmt.Errorf("%w to a URL with credentials in it", errRedirected)
	}
	if origin(req.URL) != origin(c.api) {
		req.Header.Del("Authorization")
	}
	req.Header.Del("Referer")
	return nil
}

// origin is scheme, host and port.
func origin(u *url.URL) string {
	port := cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// clean makes foreign text harmless and short, and the token in it unseen.
func (c *Client) clean(text string) string {
	return config.Inert(clip(strings.ReplaceAll(text, c.token, "***")))
}

// clip is the beginning of a text.
func clip(text string) string {
	const most = 300
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
