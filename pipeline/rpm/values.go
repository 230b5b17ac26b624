package rpm

import (
	"encoding/binary"
	"slices"
	"strings"
)

func (t Tags) find(tag int) (entry, bool) {
	i, ok := slices.BinarySearchFunc(t.index, tag, func(e entry, tag int) int {
		return e.tag - tag
	})
	if !ok {
		return entry{}, false
	}
	return t.index[i], true
}

// Has says whether the tag stands in the header, whatever its type.
func (t Tags) Has(tag int) bool {
	_, ok := t.find(tag)
	return ok
}

// Str is the string of a tag, the first one of several.
func (t Tags) Str(tag int) string {
	e, ok := t.find(tag)
	if !ok || e.kind != typeString && e.kind != typeStringArray && e.kind != typeI18NString {
		return ""
	}
	s, _, _ := strings.Cut(t.store[e.offset:], "\x00")
	return s
}

// Strs are the strings of a tag.
func (t Tags) Strs(tag int) []string {
	e, ok := t.find(tag)
	if !ok || e.kind != typeString && e.kind != typeStringArray && e.kind != typeI18NString {
		return nil
	}
	all := make([]string, e.count)
	rest := t.store[e.offset:]
	for i := range all {
		all[i], rest, _ = strings.Cut(rest, "\x00")
	}
	return all
}

// Bytes is the binary value of a tag, as a string that shares the header's
// memory.
func (t Tags) Bytes(tag int) string {
	e, ok := t.find(tag)
	if !ok || e.kind != typeBinary {
		return ""
	}
	return t.store[e.offset : e.offset+e.count]
}

// Uint64 is the integer of a tag, of any width, the first one of several.
func (t Tags) Uint64(tag int) uint64 {
	e, ok := t.find(tag)
	if !ok || e.kind < typeChar || e.kind > typeInt64 {
		return 0
	}
	return t.integer(e, 0)
}

// Uint64s are the integers of a tag, of any width.
func (t Tags) Uint64s(tag int) []uint64 {
	return integers[uint64](t, tag, typeInt64)
}

// Uint32s are the integers of a tag of at most 32 bits.
func (t Tags) Uint32s(tag int) []uint32 {
	return integers[uint32](t, tag, typeInt32)
}

func integers[T uint32 | uint64](t Tags, tag int, widest uint32) []T {
	e, ok := t.find(tag)
	if !ok || e.kind < typeChar || e.kind > widest {
		return nil
	}
	all := make([]T, e.count)
	for i := range all {
		all[i] = T(t.integer(e, uint32(i)))
	}
	return all
}

// integer reads the i-th value of an entry whose bounds parseTags checked.
func (t Tags) integer(e entry, i uint32) uint64 {
	switch e.kind {
	case typeInt16:
		return uint64(binary.BigEndian.Uint16([]byte(t.store[e.offset+2*i:][:2])))
	case typeInt32:
		return uint64(binary.BigEndian.Uint32([]byte(t.store[e.offset+4*i:][:4])))
	case typeInt64:
		return binary.BigEndian.Uint64([]byte(t.store[e.offset+8*i:][:8]))
	}
	return uint64(t.store[e.offset+i])
}

// IsSource says whether the package is a source package; rpm tells them by the
// absence of the name of one.
func (h *Header) IsSource() bool { return !h.Has(tagSourceRPM) }

// ArchiveSize is the size of the uncompressed payload in bytes, 0 where the
// package does not say.
func (h *Header) ArchiveSize() int64 {
	if n := h.Signature.Uint64(sigLongArchive); n != 0 {
		return int64(n)
	}
	return int64(h.Signature.Uint64(sigArchive))
}
