// Package registry is a small registry of OCI images on a directory, by the OCI
// distribution specification 1.1: for demonstrations and tests on one machine.
// What it acknowledged is durable; who may do what is for those in front of it.
package registry

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"

	"gantry/config"
)

// Registry serves the images in a directory. Several may not share one.
type Registry struct {
	root *os.Root

	mu      sync.Mutex
	uploads map[string]*upload

	// Manifests, tags and referrers change one at a time.
	writing sync.Mutex
}

// Open opens the registry in a directory, which is made where it is missing.
// Uploads that were not finished before are removed.
func Open(dir string) (*Registry, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("open the registry: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the registry: %w", err)
	}
	r := &Registry{root: root, uploads: map[string]*upload{}}
	err = root.RemoveAll(uploadsDir)
	for _, name := range []string{uploadsDir, blobsDir, repositoriesDir} {
		if err == nil {
			err = root.MkdirAll(name, 0o755)
		}
	}
	if err != nil {
		root.Close()
		return nil, fmt.Errorf("open the registry: %w", err)
	}
	return r, nil
}

// Close lets go of the directory; no request may be at work any more.
func (r *Registry) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range r.uploads {
		r.drop(id)
	}
	return r.root.Close()
}

// Forms of names in requests. Names and tags are those of the specification;
// digests are SHA-256 alone.
var (
	nameForm   = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagForm    = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	digestForm = regexp.MustCompile(`^sha256:[a-f0-9]{64}$`)
	uploadForm = regexp.MustCompile(`^[a-f0-9]{32}$`)
)

// longestName is how many bytes the name of a repository may have, as of docker.
const longestName = 255

// failure is an answer that refuses, by the codes of the specification.
type failure struct {
	status     int
	code, what string
}

func (f *failure) Error() string { return f.what }

func refuse(status int, code, format string, args ...any) error {
	return &failure{status, code, fmt.Sprintf(format, args...)}
}

// ServeHTTP answers a request below /v2/.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	err := r.route(w, req)
	if err == nil {
		return
	}
	var f *failure
	if !errors.As(err, &f) {
		f = &failure{http.StatusInternalServerError, "UNKNOWN", "the registry failed: " + config.Inert(err.Error())}
	}
	Refuse(w, f.status, f.code, f.what)
}

// Refuse writes an error as clients of registries expect it.
func Refuse(w http.ResponseWriter, status int, code, what string) {
	type one struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	writeJSON(w, status, "application/json", struct {
		Errors []one `json:"errors"`
	}{[]one{{code, what}}})
}

// route finds out what a request is about. A name may hold any word, so a path
// is read from its end.
func (r *Registry) route(w http.ResponseWriter, req *http.Request) error {
	rest, ok := strings.CutPrefix(req.URL.Path, "/v2/")
	if !ok {
		return refuse(http.StatusNotFound, "UNSUPPORTED", "no such page")
	}
	if rest == "" {
		if err := allow(w, req, http.MethodGet, http.MethodHead); err != nil {
			return err
		}
		writeJSON(w, http.StatusOK, "application/json", struct{}{})
		return nil
	}
	words := strings.Split(rest, "/")
	last, n := words[len(words)-1], len(words)
	name := func(less int) (string, error) {
		joined := strings.Join(words[:max(0, n-less)], "/")
		if len(joined) > longestName || !nameForm.MatchString(joined) {
			return "", refuse(http.StatusBadRequest, "NAME_INVALID", "that cannot be the name of a repository")
		}
		return joined, nil
	}
	serve := func(less int, do func(w http.ResponseWriter, req *http.Request, name, last string) error) error {
		name, err := name(less)
		if err != nil {
			return err
		}
		return do(w, req, name, last)
	}
	switch {
	case n >= 4 && words[n-3] == "blobs" && words[n-2] == "uploads":
		return serve(3, r.upload)
	case n >= 3 && words[n-2] == "blobs":
		return serve(2, r.blob)
	case n >= 3 && words[n-2] == "manifests":
		return serve(2, r.manifest)
	case n >= 3 && words[n-2] == "tags" && last == "list":
		return serve(2, r.tags)
	case n >= 3 && words[n-2] == "referrers":
		return serve(2, r.referrers)
	}
	return refuse(http.StatusNotFound, "UNSUPPORTED", "no such page")
}

// allow refuses methods that a page does not have.
func allow(w http.ResponseWriter, req *http.Request, methods ...string) error {
	for _, m := range methods {
		if req.Method == m {
			return nil
		}
	}
	w.Header().Set("Allow", strings.Join(methods, ", "))
	return refuse(http.StatusMethodNotAllowed, "UNSUPPORTED", "this cannot be done here")
}
