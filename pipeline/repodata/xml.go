package repodata

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Limits of metadata that is read. A package of 100,000 files has about 10 MiB
// of them, in elements of their own.
const (
	maxElement = 4 << 20 // bytes of one element's text, or of one tag
	maxDepth   = 6       // levels of elements
)

// rootName is the name of a document's root element, and its namespace.
type rootName struct{ space, local string }

// element is called for each element: at its start with its attributes, and at
// its end, with attrs nil, with its text, which is the reader's and changes. path
// is the names of the elements round it and its own, without namespaces.
type element func(path []string, attrs *attributes, text []byte) error

// readXML reads a document of metadata, whose root element it checks. It takes
// what tools write: no document type, so no entities, UTF-8, and names in ASCII;
// and no more memory than one element's. It is stricter than encoding/xml, and
// reads many times as fast, since it makes nothing of what nobody asks for.
func readXML(r io.Reader, root rootName, visit element) error {
	d := documentReader{scanner: scanner{r: r}, root: root, visit: visit, known: map[string]string{}}
	for {
		err := d.next()
		if err == io.EOF && d.begun && len(d.path) == 0 {
			return nil
		}
		if err != nil {
			return cut(err)
		}
	}
}

// documentReader is what was read of a document.
type documentReader struct {
	scanner
	root  rootName
	visit element
	begun bool     // the root element was there
	open  []string // names as they are written
	path  []string // the same, without prefixes
	text  []byte   // since the last tag
	known map[string]string
	lead  bool // something was read
}

// next reads text and the markup that ends it.
func (d *documentReader) next() error {
	text, err := d.upto([]byte("<"))
	if err == io.EOF {
		text, d.at = d.rest(), len(d.buf)
	} else if err != nil {
		return err
	}
	if !d.lead {
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	}
	if e := d.characters(text); e != nil {
		return e
	}
	if err != nil {
		return err
	}
	first := !d.lead && len(text) == 0
	d.lead = true
	switch {
	case d.starts("<!--"):
		comment, err := d.between("<!--", "-->")
		if err == nil && bytes.Contains(comment, []byte("--")) {
			err = errors.New("two dashes in a comment")
		}
		if err == nil {
			err = legal(comment)
		}
		return err
	case d.starts("<![CDATA["):
		data, err := d.between("<![CDATA[", "]]>")
		if err == nil && len(d.path) == 0 {
			err = errOutside
		}
		if err == nil {
			err = legal(data)
		}
		if err == nil {
			d.text, err = grow(d.text, lines(data))
		}
		return err
	case d.starts("<!"):
		return errors.New("a document type is not allowed")
	case d.starts("<?"):
		text, err := d.between("<?", "?>")
		if err == nil {
			err = instruction(text, first)
		}
		return err
	case d.starts("</"):
		return d.end()
	}
	return d.start()
}

var errOutside = errors.New("text outside of the root element")

// characters takes text between tags.
func (d *documentReader) characters(text []byte) (err error) {
	if len(d.path) == 0 {
		if len(unspaced(text)) > 0 {
			return errOutside
		}
		return nil
	}
	if bytes.Contains(text, []byte("]]>")) {
		return errors.New("]]> in text")
	}
	if text, err = unescape(text); err == nil {
		d.text, err = grow(d.text, text)
	}
	return err
}

// grow appends to an element's text.
func grow(text, more []byte) ([]byte, error) {
	if len(text)+len(more) > maxElement {
		return nil, errElement
	}
	return append(text, more...), nil
}

// start takes the start tag of an element, and its end where that is one tag.
func (d *documentReader) start() error {
	tag, err := d.tag()
	if err != nil {
		return err
	}
	rest, empty := bytes.CutSuffix(tag, []byte("/"))
	n := nameLength(rest)
	if n == 0 {
		return errors.New("a tag without a name")
	}
	name := d.intern(rest[:n])
	attrs := attributes{rest[n:]}
	if err := attrs.check(); err != nil {
		return fmt.Errorf("element %q: %w", clip(name), err)
	}
	if len(d.path) == 0 && (d.begun || name != d.root.local || attribute(&attrs, "xmlns") != d.root.space) {
		return fmt.Errorf("element %q where one %q belongs", clip(name), d.root.local)
	}
	d.begun, d.open, d.path = true, append(d.open, name), append(d.path, local(name))
	if len(d.path) > maxDepth {
		return errors.New("elements too deep")
	}
	d.text = d.text[:0]
	err = d.visit(d.path, &attrs, nil)
	if err == nil && empty {
		err = d.leave()
	}
	return err
}

// end takes the end tag of an element.
func (d *documentReader) end() error {
	name, err := d.between("</", ">")
	if err != nil {
		return err
	}
	name = bytes.TrimRight(name, " \t\r\n")
	if len(d.open) == 0 || string(name) != d.open[len(d.open)-1] {
		return fmt.Errorf("the end of an element %q that was not begun", clip(string(name)))
	}
	return d.leave()
}

func (d *documentReader) leave() error {
	err := d.visit(d.path, nil, d.text)
	d.text, d.open, d.path = d.text[:0], d.open[:len(d.open)-1], d.path[:len(d.path)-1]
	return err
}

// intern is a name as a string; the few that a document has are made once.
func (d *documentReader) intern(name []byte) string {
	if s, ok := d.known[string(name)]; ok {
		return s
	}
	s := string(name)
	if len(d.known) < 256 {
		d.known[s] = s
	}
	return s
}

// instruction checks the declaration of XML, which may stand first only; others
// are nothing to us.
func instruction(text []byte, first bool) error {
	n := nameLength(text)
	if n == 0 {
		return errors.New("an instruction without a name")
	}
	if string(text[:n]) != "xml" {
		return legal(text)
	}
	a := attributes{text[n:]}
	if err := a.check(); err != nil {
		return err
	}
	encoding := attribute(&a, "encoding")
	switch {
	case !first:
		return errors.New("a declaration of XML that is not first")
	case attribute(&a, "version") != "1.0":
		return errors.New("it is not XML 1.0")
	case encoding != "" && !strings.EqualFold(encoding, "UTF-8"):
		return fmt.Errorf("the encoding %q is not read here", clip(encoding))
	}
	return nil
}
