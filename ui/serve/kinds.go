package serve

import (
	"bytes"
	"io"
	"net/http"
	"path"
	"regexp"
	"strings"
)

// changes tells whether the file of that name is one that clients ask for again
// to see what is new; the others never change under their name.
func changes(base string) bool {
	switch base {
	case mirrorlist, "InRelease", "Release", "Release.gpg", "repomd.xml", "repomd.xml.asc":
		return true
	}
	return false
}

var contentTypes = map[string]string{
	".rpm": "application/x-rpm",
	".deb": "application/vnd.debian.binary-package",
	".xml": "application/xml",
	".gz":  "application/gzip",
	".xz":  "application/x-xz",
	".zst": "application/zstd",
	".asc": "application/pgp-signature",
	".gpg": "application/pgp-signature",
}

// contentType is the media type of a file by its name.
func contentType(base string) string {
	switch base {
	case mirrorlist, "InRelease", "Release", "Packages":
		return "text/plain; charset=utf-8"
	}
	if kind, ok := contentTypes[path.Ext(base)]; ok {
		return kind
	}
	return "application/octet-stream"
}

// mirrorlist is the file by which dnf finds a snapshot.
const mirrorlist = "mirrorlist"

var (
	localSnapshot = regexp.MustCompile(`^(?:file:|http://127\.0\.0\.1:)[^\s]*/(snapshots/[0-9]{8}T[0-9]{6}Z/)\n?$`)
	hostForm      = regexp.MustCompile(`^[A-Za-z0-9.:\[\]-]{1,255}$`)
)

// maxMirrorlist is how many bytes of a mirrorlist are looked at.
const maxMirrorlist = 64 << 10

// here makes a mirrorlist that leads to this machine, to a directory or by its
// loopback address, lead to the address that was asked: who came here stays here.
// One that leads elsewhere is right as it is.
func here(c *content, r *http.Request) (*content, error) {
	data, err := io.ReadAll(io.LimitReader(c, maxMirrorlist))
	if err != nil {
		return nil, err
	}
	at := tree(r.URL.Path)
	if m := localSnapshot.FindSubmatch(data); m != nil && at != "" && hostForm.MatchString(r.Host) {
		data = []byte("http://" + r.Host + at + "/" + string(m[1]) + "\n")
	}
	return &content{bytes.NewReader(data), nil, int64(len(data)), c.modified, digest(c.tag + string(data))}, nil
}

// tree is the directory of a target, from the address of its mirrorlist: in a
// pointer or in a snapshot.
func tree(at string) string {
	dir := path.Dir(path.Dir(at)) // of the pointer
	if path.Base(dir) == "snapshots" {
		dir = path.Dir(dir)
	}
	return strings.TrimSuffix(dir, "/")
}
