package repodata

import (
	"cmp"
	"strings"
)

// CompareEVR orders two texts of the form epoch:version-release as rpm does:
// -1 where a is older, 1 where it is newer, 0 where rpm holds them equal. What
// is missing is the lowest.
func CompareEVR(a, b string) int {
	ea, va, ra := splitEVR(a)
	eb, vb, rb := splitEVR(b)
	return cmp.Or(CompareVersions(ea, eb), CompareVersions(va, vb), CompareVersions(ra, rb))
}

// splitEVR is rpm's parseEVR: digits before a colon are the epoch, what follows
// the last dash is the release.
func splitEVR(s string) (epoch, version, release string) {
	if digits := strings.TrimLeft(s, "0123456789"); strings.HasPrefix(digits, ":") {
		epoch, s = s[:len(s)-len(digits)], digits[1:]
	}
	if epoch == "" {
		epoch = "0"
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 {
		return epoch, s[:i], s[i+1:]
	}
	return epoch, s, ""
}

// CompareVersions is rpm's rpmvercmp: runs of digits and of letters, one by one;
// numbers by value and above letters; ~ below the end of the text, ^ above the
// end and below anything else.
func CompareVersions(a, b string) int {
	if a == b {
		return 0
	}
	for a != "" || b != "" {
		a, b = strings.TrimLeftFunc(a, isSeparator), strings.TrimLeftFunc(b, isSeparator)

		ta, tb := strings.HasPrefix(a, "~"), strings.HasPrefix(b, "~")
		if ta || tb {
			if !ta || !tb {
				return choose(ta, -1, 1)
			}
			a, b = a[1:], b[1:]
			continue
		}
		ca, cb := strings.HasPrefix(a, "^"), strings.HasPrefix(b, "^")
		if ca || cb {
			switch {
			case a == "":
				return -1
			case b == "":
				return 1
			case !ca || !cb:
				return choose(ca, -1, 1)
			}
			a, b = a[1:], b[1:]
			continue
		}
		if a == "" || b == "" {
			break
		}

		kind := isLetter
		if number := isDigit(rune(a[0])); number {
			kind = isDigit
		}
		ra, rb := run(a, kind), run(b, kind)
		if rb == "" { // a number and a word
			return choose(isDigit(rune(a[0])), 1, -1)
		}
		a, b = a[len(ra):], b[len(rb):]
		if isDigit(rune(ra[0])) {
			ra, rb = strings.TrimLeft(ra, "0"), strings.TrimLeft(rb, "0")
			if c := cmp.Compare(len(ra), len(rb)); c != 0 {
				return c
			}
		}
		if c := strings.Compare(ra, rb); c != 0 {
			return c
		}
	}
	return cmp.Compare(min(len(a), 1), min(len(b), 1))
}

func choose(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

// run is the longest prefix of characters of one kind.
func run(s string, kind func(rune) bool) string {
	return s[:len(s)-len(strings.TrimLeftFunc(s, kind))]
}

func isDigit(r rune) bool  { return r >= '0' && r <= '9' }
func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isSeparator(r rune) bool { return !isDigit(r) && !isLetter(r) && r != '~' && r != '^' }
