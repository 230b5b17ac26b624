package distro

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"gantry/config"
)

// Server is the world outside of a demo: the website, what the primary mirror
// shows to everybody, the mirrors of the world and the list of them.
type Server struct {
	http *http.Server
	done chan error
}

// Serve starts it at the address in the release.yaml of the demo in dir.
func Serve(ctx context.Context, dir string) (*Server, error) {
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		return nil, err
	}
	address := ""
	for _, p := range cfg.Probes {
		if rest, ok := strings.CutPrefix(p.URL, "http://"); ok {
			address, _, _ = strings.Cut(rest, "/")
		}
	}
	if host, _, err := net.SplitHostPort(address); err != nil || !net.ParseIP(host).IsLoopback() {
		return nil, config.Hint(errors.New("the probes of release.yaml are not at a loopback address with a port"), "make the demo anew")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("serve the world of the demo: %w", err), "another gantry may be at the same demo: end it")
	}
	s := &Server{http: &http.Server{Handler: world(dir, address), ReadHeaderTimeout: 10 * time.Second}, done: make(chan error, 1)}
	go func() { s.done <- s.http.Serve(l) }()
	return s, nil
}

// Close stops it.
func (s *Server) Close() error {
	err := s.http.Close()
	if served := <-s.done; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// mirrors are those of the list: the last but one never syncs, and nobody is at
// the last one.
var mirrors = []string{"one", "two", "three", "four"}

// world is what is at the address.
func world(dir, address string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(os.DirFS(filepath.Join(dir, "www"))))
	mux.Handle("/pub/", public(filepath.Join(dir, "mnt", "repos-production", "mirror")))
	for _, m := range mirrors {
		mux.Handle("/"+m+"/", http.StripPrefix("/"+m, http.FileServerFS(os.DirFS(filepath.Join(dir, "mnt", "mirrors", m)))))
	}
	mux.HandleFunc("/mirrorlist/{repo}/{arch}", func(w http.ResponseWriter, r *http.Request) {
		for _, m := range append(mirrors, "") {
			host := address
			if m == "" {
				host = "127.0.0.1:9" // discard: nobody answers
				m = "five"
			}
			fmt.Fprintf(w, "http://%s/%s/pub/rocky/%s/%s/%s/os/\n", host, m, nines, r.PathValue("repo"), r.PathValue("arch"))
		}
	})
	return mux
}

// public serves what everybody may read, as a web server of another user would:
// a directory without world bits is closed, with all that is in it.
func public(root string) http.Handler {
	files := http.FileServerFS(os.DirFS(root))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at := root
		for _, name := range strings.Split(strings.Trim(path.Clean(r.URL.Path), "/"), "/") {
			at = filepath.Join(at, name)
			info, err := os.Stat(at)
			if err == nil && info.Mode().Perm()&0o005 == 0 || err == nil && info.IsDir() && info.Mode().Perm()&0o001 == 0 {
				http.Error(w, "403 Forbidden", http.StatusForbidden)
				return
			}
		}
		files.ServeHTTP(w, r)
	})
}
