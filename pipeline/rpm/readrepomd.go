package rpm

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
)

// Limits of what repomd.xml may announce.
const (
	maxRepomd   = 1 << 20  // bytes of repomd.xml
	maxDocument = 8 << 30  // bytes of a document's XML
	maxRatio    = 500      // of XML to compressed bytes
	freeRatio   = 16 << 20 // bytes of XML that may have any ratio
)

// ReadRepomd reads repomd.xml as strictly as its signer can be held to: exactly
// the documents primary, filelists and other, each once, complete, digested by
// SHA-256 or better, in repodata/ and of a credible size.
func ReadRepomd(r io.Reader) (*Repomd, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxRepomd+1))
	if err == nil && len(data) > maxRepomd {
		err = errors.New("it is too large")
	}
	repomd := Repomd{Revision: -1}
	if err == nil {
		read := repomdReader{repomd: &repomd, fields: map[string]bool{}}
		err = readXML(bytes.NewReader(data), xml.Name{Space: "http://linux.duke.edu/metadata/repo", Local: "repomd"}, read.element)
	}
	if err == nil {
		err = repomd.check()
	}
	if err != nil {
		return nil, fmt.Errorf("read repomd.xml: %w", err)
	}
	return &repomd, nil
}

// repomdReader collects what repomd.xml says.
type repomdReader struct {
	repomd   *Repomd
	document *Document       // of the data element being read
	fields   map[string]bool // elements that were there
}

func (r *repomdReader) element(path []string, attrs []xml.Attr, text string) (err error) {
	switch {
	case len(path) == 2 && path[1] == "revision" && attrs == nil:
		if r.repomd.Revision >= 0 {
			return errors.New("two revisions")
		}
		r.repomd.Revision, err = wholeNumber(text)
	case len(path) == 2 && path[1] == "data" && attrs != nil:
		return r.data(attribute(attrs, "type"))
	case len(path) == 3 && path[1] == "data":
		if attrs != nil {
			if r.fields[path[2]] {
				return fmt.Errorf("two elements %q of one document", path[2])
			}
			r.fields[path[2]] = true
		}
		return r.field(path[2], attrs, text)
	}
	return err
}

// data begins the document of a type.
func (r *repomdReader) data(kind string) error {
	clear(r.fields)
	for i, d := range r.repomd.Documents() {
		if documentNames[i] != kind {
			continue
		}
		if d.Href != "" {
			return fmt.Errorf("two documents %q", kind)
		}
		r.document = d
		return nil
	}
	return fmt.Errorf("a document of the unexpected type %q", kind)
}

func (r *repomdReader) field(name string, attrs []xml.Attr, text string) (err error) {
	d := r.document
	switch {
	case name == "location" && attrs != nil:
		for _, a := range attrs {
			if a.Name.Local != "href" || a.Name.Space != "" {
				return fmt.Errorf("location has the attribute %q", a.Name.Local)
			}
		}
		d.Href = attribute(attrs, "href")
	case name == "checksum" && attrs != nil:
		d.Checksum.Kind = attribute(attrs, "type")
	case name == "checksum":
		d.Checksum.Hex = text
	case name == "open-checksum" && attrs != nil:
		d.Open.Kind = attribute(attrs, "type")
	case name == "open-checksum":
		d.Open.Hex = text
	case name == "timestamp" && attrs == nil:
		d.Timestamp, err = wholeNumber(text)
	case name == "size" && attrs == nil:
		d.Size, err = wholeNumber(text)
	case name == "open-size" && attrs == nil:
		d.OpenSize, err = wholeNumber(text)
	}
	return err
}

// wholeNumber reads a whole number that is not negative.
func wholeNumber(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", clip(s))
	}
	return int64(n), nil
}

// check tells whether all is there and credible.
func (r *Repomd) check() error {
	if r.Revision < 0 {
		return errors.New("no revision")
	}
	for i, d := range r.Documents() {
		if err := d.check(); err != nil {
			return fmt.Errorf("%s: %w", documentNames[i], err)
		}
	}
	return nil
}

func (d *Document) check() error {
	for _, c := range []Checksum{d.Checksum, d.Open} {
		if _, err := c.hash(); err != nil {
			return err
		}
	}
	if err := localHref(d.Href); err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(d.Href, "repodata/"); !ok || strings.Contains(rest, "/") {
		return fmt.Errorf("location %q is not in repodata/", d.Href)
	}
	if d.Size <= 0 || d.OpenSize <= 0 || d.Size > maxDocument || d.OpenSize > max(freeRatio, min(maxDocument, d.Size*maxRatio)) {
		return fmt.Errorf("%d bytes that hold %d are not credible", d.Size, d.OpenSize)
	}
	return nil
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
