// Package serve is a web server of what gantry serves, for one machine: the
// trees of RPM and APT repositories and a registry, to subscribers, and the
// public keys, to everybody.
package serve

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"

	"gantry/config"
	"gantry/storage"
	"gantry/ui/serve/registry"
)

// Options is what a server serves, and to whom.
type Options struct {
	Files    Source                        // below /
	Keys     map[string]string             // below /gpg/, to everybody: paths of files by name
	Registry http.Handler                  // below /v2/; nil where there is none
	Readers  Credentials                   // of subscribers
	Writers  Credentials                   // of who pushes images; of nobody where it is zero
	Log      func(format string, a ...any) // is told of each request; nil for nobody
}

// Handler serves what o says. Requests and answers carry credentials in the
// clear, so it belongs on loopback, or behind something that speaks TLS.
func Handler(o Options) http.Handler {
	h := &handler{o}
	if o.Log == nil {
		return h
	}
	return logged(h, o.Log, o.Readers.Password, o.Writers.Password)
}

type handler struct{ Options }

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	switch name, public := strings.CutPrefix(r.URL.Path, "/gpg/"); {
	case public:
		h.key(w, r, name)
	case r.URL.Path == "/v2" || strings.HasPrefix(r.URL.Path, "/v2/"):
		h.image(w, r)
	default:
		h.file(w, r)
	}
}

// key serves a public key to everybody.
func (h *handler) key(w http.ResponseWriter, r *http.Request, name string) {
	if !reading(w, r) {
		return
	}
	at, ok := h.Keys[name]
	if !ok {
		missing(w)
		return
	}
	f, err := os.Open(at)
	if err != nil {
		failed(w, err)
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		failed(w, err)
		return
	}
	kind := "application/pgp-keys"
	if strings.HasSuffix(name, ".pub") {
		kind = "application/x-pem-file"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-cache")
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// image serves the registry: to read for subscribers, and to write for those who
// push.
func (h *handler) image(w http.ResponseWriter, r *http.Request) {
	writer := h.Writers.match(r)
	if !writer && !h.Readers.match(r) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		challenge(w)
		registry.Refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "a username and a password are needed")
		return
	}
	if h.Registry == nil {
		registry.Refuse(w, http.StatusNotFound, "UNSUPPORTED", "no images are served here")
		return
	}
	if !writer && r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", readingMethods)
		registry.Refuse(w, http.StatusForbidden, "DENIED", "subscribers read images and do not push them")
		return
	}
	h.Registry.ServeHTTP(w, r)
}

// file serves a file of a tree to subscribers.
func (h *handler) file(w http.ResponseWriter, r *http.Request) {
	if !h.Readers.match(r) {
		challenge(w)
		http.Error(w, "a subscriber's username and password are needed", http.StatusUnauthorized)
		return
	}
	if !reading(w, r) {
		return
	}
	key := strings.TrimPrefix(r.URL.Path, "/")
	if h.Files == nil || !shown(key) {
		missing(w)
		return
	}
	c, err := h.Files.open(r.Context(), key)
	if errors.Is(err, fs.ErrNotExist) {
		missing(w)
		return
	}
	if err != nil {
		failed(w, err)
		return
	}
	defer c.close() // nothing was written
	base := key[strings.LastIndexByte(key, '/')+1:]
	if base == mirrorlist {
		if c, err = here(c, r); err != nil {
			failed(w, err)
			return
		}
	}
	head := w.Header()
	head.Set("Content-Type", contentType(base))
	head.Set("ETag", `"`+c.tag+`"`)
	if changes(base) {
		head.Set("Cache-Control", "no-cache")
	}
	if strings.Count(r.Header.Get("Range"), ",") >= maxRanges {
		r.Header.Del("Range") // the whole is an answer, too
	}
	http.ServeContent(w, r, "", c.modified, c)
}

// maxRanges is how many pieces of a file one request may ask for: of a store,
// each is a request of its own.
const maxRanges = 16

// shown tells whether a path may be one of a file for clients: what a key of the
// stores may be, without names that begin with a dot and without manifests.
func shown(key string) bool {
	if storage.CheckKey(key) != nil {
		return false
	}
	for name := range strings.SplitSeq(key, "/") {
		if name[0] == '.' || name == "manifest.json" {
			return false
		}
	}
	return true
}

const readingMethods = "GET, HEAD"

func reading(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	w.Header().Set("Allow", readingMethods)
	http.Error(w, "files are read here", http.StatusMethodNotAllowed)
	return false
}

func missing(w http.ResponseWriter) { http.Error(w, "no such file", http.StatusNotFound) }

// failed answers where a file that is there cannot be read, or its store cannot
// be asked. Why is for the log, not for a client.
func failed(w http.ResponseWriter, err error) {
	if l, ok := w.(*line); ok && err != nil {
		l.why = config.Inert(err.Error())
	}
	http.Error(w, "this cannot be read now", http.StatusBadGateway)
}
