// Package image is about the images of a release: which there must be, whether
// they are what their CHECKSUM files say, and these files themselves.
package image

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gantry/config"
)

// Sum is what a CHECKSUM file says of one file.
type Sum struct {
	Name   string
	Size   int64  // bytes, -1 where it says nothing of that
	SHA256 string // 64 lower-case hex digits
}

const (
	mostText = 1 << 20 // bytes of a CHECKSUM file
	mostSums = 10_000
)

// Parse reads a CHECKSUM file: pairs of lines as Fedora's and Rocky's tools write
// them, "# NAME: N bytes" and "SHA256 (NAME) = HEX", or lines of sha256sum. A name
// may come twice where both say the same. Whatever else there is, is an error: a
// line that is not understood may be the one that matters.
func Parse(text []byte) ([]Sum, error) {
	if len(text) > mostText {
		return nil, fmt.Errorf("%d bytes are more than a file of checksums has", len(text))
	}
	sizes, digests := map[string]int64{}, map[string]string{}
	for i, line := range bytes.Split(text, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		if err := parseLine(string(line), sizes, digests); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if len(digests) > mostSums {
			return nil, fmt.Errorf("line %d: more than %d checksums", i+1, mostSums)
		}
	}
	for name := range sizes {
		if digests[name] == "" {
			return nil, fmt.Errorf("the size of %s is there, its SHA-256 is not", name)
		}
	}
	sums := make([]Sum, 0, len(digests))
	for name, digest := range digests {
		size, known := sizes[name]
		if !known {
			size = -1
		}
		sums = append(sums, Sum{name, size, digest})
	}
	slices.SortFunc(sums, byName)
	return sums, nil
}

func byName(a, b Sum) int { return strings.Compare(a.Name, b.Name) }

func parseLine(line string, sizes map[string]int64, digests map[string]string) error {
	if config.Inert(line) != line || strings.Contains(line, "\t") {
		return fmt.Errorf("%q holds control characters", line[:min(len(line), 200)])
	}
	if rest, ok := strings.CutPrefix(line, "# "); ok {
		rest, ok := strings.CutSuffix(rest, " bytes")
		i := strings.LastIndex(rest, ": ")
		if !ok || i < 0 {
			return fmt.Errorf("%q is no size of a file", clip(line))
		}
		name, number := rest[:i], rest[i+2:]
		size, err := strconv.ParseUint(number, 10, 62)
		if err != nil || strconv.FormatUint(size, 10) != number {
			return fmt.Errorf("%q is no size of a file", clip(line))
		}
		return enter(sizes, name, int64(size))
	}
	var name, digest string
	if rest, ok := strings.CutPrefix(line, "SHA256 ("); ok {
		i := strings.LastIndex(rest, ") = ")
		if i < 0 {
			return fmt.Errorf("%q is no SHA-256 of a file", clip(line))
		}
		name, digest = rest[:i], rest[i+4:]
	} else if len(line) > 66 && line[64] == ' ' && (line[65] == ' ' || line[65] == '*') {
		name, digest = line[66:], line[:64]
	} else {
		return fmt.Errorf("%q is no SHA-256 of a file", clip(line))
	}
	if b, err := hex.DecodeString(digest); err != nil || len(b) != 32 {
		return fmt.Errorf("%q holds no SHA-256", clip(line))
	}
	return enter(digests, name, strings.ToLower(digest))
}

// enter notes what is said of a name, and refuses what says something else of it.
func enter[T comparable](into map[string]T, name string, said T) error {
	if err := plain(name); err != nil {
		return err
	}
	if was, twice := into[name]; twice && was != said {
		return fmt.Errorf("%s is there twice, once with %v and once with %v", name, was, said)
	}
	into[name] = said
	return nil
}

// plain refuses what is no name of a file in the same directory.
func plain(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 255 || strings.ContainsAny(name, `/\`) || config.Inert(name) != name {
		return fmt.Errorf("%q is no name of a file here", clip(name))
	}
	return nil
}

// Format writes a CHECKSUM file, sorted by name, that Parse and sha256sum --check
// read. A sum without size or digest is an error.
func Format(sums []Sum) ([]byte, error) {
	if len(sums) == 0 {
		return nil, errors.New("a file of no checksums would pass every check")
	}
	var b bytes.Buffer
	for _, s := range slices.SortedFunc(slices.Values(sums), byName) {
		if err := plain(s.Name); err != nil {
			return nil, err
		}
		if d, err := hex.DecodeString(s.SHA256); err != nil || len(d) != 32 || s.Size < 0 {
			return nil, fmt.Errorf("%s has no size or SHA-256", s.Name)
		}
		fmt.Fprintf(&b, "# %s: %d bytes\nSHA256 (%s) = %s\n", s.Name, s.Size, s.Name, strings.ToLower(s.SHA256))
	}
	return b.Bytes(), nil
}

func clip(text string) string { return config.Inert(text[:min(len(text), 200)]) }
