package storage

import "golang.org/x/sys/unix"

// dropCache makes the next read of a synced file come from the disk.
func dropCache(fd int) {
	unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED) // advice: where it is not taken, the cache is read
}

// renameNew renames inside one directory and fails where the new name exists.
func (f *folder) renameNew(from, to string) error {
	fd := int(f.file.Fd())
	return retry(func() error { return unix.Renameat2(fd, from, fd, to, unix.RENAME_NOREPLACE) })
}
