package filelist

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// lineLimit bounds a line of a list: a path of the longest kind with what is
// before it.
const lineLimit = 8 << 10

// Entry is a line of the list with times.
type Entry struct {
	Time int64  // when content or inode changed last, Unix seconds
	Kind string // f, d or l; with - where not everybody may read it, else * where that is so of a directory above it
	Size int64  // bytes
	Path string // below the directory of the list, with '/'
}

// Parse reads a list with times of version 2 as quick-fedora-mirror does, visits
// its entries and returns how many there are. A list without its end, of another
// version, or with a line that is no entry is an error; visit may be nil.
func Parse(r io.Reader, visit func(Entry) error) (int, error) {
	return scan(r, func(time, size int64, kind string, path []byte) error {
		if visit == nil {
			return nil
		}
		return visit(Entry{time, kind, size, string(path)})
	})
}

// scan is Parse without an allocation for each entry: path is good until visit
// returns.
func scan(r io.Reader, visit func(time, size int64, kind string, path []byte) error) (entries int, err error) {
	lines := bufio.NewReaderSize(r, 256<<10)
	section, version, last := "", "", ""
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		switch {
		case err == io.EOF:
			return entries, fmt.Errorf("line %d does not end: the list is cut off", n)
		case err == bufio.ErrBufferFull || len(line) > lineLimit:
			return entries, fmt.Errorf("line %d is longer than %d bytes", n, lineLimit)
		case err != nil:
			return entries, err
		}
		line = line[:len(line)-1]
		switch {
		case len(line) == 0:
			section = ""
		case section == "" && line[0] == '[' && line[len(line)-1] == ']':
			section = string(line)
			last = section
		case section == "[Version]" && version == "":
			version = string(line)
			if version != "2" {
				return entries, fmt.Errorf("the list is of version %.20q, known is 2", version)
			}
		case section == "[Files]":
			if err := parseEntry(line, visit); err != nil {
				return entries, fmt.Errorf("line %d: %w", n, err)
			}
			entries++
		case len(section) > len("[Checksums ") && section[:len("[Checksums ")] == "[Checksums ":
			if sum, path, ok := bytes.Cut(line, []byte{'\t'}); !ok || len(sum) == 0 || len(path) == 0 {
				return entries, fmt.Errorf("line %d is no checksum of a path", n)
			}
		default:
			return entries, fmt.Errorf("line %d is of no section that is known", n)
		}
	}
	if version == "" || last != "[End]" {
		return entries, errors.New("the list has no version or no end")
	}
	return entries, nil
}

var errEntry = errors.New("not time, type, size and path between TABs")

func parseEntry(line []byte, visit func(time, size int64, kind string, path []byte) error) error {
	stamp, rest, _ := bytes.Cut(line, []byte{'\t'})
	word, rest, _ := bytes.Cut(rest, []byte{'\t'})
	length, path, ok := bytes.Cut(rest, []byte{'\t'})
	if !ok || len(path) == 0 || path[0] == '/' || bytes.IndexByte(path, '\t') >= 0 {
		return errEntry
	}
	time, ok1 := number(stamp)
	size, ok2 := number(length)
	kind := ""
	if len(word) > 0 {
		for _, known := range kinds[word[0]] {
			if string(word) == known {
				kind = known
			}
		}
	}
	if !ok1 || !ok2 || kind == "" {
		return errEntry
	}
	return visit(time, size, kind, path)
}

// number reads digits.
func number(b []byte) (int64, bool) {
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' || n > (1<<62)/10 {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, len(b) > 0
}

// count counts the paths of a plain list; the directory itself is none.
func count(r io.Reader) (int, error) {
	lines := bufio.NewReaderSize(r, 256<<10)
	for n := 0; ; n++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF && len(line) == 0:
			return max(n-1, 0), nil
		case err == io.EOF:
			return n, fmt.Errorf("line %d does not end: the list is cut off", n+1)
		case err == bufio.ErrBufferFull || len(line) > lineLimit:
			return n, fmt.Errorf("line %d is longer than %d bytes", n+1, lineLimit)
		case err != nil:
			return n, err
		}
	}
}

func quote(s string) string { return strconv.Quote(s) }
