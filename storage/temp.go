package storage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Files in the making are called .tmp-<nonce>, lie beside the name that they
// will have, and are locked by their writer. One that is not locked belongs to
// nobody any more.

const (
	tempPrefix = ".tmp-" // no key has a segment that starts so
	guardName  = tempPrefix + "guard"
)

// nonce is a random word that never repeats.
func nonce() string {
	var b [16]byte
	rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// isNonce tells whether a word is one that nonce makes.
func isNonce(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// ownTemp tells whether a name in a store is ours and no object.
func ownTemp(name string) bool {
	rest, ok := strings.CutPrefix(name, tempPrefix)
	return ok && isNonce(rest) || name == guardName
}

// temp makes a new locked file. Between the two, a sweep may take it for
// abandoned: then there is another name.
func (f *folder) temp() (*os.File, string, error) {
	for range 100 {
		name := tempPrefix + nonce()
		t, err := f.create(name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o644)
		if err != nil {
			return nil, "", err
		}
		err = flock(t, unix.LOCK_EX)
		if err == nil {
			_, err = f.stat(name)
		}
		if err == nil {
			return t, name, nil
		}
		t.Close()
		if !errors.Is(err, ErrLocked) && !errors.Is(err, ErrNotFound) {
			return nil, "", errors.Join(f.fail("lock", name, err), f.remove(name))
		}
	}
	return nil, "", f.fail("create a file in", "", errors.New("it is swept away again and again"))
}

// write makes a synced temporary file of what r holds, which all may read where
// readers is set. It stays locked until the caller closes it.
func (f *folder) write(ctx context.Context, r io.Reader, readers bool) (*os.File, string, error) {
	t, temp, err := f.temp()
	if err != nil {
		return nil, "", err
	}
	_, err = io.Copy(t, reader{ctx, r})
	if err == nil {
		Reach("put.written")
		if readers {
			err = t.Chmod(0o644)
		}
	}
	if err == nil {
		err = t.Sync() // never twice: the kernel forgets what it could not write
	}
	if err != nil {
		return nil, "", errors.Join(f.fail("write to", "", err), f.remove(temp), t.Close())
	}
	Reach("put.synced")
	return t, temp, nil
}

// sweep removes the abandoned files and directories of that prefix.
func (f *folder) sweep(ctx context.Context, prefix string) error {
	all, err := f.root.Open(".")
	if err != nil {
		return f.fail("list", "", err)
	}
	defer all.Close()
	for {
		names, err := all.Readdirnames(1024)
		if len(names) == 0 {
			if err == io.EOF {
				return nil
			}
			return f.fail("list", "", err)
		}
		for _, name := range names {
			rest, ok := strings.CutPrefix(name, prefix)
			if !ok || !isNonce(rest) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := f.sweepOne(name); err != nil {
				return err
			}
		}
	}
}

// sweepOne removes what nobody has locked.
func (f *folder) sweepOne(name string) error {
	st, err := f.stat(name)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if kind := st.Mode & unix.S_IFMT; kind == unix.S_IFREG || kind == unix.S_IFDIR {
		t, err := f.create(name, unix.O_RDONLY, 0)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		defer t.Close()
		if err := flock(t, unix.LOCK_EX); errors.Is(err, ErrLocked) {
			return nil
		} else if err != nil {
			return f.fail("lock", name, err)
		}
	}
	if err := f.root.RemoveAll(name); err != nil {
		return f.fail("remove", name, err)
	}
	return nil
}

// Sweep removes what writers that died left in that directory of the store: ""
// is its top, "a/b" what holds the keys a/b/...
func (d *Dir) Sweep(ctx context.Context, dir string) error {
	if dir != "" {
		if err := CheckKey(dir); err != nil {
			return err
		}
	}
	f, err := d.folder(dir, false)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.close()
	return f.sweep(ctx, tempPrefix)
}

// sweep removes leftovers where the store can have some.
func sweep(ctx context.Context, s Store, dir string) error {
	if d, ok := s.(*Dir); ok {
		return d.Sweep(ctx, dir)
	}
	return nil
}
