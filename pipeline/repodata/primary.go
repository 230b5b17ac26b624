package repodata

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// PackageRef is a package as primary.xml tells clients of it.
type PackageRef struct {
	NEVRA
	Href       string // from the repository's root
	SHA256     string // of the package, lower-case hex
	Size       int64  // bytes
	Start, End int64  // range of its header in bytes
	Source     string // file name of the source package, empty for one
	Built      int64  // Unix seconds
}

// ReadPrimary reads primary.xml, unpacked, and hands out the packages one by
// one. Whatever it does not know is skipped; a package that lacks something,
// says it twice, or could lead a client out of the repository is an error, like
// a number of packages that is not the one announced.
func ReadPrimary(r io.Reader, yield func(PackageRef) error) error {
	p := primaryReader{yield: yield, announced: -1}
	err := readXML(r, rootName{"http://linux.duke.edu/metadata/common", "metadata"}, p.element)
	if err == nil && p.announced != p.packages {
		err = fmt.Errorf("%d packages announced, %d there", p.announced, p.packages)
	}
	if err != nil {
		return fmt.Errorf("read primary.xml: %w", err)
	}
	return nil
}

type primaryReader struct {
	yield               func(PackageRef) error
	announced, packages int64
	ref                 PackageRef
	seen                [len(primaryFields)]bool
}

// primaryFields are the elements that a package must have.
var primaryFields = [...]string{"name", "arch", "version", "checksum", "size", "location", "header-range"}

func (p *primaryReader) element(path []string, attrs *attributes, text []byte) (err error) {
	switch {
	case len(path) == 1 && attrs != nil:
		p.announced, err = wholeNumber(attribute(attrs, "packages"))
		return err
	case len(path) == 2 && attrs != nil:
		if path[1] != "package" || attribute(attrs, "type") != "rpm" {
			return fmt.Errorf("element %q of type %q where packages belong", path[1], attribute(attrs, "type"))
		}
		p.ref, p.seen = PackageRef{}, [len(primaryFields)]bool{}
	case len(path) == 2:
		return p.finish()
	case len(path) == 3 || len(path) == 4 && path[2] == "format" && (path[3] == "header-range" || path[3] == "sourcerpm"):
		for i, name := range primaryFields {
			if name == path[len(path)-1] && attrs != nil {
				if p.seen[i] {
					return fmt.Errorf("package %d has two elements %q", p.packages+1, name)
				}
				p.seen[i] = true
			}
		}
		return p.field(path[len(path)-1], attrs, text)
	}
	return nil
}

func (p *primaryReader) field(name string, attrs *attributes, text []byte) (err error) {
	switch {
	case name == "name" && attrs == nil:
		p.ref.Name = string(text)
	case name == "arch" && attrs == nil:
		p.ref.Arch = string(text)
	case name == "checksum" && attrs == nil:
		p.ref.SHA256 = string(text)
	case name == "sourcerpm" && attrs == nil:
		p.ref.Source = string(text)
	case attrs == nil:
	case name == "checksum":
		if kind := attribute(attrs, "type"); kind != "sha256" {
			return fmt.Errorf("checksum of a package of the kind %q, not sha256", clip(kind))
		}
	case name == "version":
		p.ref.Version, p.ref.Release = attribute(attrs, "ver"), attribute(attrs, "rel")
		epoch, e := strconv.ParseUint(attribute(attrs, "epoch"), 10, 31)
		p.ref.Epoch, err = int(epoch), e
	case name == "time":
		// Not every tool writes it, and nothing rests on it.
		p.ref.Built, _ = strconv.ParseInt(attribute(attrs, "build"), 10, 64)
	case name == "size":
		p.ref.Size, err = wholeNumber(attribute(attrs, "package"))
	case name == "location":
		for _, name := range attrs.names() {
			if local(name) == "base" {
				return errors.New("a package at another base than the repository")
			}
		}
		p.ref.Href = attribute(attrs, "href")
	case name == "header-range":
		if p.ref.Start, err = wholeNumber(attribute(attrs, "start")); err == nil {
			p.ref.End, err = wholeNumber(attribute(attrs, "end"))
		}
	}
	return err
}

// finish checks a package and hands it out.
func (p *primaryReader) finish() error {
	p.packages++
	for i, seen := range p.seen {
		if !seen {
			return fmt.Errorf("package %d has no element %q", p.packages, primaryFields[i])
		}
	}
	r := &p.ref
	if err := r.NEVRA.Check(); err != nil {
		return err
	}
	if err := CheckHref(r.Href); err != nil {
		return err
	}
	if r.Source != "" && CheckHref(r.Source) != nil {
		return fmt.Errorf("%s: a bad source package %q", r.NEVRA, clip(r.Source))
	}
	if sum, err := hex.DecodeString(r.SHA256); err != nil || len(sum) != 32 || strings.ToLower(r.SHA256) != r.SHA256 {
		return fmt.Errorf("%q is not a SHA-256 in hex", clip(r.SHA256))
	}
	if r.Start <= 0 || r.End <= r.Start || r.Size < r.End {
		return fmt.Errorf("%s: a header from %d to %d in %d bytes is not credible", r.NEVRA, r.Start, r.End, r.Size)
	}
	return p.yield(*r)
}
