package storage

import (
	"context"
	"fmt"
	"os"
)

// Open opens a file of the build that was committed or linked, for reading.
func (b *dirBuild) Open(_ context.Context, path string) (*os.File, error) {
	f, name, done, err := b.folder(path)
	if err != nil {
		return nil, fmt.Errorf("open a file of the build: %w", err)
	}
	defer done()
	file, _, err := f.open(name)
	return file, err
}
