package tree

import (
	"bufio"
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// save keeps a file that is replaced by giving it another name in the undo area.
// Links are in the record as they are. Where a sync replaces one twice, what was
// there before it is kept.
func save(h *hand, c *change) error {
	if c.old.kind != file {
		return nil
	}
	shelf, err := h.keeper()
	if err != nil {
		return err
	}
	if err := h.at.link(c.name, shelf, c.name); !errors.Is(err, unix.EEXIST) {
		return err
	}
	return nil
}

// shelve moves a file that is removed to the undo area.
func shelve(h *hand, c *change) error {
	if c.old.kind == file {
		shelf, err := h.keeper()
		if err != nil {
			return err
		}
		has, err := shelf.stat(c.name)
		if err != nil {
			return err
		}
		if has == nil {
			return h.at.rename(c.name, shelf, c.name)
		}
	}
	return h.at.unlink(c.name)
}

// list writes down what the whole tree is to hold. A broken one is written anew
// by whoever goes on.
func (v *survey) list(home *folder) (err error) {
	fd, err := again(func() (int, error) {
		return unix.Openat(home.fd, listingFile, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	})
	if err != nil {
		return home.fail("open", listingFile, err)
	}
	f := os.NewFile(uintptr(fd), home.name(listingFile))
	w := bufio.NewWriterSize(f, 1<<20)
	var line []byte
	for n, all := range [][]listing{v.source, v.extra} {
		for i := range all {
			for j := range all[i].here {
				c := all[i].here[j]
				if c.links < 2 || n > 0 {
					c.ino = 0 // it tells which names are one file
				}
				line = line[:0]
				if all[i].path != "." {
					line = append(append(line, all[i].path...), '/')
				}
				line = append(append(line, c.name...), '\t')
				line = append(c.entry.append(line), '\n')
				if _, err := w.Write(line); err != nil {
					return errors.Join(explained(err), f.Close())
				}
			}
		}
	}
	return explained(errors.Join(w.Flush(), f.Close()))
}
