package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"gantry/config"
)

// explain wraps an error of the file system with what was being done, maps it
// to this package's errors, and says what an operator can do.
func explain(doing string, err error) error {
	doing = config.Inert(doing)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s: %w", doing, ErrNotFound)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return config.Hint(fmt.Errorf("%s: %w", doing, err), "free some space there, then do it again; nothing half done was left")
	case errors.Is(err, syscall.EROFS):
		return config.Hint(fmt.Errorf("%s: %w", doing, err), "remount the file system for writing, then do it again")
	case errors.Is(err, fs.ErrPermission):
		return config.Hint(fmt.Errorf("%s: %w", doing, err), "give the user who runs gantry write permission there")
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return config.Hint(fmt.Errorf("%s: %w", doing, err), "raise the limit of open files (ulimit -n)")
	}
	return fmt.Errorf("%s: %w", doing, err)
}
