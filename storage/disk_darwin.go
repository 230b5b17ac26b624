package storage

import "golang.org/x/sys/unix"

// dropCache makes reads of this descriptor come from the disk.
func dropCache(fd int) {
	unix.FcntlInt(uintptr(fd), unix.F_NOCACHE, 1) // advice: where it is not taken, the cache is read
}

// renameNew renames inside one directory and fails where the new name exists.
func (f *folder) renameNew(from, to string) error {
	fd := int(f.file.Fd())
	return retry(func() error { return unix.RenameatxNp(fd, from, fd, to, unix.RENAME_EXCL) })
}
