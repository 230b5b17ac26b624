package deb

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// versionForm is [epoch:]upstream[-revision] of Debian Policy 5.6.12, without
// the colons that an upstream version may have there: they have no place in a
// file name.
var versionForm = regexp.MustCompile(`^(?:([0-9]{1,10}):)?([0-9][A-Za-z0-9.+~-]{0,127})$`)

// checkVersion tells why a text is not a version of a package.
func checkVersion(s string) error {
	parts := versionForm.FindStringSubmatch(s)
	if parts == nil || strings.HasSuffix(s, "-") || strings.Contains(s, "..") {
		return fmt.Errorf("it has the bad version %q", clip(s))
	}
	if n, err := strconv.ParseInt("0"+parts[1], 10, 64); err != nil || n > math.MaxInt32 {
		return fmt.Errorf("its version %q has a bad epoch", clip(s))
	}
	return nil
}

// withoutEpoch is a version as file names have it.
func withoutEpoch(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		return rest
	}
	return version
}

// CompareVersions orders two versions as dpkg does (deb-version(7)): -1 where a
// is older, 1 where it is newer, 0 where dpkg holds them equal.
func CompareVersions(a, b string) int {
	ea, ua, ra := splitVersion(a)
	eb, ub, rb := splitVersion(b)
	return cmp.Or(compareParts(ea, eb), compareParts(ua, ub), compareParts(ra, rb))
}

func splitVersion(s string) (epoch, upstream, revision string) {
	if e, rest, ok := strings.Cut(s, ":"); ok {
		epoch, s = e, rest
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		return epoch, s[:i], s[i+1:]
	}
	return epoch, s, ""
}

// compareParts compares words and numbers by turns: words by weight, numbers by
// value; what is missing is an empty word or the number 0.
func compareParts(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !digit(a[0]) || b != "" && !digit(b[0]) {
			if c := cmp.Compare(weight(a), weight(b)); c != 0 {
				return c
			}
			a, b = a[min(1, len(a)):], b[min(1, len(b)):]
		}
		na, nb := number(a), number(b)
		a, b = a[len(na):], b[len(nb):]
		na, nb = strings.TrimLeft(na, "0"), strings.TrimLeft(nb, "0")
		if c := cmp.Or(cmp.Compare(len(na), len(nb)), cmp.Compare(na, nb)); c != 0 {
			return c
		}
	}
	return 0
}

// weight orders the characters of words: ~ before the end, then letters, then
// the rest. A digit ends a word.
func weight(s string) int {
	switch {
	case s == "" || digit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case s[0] >= 'a' && s[0] <= 'z' || s[0] >= 'A' && s[0] <= 'Z':
		return int(s[0])
	}
	return int(s[0]) + 256
}

func number(s string) string {
	n := 0
	for n < len(s) && digit(s[n]) {
		n++
	}
	return s[:n]
}

func digit(c byte) bool { return c >= '0' && c <= '9' }
