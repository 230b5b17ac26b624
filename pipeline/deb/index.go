package deb

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"gantry/storage"
)

// Stanzas is the text that an index has of packages, by the SHA-256 of their
// files.
type Stanzas map[string][]byte

// Describe returns the stanza of each file, in their order. Those that known has
// of the same path and size are taken over; the other files are opened, read to
// the end and must be what the list says of them. read is how many those were.
func Describe(ctx context.Context, files []storage.File, known Stanzas, open func(storage.File) (io.ReadCloser, error)) (all [][]byte, read int, err error) {
	all = make([][]byte, len(files))
	var fresh []int
	for i, f := range files {
		if s := known[f.SHA256]; s != nil && bytes.HasSuffix(s, tail(f)) {
			all[i] = s
			continue
		}
		fresh = append(fresh, i)
	}
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range min(runtime.GOMAXPROCS(0), len(fresh)) {
		g.Go(func() error {
			for {
				n := int(next.Add(1)) - 1
				if n >= len(fresh) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				i := fresh[n]
				p, err := describe(files[i], open)
				if err != nil {
					return err
				}
				all[i] = p.Stanza(files[i].Path)
			}
		})
	}
	return all, len(fresh), g.Wait()
}

// describe reads a package, which must be the one that the list has.
func describe(f storage.File, open func(storage.File) (io.ReadCloser, error)) (*Package, error) {
	r, err := open(f)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p, err := ReadPackage(r)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", f.Path, err)
	case p.SHA256 != f.SHA256 || p.Size != f.Size:
		return nil, fmt.Errorf("read %s: its SHA-256 is %s, and should be %s", f.Path, p.SHA256, f.SHA256)
	case p.Name != f.Name || p.Version != f.Version || p.Arch != f.Arch:
		return nil, fmt.Errorf("read %s: it is %s, and not %s_%s_%s", f.Path, p, f.Name, f.Version, f.Arch)
	}
	return p, nil
}

// tail is how the stanza of a file ends.
func tail(f storage.File) []byte {
	return fmt.Appendf(nil, "\nFilename: %s\nSize: %d\nSHA256: %s\n", f.Path, f.Size, f.SHA256)
}

// order sorts files as an index has them: by name, version, architecture.
func order(files []storage.File) {
	slices.SortFunc(files, func(a, b storage.File) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), CompareVersions(a.Version, b.Version), cmp.Compare(a.Path, b.Path))
	})
}

// writeIndex writes Packages.
func writeIndex(w io.Writer, stanzas [][]byte) error {
	out := bufio.NewWriterSize(w, 64<<10)
	for _, s := range stanzas {
		out.Write(s)
		out.WriteByte('\n')
	}
	return out.Flush()
}

// addIndex takes in the stanzas of a Packages that this trade wrote and that has
// the digest it should have.
func (s Stanzas) addIndex(index []byte) {
	const key = "\nSHA256: "
	for len(index) > 0 {
		stanza, rest, ok := bytes.Cut(index, []byte("\n\n"))
		if !ok {
			return
		}
		stanza = index[: len(stanza)+1 : len(stanza)+1]
		if i := bytes.LastIndex(stanza, []byte(key)); i >= 0 {
			s[string(stanza[i+len(key):len(stanza)-1])] = stanza
		}
		index = rest
	}
}

// Ref is what an index says of a package.
type Ref struct {
	Name, Version, Arch string
	Path                string // of its file, relative to the archive
	Size                int64
	SHA256              string
	text                []byte // the stanza
}

// maxStanza is the most bytes that one package may have in an index.
const maxStanza = maxControl + 4<<10

// ReadIndex reads Packages, a stanza at a time.
func ReadIndex(r io.Reader, use func(Ref) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	var stanza []byte
	for {
		line, err := in.ReadSlice('\n')
		if err == nil || errors.Is(err, bufio.ErrBufferFull) || err == io.EOF {
			if len(stanza)+len(line) > maxStanza {
				return fmt.Errorf("a package of the index has more than %d bytes", maxStanza)
			}
			blank := len(line) == 1 && line[0] == '\n' && (len(stanza) == 0 || stanza[len(stanza)-1] == '\n')
			if !blank {
				stanza = append(stanza, line...)
			}
			if len(stanza) > 0 && (blank || err == io.EOF) {
				ref, wrong := parseRef(stanza)
				if wrong != nil {
					return wrong
				}
				if wrong := use(ref); wrong != nil {
					return wrong
				}
				stanza = nil // use may keep the text
			}
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

func parseRef(stanza []byte) (Ref, error) {
	p, err := parseParagraph(stanza)
	if err != nil {
		return Ref{}, fmt.Errorf("a package of the index: %w", err)
	}
	ref := Ref{Name: p.get("Package"), Version: p.get("Version"), Arch: p.get("Architecture"), Path: p.get("Filename"), SHA256: p.get("SHA256"), text: stanza}
	if ref.Size, err = parseSize(p.get("Size")); err != nil {
		return Ref{}, fmt.Errorf("the package %s of the index: %w", clip(ref.Name), err)
	}
	if !isDigest(ref.SHA256) {
		return Ref{}, fmt.Errorf("the package %s of the index has no SHA-256", clip(ref.Name))
	}
	if err := storage.CheckKey(ref.Path); err != nil {
		return Ref{}, fmt.Errorf("the package %s of the index: its file: %w", clip(ref.Name), err)
	}
	return ref, nil
}

func parseSize(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil {
		return 0, fmt.Errorf("%q is no size", clip(s))
	}
	return int64(n), nil
}

func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && strings.ToLower(s) == s
}
