package rpm

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// Limits of metadata that is read. A package of 100,000 files has about 10 MiB
// of them, in elements of their own.
const (
	maxElement = 4 << 20 // bytes of one element's text, or of one tag
	maxDepth   = 6       // levels of elements
)

// element is called for each element: at its start with its attributes, and at
// its end, with attrs nil, with its text. path is the names of the elements round
// it and its own, without namespaces.
type element func(path []string, attrs []xml.Attr, text string) error

// readXML reads a document of metadata, whose root element it checks. It takes
// no document type, so no entities, and no more memory than one element's.
func readXML(r io.Reader, root xml.Name, visit element) error {
	bounded := &elementReader{r: r}
	d := xml.NewDecoder(bounded)
	var path []string
	var text []byte
	seen := false
	for {
		bounded.left = maxElement
		token, err := d.Token()
		if err == io.EOF && seen && len(path) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(path) == 0 && (seen || t.Name != root) {
				return fmt.Errorf("element %q where one %q belongs", t.Name.Local, root.Local)
			}
			if seen, path = true, append(path, t.Name.Local); len(path) > maxDepth {
				return errors.New("elements too deep")
			}
			if t.Attr == nil {
				t.Attr = []xml.Attr{}
			}
			text = text[:0]
			if err := visit(path, t.Attr, ""); err != nil {
				return err
			}
		case xml.EndElement:
			if err := visit(path, nil, string(text)); err != nil {
				return err
			}
			text, path = text[:0], path[:len(path)-1]
		case xml.CharData:
			if text = append(text, t...); len(text) > maxElement {
				return errElement
			}
		case xml.Directive:
			return errors.New("a document type is not allowed")
		}
	}
}

var errElement = errors.New("an element is too large")

// elementReader ends in an error where more is read than an element may have.
type elementReader struct {
	r    io.Reader
	left int
}

func (e *elementReader) Read(p []byte) (int, error) {
	if e.left <= 0 {
		return 0, errElement
	}
	n, err := e.r.Read(p)
	e.left -= n
	return n, err
}

// attribute is the value of an attribute without a namespace, "" where it is
// missing.
func attribute(attrs []xml.Attr, name string) string {
	for _, a := range attrs {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}
