package deb

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxControl is the most bytes that a control file may have.
const maxControl = 1 << 20

// field is one field of a control file or of a Release.
type field struct {
	name string
	text []byte // as it stands there, from its name to the end of its last line
}

// value is what the field says, without the space around it.
func (f field) value() string {
	return string(bytes.TrimSpace(f.text[len(f.name)+1:]))
}

// paragraph is the fields of one paragraph, in their order.
type paragraph []field

// get is the value of a field, empty without one.
func (p paragraph) get(name string) string {
	for _, f := range p {
		if strings.EqualFold(f.name, name) {
			return f.value()
		}
	}
	return ""
}

// parseParagraph reads exactly one paragraph (Debian Policy 5.1). What clients
// might read in two ways is refused: a second paragraph, a field twice,
// comments, empty lines within, and control characters.
func parseParagraph(text []byte) (paragraph, error) {
	for len(text) > 0 && text[len(text)-1] == '\n' {
		text = text[:len(text)-1]
	}
	if len(text) == 0 {
		return nil, errors.New("it is empty")
	}
	text = append(text[:len(text):len(text)], '\n')
	for _, c := range text {
		if c < ' ' && c != '\n' && c != '\t' || c == 0x7f {
			return nil, fmt.Errorf("it has the control character %#02x in it", c)
		}
	}
	var all paragraph
	seen := map[string]bool{}
	for len(text) > 0 {
		line := text[:bytes.IndexByte(text, '\n')+1]
		if len(bytes.TrimSpace(line)) == 0 {
			return nil, errors.New("it has an empty line in it")
		}
		if line[0] == ' ' || line[0] == '\t' {
			if len(all) == 0 {
				return nil, errors.New("it begins in the middle of a field")
			}
			last := &all[len(all)-1]
			last.text = last.text[:len(last.text)+len(line)] // they are neighbours
			text = text[len(line):]
			continue
		}
		name, _, ok := bytes.Cut(line, []byte(":"))
		if !ok || !fieldName(name) {
			return nil, fmt.Errorf("%q is not the beginning of a field", clip(strings.TrimSpace(string(line))))
		}
		key := strings.ToLower(string(name))
		if seen[key] {
			return nil, fmt.Errorf("the field %s is there twice", clip(string(name)))
		}
		seen[key] = true
		all = append(all, field{string(name), line})
		text = text[len(line):]
	}
	return all, nil
}

// fieldName tells whether a field may have that name.
func fieldName(name []byte) bool {
	if len(name) == 0 || len(name) > 128 || name[0] == '#' || name[0] == '-' {
		return false
	}
	return !slices.ContainsFunc(name, func(c byte) bool { return c <= ' ' || c >= 0x7f })
}

// clip shortens foreign text for a message.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
