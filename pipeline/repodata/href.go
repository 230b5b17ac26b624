package repodata

import (
	"fmt"
	"io/fs"
	"strings"
)

// CheckHref checks that a location in metadata is a plain path below the
// repository: clients join it to a URL, so what a URL gives a meaning to
// (schemes, queries, escapes, dots) is refused, like what a terminal would.
func CheckHref(href string) error {
	if !fs.ValidPath(href) || href == "." || len(href) > 4096 || strings.ContainsAny(href, "\\%?#:\"<>") {
		return fmt.Errorf("location %q is not a plain path below the repository", href)
	}
	for _, r := range href {
		if r <= ' ' || r >= 0x7f {
			return fmt.Errorf("location %q has a character that a URL has not", href)
		}
	}
	return nil
}
