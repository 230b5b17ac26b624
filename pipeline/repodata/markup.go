package repodata

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// attributes are those of a tag, as they are written.
type attributes struct{ raw []byte }

// maxAttributes is more than any element has.
const maxAttributes = 32

// check tells whether they are well-formed, each there once.
func (a *attributes) check() error {
	var names [maxAttributes][]byte
	n := 0
	rest := a.raw
	for {
		name, value, after, err := attributeOf(rest)
		if err != nil || name == nil {
			return err
		}
		for _, other := range names[:n] {
			if bytes.Equal(other, name) {
				return fmt.Errorf("two attributes %q", clip(string(name)))
			}
		}
		if n == maxAttributes {
			return errors.New("too many attributes")
		}
		if _, err := unescape(value); err != nil {
			return err
		}
		names[n], rest = name, after
		n++
	}
}

var errAttribute = errors.New("an attribute that is none")

// attributeOf takes the first attribute: its name is nil where there is none.
func attributeOf(raw []byte) (name, value, rest []byte, err error) {
	trimmed := unspaced(raw)
	if len(trimmed) == 0 {
		return nil, nil, nil, nil
	}
	n := nameLength(trimmed)
	if n == 0 || len(trimmed) == len(raw) {
		return nil, nil, nil, errAttribute
	}
	name, rest = trimmed[:n], unspaced(trimmed[n:])
	if len(rest) == 0 || rest[0] != '=' {
		return nil, nil, nil, errAttribute
	}
	rest = unspaced(rest[1:])
	if len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
		return nil, nil, nil, errAttribute
	}
	end := bytes.IndexByte(rest[1:], rest[0])
	if end < 0 {
		return nil, nil, nil, errAttribute
	}
	return name, rest[1 : end+1], rest[end+2:], nil
}

// unspaced is text without the white space that it begins with.
func unspaced(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

// names are the names of the attributes, with their prefixes.
func (a *attributes) names() []string {
	var all []string
	for rest := a.raw; ; {
		name, _, after, _ := attributeOf(rest)
		if name == nil {
			return all
		}
		all, rest = append(all, string(name)), after
	}
}

// attribute is the value of an attribute without a namespace, "" where it is
// missing.
func attribute(a *attributes, want string) string {
	if a == nil {
		return ""
	}
	for rest := a.raw; ; {
		name, value, after, _ := attributeOf(rest)
		if name == nil {
			return ""
		}
		if string(name) == want {
			value, _ = unescape(value) // check did
			return string(value)
		}
		rest = after
	}
}

// local is a name without its prefix.
func local(name string) string { return name[strings.IndexByte(name, ':')+1:] }

// nameLength is how many bytes of s are a name, with at most one prefix.
func nameLength(s []byte) int {
	n, colon := 0, -1
	for n < len(s) && (nameBytes[s[n]] || s[n] == ':' && colon < 0) {
		if s[n] == ':' {
			colon = n
		}
		n++
	}
	if n == 0 || colon == 0 || colon == n-1 || !begins(s[0]) || !begins(s[colon+1]) {
		return 0
	}
	return n
}

// begins tells whether a name may begin so.
func begins(c byte) bool { return nameBytes[c] && c != '-' && c != '.' && (c < '0' || c > '9') }

var nameBytes = func() (t [256]bool) {
	for _, c := range "-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz" {
		t[c] = true
	}
	return t
}()

// instruction checks the declaration of XML, which may stand first only; others
// are nothing to us.
func instruction(text []byte, first bool) error {
	n := nameLength(text)
	if n == 0 {
		return errors.New("an instruction without a name")
	}
	if string(text[:n]) != "xml" {
		return legal(text)
	}
	a := attributes{text[n:]}
	if err := a.check(); err != nil {
		return err
	}
	encoding := attribute(&a, "encoding")
	switch {
	case !first:
		return errors.New("a declaration of XML that is not first")
	case attribute(&a, "version") != "1.0":
		return errors.New("it is not XML 1.0")
	case encoding != "" && !strings.EqualFold(encoding, "UTF-8"):
		return fmt.Errorf("the encoding %q is not read here", clip(encoding))
	}
	return nil
}

var errCharacter = errors.New("a character that XML may not have")

// plain are the bytes that stand for themselves and are legal alone.
var plain = func() (t [256]bool) {
	for c := range 0x80 {
		t[c] = c >= ' ' && c != '&' || c == '\t' || c == '\n'
	}
	return t
}()

// legal tells whether text is UTF-8 without characters that XML may not have.
func legal(text []byte) error {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 || !allowed(r) {
			return errCharacter
		}
		text = text[n:]
	}
	return nil
}

func allowed(r rune) bool {
	return r >= ' ' && r != 0xfffe && r != 0xffff || r == '\t' || r == '\n' || r == '\r'
}

// lines ends all lines of a text by a newline.
func lines(text []byte) []byte {
	if bytes.IndexByte(text, '\r') < 0 {
		return text
	}
	return bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\r"), []byte("\n"))
}

// unescape puts characters in the place of what stands for them. Text without
// any of it is returned as it is.
func unescape(text []byte) ([]byte, error) {
	i := 0
	for i < len(text) && plain[text[i]] {
		i++
	}
	if i == len(text) {
		return text, nil
	}
	if err := legal(text[i:]); err != nil {
		return nil, err
	}
	text = lines(text)
	if bytes.IndexByte(text, '&') < 0 {
		return text, nil
	}
	out := make([]byte, 0, len(text))
	for {
		before, rest, found := bytes.Cut(text, []byte("&"))
		if out = append(out, before...); !found {
			return out, nil
		}
		name, after, found := bytes.Cut(rest, []byte(";"))
		r, err := character(name)
		if err != nil || !found {
			return nil, errors.Join(err, errEntity)
		}
		out, text = utf8.AppendRune(out, r), after
	}
}

var errEntity = errors.New("an entity that XML does not define")

// character is what a reference stands for.
func character(name []byte) (rune, error) {
	switch string(name) {
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "amp":
		return '&', nil
	case "quot":
		return '"', nil
	case "apos":
		return '\'', nil
	}
	digits, numeric := bytes.CutPrefix(name, []byte("#"))
	base := 10
	if hex, ok := bytes.CutPrefix(digits, []byte("x")); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(string(digits), base, 21)
	if !numeric || err != nil {
		return 0, errEntity
	}
	if r := rune(n); allowed(r) && utf8.ValidRune(r) {
		return r, nil
	}
	return 0, errCharacter
}
