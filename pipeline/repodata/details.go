package repodata

import (
	"fmt"
	"io"
)

// detailRoots are the roots of the documents that tell more of the packages of
// primary.xml, by type.
var detailRoots = map[string]rootName{
	"filelists": {"http://linux.duke.edu/metadata/filelists", "filelists"},
	"other":     {"http://linux.duke.edu/metadata/other", "otherdata"},
}

// CheckDetails reads filelists.xml or other.xml, as kind says, unpacked. Its
// packages must be exactly those with the given digests, each once.
func CheckDetails(r io.Reader, kind string, want map[string]bool) error {
	announced, seen := int64(-1), make(map[string]bool, len(want))
	err := readXML(r, detailRoots[kind], func(path []string, attrs *attributes, _ []byte) (err error) {
		switch {
		case attrs == nil:
		case len(path) == 1:
			announced, err = wholeNumber(attribute(attrs, "packages"))
		case len(path) == 2:
			id := attribute(attrs, "pkgid")
			if path[1] != "package" || !want[id] || seen[id] {
				err = fmt.Errorf("element %q with the pkgid %q, where each package of primary.xml belongs once", clip(path[1]), clip(id))
			}
			seen[id] = true
		}
		return err
	})
	if err == nil && (len(seen) != len(want) || announced != int64(len(want))) {
		err = fmt.Errorf("%d packages announced, %d there, %d in primary.xml", announced, len(seen), len(want))
	}
	return err
}
