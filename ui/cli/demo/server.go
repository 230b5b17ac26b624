package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/storage"
	"gantry/ui/serve"
	"gantry/ui/serve/registry"
)

// accessLog is the file that the server of a demo writes its requests to, one a
// line, while nobody looks at them.
const accessLog = "access.log"

// Server serves a demo over HTTP: to gantry, at the address in its release.yaml,
// the registry; to subscribers, at another one if wanted, all that is served.
type Server struct {
	cancel context.CancelFunc
	group  *errgroup.Group
	close  []func() error
	about  []string
}

// Serve starts the server of the demo in dir. public is another address that
// subscribers reach it at, "" for none. Requests are told to out, or to a file of
// the demo where it is nil.
func Serve(ctx context.Context, dir, public string, out io.Writer) (*Server, error) {
	if _, err := os.Lstat(filepath.Join(dir, marker)); err != nil {
		return nil, config.Hint(fmt.Errorf("no demo in %s", config.Inert(dir)), "name the directory of one with --dir, or make one: gantry demo")
	}
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		return nil, err
	}
	s := &Server{}
	if err := s.start(ctx, cfg, public, out); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, cfg *config.Release, public string, out io.Writer) error {
	if out == nil {
		f, err := os.OpenFile(filepath.Join(cfg.Dir(), accessLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("open the log of requests: %w", err)
		}
		s.close = append(s.close, f.Close)
		out = f
	}
	o, home, err := s.options(ctx, cfg)
	if err != nil {
		return err
	}
	o.Log = log.New(out, "", 0).Printf
	addresses := []string{home}
	if public != "" && public != home {
		addresses = append(addresses, public)
	}
	var listeners []net.Listener
	for _, address := range addresses {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			err = fmt.Errorf("serve the demo at %s: %w", config.Inert(address), err)
			if errors.Is(err, syscall.EADDRINUSE) {
				err = config.Hint(err, "another program has that address, perhaps gantry demo for the same directory: end it, or choose another address")
			}
			return err
		}
		listeners = append(listeners, l)
	}
	s.tell(cfg, listeners)
	ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx)) // Close ends it
	s.group, ctx = errgroup.WithContext(ctx)
	for i, l := range listeners {
		face := *o
		if i > 0 {
			face.Writers = serve.Credentials{} // images are pushed at home
		}
		s.group.Go(func() error { return serve.Run(ctx, l, serve.Handler(face)) })
	}
	return nil
}

// tell writes down where the server is and what is there.
func (s *Server) tell(cfg *config.Release, listeners []net.Listener) {
	s.about = append(s.about, fmt.Sprintf("gantry pushes images to %s, user %s, password in %s", listeners[0].Addr(), publisher, cfg.Path(publisherPassword)))
	at := "http://" + listeners[len(listeners)-1].Addr().String()
	s.about = append(s.about, fmt.Sprintf("subscribers read at %s, user %s, password in %s", at, subscriber, cfg.Path(subscriberKey)))
	for _, t := range targetsIn(cfg) {
		switch t.format {
		case config.FormatRPM:
			s.about = append(s.about, fmt.Sprintf("  %-14s mirrorlist=%s/%s/production/mirrorlist", t.name, at, t.path()))
		case config.FormatDEB:
			s.about = append(s.about, fmt.Sprintf("  %-14s deb [signed-by=KEY] %s/%s %s core", t.name, at, t.path(), t.os))
		case config.FormatOCI:
			s.about = append(s.about, fmt.Sprintf("  %-14s docker pull %s/%s:2025", t.name, strings.TrimPrefix(at, "http://"), imageName(string(cfg.Product))))
		}
	}
	s.about = append(s.about, "  keys           "+at+"/gpg/public.asc  "+at+"/gpg/cosign.pub")
}

// options is what the server of a demo serves, and its address at home.
func (s *Server) options(ctx context.Context, cfg *config.Release) (*serve.Options, string, error) {
	home, o := homeOf(cfg), &serve.Options{Keys: map[string]string{
		"public.asc": cfg.Path("keys/public.asc"), "cosign.pub": cfg.Path("keys/cosign.pub"),
	}}
	host, _, err := net.SplitHostPort(home)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		return nil, "", config.Hint(fmt.Errorf("the registry %s of release.yaml is not at a loopback address with a port", registryName), "make the demo anew: gantry demo --dir D")
	}
	for _, c := range []struct {
		into *serve.Credentials
		name string
		file string
	}{{&o.Readers, subscriber, subscriberKey}, {&o.Writers, publisher, publisherPassword}} {
		var secret config.Secret
		if err := secret.UnmarshalText([]byte("file:" + c.file)); err != nil {
			return nil, "", err
		}
		password, err := secret.Reveal(cfg.Dir())
		if err != nil {
			return nil, "", err
		}
		*c.into = serve.Credentials{Username: c.name, Password: string(password)}
	}
	images, err := registry.Open(filepath.Join(cfg.Dir(), "registry"))
	if err != nil {
		return nil, "", err
	}
	s.close = append(s.close, images.Close)
	o.Registry = images
	o.Files, err = s.files(ctx, cfg)
	return o, home, err
}

// registryOf is where the images of a demo are.
func registryOf(cfg *config.Release) string {
	if r, ok := cfg.Registry(ownRegistry); ok {
		return r.Host
	}
	return homeOf(cfg)
}

// homeOf is the address of the demo's own server: that of its registry.
func homeOf(cfg *config.Release) string {
	for _, r := range cfg.Registries {
		if r.Name == registryName {
			return r.Host
		}
	}
	return ""
}

// files is what the demo serves: a directory, or a bucket.
func (s *Server) files(ctx context.Context, cfg *config.Release) (serve.Source, error) {
	at, prefix, remote := cfg.StoreOf(cfg.Served)
	if !remote {
		return serve.Directory(cfg.Path(cfg.Served)), nil
	}
	o := storage.S3Options{
		Endpoint: at.Endpoint, Region: at.Region, Bucket: at.Bucket, Prefix: prefix,
		PathStyle: at.PathStyle, Checksums: string(at.Checksums),
	}
	for _, c := range []struct {
		from config.Secret
		into *string
	}{{at.AccessKey, &o.AccessKey}, {at.SecretKey, &o.SecretKey}, {at.SessionToken, &o.SessionToken}} {
		if c.from.IsZero() {
			continue
		}
		b, err := c.from.Reveal(cfg.Dir())
		if err != nil {
			return nil, err
		}
		*c.into = string(b)
	}
	bucket, err := storage.OpenS3(ctx, o)
	if err != nil {
		return nil, err
	}
	s.close = append(s.close, bucket.Close)
	return serve.Store(bucket, ""), nil
}

// Wait waits until ctx is done, or the server cannot go on. Close follows.
func (s *Server) Wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.cancel)
	defer stop()
	return s.group.Wait()
}

// Close lets the requests that are at work come to their end, and stops.
func (s *Server) Close() error {
	s.cancel()
	return errors.Join(s.group.Wait(), s.release())
}

func (s *Server) release() error {
	var errs []error
	for _, c := range s.close {
		errs = append(errs, c())
	}
	s.close = nil
	return errors.Join(errs...)
}

// Made tells whether dir holds a demo.
func Made(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, marker))
	return !errors.Is(err, fs.ErrNotExist)
}

// freeAddress is a loopback address that nobody has now, below the ports that
// systems give to those who ask for any.
func freeAddress() (string, error) {
	var err error
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.IntN(10000)))
		var l net.Listener
		if l, err = net.Listen("tcp", address); err == nil {
			return address, l.Close()
		}
	}
	return "", fmt.Errorf("find an address for the demo: %w", err)
}

// About is what to tell who started the server, line by line.
func (s *Server) About() []string { return s.about }
