package closure

import (
	"errors"
	"strings"
	"testing"
)

// Whatever a program writes, a repository is closed only where nothing is listed
// and something shows that it was read.
func FuzzListing(f *testing.F) {
	f.Add("package: a from b\n  unresolved deps (1):\n    c\nError: Repoclosure ended with unresolved dependencies (1) across 1 packages.")
	f.Add("Last metadata expiration check: 1")
	f.Add("base  43 kB/s | 257  B     00:00    ")
	f.Fuzz(func(t *testing.T, text string) {
		var l listing
		for line := range strings.Lines(text) {
			l.take(strings.TrimSuffix(line, "\n"))
		}
		for _, err := range []error{nil, errFuzz} {
			v := l.verdict("exit status 1", err, 0)
			if v.why == nil && v.count == 0 && (err != nil || !l.read || strings.Contains(text, "\npackage: a from b\n")) {
				t.Errorf("%q is closed", text)
			}
		}
	})
}

var errFuzz = errors.New("it failed")
