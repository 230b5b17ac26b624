package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"time"
)

// Limits of what clients may leave here.
const (
	maxBlob    = 32 << 30  // bytes
	maxUploads = 256       // at a time
	idleUpload = time.Hour // after which an upload may make room for others
)

// blob answers for bytes by their digest.
func (r *Registry) blob(w http.ResponseWriter, req *http.Request, name, digest string) error {
	if err := allow(w, req, http.MethodGet, http.MethodHead); err != nil {
		return err
	}
	if !digestForm.MatchString(digest) {
		return refuse(http.StatusBadRequest, "DIGEST_INVALID", "that is no SHA-256 digest")
	}
	f, err := r.root.Open(blobPath(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return refuse(http.StatusNotFound, "BLOB_UNKNOWN", "%s has no blob %s", name, digest)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+digest+`"`)
	http.ServeContent(w, req, "", time.Time{}, f)
	return nil
}

// upload is a blob that is on its way. What is in the file was hashed.
type upload struct {
	name string // of the repository

	mu   sync.Mutex // of all below
	file *os.File
	sum  hash.Hash
	size int64
	used time.Time
	gone bool
}

// upload takes blobs in: in one request, or as a session of several.
func (r *Registry) upload(w http.ResponseWriter, req *http.Request, name, id string) error {
	if id == "" {
		return r.begin(w, req, name)
	}
	if err := allow(w, req, http.MethodGet, http.MethodPatch, http.MethodPut, http.MethodDelete); err != nil {
		return err
	}
	r.mu.Lock()
	u := r.uploads[id]
	r.mu.Unlock()
	if !uploadForm.MatchString(id) || u == nil || u.name != name {
		return refuse(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "no such upload: it is over, or was idle for too long")
	}
	if !u.mu.TryLock() {
		return refuse(http.StatusConflict, "BLOB_UPLOAD_INVALID", "another request is at this upload")
	}
	defer u.mu.Unlock()
	if u.gone {
		return refuse(http.StatusNotFound, "BLOB_UPLOAD_UNKNOWN", "no such upload: it is over")
	}
	u.used = time.Now()
	switch req.Method {
	case http.MethodGet:
		u.where(w, id)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodDelete:
		r.end(u, id)
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := u.follows(req.Header.Get("Content-Range")); err != nil {
		u.where(w, id)
		return err
	}
	if err := u.take(req.Body); err != nil {
		if u.size > maxBlob {
			r.end(u, id)
		}
		return err
	}
	if req.Method == http.MethodPut {
		return r.commit(w, req, u, name, id)
	}
	u.where(w, id)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// begin answers a new upload: at once where the blob is here already.
func (r *Registry) begin(w http.ResponseWriter, req *http.Request, name string) error {
	if err := allow(w, req, http.MethodPost); err != nil {
		return err
	}
	query := req.URL.Query()
	if mount := query.Get("mount"); digestForm.MatchString(mount) {
		there, err := r.has(blobPath(mount))
		if err != nil {
			return err
		}
		if there {
			created(w, name, mount)
			return nil
		}
	}
	f, id, err := r.session()
	if err != nil {
		return err
	}
	u := &upload{name: name, file: f, sum: sha256.New(), used: time.Now()}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := r.enter(id, u); err != nil {
		return err
	}
	if query.Has("digest") {
		if err := u.take(req.Body); err != nil {
			r.end(u, id)
			return err
		}
		return r.commit(w, req, u, name, id)
	}
	u.where(w, id)
	w.WriteHeader(http.StatusAccepted)
	return nil
}

func (r *Registry) session() (*os.File, string, error) {
	id := nonce()
	f, err := r.root.OpenFile(uploadsDir+"/"+id, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	return f, id, err
}

// enter counts an upload in, if need be in the place of one that is idle.
func (r *Registry) enter(id string, u *upload) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.uploads) >= maxUploads {
		for other, o := range r.uploads {
			if !o.mu.TryLock() {
				continue
			}
			if time.Since(o.used) > idleUpload {
				r.drop(other)
			}
			o.mu.Unlock()
		}
	}
	if len(r.uploads) >= maxUploads {
		u.file.Close()
		return errors.Join(refuse(http.StatusTooManyRequests, "TOOMANYREQUESTS", "%d uploads are under way", len(r.uploads)), r.root.Remove(uploadsDir+"/"+id))
	}
	r.uploads[id] = u
	return nil
}

// drop forgets an upload and its bytes. The caller holds r.mu.
func (r *Registry) drop(id string) {
	u := r.uploads[id]
	delete(r.uploads, id)
	u.gone = true
	u.file.Close()
	r.root.Remove(uploadsDir + "/" + id) // what stays is removed by the next Open
}

func (r *Registry) end(u *upload, id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop(id)
}

// where tells a client how far an upload has come.
func (u *upload) where(w http.ResponseWriter, id string) {
	h := w.Header()
	h.Set("Location", "/v2/"+u.name+"/blobs/uploads/"+id)
	h.Set("Docker-Upload-UUID", id)
	h.Set("Range", fmt.Sprintf("0-%d", max(0, u.size-1)))
}

// follows refuses a piece that does not begin where the one before ended.
func (u *upload) follows(header string) error {
	if header == "" {
		return nil
	}
	var from, to int64
	if n, err := fmt.Sscanf(header, "%d-%d", &from, &to); n != 2 || err != nil || from != u.size || to < from {
		return refuse(http.StatusRequestedRangeNotSatisfiable, "BLOB_UPLOAD_INVALID", "the upload goes on at byte %d", u.size)
	}
	return nil
}

// take appends what a request brings.
func (u *upload) take(body io.Reader) error {
	n, err := io.Copy(io.MultiWriter(u.file, u.sum), io.LimitReader(body, maxBlob-u.size+1))
	u.size += n
	if err == nil && u.size > maxBlob {
		err = refuse(http.StatusRequestEntityTooLarge, "SIZE_INVALID", "a blob has at most %d bytes", int64(maxBlob))
	}
	return err
}

// commit ends an upload: it becomes a blob if it has the digest it must have.
func (r *Registry) commit(w http.ResponseWriter, req *http.Request, u *upload, name, id string) error {
	want, got := req.URL.Query().Get("digest"), "sha256:"+hex.EncodeToString(u.sum.Sum(nil))
	if want != got {
		r.end(u, id)
		if !digestForm.MatchString(want) {
			return refuse(http.StatusBadRequest, "DIGEST_INVALID", "a SHA-256 digest is wanted")
		}
		return refuse(http.StatusBadRequest, "DIGEST_INVALID", "what came is %s", got)
	}
	if err := u.file.Sync(); err != nil {
		r.end(u, id)
		return err
	}
	err := r.place(uploadsDir+"/"+id, blobPath(got))
	r.end(u, id)
	if err != nil {
		return err
	}
	created(w, name, got)
	return nil
}

func created(w http.ResponseWriter, name, digest string) {
	w.Header().Set("Location", "/v2/"+name+"/blobs/"+digest)
	w.Header().Set("Docker-Content-Digest", digest)
	w.WriteHeader(http.StatusCreated)
}
