package deb

import (
	"archive/tar"
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"sync"
)

// Package is what a .deb file says of itself, and what its bytes are.
type Package struct {
	Name    string
	Version string // [epoch:]upstream[-revision]
	Arch    string // all, or what it was built for
	Source  string // name of the source package
	Size    int64  // bytes
	SHA256  string // lower-case hex

	control paragraph
}

// The characters of Debian Policy 5.6; lengths so that a file and its sidecar
// fit a directory.
var (
	nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]{1,99}$`)
	archForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{1,29}$`)
)

// String is name_version_arch.
func (p *Package) String() string { return p.Name + "_" + p.Version + "_" + p.Arch }

// Filename is the customary name of the package's file, which has no epoch.
func (p *Package) Filename() string {
	return p.Name + "_" + withoutEpoch(p.Version) + "_" + p.Arch + ".deb"
}

// check refuses names that could harm as a path, or that clients would read in
// another way.
func (p *Package) check() error {
	switch {
	case !nameForm.MatchString(p.Name) || strings.Contains(p.Name, ".."):
		return fmt.Errorf("it has the bad name %q", clip(p.Name))
	case !nameForm.MatchString(p.Source) || strings.Contains(p.Source, ".."):
		return fmt.Errorf("its source has the bad name %q", clip(p.Source))
	case !archForm.MatchString(p.Arch):
		return fmt.Errorf("it has the bad architecture %q", clip(p.Arch))
	}
	if err := checkVersion(p.Version); err != nil {
		return err
	}
	const most = 240 // leaves room for ".sha256"
	if len(p.Filename()) > most {
		return fmt.Errorf("its name and version are too long: %q", clip(p.Filename()))
	}
	return nil
}

// buffers are kept for the next package.
var buffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 256<<10) }}

// ReadPackage reads a .deb file to its end (deb(5), format 2): debian-binary,
// control.tar and data.tar in this order, and besides only members that begin
// with _, which all readers pass over. Every byte is hashed; what control.tar
// says is read and bounded; what data.tar holds is not looked at.
func ReadPackage(r io.Reader) (*Package, error) {
	sum := sha256.New()
	count := &counter{r: io.TeeReader(r, sum)}
	in := buffers.Get().(*bufio.Reader)
	defer buffers.Put(in)
	in.Reset(count)
	defer in.Reset(nil)
	p, err := readMembers(in, true)
	if err != nil {
		return nil, err
	}
	p.Size, p.SHA256 = count.n, hex.EncodeToString(sum.Sum(nil))
	return p, nil
}

// readHead reads what a .deb file says of itself, and no more of it.
func readHead(r io.Reader) (*Package, error) {
	in := buffers.Get().(*bufio.Reader)
	defer buffers.Put(in)
	in.Reset(r)
	defer in.Reset(nil)
	return readMembers(in, false)
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// maxMembers is how many members an archive may have.
const maxMembers = 64

func readMembers(in *bufio.Reader, whole bool) (*Package, error) {
	a, err := openArchive(in)
	if err != nil {
		return nil, err
	}
	var p *Package
	wanted := []string{"debian-binary", "control.tar", "data.tar"}
	for range maxMembers {
		name, size, err := a.next()
		if err == io.EOF {
			if len(wanted) > 0 {
				return nil, fmt.Errorf("%w: it has no %s", errNotDeb, wanted[0])
			}
			return p, nil
		}
		if err != nil {
			return nil, err
		}
		if len(wanted) < 3 && strings.HasPrefix(name, "_") {
			continue
		}
		if len(wanted) == 0 || !isMember(name, wanted[0]) {
			return nil, fmt.Errorf("%w: it has %q where that does not belong", errNotDeb, clip(name))
		}
		switch wanted[0] {
		case "debian-binary":
			err = formatTwo(&a.member, size)
		case "control.tar":
			p, err = readControl(strings.TrimPrefix(name, "control.tar"), &a.member)
		}
		if err != nil {
			return nil, err
		}
		if p != nil && !whole {
			return p, nil
		}
		wanted = wanted[1:]
	}
	return nil, fmt.Errorf("%w: it has more than %d members", errNotDeb, maxMembers)
}

// isMember tells whether a member is the wanted one, under one of its names.
func isMember(name, wanted string) bool {
	extension, ok := strings.CutPrefix(name, wanted)
	if !ok || wanted == "debian-binary" {
		return name == wanted
	}
	switch extension {
	case "", ".gz", ".xz", ".zst":
		return true
	case ".bz2", ".lzma": // deb(5) has them for data.tar alone
		return wanted == "data.tar"
	}
	return false
}

// formatTwo reads debian-binary.
func formatTwo(r io.Reader, size int64) error {
	const most = 64
	if size > most {
		return fmt.Errorf("%w: its debian-binary has %d bytes", errNotDeb, size)
	}
	b, err := io.ReadAll(r)
	if err != nil || int64(len(b)) != size {
		return cut(io.ErrUnexpectedEOF)
	}
	if !strings.HasPrefix(string(b), "2.") || b[len(b)-1] != '\n' {
		return fmt.Errorf("its format is %q, and 2.0 is the one that is known here", clip(strings.TrimSpace(string(b))))
	}
	return nil
}

// maxControlFiles is how many files control.tar may have.
const maxControlFiles = 1024

// readControl reads the file control in control.tar, and all names in it.
func readControl(extension string, member *io.LimitedReader) (*Package, error) {
	var p *Package
	err := unpack(extension, member, func(r io.Reader) error {
		t := tar.NewReader(r)
		for range maxControlFiles {
			h, err := t.Next()
			if err == io.EOF {
				if p == nil {
					return errors.New("its control.tar has no control file")
				}
				_, err := io.Copy(io.Discard, r) // there may be padding
				return err
			}
			if err != nil {
				return tarError(err)
			}
			if err := plainName(h); err != nil {
				return err
			}
			if path.Clean(h.Name) != "control" {
				continue
			}
			if p != nil {
				return errors.New("its control.tar has two control files")
			}
			if h.Typeflag != tar.TypeReg {
				return errors.New("its control file is not a regular file")
			}
			if p, err = parseControl(t, h.Size); err != nil {
				return err
			}
		}
		return fmt.Errorf("its control.tar has more than %d files", maxControlFiles)
	})
	if err == nil && member.N > 0 {
		err = errors.New("its control.tar has data after its end")
	}
	return p, err
}

func tarError(err error) error {
	if errors.Is(err, errBomb) {
		return errBomb
	}
	return damaged(err)
}

// plainName refuses files of control.tar that lie outside the directory it is
// unpacked into, and what is not a file of the kind that belongs there.
func plainName(h *tar.Header) error {
	switch clean := path.Clean(h.Name); {
	case path.IsAbs(h.Name) || clean == ".." || strings.HasPrefix(clean, "../") || strings.Contains("/"+h.Name+"/", "/../"):
		return fmt.Errorf("its control.tar has a file outside of it: %q", clip(h.Name))
	case h.Typeflag == tar.TypeSymlink || h.Typeflag == tar.TypeLink:
		if target := path.Join(path.Dir(clean), h.Linkname); path.IsAbs(h.Linkname) || strings.HasPrefix(target, "..") {
			return fmt.Errorf("its control.tar has a link out of it: %q", clip(h.Name))
		}
	case h.Typeflag != tar.TypeReg && h.Typeflag != tar.TypeDir:
		return fmt.Errorf("its control.tar has something in it that is neither a file nor a directory: %q", clip(h.Name))
	}
	return nil
}

// parseControl reads a control file.
func parseControl(r io.Reader, size int64) (*Package, error) {
	if size > maxControl {
		return nil, fmt.Errorf("its control file has %d bytes, more than %d", size, maxControl)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, tarError(err)
	}
	fields, err := parseParagraph(text)
	if err != nil {
		return nil, fmt.Errorf("its control file: %w", err)
	}
	for _, name := range []string{"Package", "Version", "Architecture", "Maintainer", "Description"} {
		if fields.get(name) == "" {
			return nil, fmt.Errorf("its control file has no %s", name)
		}
	}
	p := &Package{Name: fields.get("Package"), Version: fields.get("Version"), Arch: fields.get("Architecture"), control: fields}
	p.Source, _, _ = strings.Cut(fields.get("Source"), " ")
	if p.Source == "" {
		p.Source = p.Name
	}
	return p, p.check()
}
