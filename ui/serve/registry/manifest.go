package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"path"
	"slices"
	"strconv"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxManifest is how many bytes a manifest may have, as the specification asks
// registries to take at least.
const maxManifest = 4 << 20

// document is what matters of a manifest or an index.
type document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     types.MediaType   `json:"mediaType"`
	ArtifactType  string            `json:"artifactType"`
	Config        *v1.Descriptor    `json:"config"`
	Layers        []v1.Descriptor   `json:"layers"`
	Manifests     []v1.Descriptor   `json:"manifests"`
	Subject       *v1.Descriptor    `json:"subject"`
	Annotations   map[string]string `json:"annotations"`
}

// stored is a manifest as it is kept.
type stored struct {
	kind   string // media type
	digest string
	data   []byte
}

func (r *Registry) manifest(w http.ResponseWriter, req *http.Request, name, ref string) error {
	if !digestForm.MatchString(ref) && !tagForm.MatchString(ref) {
		return refuse(http.StatusBadRequest, "MANIFEST_INVALID", "that is neither a tag nor a SHA-256 digest")
	}
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		m, err := r.find(name, ref)
		if err != nil {
			return err
		}
		h := w.Header()
		h.Set("Content-Type", m.kind)
		h.Set("Docker-Content-Digest", m.digest)
		h.Set("ETag", `"`+m.digest+`"`)
		h.Set("Cache-Control", "no-cache") // a tag moves
		h.Set("Content-Length", strconv.Itoa(len(m.data)))
		w.Write(m.data)
		return nil
	case http.MethodPut:
		return r.put(w, req, name, ref)
	case http.MethodDelete:
		return r.delete(w, name, ref)
	}
	return allow(w, req, http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete)
}

func unknown(name, ref string) error {
	return refuse(http.StatusNotFound, "MANIFEST_UNKNOWN", "%s has no manifest %s", name, ref)
}

// find reads the manifest that a tag or a digest names.
func (r *Registry) find(name, ref string) (*stored, error) {
	digest := ref
	if !digestForm.MatchString(ref) {
		b, err := r.root.ReadFile(tagPath(name, ref))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, unknown(name, ref)
		}
		if err != nil {
			return nil, err
		}
		if digest = string(b); !digestForm.MatchString(digest) {
			return nil, errors.New("a tag names no digest")
		}
	}
	b, err := r.root.ReadFile(manifestPath(name, digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, unknown(name, ref)
	}
	if err != nil {
		return nil, err
	}
	kind, data, ok := bytes.Cut(b, []byte("\n"))
	if !ok || digestOf(data) != digest {
		return nil, errors.New("the file of a manifest was changed")
	}
	return &stored{string(kind), digest, data}, nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// put takes a manifest in once everything that it names is here.
func (r *Registry) put(w http.ResponseWriter, req *http.Request, name, ref string) error {
	data, err := io.ReadAll(io.LimitReader(req.Body, maxManifest+1))
	if err != nil {
		return err
	}
	if len(data) > maxManifest {
		return refuse(http.StatusRequestEntityTooLarge, "MANIFEST_INVALID", "a manifest has at most %d bytes", maxManifest)
	}
	digest := digestOf(data)
	if digestForm.MatchString(ref) && ref != digest {
		return refuse(http.StatusBadRequest, "DIGEST_INVALID", "what came is %s", digest)
	}
	kind := types.MediaType(req.Header.Get("Content-Type"))
	r.writing.Lock()
	defer r.writing.Unlock()
	doc, err := r.check(name, kind, data)
	if err != nil {
		return err
	}
	if err := r.write(manifestPath(name, digest), slices.Concat([]byte(kind), []byte("\n"), data)); err != nil {
		return err
	}
	if doc.Subject != nil {
		subject := doc.Subject.Digest.String()
		if err := r.write(path.Join(referrersPath(name, subject), hexOf(digest)), nil); err != nil {
			return err
		}
		w.Header().Set("OCI-Subject", subject)
	}
	if ref != digest {
		if err := r.write(tagPath(name, ref), []byte(digest)); err != nil {
			return err
		}
	}
	w.Header().Set("Location", "/v2/"+name+"/manifests/"+digest)
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
	return nil
}

// check reads a manifest and looks for what it names. The subject of one need
// not be here.
func (r *Registry) check(name string, kind types.MediaType, data []byte) (*document, error) {
	invalid := func(format string, args ...any) error {
		return refuse(http.StatusBadRequest, "MANIFEST_INVALID", format, args...)
	}
	if !kind.IsImage() && !kind.IsIndex() || kind.IsSchema1() {
		return nil, invalid("that is no media type of a manifest or an index")
	}
	doc := new(document)
	if err := json.Unmarshal(data, doc); err != nil {
		return nil, invalid("it is no manifest: JSON that cannot be read")
	}
	if doc.SchemaVersion != 2 || doc.MediaType != "" && doc.MediaType != kind {
		return nil, invalid("its version or media type is not the one it is sent as")
	}
	if doc.Subject != nil && !digestForm.MatchString(doc.Subject.Digest.String()) {
		return nil, invalid("its subject has no SHA-256 digest")
	}
	needs := map[string]bool{} // paths
	add := func(at func(digest string) string, all ...v1.Descriptor) error {
		for _, d := range all {
			if !digestForm.MatchString(d.Digest.String()) {
				return invalid("it names something without a SHA-256 digest")
			}
			if d.MediaType.IsDistributable() {
				needs[at(d.Digest.String())] = true
			}
		}
		return nil
	}
	if kind.IsIndex() {
		if err := add(func(digest string) string { return manifestPath(name, digest) }, doc.Manifests...); err != nil {
			return nil, err
		}
	} else {
		if doc.Config == nil {
			return nil, invalid("it has no config")
		}
		if err := add(blobPath, append(doc.Layers, *doc.Config)...); err != nil {
			return nil, err
		}
	}
	for need := range needs {
		there, err := r.has(need)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, refuse(http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "it names sha256:%s, which is not here", path.Base(need))
		}
	}
	return doc, nil
}

// delete takes a tag away, or a manifest with all its tags. What manifests name
// stays: others may name it too.
func (r *Registry) delete(w http.ResponseWriter, name, ref string) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	at := tagPath(name, ref)
	if digestForm.MatchString(ref) {
		at = manifestPath(name, ref)
		if err := r.untag(name, ref); err != nil {
			return err
		}
	}
	if err := r.remove(at); errors.Is(err, fs.ErrNotExist) {
		return unknown(name, ref)
	} else if err != nil {
		return err
	}
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// untag removes the tags of a manifest, and what says that it refers to another.
func (r *Registry) untag(name, digest string) error {
	m, err := r.find(name, digest)
	if err != nil {
		return err
	}
	var doc document
	if json.Unmarshal(m.data, &doc) == nil && doc.Subject != nil {
		err := r.remove(path.Join(referrersPath(name, doc.Subject.Digest.String()), hexOf(digest)))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	tags, err := r.names(path.Join(repositoriesDir, name, tagsDir))
	if err != nil {
		return err
	}
	for _, tag := range tags {
		if b, err := r.root.ReadFile(tagPath(name, tag)); err != nil || string(b) != digest {
			continue
		}
		if err := r.remove(tagPath(name, tag)); err != nil {
			return err
		}
	}
	return nil
}
