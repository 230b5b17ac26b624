package repodata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
)

// Limits of advisories: an erratum of a kernel or of a desktop names some
// thousand packages in all architectures.
const (
	maxNamed      = 50_000 // packages
	maxCVEs       = 5_000
	maxAdvisories = 1_000_000 // of a repository
)

// Advisory is an erratum of updateinfo.xml. All text is its writer's.
type Advisory struct {
	ID, Type, Severity, Title string
	Time                      time.Time // when it was last changed, else issued; zero where neither is told
	CVEs                      []string
	Packages                  []NEVRA // that repair it; not checked
}

// Advisories hands out the errata of the repository one by one and tells whether
// the repository has any document of them. Nothing is to be trusted before it
// returns nil.
func (r *Repository) Advisories(ctx context.Context, yield func(Advisory) error) (bool, error) {
	return r.read(ctx, "updateinfo", func(x io.Reader) error { return ReadAdvisories(x, yield) })
}

// ReadAdvisories reads updateinfo.xml, unpacked.
func ReadAdvisories(r io.Reader, yield func(Advisory) error) error {
	a := advisoryReader{yield: yield}
	if err := readXML(r, rootName{"", "updates"}, a.element); err != nil {
		return fmt.Errorf("read updateinfo.xml: %w", err)
	}
	return nil
}

type advisoryReader struct {
	yield func(Advisory) error
	a     Advisory
	seen  int
}

func (r *advisoryReader) element(path []string, attrs *attributes, text []byte) error {
	switch {
	case len(path) < 2 || path[1] != "update":
		return nil
	case len(path) == 2 && attrs != nil:
		if r.seen++; r.seen > maxAdvisories {
			return fmt.Errorf("more than %d advisories", maxAdvisories)
		}
		r.a = Advisory{Type: clip(attribute(attrs, "type"))}
	case len(path) == 2:
		if r.a.ID == "" {
			return errors.New("an advisory without an id")
		}
		return r.yield(r.a)
	case len(path) == 3:
		return r.field(path[2], attrs, text)
	case len(path) == 4 && path[3] == "reference" && attribute(attrs, "type") == "cve":
		if len(r.a.CVEs) == maxCVEs {
			return fmt.Errorf("%s names more than %d CVEs", r.a.ID, maxCVEs)
		}
		r.a.CVEs = append(r.a.CVEs, clip(attribute(attrs, "id")))
	case len(path) == 5 && path[4] == "package" && attrs != nil:
		if len(r.a.Packages) == maxNamed {
			return fmt.Errorf("%s names more than %d packages", r.a.ID, maxNamed)
		}
		n := NEVRA{Name: attribute(attrs, "name"), Version: attribute(attrs, "version"), Release: attribute(attrs, "release"), Arch: attribute(attrs, "arch")}
		n.Epoch, _ = strconv.Atoi(attribute(attrs, "epoch")) // none is 0, as for rpm
		r.a.Packages = append(r.a.Packages, n)
	}
	return nil
}

func (r *advisoryReader) field(name string, attrs *attributes, text []byte) error {
	switch {
	case attrs == nil && name == "id":
		r.a.ID = clip(string(text))
	case attrs == nil && name == "title":
		r.a.Title = string(text[:min(len(text), 500)])
	case attrs == nil && name == "severity":
		r.a.Severity = clip(string(text))
	case attrs != nil && (name == "issued" || name == "updated"):
		if at := date(attribute(attrs, "date")); at.After(r.a.Time) {
			r.a.Time = at
		}
	}
	return nil
}

// date reads a date in the forms that tools write, zero where it is none.
func date(s string) time.Time {
	for _, form := range []string{time.DateTime, "2006-01-02 15:04:05 MST", "2006-01-02 15:04", time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(form, s); err == nil {
			return at.UTC()
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}
