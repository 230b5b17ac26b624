package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"gantry/config"
)

// spoolDir is where large temporary files go: TMPDIR where the operator set it,
// else /var/tmp, which is on a disk where /tmp may be in memory (hier(7)).
func spoolDir() string {
	const disk = "/var/tmp"
	if fi, err := os.Stat(disk); os.Getenv("TMPDIR") == "" && err == nil && fi.IsDir() {
		return disk
	}
	return os.TempDir()
}

// SpoolFile makes a temporary file without a name, which is gone when it is
// closed, or when the process is.
func SpoolFile() (*os.File, error) {
	dir := spoolDir()
	f, err := os.CreateTemp(dir, "gantry-*")
	if err != nil {
		return nil, config.Hint(fmt.Errorf("make a temporary file: %w", err), roomHint(dir))
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, explain("unlink "+f.Name(), err)
	}
	return f, nil
}

func roomHint(dir string) string {
	return "make room in " + dir + ", or set TMPDIR to another directory"
}

// spool copies a reader into a file without a name, at its start again.
func spool(ctx context.Context, r io.Reader) (*os.File, error) {
	file, err := SpoolFile()
	if err != nil {
		return nil, err
	}
	if err = copyAll(ctx, file, r); err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		if p := new(fs.PathError); errors.As(err, &p) && p.Path == file.Name() {
			err = config.Hint(err, roomHint(filepath.Dir(p.Path)))
		}
		return nil, err
	}
	return file, nil
}
