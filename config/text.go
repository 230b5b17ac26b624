package config

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Inert makes foreign text harmless to draw on one line of a terminal: control
// characters, format characters (bidi, zero width) and what is not UTF-8 become
// visible escapes, a tab becomes a space.
func Inert(s string) string {
	clean := true
	for _, r := range s {
		if r == utf8.RuneError || !harmless(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r == '\t':
			b.WriteByte(' ')
		case harmless(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b.String()
}

func harmless(r rune) bool {
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs) && r != '\u034f'
}
