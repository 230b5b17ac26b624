package tree

import (
	"strings"

	"golang.org/x/sys/unix"
)

// stepBelow is openBelow for systems that do not do it in one call: one
// directory after the other.
func stepBelow(fd int, p string) (int, error) {
	at := fd
	for _, name := range strings.Split(p, "/") {
		if name == ".." {
			return -1, unix.EXDEV
		}
		next, err := again(func() (int, error) {
			return unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		})
		if at != fd {
			unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		at = next
	}
	return at, nil
}

// apart tells whether a directory is on another device than the one above it, or
// the top of all.
func (f *folder) apart() (bool, error) {
	var here, above unix.Stat_t
	err := retry(func() error { return unix.Fstat(f.fd, &here) })
	if err == nil {
		err = retry(func() error { return unix.Fstatat(f.fd, "..", &above, 0) })
	}
	return here.Dev != above.Dev || here.Ino == above.Ino, err
}
