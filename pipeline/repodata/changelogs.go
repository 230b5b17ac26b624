package repodata

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Limits of what is kept of a package's changelog: createrepo_c writes 10 entries
// unless it is told otherwise.
const (
	maxChanges = 64
	maxChange  = 16 << 10 // bytes of an entry
)

// Change is an entry of a package's changelog, as its packager wrote it.
type Change struct {
	Author string
	Time   int64 // Unix seconds; tools move entries of one day by seconds, so that they sort
	Text   string
}

// Changelogs hands out the changelogs of the packages with those digests, the
// newest entries of each, which come in the order of the metadata: the oldest of
// them first. Nothing is handed out where the repository has no other.xml, and
// nothing is to be trusted before it returns nil.
func (r *Repository) Changelogs(ctx context.Context, of map[string]bool, yield func(sha256 string, log []Change) error) error {
	if len(of) == 0 {
		return nil
	}
	_, err := r.read(ctx, "other", func(x io.Reader) error { return ReadChangelogs(x, of, yield) })
	return err
}

// ReadChangelogs reads other.xml, unpacked, as Repository.Changelogs does.
func ReadChangelogs(r io.Reader, of map[string]bool, yield func(sha256 string, log []Change) error) error {
	c := changelogReader{of: of, yield: yield}
	if err := readXML(r, detailRoots["other"], c.element); err != nil {
		return fmt.Errorf("read other.xml: %w", err)
	}
	return nil
}

type changelogReader struct {
	of    map[string]bool
	yield func(string, []Change) error
	id    string // of the package that is read, empty where it is not wanted
	log   []Change
}

func (c *changelogReader) element(path []string, attrs *attributes, text []byte) error {
	switch {
	case len(path) == 2 && attrs != nil:
		if path[1] != "package" {
			return fmt.Errorf("element %q where packages belong", clip(path[1]))
		}
		c.id, c.log = "", nil
		if id := attribute(attrs, "pkgid"); c.of[id] {
			c.id = id
		}
	case len(path) == 2 && c.id != "":
		return c.yield(c.id, c.log)
	case len(path) == 3 && path[2] == "changelog" && c.id != "":
		if attrs != nil {
			at, err := strconv.ParseInt(attribute(attrs, "date"), 10, 64)
			if err != nil {
				return errors.New("an entry of a changelog without a date")
			}
			if len(c.log) == maxChanges {
				c.log = append(c.log[:0], c.log[1:]...)
			}
			c.log = append(c.log, Change{Author: clip(attribute(attrs, "author")), Time: at})
			return nil
		}
		more := ""
		if len(text) > maxChange {
			text, more = text[:maxChange], "..."
		}
		c.log[len(c.log)-1].Text = string(text) + more
	}
	return nil
}
