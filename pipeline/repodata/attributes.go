package repodata

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
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
