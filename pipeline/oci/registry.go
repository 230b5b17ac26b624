package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"gantry/config"
	"gantry/pipeline"
)

// registry is one repository of images in a registry.
type registry struct {
	repo        name.Repository
	credentials func() (authn.Keychain, error)
	http        *http.Transport
	asking      *http.Transport // for requests that need no work to be answered
	plain       bool            // http without TLS may be spoken

	mu      sync.Mutex
	session *session
}

// session is what was agreed with a registry: its protocol, and tokens, which
// are renewed as long as the credentials hold.
type session struct {
	pusher *remote.Pusher
	puller *remote.Puller
}

// silence is how long a registry may take over anything before it is given up.
// Some copy a large layer once more before they say that they have it.
const silence = 10 * time.Minute

// patience is how long a registry may take to begin an answer to a request that
// only asks.
var patience = 30 * time.Second

// backoff is between attempts when a registry is overloaded or drops a
// connection: after 1, 2, 4 and 8 seconds.
var backoff = remote.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 5}

// openRegistry prepares to speak to the registry of a target. Nothing is sent
// yet. dial opens connections.
func openRegistry(cfg *config.Release, t *config.Target, dial pipeline.Dial) (*registry, error) {
	var r *config.Registry
	for i := range cfg.Registries {
		if cfg.Registries[i].Name == t.Registry {
			r = &cfg.Registries[i]
		}
	}
	if r == nil {
		return nil, config.Hint(fmt.Errorf("target %s: no registry %q in the configuration", t.Name, config.Inert(string(t.Registry))), "write it under registries in release.yaml")
	}
	path := t.Repository
	if path == "" {
		path = string(t.Component)
	}
	plain := r.Insecure || loopback(r.Host)
	repo, err := repositoryName(r.Host, path, plain)
	if err != nil {
		return nil, fmt.Errorf("target %s: %w", t.Name, err)
	}
	reg := newRegistry(repo, plain, dial, func() (authn.Keychain, error) {
		if r.Username == "" {
			return authn.DefaultKeychain, nil
		}
		password, err := r.Password.Reveal(cfg.Dir())
		if err != nil {
			return nil, fmt.Errorf("password of registry %s: %w", r.Name, err)
		}
		return fixed{authn.AuthConfig{Username: r.Username, Password: string(password)}}, nil
	})
	if r.Tunnel != "" { // which leads there, whatever the way from here to the world
		reg.http.Proxy, reg.asking.Proxy = nil, nil
	}
	return reg, nil
}

func newRegistry(repo name.Repository, plain bool, dial pipeline.Dial, credentials func() (authn.Keychain, error)) *registry {
	if dial == nil {
		dial = (&net.Dialer{Timeout: patience}).DialContext
	}
	r := &registry{
		repo: repo, plain: plain, credentials: credentials,
		http: &http.Transport{
			Proxy: http.ProxyFromEnvironment,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := dial(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				return &wire{Conn: c}, nil
			},
			ForceAttemptHTTP2: true, TLSHandshakeTimeout: patience,
			MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second,
			WriteBufferSize: 64 << 10,
		},
	}
	r.asking = r.http.Clone()
	r.asking.ResponseHeaderTimeout = patience
	return r
}

// close ends idle connections.
func (r *registry) close() {
	r.http.CloseIdleConnections()
	r.asking.CloseIdleConnections()
}

// repositoryName is the name of a repository in a registry.
func repositoryName(host, path string, plain bool) (name.Repository, error) {
	options := []name.Option{name.StrictValidation}
	if plain {
		options = append(options, name.Insecure)
	}
	reg, err := name.NewRegistry(host, options...)
	if err != nil {
		return name.Repository{}, config.Hint(fmt.Errorf("the registry %s: %w", config.Inert(clip(host)), err), "write its host, and its port if it has one of its own")
	}
	repo, err := name.NewRepository(reg.Name()+"/"+path, options...)
	if err != nil {
		return repo, config.Hint(fmt.Errorf("the repository %s: %w", config.Inert(clip(path)), err), "use lower-case letters, digits and . _ - /")
	}
	return repo, nil
}

// loopback tells whether a host is this machine, or the far end of a tunnel.
func loopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// fixed are credentials of the configuration.
type fixed struct{ authn.AuthConfig }

func (f fixed) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(f.AuthConfig), nil
}

// RoundTrip makes sure that http is spoken only where it may be, and that
// nobody has to wait for ever or to read without end.
func (r *registry) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != "https" && !r.plain {
		return nil, errPlain
	}
	if secretive(req) && !r.trusts(req.URL) {
		return nil, config.Hint(fmt.Errorf("it wants the password to be sent to %s", config.Inert(clip(req.URL.Host))),
			"the password goes to "+r.repo.RegistryStr()+" and its own domain alone; look who answers there")
	}
	by := r.asking
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		by = r.http
	}
	resp, err := by.RoundTrip(req)
	if err == nil && !r.asksBlob(req) {
		resp.Body = &capped{resp.Body, maxManifest}
	}
	return resp, err
}

// asksBlob tells whether a request is for a blob, wherever it was sent from there.
func (r *registry) asksBlob(req *http.Request) bool {
	for req.Response != nil && req.Response.Request != nil {
		req = req.Response.Request
	}
	return strings.HasPrefix(req.URL.Path, "/v2/"+r.repo.RepositoryStr()+"/blobs/")
}

// secretive tells whether a request carries a password: in its head, or in the
// form that token servers take.
func secretive(req *http.Request) bool {
	form := strings.HasPrefix(req.Header.Get("Content-Type"), "application/x-www-form-urlencoded")
	return strings.HasPrefix(req.Header.Get("Authorization"), "Basic ") || req.Method == http.MethodPost && form
}

// trusts tells whether a password of the registry may be sent to an address: to
// its own host, and over TLS to those of its domain, where its token server is.
func (r *registry) trusts(u *url.URL) bool {
	host := (&url.URL{Host: r.repo.RegistryStr()}).Hostname()
	is := u.Hostname()
	return strings.EqualFold(is, host) || u.Scheme == "https" && domain(is) != "" && domain(is) == domain(host)
}

// shared are what stands before the code of a country where names of many owners
// are below it, as in co.uk.
var shared = []string{"ac", "co", "com", "edu", "gob", "gov", "go", "ne", "net", "or", "org"}

// domain is the last labels of a name that belong to one owner, as far as that can
// be told without a list; empty for addresses and for names of one label.
func domain(host string) string {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	n := 2
	if len(labels) > 2 && len(labels[len(labels)-1]) == 2 && slices.Contains(shared, labels[len(labels)-2]) {
		n = 3
	}
	if net.ParseIP(host) != nil || len(labels) < n {
		return ""
	}
	return strings.Join(labels[len(labels)-n:], ".")
}

// capped is an answer of which no more than some bytes are read.
type capped struct {
	io.ReadCloser
	left int64
}

func (c *capped) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return n, fmt.Errorf("the registry answers with more than %d bytes", maxManifest)
	}
	return n, err
}

var errPlain = config.Hint(errors.New("it speaks http without TLS"), "write insecure: true under its name in registries, if that is meant")

// agreed is the session, begun where there is none.
func (r *registry) agreed() (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.session != nil {
		return r.session, nil
	}
	keys, err := r.credentials()
	if err != nil {
		return nil, err
	}
	options := []remote.Option{
		remote.WithTransport(r), remote.WithAuthFromKeychain(keys), remote.WithUserAgent("gantry"),
		remote.WithRetryBackoff(backoff),
	}
	s := &session{}
	if s.pusher, err = remote.NewPusher(options...); err == nil {
		s.puller, err = remote.NewPuller(options...)
	}
	if err != nil {
		return nil, err
	}
	r.session = s
	return s, nil
}

// renew forgets the session, so that the next one asks for credentials again.
func (r *registry) renew() {
	r.mu.Lock()
	r.session = nil
	r.mu.Unlock()
}

// manifest reads a manifest by tag or digest, and hashes it; nil where there is
// none.
func (r *registry) manifest(ctx context.Context, ref name.Reference) (*document, error) {
	s, err := r.agreed()
	if err != nil {
		return nil, err
	}
	d, err := s.puller.Get(ctx, ref)
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, r.explain(ctx, "read "+ref.String(), err)
	}
	// Of the oldest form of manifests the registry's word is taken for the digest.
	is, _, err := v1.SHA256(bytes.NewReader(d.Manifest))
	if err == nil && is != d.Digest {
		err = fmt.Errorf("read %s: it has the digest %s, the registry says %s", ref, is, d.Digest)
	}
	if err != nil {
		return nil, err
	}
	return &document{raw: d.Manifest, kind: d.MediaType, digest: is}, nil
}

// tagged is the digest that a tag names, or the zero digest.
func (r *registry) tagged(ctx context.Context, tag string) (v1.Hash, error) {
	d, err := r.manifest(ctx, r.repo.Tag(tag))
	if err != nil || d == nil {
		return v1.Hash{}, err
	}
	return d.digest, nil
}

// document is a manifest or an index as it is.
type document struct {
	raw    []byte
	kind   types.MediaType
	digest v1.Hash
}

func (d *document) RawManifest() ([]byte, error)        { return d.raw, nil }
func (d *document) MediaType() (types.MediaType, error) { return d.kind, nil }
func (d *document) Digest() (v1.Hash, error)            { return d.digest, nil }
func (d *document) Size() (int64, error)                { return int64(len(d.raw)), nil }

// put writes a manifest, under a tag or under its digest.
func (r *registry) put(ctx context.Context, ref name.Reference, d *document) error {
	s, err := r.agreed()
	if err != nil {
		return err
	}
	if err := s.pusher.Put(ctx, ref, d); err != nil {
		return r.explain(ctx, "write "+ref.String(), err)
	}
	return nil
}

// upload writes a blob, unless it is there.
func (r *registry) upload(ctx context.Context, l v1.Layer) error {
	s, err := r.agreed()
	if err != nil {
		return err
	}
	if err := s.pusher.Upload(ctx, r.repo, l); err != nil {
		d, _ := l.Digest()
		return r.explain(ctx, fmt.Sprintf("send %s to %s", d, r.repo), err)
	}
	return nil
}

// referrers are the manifests that say they belong to another one.
func (r *registry) referrers(ctx context.Context, h v1.Hash) ([]v1.Descriptor, error) {
	s, err := r.agreed()
	if err != nil {
		return nil, err
	}
	d := r.repo.Digest(h.String())
	index, err := remote.Referrers(d, remote.WithContext(ctx), remote.Reuse(s.puller))
	if err == nil {
		var m *v1.IndexManifest
		if m, err = index.IndexManifest(); err == nil {
			return m.Manifests, nil
		}
	}
	return nil, r.explain(ctx, "see what belongs to "+d.String(), err)
}

// remove deletes a manifest by its digest, with all tags that name it. One that
// is not there is as good as deleted.
func (r *registry) remove(ctx context.Context, h v1.Hash) error {
	s, err := r.agreed()
	if err != nil {
		return err
	}
	ref := r.repo.Digest(h.String())
	if err := s.pusher.Delete(ctx, ref); err != nil && !missing(err) {
		return r.explain(ctx, "delete "+ref.String(), err)
	}
	return nil
}

// missing tells whether the registry says that something is not there.
func missing(err error) bool {
	var t *transport.Error
	return errors.As(err, &t) && t.StatusCode == http.StatusNotFound
}
