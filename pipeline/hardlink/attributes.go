package hardlink

import (
	"bytes"
	"errors"
	"slices"

	"golang.org/x/sys/unix"
)

// attributesMost bounds what a file may have besides its content, in bytes; the
// kernel's own bound for the names, and for each value.
const attributesMost = 64 << 10

// dressed tells whether two open files have the same extended attributes: access
// lists, security labels and capabilities are among them, and a name that goes to
// another file gets those of that file.
func dressed(a, b int) (bool, error) {
	names, err := attributes(a)
	if err != nil {
		return false, err
	}
	others, err := attributes(b)
	if err != nil || !slices.Equal(names, others) {
		return false, err
	}
	for _, name := range names {
		value, err := attribute(a, name)
		if err != nil {
			return false, err
		}
		other, err := attribute(b, name)
		if err != nil || !bytes.Equal(value, other) {
			return false, err
		}
	}
	return true, nil
}

// attributes are the names of a file's attributes, sorted.
func attributes(fd int) ([]string, error) {
	text, err := whole(func(into []byte) (int, error) { return unix.Flistxattr(fd, into) })
	if err != nil {
		return nil, err
	}
	var names []string
	for name := range bytes.SplitSeq(bytes.TrimRight(text, "\x00"), []byte{0}) {
		if len(name) > 0 {
			names = append(names, string(name))
		}
	}
	slices.Sort(names)
	return names, nil
}

func attribute(fd int, name string) ([]byte, error) {
	return whole(func(into []byte) (int, error) { return unix.Fgetxattr(fd, name, into) })
}

// whole reads what a call of the kernel puts into a buffer; nothing on a file
// system that knows no attributes.
func whole(read func(into []byte) (int, error)) ([]byte, error) {
	for size := 512; ; size = attributesMost {
		into := make([]byte, size)
		n, err := read(into)
		switch {
		case err == nil:
			return into[:n], nil
		case errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.EOPNOTSUPP):
			return nil, nil
		case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
			return nil, errClosed
		case errors.Is(err, unix.EINTR), errors.Is(err, unix.ERANGE) && size < attributesMost:
			continue
		case errors.Is(err, errNoAttribute):
			return nil, errMoved
		}
		return nil, err
	}
}
