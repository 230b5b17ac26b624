package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/subscriber"
)

// Online tells whether clients reach the target over HTTP.
func Online(t *config.Target) bool {
	return strings.HasPrefix(t.URL, "http://") || strings.HasPrefix(t.URL, "https://")
}

// Web reads what a target serves over HTTP, with the credentials of its
// subscriber where it has one.
type Web struct {
	user, password string
	http           *http.Client
}

// OpenWeb prepares to read a target over HTTP.
func OpenWeb(cfg *config.Release, t *config.Target) (*Web, error) {
	if !Online(t) {
		return nil, config.Hint(fmt.Errorf("target %s has no http address", t.Name), "give it a url in release.yaml, or verify the files: via: files")
	}
	w := &Web{http: &http.Client{Transport: transport(), CheckRedirect: redirect}}
	if s := t.Subscriber; s != nil {
		password, err := s.Password.Reveal(cfg.Dir())
		if err != nil {
			return nil, fmt.Errorf("credentials of %s: %w", t.Name, err)
		}
		w.user, w.password = s.Username, string(password)
	}
	return w, nil
}

// Guarded checks that an address is kept from everybody without a key, where the
// target has subscribers: 401 without credentials, and with a key that nobody was
// given. What it saw goes to the evidence.
func (w *Web) Guarded(ctx context.Context, address string, ev pipeline.Evidence) error {
	if w.user == "" {
		return nil
	}
	if err := subscriber.Guarded(ctx, w.http, address, w.user); err != nil {
		return err
	}
	ev["strangers"] = "401 without a key, and with a wrong one"
	return nil
}

// Close lets go of its connections.
func (w *Web) Close() { w.http.CloseIdleConnections() }

// Silence is how long a server may send nothing. Tests shorten it.
var Silence = 30 * time.Second

// transport gives up on a server that does not answer, not on one that is slow.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: Silence}).DialContext
	t.ResponseHeaderTimeout = Silence
	t.DisableCompression = true // bytes are compared as they are
	return t
}

// waysToServe is what to look at where a server does not give what is there.
const waysToServe = "look into the log of the web server: it has to serve the target's directory under its url, and to follow the symbolic links in it"

// ErrUnreachable says that there was nobody to ask.
var ErrUnreachable = errors.New("cannot be reached")

// redirect follows a server to another one, without the credentials: net/http
// would give them to another port, or to http, of a host of the same name.
func redirect(req *http.Request, via []*http.Request) error {
	if first := via[0].URL; req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		req.Header.Del("Authorization")
	}
	const most = 5
	if len(via) > most {
		return config.Hint(fmt.Errorf("it sends on more than %d times", most), waysToServe)
	}
	return nil
}

// Get asks for a file; for a fresh one past every cache, as clients do for what
// keeps its name. size is -1 where the server does not tell it. Whoever cannot be
// reached is ErrUnreachable.
func (w *Web) Get(ctx context.Context, address string, fresh bool) (r io.ReadCloser, size int64, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		cancel(nil)
		return nil, 0, fmt.Errorf("ask for %s: %w", config.Inert(Clip(address)), err)
	}
	if fresh {
		req.Header.Set("Cache-Control", "no-cache")
	}
	if w.user != "" {
		req.SetBasicAuth(w.user, w.password)
	}
	resp, err := w.http.Do(req)
	if err != nil {
		defer cancel(nil)
		var op *net.OpError
		if errors.As(err, &op) && op.Op == "dial" {
			err = fmt.Errorf("%w: %w", ErrUnreachable, op)
		}
		var outer *url.Error
		if errors.As(err, &outer) { // it repeats the address
			err = outer.Err
			if outer.Timeout() && ctx.Err() == nil {
				err = errSilent
			}
		}
		return nil, 0, fmt.Errorf("%s: %w", address, err)
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		cancel(nil)
		err := fmt.Errorf("%s: the server says %s", address, config.Inert(resp.Status))
		hint := waysToServe
		if resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden {
			hint = "give the target credentials of a subscriber in release.yaml: subscriber, username and password"
		}
		return nil, 0, config.Hint(err, hint)
	}
	b := &body{ReadCloser: resp.Body, ctx: ctx, cancel: cancel}
	b.timer = time.AfterFunc(Silence, func() { cancel(errSilent) })
	return b, resp.ContentLength, nil
}

var errSilent = config.Hint(errors.New("the server sends nothing more"), "look whether the web server and what stands before it are well, then verify again")

// body is what a server sends, given up where it falls silent.
type body struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
}

func (b *body) Read(p []byte) (int, error) {
	b.timer.Reset(Silence)
	n, err := b.ReadCloser.Read(p)
	b.timer.Stop() // what is done with it may take its time
	if err != nil && context.Cause(b.ctx) == errSilent {
		err = errSilent
	}
	return n, err
}

func (b *body) Close() error {
	b.timer.Stop()
	b.cancel(nil)
	return b.ReadCloser.Close()
}
