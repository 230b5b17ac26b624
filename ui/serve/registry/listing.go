package registry

import (
	"encoding/json"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// tags lists the tags of a repository.
func (r *Registry) tags(w http.ResponseWriter, req *http.Request, name, _ string) error {
	if err := allow(w, req, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	all, err := r.names(path.Join(repositoriesDir, name, tagsDir))
	if err != nil {
		return err
	}
	if len(all) == 0 {
		there, err := r.has(path.Join(repositoriesDir, name, manifestsDir))
		if err != nil {
			return err
		}
		if !there {
			return refuse(http.StatusNotFound, "NAME_UNKNOWN", "no repository %s", name)
		}
	}
	slices.Sort(all)
	query := req.URL.Query()
	if last := query.Get("last"); last != "" {
		all = slices.DeleteFunc(all, func(tag string) bool { return strings.Compare(tag, last) <= 0 })
	}
	if query.Has("n") {
		n, err := strconv.Atoi(query.Get("n"))
		if err != nil || n < 0 {
			return refuse(http.StatusBadRequest, "UNSUPPORTED", "n is a number")
		}
		if n < len(all) {
			all = all[:n]
			if n > 0 {
				w.Header().Set("Link", "</v2/"+name+"/tags/list?n="+strconv.Itoa(n)+"&last="+all[n-1]+`>; rel="next"`)
			}
		}
	}
	writeJSON(w, http.StatusOK, "application/json", struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}{name, append([]string{}, all...)})
	return nil
}

// maxReferrers is how many referrers of one manifest are told.
const maxReferrers = 1000

// referrers lists the manifests whose subject is this one.
func (r *Registry) referrers(w http.ResponseWriter, req *http.Request, name, digest string) error {
	if err := allow(w, req, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if !digestForm.MatchString(digest) {
		return refuse(http.StatusBadRequest, "DIGEST_INVALID", "that is no SHA-256 digest")
	}
	all, err := r.names(referrersPath(name, digest))
	if err != nil {
		return err
	}
	slices.Sort(all)
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex, Manifests: []v1.Descriptor{}}
	only := req.URL.Query().Get("artifactType")
	for _, hex := range all[:min(len(all), maxReferrers)] {
		m, err := r.find(name, "sha256:"+hex)
		if err != nil {
			continue // it went meanwhile
		}
		var doc document
		if json.Unmarshal(m.data, &doc) != nil {
			continue
		}
		kind := doc.ArtifactType
		if kind == "" && doc.Config != nil {
			kind = string(doc.Config.MediaType)
		}
		if only != "" && only != kind {
			continue
		}
		index.Manifests = append(index.Manifests, v1.Descriptor{
			MediaType: types.MediaType(m.kind), Size: int64(len(m.data)), ArtifactType: kind,
			Digest: v1.Hash{Algorithm: "sha256", Hex: hex}, Annotations: doc.Annotations,
		})
	}
	if only != "" {
		w.Header().Set("OCI-Filters-Applied", "artifactType")
	}
	writeJSON(w, http.StatusOK, string(types.OCIImageIndex), index)
	return nil
}
