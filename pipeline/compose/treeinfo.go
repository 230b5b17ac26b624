package compose

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"gantry/config"
)

const maxTreeinfo = 1 << 20 // bytes; those of today have some kilobytes

// treeinfo is a .treeinfo as productmd writes it: sections of keys and values. It
// is kept line by line, so that what is not changed stays as it is.
type treeinfo struct {
	sections []section // the first one has no name, and holds no key
}

type section struct {
	name  string
	head  string   // the line of the name, as it is
	lines []string // the others, as they are
}

// parseTreeinfo reads one as strictly as Python's configparser does: no section
// or key twice, no key outside a section, no line that is neither.
func parseTreeinfo(data []byte) (*treeinfo, error) {
	if len(data) > maxTreeinfo {
		return nil, fmt.Errorf("%d bytes are too many", len(data))
	}
	if !utf8.Valid(data) || strings.ContainsAny(string(data), "\x00\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029") {
		return nil, errors.New("it is no plain text")
	}
	t := &treeinfo{sections: []section{{}}}
	names, keys, begun := map[string]bool{}, map[string]bool{}, false
	for line := range strings.SplitSeq(strings.TrimSuffix(string(data), "\n"), "\n") {
		last := &t.sections[len(t.sections)-1]
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
			begun = false
		case line[0] == '[':
			name, ok := strings.CutSuffix(text[1:], "]")
			if !ok || name == "" || strings.ContainsAny(name, "[]") || names[name] || len(t.sections) > 10_000 {
				return nil, fmt.Errorf("%q is no section, or one that is there already", config.Inert(clip(text)))
			}
			names[name], keys, begun = true, map[string]bool{}, false
			t.sections = append(t.sections, section{name: name, head: line})
			continue
		case line[0] == ' ' || line[0] == '\t':
			if !begun {
				return nil, fmt.Errorf("%q goes on with nothing", config.Inert(clip(text)))
			}
		default:
			key, _, ok := pair(line)
			if !ok || last.name == "" || keys[key] {
				return nil, fmt.Errorf("%q is no key of a section, or one that is there already", config.Inert(clip(text)))
			}
			keys[key], begun = true, true
		}
		last.lines = append(last.lines, line)
	}
	return t, nil
}

// pair takes a line apart: key = value, or key: value. Keys know no case. ok is
// false of every other line.
func pair(line string) (key, value string, ok bool) {
	at := strings.IndexAny(line, "=:")
	if at < 0 || strings.ContainsRune(" \t#;", rune(line[0])) {
		return "", "", false
	}
	key = strings.ToLower(strings.TrimSpace(line[:at]))
	return key, strings.TrimSpace(line[at+1:]), key != ""
}

func clip(s string) string { return s[:min(len(s), 60)] }

// find is a section, nil without one.
func (t *treeinfo) find(name string) *section {
	for i := range t.sections {
		if t.sections[i].name == name {
			return &t.sections[i]
		}
	}
	return nil
}

// get is the value of a key on its line; where it goes on behind that, it is no
// value that anybody here knows.
func (s *section) get(key string) string {
	for i, line := range s.lines {
		if k, value, ok := pair(line); ok && k == key {
			if s.more(i) > i+1 {
				return ""
			}
			return value
		}
	}
	return ""
}

// more is the line behind the last one of a value, which goes on over lines that
// begin with space and are neither blank nor a comment.
func (s *section) more(at int) int {
	for at++; at < len(s.lines); at++ {
		line := s.lines[at]
		text := strings.TrimSpace(line)
		if text == "" || text[0] == '#' || text[0] == ';' || line[0] != ' ' && line[0] != '\t' {
			break
		}
	}
	return at
}

// set gives a key a value: in its line where it has one, else behind the others.
func (s *section) set(key, value string) {
	line := key + " = " + value
	if s.get(key) == value {
		return
	}
	last := 0
	for i, is := range s.lines {
		k, _, ok := pair(is)
		if !ok {
			continue
		}
		last = s.more(i)
		if k == key {
			s.lines = slices.Replace(s.lines, i, last, line)
			return
		}
	}
	s.lines = slices.Insert(s.lines, last, line)
}

// section is one that is made at the end where it is not there.
func (t *treeinfo) section(name string) *section {
	if s := t.find(name); s != nil {
		return s
	}
	last := &t.sections[len(t.sections)-1]
	if n := len(last.lines); n > 0 && strings.TrimSpace(last.lines[n-1]) != "" {
		last.lines = append(last.lines, "")
	}
	t.sections = append(t.sections, section{name: name, head: "[" + name + "]"})
	return &t.sections[len(t.sections)-1]
}

// bytes is the file.
func (t *treeinfo) bytes() []byte {
	var b strings.Builder
	for _, s := range t.sections {
		if s.name != "" {
			b.WriteString(s.head + "\n")
		}
		for _, line := range s.lines {
			b.WriteString(line + "\n")
		}
	}
	return []byte(b.String())
}

// nameApplications is a .treeinfo of the tree that is installed which names that
// of the applications, of the same architecture and kind (os or kickstart). What
// is right already stays byte for byte.
func nameApplications(data []byte, arch, kind string) ([]byte, error) {
	t, err := parseTreeinfo(data)
	if err != nil {
		return nil, err
	}
	tree := t.find("tree")
	if tree == nil {
		return nil, errors.New("it has no section [tree]")
	}
	if got := tree.get("arch"); got != arch {
		return nil, fmt.Errorf("it is of architecture %q, and lies in %s", config.Inert(clip(got)), arch)
	}
	at := "../../../" + applications + "/" + arch + "/" + kind
	for _, want := range []struct{ section, key, value string }{
		{"tree", "variants", installs + "," + applications},
		{"variant-" + applications, "id", applications},
		{"variant-" + applications, "name", applications},
		{"variant-" + applications, "packages", at + "/Packages"},
		{"variant-" + applications, "repository", at + "/"},
		{"variant-" + applications, "type", "variant"},
		{"variant-" + applications, "uid", applications},
	} {
		t.section(want.section).set(want.key, want.value)
	}
	is := t.bytes()
	if strings.TrimSuffix(string(is), "\n") == strings.TrimSuffix(string(data), "\n") {
		return data, nil
	}
	return is, nil
}
