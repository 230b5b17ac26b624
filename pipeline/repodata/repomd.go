// Package repodata reads the metadata of RPM repositories: our own, which it
// holds to every word, and those that others made, which have more documents
// and odder ones. Everything it reads is foreign: it takes bounded memory, and
// nothing from it can lead out of the repository.
package repodata

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash"
	"strings"
)

// Path is where a repository has repomd.xml, from its root.
const Path = "repodata/repomd.xml"

// Repomd is the content of repomd.xml as this program writes it: the metadata's
// revision and its three documents.
type Repomd struct {
	Revision                  int64 // Unix seconds
	Primary, Filelists, Other Document
}

// Document is one of the documents that repomd.xml names.
type Document struct {
	Type           string   // such as primary or updateinfo
	Href           string   // from the repository's root, such as repodata/<digest>-primary.xml.gz
	Checksum, Open Checksum // of the file, and of what is packed in it
	Size, OpenSize int64    // bytes, likewise
	Timestamp      int64    // Unix seconds
}

// Checksum is a digest and its algorithm.
type Checksum struct {
	Kind string // sha256, sha384 or sha512
	Hex  string // lower case
}

// Types are the types of the documents that every repository has, in the order
// in which repomd.xml names them.
var Types = [...]string{"primary", "filelists", "other"}

// Documents is the documents in the order of Types.
func (r *Repomd) Documents() [len(Types)]*Document {
	return [...]*Document{&r.Primary, &r.Filelists, &r.Other}
}

// Encode writes repomd.xml as createrepo_c does.
func (r *Repomd) Encode() []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n")
	fmt.Fprintf(&b, "  <revision>%d</revision>\n", r.Revision)
	for i, d := range r.Documents() {
		fmt.Fprintf(&b, "  <data type=\"%s\">\n", Types[i])
		fmt.Fprintf(&b, "    <checksum type=\"%s\">%s</checksum>\n", d.Checksum.Kind, d.Checksum.Hex)
		fmt.Fprintf(&b, "    <open-checksum type=\"%s\">%s</open-checksum>\n", d.Open.Kind, d.Open.Hex)
		b.WriteString("    <location href=\"")
		xml.EscapeText(&b, []byte(d.Href)) // a buffer takes everything
		fmt.Fprintf(&b, "\"/>\n    <timestamp>%d</timestamp>\n    <size>%d</size>\n    <open-size>%d</open-size>\n  </data>\n", d.Timestamp, d.Size, d.OpenSize)
	}
	b.WriteString("</repomd>\n")
	return b.Bytes()
}

// hash is a fresh digest of the checksum's kind; weaker ones than SHA-256 are
// errors, like a value of the wrong form.
func (c Checksum) hash() (hash.Hash, error) {
	var h hash.Hash
	switch c.Kind {
	case "sha256":
		h = sha256.New()
	case "sha384":
		h = sha512.New384()
	case "sha512":
		h = sha512.New()
	default:
		return nil, fmt.Errorf("checksum of the kind %q, which is not SHA-256 or better", clip(c.Kind))
	}
	if sum, err := hex.DecodeString(c.Hex); err != nil || len(sum) != h.Size() || strings.ToLower(c.Hex) != c.Hex {
		return nil, fmt.Errorf("%q is not a %s checksum", clip(c.Hex), c.Kind)
	}
	return h, nil
}

// clip shortens foreign text for a message.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
