package rpm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// The file format is that of rpm's docs/manual/format.md: a lead of 96 bytes,
// the signature header padded to 8, the main header, the payload. A header is
// an intro (magic, number of index entries, size of the store), the index
// (tag, type, offset, count) and the store.
//
// The reader is our own: go-rpmutils allocates what a header's intro claims
// before it has seen a byte of it, checks neither overlaps nor region trailers,
// and takes more than twice as long on a package of 48 files.
const (
	leadSize  = 96
	introSize = 16
	entrySize = 16

	// Limits of rpm itself are 65,536 entries and 256 MiB for the main header,
	// 32 entries and 64 MiB for the signature header. The largest headers known
	// (kernel debuginfo) are below 32 MiB.
	maxEntries          = 1 << 16
	maxStore            = 64 << 20
	maxSignatureEntries = 32
	maxSignatureStore   = 16 << 20
)

// Types of header entries.
const (
	typeChar        = 1
	typeInt8        = 2
	typeInt16       = 3
	typeInt32       = 4
	typeInt64       = 5
	typeString      = 6
	typeBinary      = 7
	typeStringArray = 8
	typeI18NString  = 9
)

var (
	leadMagic  = []byte{0xed, 0xab, 0xee, 0xdb}
	introMagic = []byte{0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0}

	errNotRPM = errors.New("not an RPM package")
)

// Header is what stands before the payload of an RPM file: the tags of the main
// header (embedded) and those of the signature header. It is read only once
// made, so safe for parallel use.
type Header struct {
	Tags           // of the main header
	Signature Tags // of the signature header

	// Start and End are the range of the main header in the file, in bytes; End
	// is where the payload begins. They are the header-range of repodata.
	Start, End int64

	lead []byte
	raw  []byte // the main header from its intro on, which is what is signed
}

// Tags is one header structure. Values are read on demand and strings share the
// memory of the header. A tag that is absent, or whose type is not the one
// asked for, reads as the zero value.
type Tags struct {
	index []entry // by tag
	store string
}

type entry struct {
	tag                 int
	kind, offset, count uint32
}

// ReadHeader reads the lead and both headers and leaves r at the payload. It
// refuses what rpm refuses, repeated tags and more than 64 MiB, and takes no
// more memory than the input has bytes.
func ReadHeader(r io.Reader) (*Header, error) {
	front := make([]byte, leadSize+introSize)
	if _, err := io.ReadFull(r, front); err != nil {
		return nil, cut(err)
	}
	if !bytes.HasPrefix(front, leadMagic) {
		return nil, errNotRPM
	}
	if major := front[4]; major < 3 || major > 4 {
		return nil, fmt.Errorf("RPM file format %d is unknown", major)
	}
	if kind := binary.BigEndian.Uint16(front[78:]); kind != 5 {
		return nil, fmt.Errorf("RPM signature type %d is unknown", kind)
	}
	h := &Header{lead: front[:leadSize:leadSize]}

	entries, size, err := intro(front[leadSize:], maxSignatureEntries, maxSignatureStore)
	if err != nil {
		return nil, fmt.Errorf("signature header: %w", err)
	}
	body := entries*entrySize + size
	padded := (body + 7) &^ 7
	signature, err := readBounded(r, nil, padded+introSize)
	if err != nil {
		return nil, fmt.Errorf("signature header: %w", cut(err))
	}
	if h.Signature, err = parseTags(signature[:body], entries, tagSignatures); err != nil {
		return nil, fmt.Errorf("signature header: %w", err)
	}
	h.Start = int64(leadSize + introSize + padded)

	next := signature[padded:]
	if entries, size, err = intro(next, maxEntries, maxStore); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if h.raw, err = readBounded(r, next, entries*entrySize+size); err != nil {
		return nil, fmt.Errorf("header: %w", cut(err))
	}
	if h.Tags, err = parseTags(h.raw[introSize:], entries, tagImmutable); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	h.End = h.Start + int64(len(h.raw))
	return h, nil
}

// cut says that a package ends early where an input ran dry.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends within its headers", errNotRPM)
	}
	return err
}

// intro reads the 16 bytes that open a header structure.
func intro(b []byte, maxEntries, maxStore uint32) (entries, size int, err error) {
	if !bytes.HasPrefix(b, introMagic) {
		return 0, 0, errors.New("bad magic")
	}
	n, s := binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])
	switch {
	case n == 0 || s == 0:
		return 0, 0, errors.New("it is empty")
	case n > maxEntries:
		return 0, 0, fmt.Errorf("%d entries, more than %d", n, maxEntries)
	case s > maxStore:
		return 0, 0, fmt.Errorf("%d bytes, more than %d", s, maxStore)
	}
	return int(n), int(s), nil
}

// readBounded reads n bytes behind those of a prefix; a size that the input only
// claims costs no memory.
func readBounded(r io.Reader, prefix []byte, n int) ([]byte, error) {
	const trusted = 1 << 20
	b := bytes.NewBuffer(make([]byte, 0, len(prefix)+min(n, trusted)+bytes.MinRead))
	b.Write(prefix)
	got, err := b.ReadFrom(io.LimitReader(r, int64(n)))
	if err == nil && got < int64(n) {
		err = io.ErrUnexpectedEOF
	}
	return b.Bytes(), err
}

// parseTags checks index and store as rpm does when it reads a package: types,
// counts, alignment, strings ended within the store, entries in the order of
// their data without overlap, and the region.
func parseTags(b []byte, entries int, region int) (Tags, error) {
	store := b[entries*entrySize:]
	t := Tags{index: make([]entry, entries), store: string(store)}
	end := uint64(0)
	for i := range t.index {
		at := b[i*entrySize:]
		e := entry{
			tag:    int(binary.BigEndian.Uint32(at)),
			kind:   binary.BigEndian.Uint32(at[4:]),
			offset: binary.BigEndian.Uint32(at[8:]),
			count:  binary.BigEndian.Uint32(at[12:]),
		}
		t.index[i] = e
		if i == 0 && e.tag == region {
			if err := checkRegion(b, entries, e); err != nil {
				return Tags{}, err
			}
			continue
		}
		if e.tag < 100 {
			return Tags{}, fmt.Errorf("entry %d has the reserved tag %d", i, e.tag)
		}
		length, ok := dataLength(store, e)
		if !ok || uint64(e.offset) < end {
			return Tags{}, fmt.Errorf("entry %d (tag %d, type %d, offset %d, count %d) does not fit its data", i, e.tag, e.kind, e.offset, e.count)
		}
		end = uint64(e.offset) + length
	}
	if t.index[0].tag != region {
		return Tags{}, fmt.Errorf("the region tag %d is missing", region)
	}
	slices.SortFunc(t.index, func(a, b entry) int { return a.tag - b.tag })
	for i := 1; i < entries; i++ {
		if t.index[i].tag == t.index[i-1].tag {
			return Tags{}, fmt.Errorf("tag %d stands in it twice", t.index[i].tag)
		}
	}
	return t, nil
}

// checkRegion checks the first entry, which points to a trailer in the store
// that says how many entries belong to it: all of them. Some signing services
// append IMA signatures behind the region of the signature header; rpm 4.13
// refuses those packages and rpmsign of 4.18.1 to 4.20.0 damages them.
func checkRegion(b []byte, entries int, e entry) error {
	store := b[entries*entrySize:]
	if e.kind != typeBinary || e.count != entrySize || uint64(e.offset)+entrySize > uint64(len(store)) {
		return errors.New("bad region tag")
	}
	trailer := store[e.offset:]
	tag := int(binary.BigEndian.Uint32(trailer))
	length := -int64(int32(binary.BigEndian.Uint32(trailer[8:])))
	// Old rpm wrote the tag of the main header's image into signature headers.
	known := tag == e.tag || e.tag == tagSignatures && tag == tagImage
	if !known || binary.BigEndian.Uint32(trailer[4:]) != typeBinary || binary.BigEndian.Uint32(trailer[12:]) != entrySize {
		return errors.New("bad region trailer")
	}
	if length != int64(entries)*entrySize || int(e.offset)+entrySize != len(store) {
		return errors.New("it has entries outside of its region")
	}
	return nil
}

// dataLength is the number of bytes of an entry, false if they are not there.
func dataLength(store []byte, e entry) (uint64, bool) {
	size := uint64(len(store))
	offset, count := uint64(e.offset), uint64(e.count)
	if offset >= size || count == 0 || count > size {
		return 0, false
	}
	switch e.kind {
	case typeString, typeStringArray, typeI18NString:
		if e.kind == typeString && count != 1 {
			return 0, false
		}
		rest := store[offset:]
		for range count {
			n := bytes.IndexByte(rest, 0)
			if n < 0 {
				return 0, false
			}
			rest = rest[n+1:]
		}
		return size - offset - uint64(len(rest)), true
	case typeChar, typeInt8, typeInt16, typeInt32, typeInt64, typeBinary:
		width := uint64(widthOf(e.kind))
		return count * width, offset%width == 0 && offset+count*width <= size
	}
	return 0, false
}

// widthOf is the size of one value in bytes, to which it is aligned.
func widthOf(kind uint32) int {
	switch kind {
	case typeInt16:
		return 2
	case typeInt32:
		return 4
	case typeInt64:
		return 8
	}
	return 1
}
