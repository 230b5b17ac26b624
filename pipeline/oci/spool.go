package oci

import (
	"archive/tar"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"

	"gantry/config"
	"gantry/storage"
)

// Limits of archives. None is near what images need.
const (
	maxArchive = 64 << 30 // bytes of the tar
	maxEntries = 20_000
	maxName    = 1024 // bytes
	maxLinks   = 8    // links to follow from a name to a file

	// What is compressed may grow at most so many times, where it grows to more
	// than free bytes.
	maxRatio = 200
	free     = 1 << 30
)

// spool is a tar that was read once and can be read at any place. Nothing of it
// is ever unpacked to a name.
type spool struct {
	file    *os.File // which has no name
	size    int64
	entries map[string]entry
	glance  bool // it is only asked what the image is for
}

// entry is a file of the tar, or a link to one.
type entry struct {
	at, size int64
	link     string // name of what it leads to
}

// newSpool reads a tar, compressed by gzip or not, to its end. Its bytes, as they
// come, must have the SHA-256 that is wanted, in lower-case hex; where that is
// empty they may have any. count hears of them; it may be nil.
func newSpool(ctx context.Context, r io.Reader, want string, count func(int64)) (_ *spool, err error) {
	file, err := storage.SpoolFile()
	if err != nil {
		return nil, err
	}
	s := &spool{file: file}
	defer func() {
		if err != nil {
			file.Close()
		}
	}()
	in := &source{ctx: ctx, r: r, count: count}
	h := sha256.New()
	b := bufio.NewReaderSize(io.TeeReader(in, h), 1<<20)
	s.size, err = s.fill(b, in)
	if _, rest := io.Copy(io.Discard, b); rest != nil { // what is wrong with the bytes says more than what they stand for
		return nil, fmt.Errorf("read it: %w", rest)
	}
	if is := hex.EncodeToString(h.Sum(nil)); want != "" && is != want {
		return nil, fmt.Errorf("its SHA-256 is %s, and should be %s", is, config.Inert(clip(want)))
	}
	if err != nil {
		return nil, err
	}
	return s, s.index()
}

// fill writes the tar itself into the file.
func (s *spool) fill(b *bufio.Reader, in *source) (int64, error) {
	const magic, ustar = "\x1f\x8b", 257
	var tarred io.Reader = b
	head, _ := b.Peek(ustar + 5)
	switch {
	case strings.HasPrefix(string(head), magic):
		z, err := gzip.NewReader(b)
		if err != nil {
			return 0, fmt.Errorf("decompress it: %w", err)
		}
		tarred = z
	case !strings.HasSuffix(string(head), "ustar"):
		return 0, config.Hint(errors.New("it is no tar, compressed by gzip or not"), "save the image with docker save, or as an OCI layout in a tar")
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{s.file}, &bounded{r: tarred, in: in, most: maxArchive}, make([]byte, 1<<20))
	if err != nil {
		return n, fmt.Errorf("read it: %w", err)
	}
	return n, nil
}

// index finds the files of the tar.
func (s *spool) index() error {
	r := io.NewSectionReader(s.file, 0, s.size)
	t := tar.NewReader(r)
	s.entries = map[string]entry{}
	for seen := 0; ; seen++ {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the tar: %w", err)
		}
		if seen == maxEntries {
			return fmt.Errorf("the tar has more than %d entries", maxEntries)
		}
		name := path.Clean(h.Name)
		var e entry
		switch h.Typeflag {
		case tar.TypeReg:
			if e.at, err = r.Seek(0, io.SeekCurrent); err != nil {
				return err
			}
			if e.size = h.Size; e.at+e.size > s.size {
				return fmt.Errorf("the tar: %w", io.ErrUnexpectedEOF)
			}
		case tar.TypeSymlink:
			e.link = path.Join(path.Dir(name), h.Linkname)
		case tar.TypeLink:
			e.link = path.Clean(h.Linkname)
		case tar.TypeGNUSparse:
			return errors.New("the tar has a sparse file")
		default:
			continue
		}
		for key := range h.PAXRecords {
			if strings.HasPrefix(key, "GNU.sparse.") {
				return errors.New("the tar has a sparse file")
			}
		}
		if len(name) > maxName || len(e.link) > maxName {
			return fmt.Errorf("the tar has a name of more than %d bytes", maxName)
		}
		if _, twice := s.entries[name]; twice {
			return fmt.Errorf("the tar has %s twice", config.Inert(clip(name)))
		}
		s.entries[name] = e
	}
}

// find looks a file up by its name in the tar.
func (s *spool) find(name string) (entry, bool) {
	name = path.Clean(name)
	for range maxLinks {
		e, ok := s.entries[name]
		if !ok || e.link == "" {
			return e, ok
		}
		name = e.link
	}
	return entry{}, false
}

// whole reads a file of at most that many bytes.
func (s *spool) whole(name string, most int64) ([]byte, error) {
	e, ok := s.find(name)
	if !ok {
		return nil, fmt.Errorf("%s is not in it", config.Inert(clip(name)))
	}
	if e.size > most {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", config.Inert(clip(name)), e.size, most)
	}
	b := make([]byte, e.size)
	if _, err := s.file.ReadAt(b, e.at); err != nil {
		return nil, fmt.Errorf("read %s: %w", config.Inert(clip(name)), err)
	}
	return b, nil
}

// source is what comes in: it stops when ctx ends, and counts.
type source struct {
	ctx   context.Context
	r     io.Reader
	n     int64
	count func(int64)
}

func (s *source) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		return 0, context.Cause(s.ctx)
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	if s.count != nil {
		s.count(int64(n))
	}
	return n, err
}

// bounded refuses what grows out of all proportion as it is decompressed.
type bounded struct {
	r    io.Reader
	in   *source // what it is decompressed from
	most int64
	n    int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	b.n += int64(n)
	switch {
	case b.n > b.most:
		return n, fmt.Errorf("it has more than %d bytes", b.most)
	case b.n > free && b.n/maxRatio > b.in.n:
		return n, fmt.Errorf("it grows more than %d times when it is decompressed", maxRatio)
	}
	return n, err
}

// clip shortens a foreign text for an error.
func clip(s string) string { return shorten(s, 120) }

func shorten(s string, most int) string {
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
