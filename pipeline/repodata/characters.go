package repodata

import (
	"bytes"
	"errors"
	"strconv"
	"unicode/utf8"
)

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
		if err == nil && !found {
			err = errEntity
		}
		if err != nil {
			return nil, err
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
