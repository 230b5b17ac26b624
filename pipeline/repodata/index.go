package repodata

import (
	"errors"
	"fmt"
	"io"
	"regexp"
)

// Index is the content of repomd.xml of a repository that others made: any
// documents, of which primary must be there. What it does not say of a document's
// content (Open, OpenSize) is empty: the empty <open-size> that some tools write
// is none.
type Index struct {
	Revision  string // any text; tools write a number
	Documents []Document
}

// Document is the document of a type, such as updateinfo.
func (x *Index) Document(kind string) (Document, bool) {
	for _, d := range x.Documents {
		if d.Type == kind {
			return d, true
		}
	}
	return Document{}, false
}

var typeForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$`)

// ReadIndex reads repomd.xml of any repository. Documents of unknown types are
// kept. One without a digest, of a digest weaker than SHA-256, outside of the
// repository or of an incredible size is an error, like two of one type.
func ReadIndex(r io.Reader) (*Index, error) {
	read, err := readRepomd(r, true)
	if err == nil {
		err = read.foreign()
	}
	if err != nil {
		return nil, fmt.Errorf("read repomd.xml: %w", err)
	}
	return &Index{Revision: read.revision, Documents: read.documents}, nil
}

// foreign checks the content of a repomd.xml that anybody wrote.
func (r *repomdReader) foreign() error {
	primary := false
	for i := range r.documents {
		d := &r.documents[i]
		if !typeForm.MatchString(d.Type) {
			return fmt.Errorf("a document of the odd type %q", clip(d.Type))
		}
		if d.Open.Hex == "" {
			d.Open = Checksum{}
		}
		if err := d.check(); err != nil {
			return fmt.Errorf("%s: %w", d.Type, err)
		}
		primary = primary || d.Type == "primary"
	}
	if !primary {
		return errors.New("it names no primary document")
	}
	return nil
}
