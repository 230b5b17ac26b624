package hardlink

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline/walk"
	"gantry/storage"
)

const (
	tempMark  = ".hl"
	nameLimit = 200 // bytes of a name in a temporary one
)

// newTemp is a name for a link that waits: .NAME.hl<8 hex digits>.~tmp~
func newTemp(base string) string {
	var b [4]byte
	rand.Read(b[:]) // it never fails
	return "." + base[:min(len(base), nameLimit)] + tempMark + hex.EncodeToString(b[:]) + tempSuffix
}

// isTemp tells whether a name is one that newTemp makes.
func isTemp(name string) bool {
	rest, ok := strings.CutSuffix(name, tempSuffix)
	i := strings.LastIndex(rest, tempMark)
	if !ok || i < 1 || rest[0] != '.' {
		return false
	}
	word := rest[i+len(tempMark):]
	return len(word) == 8 && strings.Trim(word, "0123456789abcdef") == ""
}

// link lets the names of a file go to another one, which was found to be the same
// just now, and returns how many did. What is not any more what was compared is
// left alone.
func (c *comparer) link(stays, goes *inode) (linked int, err error) {
	for len(goes.names) > 0 {
		n := goes.names[0]
		if err := c.replace(stays, goes, n); errors.Is(err, errFull) || errors.Is(err, errApart) {
			return linked, err
		} else if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
			return linked, errMoved
		} else if err != nil {
			return linked, fmt.Errorf("link %s: %w", config.Inert(n.path()), err)
		}
		goes.names = goes.names[1:]
		linked++
	}
	return linked, nil
}

// replace lets one name go to another file: that gets a name beside it, which is
// then renamed over it.
func (c *comparer) replace(stays, goes *inode, n name) error {
	from, err := c.folders.Open(stays.names[0].dir)
	if err != nil {
		return err
	}
	to, err := c.folders.Open(n.dir)
	if err != nil {
		return err
	}
	temp := newTemp(n.base)
	switch err := unix.Linkat(from, stays.names[0].base, to, temp, 0); {
	case errors.Is(err, unix.EMLINK):
		return errFull
	case errors.Is(err, unix.EXDEV):
		return errApart
	case err != nil:
		return err
	}
	storage.Reach("hardlink.linked")
	linked, err := c.folders.Stat(n.dir, temp)
	var now walk.Entry
	if err == nil {
		now, err = c.folders.Stat(n.dir, n.base)
	}
	if err == nil && (!stays.is(&linked) || !goes.is(&now)) {
		err = errMoved
	}
	if err == nil {
		err = unix.Renameat(to, temp, to, n.base)
	}
	if err != nil {
		return errors.Join(err, unix.Unlinkat(to, temp, 0))
	}
	storage.Reach("hardlink.renamed")
	return nil
}

// sweep removes links that waited when a run did not come to its end.
func sweep(r *walk.Root, waiting []name) error {
	folders := r.Folders()
	defer folders.Close()
	for _, n := range waiting {
		folders.Trim()
		fd, err := folders.Open(n.dir)
		if err == nil {
			err = unix.Unlinkat(fd, n.base, 0)
		}
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("remove what an earlier run left: %s: %w", config.Inert(n.path()), err)
		}
	}
	return nil
}
