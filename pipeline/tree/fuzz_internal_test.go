package tree

import (
	"bytes"
	"testing"
)

// Whatever lies in an undo area, a line that is read is one that is written so,
// and leads nowhere but below the tree.
func FuzzChange(f *testing.F) {
	e := &entry{kind: file, mode: 0o644, uid: 1, gid: 2, size: 3, mtime: -4, ino: 5}
	for _, c := range []change{
		{dir: "a/b", name: "c", new: e},
		{dir: ".", name: ".", old: &entry{kind: dir, mode: 0o755}, new: &entry{kind: dir, mode: 0o4755}},
		{dir: "a", name: "l", old: &entry{kind: symlink, mode: 0o777, text: "x:y"}},
	} {
		line := c.append(nil)
		f.Add(line[:len(line)-1])
	}
	f.Add([]byte("../x\t-\tf:644:0:0:0:0:0:"))
	f.Add([]byte("/x\t-\tf:644:0:0:0:0:0:"))
	f.Fuzz(func(t *testing.T, line []byte) {
		c, err := parseChange(line)
		if err != nil {
			return
		}
		p := c.path()
		if plainPath(p) != nil || p[0] == '/' {
			t.Fatalf("%q is a path", p)
		}
		again, err := parseChange(bytes.TrimSuffix(c.append(nil), []byte("\n")))
		if err != nil || !bytes.Equal(again.append(nil), c.append(nil)) {
			t.Fatalf("%q is written as %q, which is %v", line, c.append(nil), err)
		}
	})
}

// What is read of a record on a store is what was written, and never leads out of
// the tree.
func FuzzParseDeed(f *testing.F) {
	sum := [32]byte{1, 2}
	for _, e := range []*entry{nil, {kind: file, size: 7, mtime: -1, sum: &sum, text: "a:b-2"}, {kind: file}} {
		f.Add(append([]byte("a/b\t"), e.appendObject(nil)...))
	}
	f.Add([]byte("../x\t-"))
	f.Fuzz(func(t *testing.T, line []byte) {
		p, e, err := parseDeed(line, 1)
		if err != nil {
			return
		}
		if plainPath(p) != nil || p[0] == '/' {
			t.Fatalf("%q is a path", p)
		}
		text := e[0].appendObject(append([]byte(p), '\t'))
		if _, again, err := parseDeed(text, 1); err != nil || !bytes.Equal(again[0].appendObject(nil), e[0].appendObject(nil)) {
			t.Fatalf("%q is written as %q, which is %v", line, text, err)
		}
	})
}
