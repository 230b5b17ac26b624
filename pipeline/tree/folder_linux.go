package tree

import (
	"encoding/binary"
	"errors"
	"strings"

	"golang.org/x/sys/unix"
)

// openBelow opens the directory at a path from another one. No link is followed
// on the way, and nothing leads out.
func openBelow(fd int, p string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		sub, err := again(func() (int, error) { return unix.Openat2(fd, p, &how) })
		switch {
		case errors.Is(err, unix.EAGAIN): // something was renamed meanwhile
		case errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EPERM): // an old kernel, or a filter that knows only old ones
			return stepBelow(fd, p)
		default:
			return sub, err
		}
	}
}

// flush makes durable all that was written to the file system of a directory.
func (f *folder) flush() error {
	return f.fail("sync", "", retry(func() error { return unix.Syncfs(f.fd) }))
}

// mounted tells whether the directory is the top of what is mounted there.
func (f *folder) mounted() (bool, error) {
	var st unix.Statx_t
	err := retry(func() error { return unix.Statx(f.fd, "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, &st) })
	if err == nil && st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
	}
	return f.apart()
}

// parseNames adds the names of what the kernel tells of a directory (struct
// linux_dirent64). They share one string: a tree has many.
func parseNames(buf []byte, all []string) []string {
	const head = 19 // inode and offset of 8 bytes, length of 2, type of 1
	text := string(buf)
	for len(text) > head {
		size := int(binary.NativeEndian.Uint16([]byte{text[16], text[17]}))
		if size <= head || size > len(text) {
			break
		}
		name, _, _ := strings.Cut(text[head:size], "\x00")
		if text = text[size:]; name != "." && name != ".." {
			all = append(all, name)
		}
	}
	return all
}
