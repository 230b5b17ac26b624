package rpm

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"gantry/pipeline/repodata"
	"gantry/storage"
)

// PackageFile is a package as it is served: what its bytes are, and how to read
// its header.
type PackageFile struct {
	storage.File                               // Path is the href of its metadata, SHA256 its pkgid
	ModTime      time.Time                     // whole seconds count
	Open         func() (io.ReadCloser, error) // reads it from its first byte
}

// check tells whether the file says enough to be described.
func (f *PackageFile) check() error {
	switch sum, err := hex.DecodeString(f.SHA256); {
	case f.Name == "" || f.Version == "" || f.Arch == "":
		return fmt.Errorf("describe %s: its name, version or architecture is missing", f.Path)
	case err != nil || len(sum) != sha256.Size || strings.ToLower(f.SHA256) != f.SHA256:
		return fmt.Errorf("describe %s: %q is not a SHA-256 in hex", f.Path, f.SHA256)
	case f.Size <= 0:
		return fmt.Errorf("describe %s: its size is %d", f.Path, f.Size)
	}
	return repodata.CheckHref(f.Path)
}

// facts is what the metadata says of one package, taken from its header as
// createrepo_c takes it. It is used again for the next package.
type facts struct {
	file       *PackageFile
	head       *Header
	name, arch string
	relations  [len(relationKinds)][]relation
	files      []ownedFile
	changes    []change

	provided map[fact]bool   // what the package provides
	last     map[string]fact // the last requirement of each name
	owned    map[string]bool // the names of files, once asked for
}

// load takes the facts of a package.
func (p *facts) load(f *PackageFile, h *Header) {
	p.file, p.head = f, h
	p.name, p.arch = h.Str(tagName), h.Str(tagArch)
	if h.IsSource() {
		p.arch = "src"
	}
	p.listFiles()
	p.listRelations()
	p.listChanges()
}

// matches checks that the header is that of the package the file is said to be.
func (p *facts) matches() error {
	version := p.head.Str(tagVersion) + "-" + p.head.Str(tagRelease)
	if epoch := p.number(tagEpoch); epoch != 0 {
		version = strconv.FormatInt(epoch, 10) + ":" + version
	}
	if f := p.file; p.name != f.Name || version != f.Version || p.arch != f.Arch {
		return fmt.Errorf("its header says %s %s %s, and not %s %s %s", p.name, version, p.arch, f.Name, f.Version, f.Arch)
	}
	return nil
}

// number is the first integer of a tag, 0 where there is none.
func (p *facts) number(tag int) int64 { return int64(p.head.Uint64(tag)) }

// installed is the size of the package's files in bytes.
func (p *facts) installed() int64 {
	if p.head.Has(tagLongSize) {
		return p.number(tagLongSize)
	}
	return p.number(tagSize)
}

// archive is the size of the unpacked payload in bytes.
func (p *facts) archive() int64 {
	if p.head.Has(tagArchiveSize) {
		return p.number(tagArchiveSize)
	}
	return p.head.ArchiveSize()
}

// tagArchiveSize is the size of the unpacked payload in main headers of old.
const tagArchiveSize = 1046
