package deb

import (
	"bytes"
	"fmt"
	"strings"
)

// ours are the fields of a stanza that only the repository can know, and those
// that a package's own control file may not bring along: where clients find the
// package, what they compare it with, and what dpkg notes of installed ones.
var ours = map[string]bool{
	"filename": true, "size": true, "md5sum": true, "checksum-filesize": true,
	"sha1": true, "sha224": true, "sha256": true, "sha384": true, "sha512": true,
	"msdos-filename": true, "status": true, "optional": true,
}

// Stanza is what Packages says of the package: its control file as it is, without
// what the repository says in its place, and then the path of its file, its size
// and its SHA-256. It ends with a newline, without the empty line after it.
func (p *Package) Stanza(path string) []byte {
	var b bytes.Buffer
	for _, f := range p.control {
		if !ours[strings.ToLower(f.name)] {
			b.Write(f.text)
		}
	}
	fmt.Fprintf(&b, "Filename: %s\nSize: %d\nSHA256: %s\n", path, p.Size, p.SHA256)
	return b.Bytes()
}
