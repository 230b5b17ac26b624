package rpm

import (
	"encoding/hex"

	"gantry/config"
)

// Repomd is the content of repomd.xml, which names the documents of a
// repository's metadata.
type Repomd struct {
	Revision                  int64 // Unix seconds
	Primary, Filelists, Other Document
}

// Document is one of the documents that repomd.xml names.
type Document struct {
	Href           string   // from the repository's root, such as repodata/<digest>-primary.xml.gz
	Checksum, Open Checksum // of the file, and of the XML in it
	Size, OpenSize int64    // bytes, likewise
	Timestamp      int64    // Unix seconds
}

// Checksum is a digest and its algorithm.
type Checksum struct {
	Kind string // sha256, sha384 or sha512
	Hex  string // lower case
}

// Documents is the documents in the order of repomd.xml.
func (r *Repomd) Documents() []*Document {
	return []*Document{&r.Primary, &r.Filelists, &r.Other}
}

// documentNames are the types of the documents, in their order.
var documentNames = [parts]string{"primary", "filelists", "other"}

// Encode writes repomd.xml as createrepo_c does.
func (r *Repomd) Encode() []byte {
	var m markup
	m.raw(xmlHead + "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n")
	field := func(name string, n int64) {
		m.raw("<" + name + ">")
		m.num(n)
		m.raw("</" + name + ">\n")
	}
	sum := func(name string, c Checksum) {
		m.raw("    <" + name + " type=\"" + c.Kind + "\">" + c.Hex + "</" + name + ">\n")
	}
	m.raw("  ")
	field("revision", r.Revision)
	for i, d := range r.Documents() {
		m.raw("  <data type=\"" + documentNames[i] + "\">\n")
		sum("checksum", d.Checksum)
		sum("open-checksum", d.Open)
		m.raw("    <location href=\"")
		m.attr(d.Href)
		m.raw("\"/>\n    ")
		field("timestamp", d.Timestamp)
		m.raw("    ")
		field("size", d.Size)
		m.raw("    ")
		field("open-size", d.OpenSize)
		m.raw("  </data>\n")
	}
	m.raw("</repomd>\n")
	return m.b
}

// extension is the end of a document's file name.
func extension(c config.Compression) string {
	if c == config.Zstd {
		return ".xml.zst"
	}
	return ".xml.gz"
}

// describe is the entry of repomd.xml for a finished document.
func (d *document) describe(name string, c config.Compression, revision int64) Document {
	sum := Checksum{"sha256", hex.EncodeToString(d.packed.Sum(nil))}
	return Document{
		Href:      "repodata/" + sum.Hex + "-" + name + extension(c),
		Checksum:  sum,
		Open:      Checksum{"sha256", hex.EncodeToString(d.open.Sum(nil))},
		Size:      d.size,
		OpenSize:  d.bytes,
		Timestamp: revision,
	}
}
