package rpm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"time"

	"gantry/config"
	"gantry/storage"
)

// outlet chooses where clients of the target get the files of a snapshot from:
// http or files; by default http where the target has such an address.
func (t trade) outlet(served *storage.Served, id, via string) (outlet, error) {
	if via == "" {
		via = "files"
		if t.online() {
			via = "http"
		}
	}
	if via == "files" {
		root, err := os.OpenRoot(served.Path())
		if err != nil {
			return nil, fmt.Errorf("read what %s serves: %w", t.target.Name, err)
		}
		return &localTree{root: root, id: id}, nil
	}
	if !t.online() {
		return nil, config.Hint(fmt.Errorf("target %s has no http address", t.target.Name), "give it a url in release.yaml, or verify the files: via: files")
	}
	w := &web{
		base: strings.TrimRight(t.target.URL, "/"), prefix: t.prefix(served, id),
		http: &http.Client{Transport: transport(), CheckRedirect: redirect},
	}
	if s := t.target.Subscriber; s != nil {
		password, err := s.Password.Reveal(t.cfg.Dir())
		if err != nil {
			return nil, fmt.Errorf("credentials of %s: %w", t.target.Name, err)
		}
		w.user, w.password = s.Username, string(password)
	}
	return w, nil
}

// online tells whether clients reach the target over HTTP.
func (t trade) online() bool {
	return strings.HasPrefix(t.target.URL, "http://") || strings.HasPrefix(t.target.URL, "https://")
}

// localTree is the served tree as a file server sees it.
type localTree struct {
	root *os.Root // links that lead out of it lead nowhere
	id   string
}

func (d *localTree) mirrorlist(_ context.Context, pointer string) (io.ReadCloser, error) {
	return d.root.Open(pointer + "/" + mirrorlistPath)
}

func (d *localTree) open(_ context.Context, href string) (io.ReadCloser, int64, error) {
	f, err := d.root.Open("snapshots/" + d.id + "/" + href)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

func (d *localTree) workers() int { return runtime.GOMAXPROCS(0) }

func (d *localTree) near() bool { return true }

func (d *localTree) close() { d.root.Close() }

// web is the target over HTTP.
type web struct {
	base, prefix   string
	user, password string
	http           *http.Client
}

// silence is how long a server may send nothing.
var silence = 30 * time.Second

// transport gives up on a server that does not answer, not on one that is slow.
func transport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = (&net.Dialer{Timeout: silence}).DialContext
	t.ResponseHeaderTimeout = silence
	t.DisableCompression = true // bytes are compared as they are
	return t
}

// waysToServe is what to look at where a server does not give what is there.
const waysToServe = "look into the log of the web server: it has to serve the target's directory under its url, and to follow the symbolic links in it"

// errUnreachable says that there was nobody to ask.
var errUnreachable = errors.New("cannot be reached")

func (w *web) mirrorlist(ctx context.Context, pointer string) (io.ReadCloser, error) {
	r, _, err := w.get(ctx, w.base+"/"+pointer+"/"+mirrorlistPath, true)
	return r, err
}

func (w *web) open(ctx context.Context, href string) (io.ReadCloser, int64, error) {
	return w.get(ctx, w.prefix+href, href == repomdPath || href == signaturePath)
}

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

// get asks for a file; for a fresh one past every cache, as dnf does for what
// keeps its name.
func (w *web) get(ctx context.Context, address string, fresh bool) (io.ReadCloser, int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		cancel(nil)
		return nil, 0, fmt.Errorf("ask for %s: %w", config.Inert(clip(address)), err)
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
			err = fmt.Errorf("%w: %w", errUnreachable, op)
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
	b.timer = time.AfterFunc(silence, func() { cancel(errSilent) })
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
	b.timer.Reset(silence)
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

func (w *web) workers() int { return 4 }

func (w *web) near() bool { return false }

func (w *web) close() { w.http.CloseIdleConnections() }
