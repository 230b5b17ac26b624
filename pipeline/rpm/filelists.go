package rpm

import "strings"

// filelists appends the package's entry of filelists.xml: every file it owns.
func (p *facts) filelists(m *markup) {
	p.open(m)
	for _, f := range p.files {
		m.raw("  ")
		f.write(m)
	}
	m.raw("</package>\n")
}

// open appends the start that entries of filelists.xml and other.xml share.
func (p *facts) open(m *markup) {
	m.raw("<package pkgid=\"")
	m.attr(p.file.SHA256)
	m.raw("\" name=\"")
	m.attr(p.name)
	m.raw("\" arch=\"")
	m.attr(p.arch)
	m.raw("\">\n")
	p.version(m)
}

// fileKind is the type attribute of a file.
type fileKind byte

const (
	plainFile fileKind = iota
	directory
	ghost
)

// ownedFile is a file that a package owns.
type ownedFile struct {
	name string // with its directory
	kind fileKind
}

func (f ownedFile) write(m *markup) {
	switch f.kind {
	case directory:
		m.raw("<file type=\"dir\">")
	case ghost:
		m.raw("<file type=\"ghost\">")
	default:
		m.raw("<file>")
	}
	m.text(f.name)
	m.raw("</file>\n")
}

// listFiles collects the package's files. A header whose lists differ in length
// has as many files as the shortest of them.
func (p *facts) listFiles() {
	p.files = p.files[:0]
	bases, indexes := p.head.Strs(tagBaseNames), p.head.Uint32s(tagDirIndexes)
	flags, modes, dirs := p.head.Uint32s(tagFileFlags), p.head.Uint32s(tagFileModes), p.head.Strs(tagDirNames)
	n := min(len(bases), len(indexes), len(flags), len(modes))
	dir := func(i int) string {
		if d := indexes[i]; uint64(d) < uint64(len(dirs)) {
			return dirs[d]
		}
		return ""
	}
	size := 0
	for i := range n {
		size += len(dir(i)) + len(bases[i])
	}
	var all strings.Builder // one string for all the names
	all.Grow(size)
	for i := range n {
		start := all.Len()
		all.WriteString(dir(i))
		all.WriteString(bases[i])
		f := ownedFile{name: all.String()[start:]}
		switch {
		case modes[i]&0o170000 == 0o040000:
			f.kind = directory
		case flags[i]&(1<<6) != 0:
			f.kind = ghost
		}
		p.files = append(p.files, f)
	}
}
