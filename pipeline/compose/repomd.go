package compose

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"gantry/config"
)

// Limits of repomd.xml: those of today have some kilobytes and ten documents.
const (
	maxRepomd    = 1 << 20
	maxDocuments = 1000
	maxDepth     = 16
)

// repomd is what is to be known of a repomd.xml to sign it.
type repomd struct {
	bytes     []byte // without empty open-size elements
	emptied   int    // how many those were
	documents []document
}

// document is a file that repomd.xml names.
type document struct {
	kind, href string
	size       int64 // -1 where it is not said
	elsewhere  bool  // below another address
}

// readRepomd reads repomd.xml. What modifyrepo leaves empty of open-size, which
// clients cannot read as a number, is taken out with the line that it leaves
// blank; every other byte stays.
func readRepomd(data []byte) (*repomd, error) {
	if len(data) > maxRepomd {
		return nil, fmt.Errorf("%d bytes are too many", len(data))
	}
	r := &repomd{}
	var (
		at     []string    // names of the open elements
		rooted bool        // the first one was there
		begin  = int64(-1) // of an open-size that nothing was in so far, else -1
		kept   int         // up to where data is in r.bytes
		before int64       // where the token begins
		dec    = xml.NewDecoder(bytes.NewReader(data))
	)
	for ; ; before = dec.InputOffset() {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("it is no well-formed XML: %w", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(at) == 0 && (t.Name.Local != "repomd" || rooted) || len(at) == maxDepth {
				return nil, errors.New("it is not one repomd element")
			}
			rooted = true
			begin = -1
			at = append(at, t.Name.Local)
			r.bytes = append(r.bytes, data[kept:before]...)
			kept = int(before)
			if err := r.element(at, t.Attr); err != nil {
				return nil, err
			}
			if len(at) == 3 && at[1] == "data" && at[2] == "open-size" && len(t.Attr) == 0 {
				begin = before
			}
		case xml.EndElement:
			at = at[:len(at)-1]
			if r.emptied > maxDocuments {
				return nil, errors.New("too many sizes are empty")
			}
			if begin >= 0 {
				kept = r.cut(data, int(begin), int(dec.InputOffset()))
			}
			begin = -1
		case xml.CharData:
			if err := r.text(at, string(t)); err != nil {
				return nil, err
			}
			begin = -1
		default:
			begin = -1
		}
	}
	r.bytes = append(r.bytes, data[kept:]...)
	if len(r.documents) == 0 {
		return nil, errors.New("it names no document")
	}
	return r, nil
}

// cut leaves out what is between two offsets, and with it the rest of its line
// where nothing else is on it. It returns up to where data is done with.
func (r *repomd) cut(data []byte, from, to int) int {
	r.emptied++
	head := bytes.LastIndexByte(r.bytes, '\n') + 1
	tail := bytes.IndexByte(data[to:], '\n')
	if tail < 0 || len(bytes.TrimSpace(r.bytes[head:])) > 0 || len(bytes.TrimSpace(data[to:to+tail])) > 0 {
		return to
	}
	r.bytes = r.bytes[:head]
	return to + tail + 1
}

// element begins an element.
func (r *repomd) element(at []string, attrs []xml.Attr) error {
	switch {
	case len(at) == 2 && at[1] == "data":
		if len(r.documents) == maxDocuments {
			return errors.New("it names too many documents")
		}
		d := document{size: -1}
		for _, a := range attrs {
			if a.Name.Local == "type" {
				d.kind = a.Value
			}
		}
		r.documents = append(r.documents, d)
	case len(at) == 3 && at[1] == "data" && at[2] == "location":
		d := &r.documents[len(r.documents)-1]
		for _, a := range attrs {
			switch a.Name.Local {
			case "href":
				d.href = a.Value
			case "base":
				d.elsewhere = true
			}
		}
	}
	return nil
}

// text is text in an element.
func (r *repomd) text(at []string, text string) error {
	if text = strings.TrimSpace(text); text == "" || len(at) != 3 || at[1] != "data" || at[2] != "size" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return fmt.Errorf("%q is no size", config.Inert(text[:min(len(text), 40)]))
	}
	r.documents[len(r.documents)-1].size = n
	return nil
}

// groups tells whether the repository has groups of packages, as those have that
// an installer reads.
func (r *repomd) groups() bool {
	for _, d := range r.documents {
		if strings.HasPrefix(d.kind, "group") {
			return true
		}
	}
	return false
}

// whole refuses metadata that names what is not there: a createrepo that was
// interrupted leaves it so.
func (r *repomd) whole(root *os.Root, repo string) error {
	for _, d := range r.documents {
		if d.elsewhere {
			return fmt.Errorf("it names %q below another address, where nobody here can look", config.Inert(d.href))
		}
		if !filepath.IsLocal(d.href) {
			return fmt.Errorf("it names %q, which is no file below the repository", config.Inert(d.href))
		}
		fi, err := root.Lstat(path.Join(repo, d.href))
		if err != nil {
			return fmt.Errorf("it names %s: %w", config.Inert(d.href), err)
		}
		if !fi.Mode().IsRegular() || d.size >= 0 && fi.Size() != d.size {
			return fmt.Errorf("%s is not the file of %d bytes that it names", config.Inert(d.href), d.size)
		}
	}
	return nil
}
