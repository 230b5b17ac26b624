package filelist

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"gantry/pipeline"
)

const lockName = ".filelists" + tempSuffix

// lock keeps other runs away from the lists below a root, whichever release or
// console they are of. The file is there only while it is held.
func lock(at *os.Root) (release func(), err error) {
	for {
		f, err := at.OpenFile(lockName, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock the file lists: %w", err)
		}
		switch err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
		case errors.Is(err, unix.EINTR):
			f.Close()
			continue
		case errors.Is(err, unix.EWOULDBLOCK):
			f.Close()
			return nil, &pipeline.ConflictError{Reason: "another run writes file lists here at this moment", Hint: "wait for it: gantry runs"}
		case err != nil:
			f.Close()
			return nil, fmt.Errorf("lock the file lists: %w", err)
		}
		// Who held it before may have removed the file since it was opened.
		opened, err := f.Stat()
		if err == nil {
			if is, err := at.Lstat(lockName); err == nil && os.SameFile(opened, is) {
				return func() {
					_ = at.Remove(lockName) // it is nobody's when it stays
					f.Close()
				}, nil
			}
		}
		f.Close()
	}
}
