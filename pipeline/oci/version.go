package oci

import (
	"cmp"
	"strings"
)

// CompareVersions compares versions of images, which follow no rule: negative
// where a is older. Numbers go by
// their value, words by their letters, and what follows a ~ or a - after a number
// stands before the version without it, as in 1.0-rc1. Versions that are digests
// are neither older nor newer.
func CompareVersions(a, b string) int {
	if strings.HasPrefix(a, "sha256:") || strings.HasPrefix(b, "sha256:") {
		return 0
	}
	for a != "" || b != "" {
		var x, y string
		x, a = segment(a)
		y, b = segment(b)
		if c := compareSegments(x, y); c != 0 {
			return c
		}
	}
	return 0
}

// segment cuts off a number, a word, or what is between them.
func segment(s string) (first, rest string) {
	kind := func(c byte) int {
		switch {
		case c >= '0' && c <= '9':
			return 1
		case c == '.', c == '+', c == '_':
			return 2
		case c == '~', c == '-':
			return 3
		}
		return 4
	}
	n := 0
	for n < len(s) && kind(s[n]) == kind(s[0]) {
		n++
	}
	return s[:n], s[n:]
}

func compareSegments(x, y string) int {
	// before the end of a version stand only those that make it a forerunner
	rank := func(s string) int {
		switch {
		case s == "":
			return 1
		case s[0] == '~', s[0] == '-':
			return 0
		case s[0] >= '0' && s[0] <= '9':
			return 4
		case s[0] == '.', s[0] == '+', s[0] == '_':
			return 3
		}
		return 2
	}
	if c := cmp.Compare(rank(x), rank(y)); c != 0 {
		return c
	}
	if rank(x) == 4 {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
	}
	return cmp.Compare(x, y)
}
