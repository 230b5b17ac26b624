package storage

import (
	"errors"
	"fmt"
	"io/fs"
)

// Rename gives a file that is not committed yet another name in its directory:
// one that is known only when all is written, such as a digest. A name that is
// taken is ErrExists.
func (e *dirEntry) Rename(name string) error {
	if e.file == nil {
		return errors.New("rename a file of the snapshot: it is over")
	}
	if err := CheckName(name); err != nil {
		return fmt.Errorf("rename a file of the snapshot: %w", err)
	}
	path := name
	if dir, _ := splitKey(e.path); dir != "" {
		path = dir + "/" + name
	}
	if path == manifestName {
		return errors.New("manifest.json is written by Commit")
	}
	err := e.at.renameNew(e.name, name)
	if errors.Is(err, fs.ErrExist) {
		err = ErrExists
	}
	if err != nil {
		return e.at.fail("rename to", name, err)
	}
	e.path, e.name = path, name
	return nil
}
