package filelist

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"gantry/config"
)

// Files in the making are called .LIST.<8 hex digits>.~tmp~: mirrors leave names
// that end so alone, and no list has them.
const (
	tempSuffix = ".~tmp~"
	nameLimit  = 200 // bytes of a list's name, so that a temporary name fits too
)

// aside is what waits in the directory of a scope to be put in place.
type aside struct {
	at    *os.Root
	scope *scope
	temp  map[string]string // by the name of the list
}

func newTemp(name string) string {
	var b [4]byte
	rand.Read(b[:]) // it never fails
	return "." + name + "." + hex.EncodeToString(b[:]) + tempSuffix
}

// isTemp tells whether a name is one that newTemp makes for a list of the scope.
func (s *scope) isTemp(file string) bool {
	rest, ok := strings.CutSuffix(file, tempSuffix)
	if !ok || len(rest) < 10 || rest[0] != '.' || strings.Trim(rest[len(rest)-8:], "0123456789abcdef") != "" {
		return false
	}
	return rest[len(rest)-9] == '.' && s.has(rest[1:len(rest)-9])
}

// sweep removes what runs left behind that did not come to their end. Nobody else
// is at work: the caller holds the lock.
func (a *aside) sweep() error {
	dir, err := a.at.Open(".")
	if err != nil {
		return fmt.Errorf("look into scope %s: %w", a.scope.Dir, err)
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if a.scope.isTemp(name) {
				if err := a.at.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("remove what an earlier run left: %w", err)
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look into scope %s: %w", a.scope.Dir, err)
		}
	}
}

// create makes an empty list that waits, with its owner.
func (a *aside) create(name string) (*os.File, error) {
	temp := newTemp(name)
	f, err := a.at.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	a.temp[name] = temp
	err = f.Chmod(0o644) // whatever the umask
	if err == nil && a.scope.Owner.Set {
		err = f.Chown(a.scope.Owner.UID, a.scope.Owner.GID)
	}
	if err != nil {
		f.Close()
		return nil, config.Hint(fmt.Errorf("give %s its owner and mode: %w", name, err), "run gantry as a user who may, or leave owner out of the scope")
	}
	return f, nil
}

// link makes a list wait that is the same as another file there, waiting or not.
func (a *aside) link(from, name string) error {
	temp := newTemp(name)
	if err := a.at.Link(from, temp); err != nil {
		return fmt.Errorf("link %s: %w", name, err)
	}
	a.temp[name] = temp
	return nil
}

// put puts a list in place. Where it is there already as the same file, a rename
// does nothing, and what waited is removed.
func (a *aside) put(name string) error {
	temp := a.temp[name]
	if err := a.at.Rename(temp, name); err != nil {
		return fmt.Errorf("put %s in place: %w", name, err)
	}
	delete(a.temp, name)
	if err := a.at.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("put %s in place: %w", name, err)
	}
	return nil
}

// sync makes the names in the directory durable.
func (a *aside) sync() error {
	dir, err := a.at.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// drop removes what still waits.
func (a *aside) drop() {
	for _, temp := range a.temp {
		_ = a.at.Remove(temp) // the next run sweeps what cannot be removed now
	}
	a.at.Close()
}

// lines gathers what is written. After an error it writes no more.
type lines struct {
	out io.Writer
	buf []byte
	err error
}

const gathered = 1 << 20 // bytes

// room writes what was gathered where it is much.
func (l *lines) room() {
	if len(l.buf) >= gathered {
		l.flush()
	}
}

func (l *lines) flush() error {
	if l.err == nil && len(l.buf) > 0 {
		_, l.err = l.out.Write(l.buf)
	}
	l.buf = l.buf[:0]
	return l.err
}
