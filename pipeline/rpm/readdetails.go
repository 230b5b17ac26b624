package rpm

import (
	"encoding/xml"
	"fmt"
	"io"
)

// Roots of the documents that tell more of the packages of primary.xml.
var (
	filelistsRoot = xml.Name{Space: "http://linux.duke.edu/metadata/filelists", Local: "filelists"}
	otherRoot     = xml.Name{Space: "http://linux.duke.edu/metadata/other", Local: "otherdata"}
)

// readDetails reads filelists.xml or other.xml, unpacked. Its packages must be
// exactly those with the given digests, each once.
func readDetails(r io.Reader, root xml.Name, want map[string]bool) error {
	announced, seen := int64(-1), make(map[string]bool, len(want))
	err := readXML(r, root, func(path []string, attrs []xml.Attr, _ string) (err error) {
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
