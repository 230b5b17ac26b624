package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// largest is how big a file of an operator may be, in bytes.
const largest = 1 << 20

const errAnchor, hintAnchor = "anchors and aliases are not read here", "write the value out, and text that begins with * or & in quotes"

var (
	yamlLine   = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	yamlAnchor = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced$`)
	// yamlAbove are the messages for which the library counts lines from 0.
	yamlAbove = regexp.MustCompile(`^did not find expected (key|node content|'-'|',' or|<document)|^found (undefined tag|duplicate %|incompatible)`)
)

// parse reads one YAML document. Its error is one Error: what follows a mistake
// in the syntax cannot be read.
func (d *decoder) parse(data []byte) (*yaml.Node, error) {
	one := func(line, col int, what, hint string) error {
		return Errors{{d.file, line, col, what, hint}}
	}
	if len(data) > largest {
		return nil, one(1, 1, fmt.Sprintf("the file has more than %d bytes", largest), "write less")
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if at, what, hint := unreadable(data); what != "" {
		line, col := position(data[:at])
		return nil, one(line, col, what, hint)
	}
	var doc, more yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(&doc)
	if err == nil && dec.Decode(&more) != io.EOF {
		return nil, one(max(more.Line, 1), 1, "a second document begins here", "write one document only, without ---")
	}
	switch {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) == 0:
		return nil, one(1, 1, "the file is empty", "see gantry init for an example")
	case err != nil:
		if m := yamlAnchor.FindStringSubmatch(err.Error()); m != nil { // which may be a secret that begins with *
			line, col := position(data[:max(0, bytes.Index(data, []byte("*"+m[1])))])
			return nil, one(line, col, errAnchor, hintAnchor)
		}
		line, what := 1, err.Error()
		if m := yamlLine.FindStringSubmatch(what); m != nil {
			what = m[2]
			if n, err := strconv.Atoi(m[1]); err == nil {
				line = n
				if yamlAbove.MatchString(what) {
					line++
				}
			}
		}
		return nil, one(line, 1, "not YAML: "+Inert(what), "check indentation, colons and quotes near here")
	}
	return doc.Content[0], nil
}

// unreadable finds the first bytes that are no text.
func unreadable(data []byte) (at int, what, hint string) {
	for at < len(data) {
		r, n := utf8.DecodeRune(data[at:])
		switch {
		case r == utf8.RuneError && n == 1:
			return at, "the file is not UTF-8", "save it as UTF-8"
		case r == 0:
			return at, "the file holds a NUL byte", "write it as plain UTF-8 text"
		case unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\u0085", r), r == '\ufeff', r == '\ufffe', r == '\uffff':
			return at, fmt.Sprintf("the file holds the control character %U", r), "leave it out"
		}
		at += n
	}
	return 0, "", ""
}

// position is the line and column, in characters from 1, of what follows before.
func position(before []byte) (line, col int) {
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])
}
