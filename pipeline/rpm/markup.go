package rpm

import (
	"strconv"
	"unicode/utf8"
)

// markup is XML being written. It escapes as libxml2 does for createrepo_c, so
// that the two tools' documents can be compared byte by byte.
type markup struct{ b []byte }

// raw appends markup that needs no escaping.
func (m *markup) raw(s string) { m.b = append(m.b, s...) }

// num appends a decimal number.
func (m *markup) num(n int64) { m.b = strconv.AppendInt(m.b, n, 10) }

// What becomes of an ASCII byte.
const (
	keep    = iota
	escape  // in text and in attributes
	value   // escaped in attributes only
	foreign // not ASCII
	drop    // may not appear in XML at all
)

var class = func() (t [256]byte) {
	for c := range t {
		switch {
		case c == '<', c == '>', c == '&', c == '\r':
			t[c] = escape
		case c == '"', c == '\t', c == '\n':
			t[c] = value
		case c < ' ':
			t[c] = drop
		case c >= utf8.RuneSelf:
			t[c] = foreign
		}
	}
	return t
}()

// text appends s as the content of an element.
func (m *markup) text(s string) {
	for i := 0; i < len(s); i++ {
		if c := class[s[i]]; c != keep && c != value {
			m.escaped(s, false)
			return
		}
	}
	m.b = append(m.b, s...)
}

// attr appends s as the value of an attribute, without the quotes.
func (m *markup) attr(s string) {
	for i := 0; i < len(s); i++ {
		if class[s[i]] != keep {
			m.escaped(s, true)
			return
		}
	}
	m.b = append(m.b, s...)
}

// escaped appends s with everything that XML reserves escaped and everything
// that it forbids left out. Text that is not UTF-8 is read as Latin-1, whose
// control codes are left out too.
func (m *markup) escaped(s string, attr bool) {
	latin := !utf8.ValidString(s)
	for i := 0; i < len(s); {
		r, n := rune(s[i]), 1
		if r >= utf8.RuneSelf && !latin {
			r, n = utf8.DecodeRuneInString(s[i:])
		}
		i += n
		switch {
		case r < utf8.RuneSelf:
			m.ascii(byte(r), attr)
		case latin && r < 0xc0, r == 0xfffe, r == 0xffff:
		case attr:
			m.raw("&#x")
			for _, c := range strconv.AppendInt(make([]byte, 0, 8), int64(r), 16) {
				if c >= 'a' {
					c -= 'a' - 'A'
				}
				m.b = append(m.b, c)
			}
			m.raw(";")
		default:
			m.b = utf8.AppendRune(m.b, r)
		}
	}
}

func (m *markup) ascii(c byte, attr bool) {
	switch {
	case class[c] == drop:
	case c == '<':
		m.raw("&lt;")
	case c == '>':
		m.raw("&gt;")
	case c == '&':
		m.raw("&amp;")
	case c == '\r':
		m.raw("&#13;")
	case attr && c == '"':
		m.raw("&quot;")
	case attr && c == '\n':
		m.raw("&#10;")
	case attr && c == '\t':
		m.raw("&#9;")
	default:
		m.b = append(m.b, c)
	}
}
