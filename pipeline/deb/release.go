package deb

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"gantry/storage"
)

// Release is what clients of a suite look at first: when it was made, and what
// its indexes are (https://wiki.debian.org/DebianRepository/Format).
type Release struct {
	Origin, Label, Suite, Description string

	Date          time.Time // UTC, whole seconds
	ValidUntil    time.Time // zero where it stays valid
	Architectures []string
	Components    []string
	Files         []IndexFile
}

// IndexFile is a file that Release names.
type IndexFile struct {
	Path   string // relative to Release
	Size   int64
	SHA256 string
}

// dateForm is how Release writes times.
const dateForm = "Mon, 02 Jan 2006 15:04:05 UTC"

// Encode writes Release, its files by path. Text that would be another field is
// an error.
func (r *Release) Encode() ([]byte, error) {
	slices.SortFunc(r.Files, func(a, b IndexFile) int { return cmp.Compare(a.Path, b.Path) })
	var b bytes.Buffer
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	line("Origin", r.Origin)
	line("Label", r.Label)
	line("Suite", r.Suite)
	line("Codename", r.Suite)
	line("Date", r.Date.UTC().Format(dateForm))
	if !r.ValidUntil.IsZero() {
		line("Valid-Until", r.ValidUntil.UTC().Format(dateForm))
	}
	line("Acquire-By-Hash", "yes")
	line("Architectures", strings.Join(r.Architectures, " "))
	line("Components", strings.Join(r.Components, " "))
	line("Description", r.Description)
	b.WriteString("SHA256:\n")
	for _, f := range r.Files {
		fmt.Fprintf(&b, " %s %d %s\n", f.SHA256, f.Size, f.Path)
	}
	again, err := ParseRelease(b.Bytes())
	if err != nil {
		return nil, fmt.Errorf("write Release: %w", err)
	}
	for _, text := range [][2]string{{r.Origin, again.Origin}, {r.Label, again.Label}, {r.Suite, again.Suite}, {r.Description, again.Description}} {
		if text[0] != text[1] || strings.Contains(text[0], "\n") {
			return nil, fmt.Errorf("write Release: %q is not plain text of one line", clip(text[0]))
		}
	}
	return b.Bytes(), nil
}

// maxRelease is the most bytes that InRelease may have.
const maxRelease = 4 << 20

// ParseRelease reads Release, of which the signature was verified. A Date and
// SHA-256 digests are wanted; weaker ones are passed over.
func ParseRelease(text []byte) (*Release, error) {
	if len(text) > maxRelease {
		return nil, fmt.Errorf("%d bytes are too many for Release", len(text))
	}
	p, err := parseParagraph(text)
	if err != nil {
		return nil, err
	}
	r := &Release{
		Origin: p.get("Origin"), Label: p.get("Label"), Suite: p.get("Suite"), Description: p.get("Description"),
		Architectures: strings.Fields(p.get("Architectures")), Components: strings.Fields(p.get("Components")),
	}
	if r.Date, err = parseDate(p.get("Date")); err != nil {
		return nil, fmt.Errorf("its Date: %w", err)
	}
	if until := p.get("Valid-Until"); until != "" {
		if r.ValidUntil, err = parseDate(until); err != nil {
			return nil, fmt.Errorf("its Valid-Until: %w", err)
		}
	}
	seen := map[string]bool{}
	for line := range strings.Lines(p.get("SHA256")) {
		words := strings.Fields(line)
		if len(words) != 3 || !isDigest(words[0]) {
			return nil, fmt.Errorf("%q is no digest, size and name of a file", clip(strings.TrimSpace(line)))
		}
		f := IndexFile{Path: words[2], SHA256: words[0]}
		if f.Size, err = parseSize(words[1]); err == nil {
			err = storage.CheckKey(f.Path)
		}
		if err == nil && seen[f.Path] {
			err = errors.New("it is there twice")
		}
		if err != nil {
			return nil, fmt.Errorf("the file %s: %w", clip(words[2]), err)
		}
		seen[f.Path] = true
		r.Files = append(r.Files, f)
	}
	if len(r.Files) == 0 {
		return nil, errors.New("it names no file by SHA-256")
	}
	return r, nil
}

// parseDate reads a time as Release has it; only UTC is known.
func parseDate(s string) (time.Time, error) {
	for _, form := range []string{dateForm, "Mon, 2 Jan 2006 15:04:05 UTC", "Mon, 2 Jan 2006 15:04:05 GMT", "Mon, 2 Jan 2006 15:04:05 +0000"} {
		if t, err := time.Parse(form, s); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not a time such as %s", clip(s), dateForm)
}

// find is a file by its path.
func (r *Release) find(path string) (IndexFile, bool) {
	for _, f := range r.Files {
		if f.Path == path {
			return f, true
		}
	}
	return IndexFile{}, false
}
