package repodata_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"gantry/pipeline/repodata"
)

// small is metadata of three packages, and its documents, packed as the end of
// their names says.
func small(t testing.TB, ext string) (*repodata.Repomd, [3][]byte) {
	t.Helper()
	r := repodata.Repomd{Revision: 1780000000}
	var docs [3][]byte
	for i, d := range r.Documents() {
		plain := text(repodata.Types[i], []string{"core", "tools", "docs"})
		docs[i] = pack(t, ext, plain)
		*d = described(repodata.Types[i], "repodata/"+sum(docs[i])+"-"+repodata.Types[i]+".xml"+ext, docs[i], plain)
	}
	return &r, docs
}

// described is the entry of repomd.xml for a document.
func described(kind, href string, packed, plain []byte) repodata.Document {
	return repodata.Document{
		Type: kind, Href: href, Timestamp: 1780000000,
		Checksum: repodata.Checksum{Kind: "sha256", Hex: sum(packed)}, Size: int64(len(packed)),
		Open: repodata.Checksum{Kind: "sha256", Hex: sum(plain)}, OpenSize: int64(len(plain)),
	}
}

// sum is a digest in hex.
func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

// pack packs a document as the end of a name says.
func pack(t testing.TB, ext string, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch ext {
	case ".gz":
		w = gzip.NewWriter(&b)
	case ".zst":
		w, err = zstd.NewWriter(&b)
	case ".xz":
		w, err = xz.NewWriter(&b)
	default:
		return plain
	}
	if err == nil {
		_, err = w.Write(plain)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// text is a document of packages as createrepo_c writes it.
func text(kind string, names []string) []byte {
	var b strings.Builder
	root := map[string]string{
		"primary":   `metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"`,
		"filelists": `filelists xmlns="http://linux.duke.edu/metadata/filelists"`,
		"other":     `otherdata xmlns="http://linux.duke.edu/metadata/other"`,
	}[kind]
	fmt.Fprintf(&b, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<%s packages=\"%d\">\n", root, len(names))
	for _, name := range names {
		id := sum([]byte(name))
		if kind != "primary" {
			fmt.Fprintf(&b, "<package pkgid=\"%s\" name=\"%s\" arch=\"noarch\">\n  <version epoch=\"0\" ver=\"1\" rel=\"1.el9\"/>\n</package>\n", id, name)
			continue
		}
		fmt.Fprintf(&b, `<package type="rpm">
  <name>%s</name>
  <arch>noarch</arch>
  <version epoch="0" ver="1" rel="1.el9"/>
  <checksum type="sha256" pkgid="YES">%s</checksum>
  <summary>A package</summary>
  <time file="1780000000" build="1770000000"/>
  <size package="6600" installed="100" archive="300"/>
  <location href="Packages/%s-1-1.el9.noarch.rpm"/>
  <format>
    <rpm:sourcerpm>%s-1-1.el9.src.rpm</rpm:sourcerpm>
    <rpm:header-range start="4504" end="6265"/>
    <rpm:requires>
      <rpm:entry name="/bin/sh" pre="1"/>
    </rpm:requires>
  </format>
</package>
`, name, id, name, name)
	}
	b.WriteString("</" + strings.Fields(root)[0] + ">")
	return []byte(b.String())
}
