package registry

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
)

// The directory:
//
//	blobs/<hex>                                  bytes by their SHA-256
//	uploads/<id>                                 bytes that have no digest yet
//	repositories/<name>/_manifests/<hex>         media type, newline, the manifest
//	repositories/<name>/_tags/<tag>              a digest
//	repositories/<name>/_referrers/<hex>/<hex>   empty: the second names the first
//
// No part of a name begins with _, so they never meet.
const (
	blobsDir        = "blobs"
	uploadsDir      = "uploads"
	repositoriesDir = "repositories"
	manifestsDir    = "_manifests"
	tagsDir         = "_tags"
	referrersDir    = "_referrers"
)

// hexOf is the hexadecimal part of a digest.
func hexOf(digest string) string { return strings.TrimPrefix(digest, "sha256:") }

func blobPath(digest string) string { return blobsDir + "/" + hexOf(digest) }

func manifestPath(name, digest string) string {
	return path.Join(repositoriesDir, name, manifestsDir, hexOf(digest))
}

func tagPath(name, tag string) string { return path.Join(repositoriesDir, name, tagsDir, tag) }

func referrersPath(name, digest string) string {
	return path.Join(repositoriesDir, name, referrersDir, hexOf(digest))
}

// nonce is a name that nobody guesses.
func nonce() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// write makes or replaces a small file, whole or not at all, and durably.
func (r *Registry) write(name string, data []byte) error {
	if err := r.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	temp := uploadsDir + "/" + nonce()
	f, err := r.root.OpenFile(temp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err = f.Write(data); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, r.root.Remove(temp))
	}
	return r.place(temp, name)
}

// place gives a synced file its name and makes that durable.
func (r *Registry) place(temp, name string) error {
	if err := r.root.Rename(temp, name); err != nil {
		return errors.Join(err, r.root.Remove(temp))
	}
	for dir := path.Dir(name); ; dir = path.Dir(dir) { // those above may be new as well
		if err := r.sync(dir); err != nil || dir == "." {
			return err
		}
	}
}

func (r *Registry) sync(dir string) error {
	f, err := r.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// remove takes a file away, durably.
func (r *Registry) remove(name string) error {
	if err := r.root.Remove(name); err != nil {
		return err
	}
	return r.sync(path.Dir(name))
}

// names lists a directory; one that is not there is empty.
func (r *Registry) names(dir string) ([]string, error) {
	f, err := r.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

// has tells whether a file is there.
func (r *Registry) has(name string) (bool, error) {
	_, err := r.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func writeJSON(w http.ResponseWriter, status int, kind string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only structures of this package come here
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	w.Write(b) // of a HEAD nothing is sent; one who is gone is not told
}
