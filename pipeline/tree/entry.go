package tree

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// kind is what lies at a path.
type kind byte

const (
	file    kind = 'f'
	dir     kind = 'd'
	symlink kind = 'l'
	special kind = 's' // a device, socket or pipe, which no tree has
)

// entry is what lies at a path: as it was found or, of what a sync is to make,
// as it will be.
type entry struct {
	kind     kind
	owned    bool   // its owner counts
	mode     uint32 // permission bits, with those of sticky, setuid and setgid
	uid, gid uint32
	links    uint32 // names that it has
	size     int64  // bytes, of a file
	mtime    int64  // Unix nanoseconds
	ino, dev uint64 // of what is to be copied: those of the source
	text     string // of a symbolic link
	sum      *[32]byte
}

func entryOf(st *unix.Stat_t) entry {
	e := entry{
		owned: true, mode: uint32(st.Mode) & 0o7777, uid: st.Uid, gid: st.Gid, links: uint32(st.Nlink),
		mtime: st.Mtim.Nano(), ino: st.Ino, dev: uint64(st.Dev),
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		e.kind, e.size = file, st.Size
	case unix.S_IFDIR:
		e.kind = dir
	case unix.S_IFLNK:
		e.kind, e.mode = symlink, 0o777
	default:
		e.kind = special
	}
	return e
}

// alike tells whether a client sees no difference between what is wanted and what
// is there. Times of directories are looked at apart: they move with every change
// below.
func (e *entry) alike(has *entry) bool {
	if e.kind != has.kind || e.owned && (e.uid != has.uid || e.gid != has.gid) {
		return false
	}
	switch e.kind {
	case file:
		return e.size == has.size && e.mtime == has.mtime && e.mode == has.mode
	case symlink:
		return e.text == has.text && e.mtime == has.mtime
	}
	return e.mode == has.mode
}

// holds tells whether what is there has the content that e had: what was not
// written to since. Who changed owner or mode did not write.
func (e *entry) holds(has *entry) bool {
	if e == nil || has == nil {
		return e == nil && has == nil
	}
	switch {
	case e.kind != has.kind:
		return false
	case e.kind == file:
		return e.size == has.size && e.mtime == has.mtime
	}
	return e.text == has.text
}

// An entry is written as kind, mode, uid, gid, size, time and inode with colons
// between, and the text of a link; what is not there is a dash. Neither tabs nor
// newlines are in it: a tree that has such names or links is refused.
func (e *entry) append(b []byte) []byte {
	if e == nil {
		return append(b, '-')
	}
	b = append(b, byte(e.kind), ':')
	b = strconv.AppendUint(b, uint64(e.mode), 8)
	for _, n := range []int64{int64(e.uid), int64(e.gid), e.size, e.mtime, int64(e.ino)} {
		b = append(b, ':')
		b = strconv.AppendInt(b, n, 10)
	}
	b = append(b, ':')
	return append(b, e.text...)
}

var errEntry = errors.New("it is not written as gantry writes it")

// parseEntry reads what append wrote.
func parseEntry(text []byte) (*entry, error) {
	if len(text) == 1 && text[0] == '-' {
		return nil, nil
	}
	parts := bytes.SplitN(text, []byte(":"), 8)
	if len(parts) != 8 || len(parts[0]) != 1 || !strings.Contains("fdl", string(parts[0])) {
		return nil, errEntry
	}
	e := entry{kind: kind(parts[0][0]), owned: true, text: string(parts[7])}
	mode, err := strconv.ParseUint(string(parts[1]), 8, 12)
	e.mode = uint32(mode)
	var n [5]int64
	for i := range n {
		var bad error
		n[i], bad = strconv.ParseInt(string(parts[i+2]), 10, 64)
		err = errors.Join(err, bad)
	}
	e.uid, e.gid, e.size, e.mtime, e.ino = uint32(n[0]), uint32(n[1]), n[2], n[3], uint64(n[4])
	if err != nil || n[0] < 0 || n[1] < 0 || n[0] > 1<<32-1 || n[1] > 1<<32-1 || e.size < 0 {
		return nil, errEntry
	}
	if (e.text == "") == (e.kind == symlink) {
		return nil, errEntry
	}
	return &e, nil
}

// change is what happens at one path.
type change struct {
	dir, name string // from the top of the tree; . is the top
	old, new  *entry // nil where there is nothing
	leader    string // path of the file that it becomes another name of
	foreign   bool   // of an undo: others wrote there since
}

func (c *change) path() string {
	switch {
	case c.dir == "." || c.dir == "":
		return c.name
	case c.name == ".":
		return c.dir
	}
	return c.dir + "/" + c.name
}

// A change is written as a line: path, what was there, what comes there.
func (c *change) append(b []byte) []byte {
	b = append(append(b, c.path()...), '\t')
	b = append(c.old.append(b), '\t')
	return append(c.new.append(b), '\n')
}

// parseChange reads such a line, without its end.
func parseChange(line []byte) (change, error) {
	parts := bytes.Split(line, []byte("\t"))
	if len(parts) != 3 {
		return change{}, errEntry
	}
	p := string(parts[0])
	if err := plainPath(p); err != nil {
		return change{}, err
	}
	c := change{}
	c.dir, c.name = splitPath(p)
	var err error
	if c.old, err = parseEntry(parts[1]); err != nil {
		return change{}, err
	}
	c.new, err = parseEntry(parts[2])
	if err == nil && c.old == nil && c.new == nil {
		err = errEntry
	}
	return c, err
}

func splitPath(p string) (dir, name string) {
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		return p[:i], p[i+1:]
	}
	return ".", p
}

// plainPath refuses what is no path below the top of a tree; . is the top.
func plainPath(p string) error {
	for _, name := range strings.Split(p, "/") {
		if name == "" || name == ".." || name == "." && p != "." || plainName(name) != nil {
			return fmt.Errorf("%q is no path of a tree", p)
		}
	}
	return nil
}
