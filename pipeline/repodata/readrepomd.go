package repodata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Limits of what repomd.xml may announce.
const (
	MaxRepomd    = 1 << 20  // bytes of repomd.xml
	maxDocuments = 64       // that it names
	maxDocument  = 8 << 30  // bytes of a document, unpacked
	maxRatio     = 500      // of unpacked to packed bytes
	freeRatio    = 16 << 20 // unpacked bytes that may have any ratio
)

// ReadRepomd reads repomd.xml as strictly as its signer can be held to: exactly
// the documents primary, filelists and other, each once, complete, digested by
// SHA-256 or better, in repodata/ and of a credible size.
func ReadRepomd(r io.Reader) (*Repomd, error) {
	read, err := readRepomd(r, false)
	var repomd *Repomd
	if err == nil {
		repomd, err = read.own()
	}
	if err != nil {
		return nil, fmt.Errorf("read repomd.xml: %w", err)
	}
	return repomd, nil
}

// own is the content of a repomd.xml that this program wrote.
func (r *repomdReader) own() (*Repomd, error) {
	if !r.revised {
		return nil, errors.New("no revision")
	}
	revision, err := wholeNumber(r.revision)
	if err != nil {
		return nil, err
	}
	repomd := Repomd{Revision: revision}
	all := repomd.Documents()
	for _, d := range r.documents {
		i := slices.Index(Types[:], d.Type)
		if i < 0 {
			return nil, fmt.Errorf("a document of the unexpected type %q", clip(d.Type))
		}
		*all[i] = d
	}
	for i, d := range all {
		err := d.check()
		switch {
		case err != nil:
		case d.Open == Checksum{} || d.OpenSize == 0 || d.Size == 0:
			err = errors.New("what it holds is not told")
		case !strings.HasPrefix(d.Href, "repodata/") || strings.Count(d.Href, "/") != 1:
			err = fmt.Errorf("location %q is not in repodata/", d.Href)
		case !strings.HasSuffix(d.Href, ".gz") && !strings.HasSuffix(d.Href, ".zst"):
			err = errors.New("it is neither .gz nor .zst")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", Types[i], err)
		}
	}
	return &repomd, nil
}

// repomdReader collects what repomd.xml says.
type repomdReader struct {
	lenient   bool // an element without a value is one that is missing
	revised   bool
	revision  string
	documents []Document
	fields    map[string]bool // elements that the last of them has
}

func readRepomd(r io.Reader, lenient bool) (*repomdReader, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxRepomd+1))
	if err == nil && len(data) > MaxRepomd {
		err = errors.New("it is too large")
	}
	read := &repomdReader{lenient: lenient, fields: map[string]bool{}}
	if err == nil {
		err = readXML(bytes.NewReader(data), rootName{"http://linux.duke.edu/metadata/repo", "repomd"}, read.element)
	}
	return read, err
}

func (r *repomdReader) element(path []string, attrs *attributes, text []byte) (err error) {
	switch {
	case len(path) == 2 && path[1] == "revision" && attrs == nil:
		if r.revised {
			return errors.New("two revisions")
		}
		r.revised, r.revision = true, string(text)
	case len(path) == 2 && path[1] == "data" && attrs != nil:
		return r.data(attribute(attrs, "type"))
	case len(path) == 3 && path[1] == "data":
		if attrs != nil {
			if r.fields[path[2]] {
				return fmt.Errorf("two elements %q of one document", clip(path[2]))
			}
			r.fields[path[2]] = true
		}
		return r.field(&r.documents[len(r.documents)-1], path[2], attrs, string(text))
	}
	return nil
}

// data begins the document of a type.
func (r *repomdReader) data(kind string) error {
	if slices.ContainsFunc(r.documents, func(d Document) bool { return d.Type == kind }) {
		return fmt.Errorf("two documents %q", clip(kind))
	}
	if len(r.documents) == maxDocuments {
		return fmt.Errorf("more than %d documents", maxDocuments)
	}
	clear(r.fields)
	r.documents = append(r.documents, Document{Type: kind})
	return nil
}

func (r *repomdReader) field(d *Document, name string, attrs *attributes, text string) (err error) {
	if attrs == nil && text == "" && r.lenient {
		return nil
	}
	switch {
	case name == "location" && attrs != nil:
		for _, name := range attrs.names() {
			if name != "href" {
				return fmt.Errorf("location has the attribute %q", clip(name))
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
		d.Timestamp, err = r.number(text)
	case name == "size" && attrs == nil:
		d.Size, err = wholeNumber(text)
	case name == "open-size" && attrs == nil:
		d.OpenSize, err = wholeNumber(text)
	}
	return err
}

// number reads a time, of which some tools write the fraction too.
func (r *repomdReader) number(s string) (int64, error) {
	if r.lenient {
		s, _, _ = strings.Cut(s, ".")
	}
	return wholeNumber(s)
}

// wholeNumber reads a whole number that is not negative.
func wholeNumber(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", clip(s))
	}
	return int64(n), nil
}

// check tells whether what is there is credible.
func (d *Document) check() error {
	if _, err := d.Checksum.hash(); err != nil {
		return err
	}
	if d.Open != (Checksum{}) {
		if _, err := d.Open.hash(); err != nil {
			return err
		}
	}
	if err := CheckHref(d.Href); err != nil {
		return err
	}
	if d.Size < 0 || d.Size > maxDocument || d.OpenSize < 0 || d.OpenSize > d.most() {
		return fmt.Errorf("%d bytes that hold %d are not credible", d.Size, d.OpenSize)
	}
	return nil
}

// most is how many bytes may be packed in the document.
func (d *Document) most() int64 { return max(freeRatio, min(maxDocument, d.Size*maxRatio)) }
