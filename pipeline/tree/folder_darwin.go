package tree

import "golang.org/x/sys/unix"

// openBelow opens the directory at a path from another one. No link is followed
// on the way, and nothing leads out.
func openBelow(fd int, p string) (int, error) { return stepBelow(fd, p) }

// flush makes durable all that was written to the file system of a directory.
func (f *folder) flush() error {
	if err := f.fail("sync", "", retry(unix.Sync)); err != nil {
		return err
	}
	return f.sync()
}

// mounted tells whether the directory is the top of what is mounted there.
func (f *folder) mounted() (bool, error) { return f.apart() }

// parseNames adds the names of what the kernel tells of a directory.
func parseNames(buf []byte, all []string) []string {
	_, _, all = unix.ParseDirent(buf, -1, all)
	return all
}
