package tree

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sync"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
)

const block = 256 << 10 // bytes that are read at a time

var blocks = sync.Pool{New: func() any { return &copier{buf: make([]byte, block), sum: sha256.New()} }}

// copier is what one copy at a time needs.
type copier struct {
	buf []byte
	sum hash.Hash
}

// fetch makes a new file of what the source has, under a temporary name: its
// bytes, owner, mode and time, or another name of the file that it is one with.
func fetch(ctx context.Context, h *hand, c *change, temp string) error {
	switch {
	case c.leader != "":
		dir, name := splitPath(c.leader)
		at, err := h.dst.open(dir)
		if err != nil {
			return err
		}
		defer at.close()
		return at.link(name, h.at, temp)
	case c.new.kind == symlink:
		return h.tie(c.new, temp)
	}
	from, err := h.source()
	if err != nil {
		return err
	}
	in, err := from.read(c.name)
	if err != nil {
		return err
	}
	defer unix.Close(in)
	if err := same(in, c.new); err != nil {
		return from.fail("copy", c.name, err)
	}
	out, err := h.at.create(temp)
	if err != nil {
		return err
	}
	k := blocks.Get().(*copier)
	err = k.copy(ctx, h, in, out, c.new.size)
	if err == nil && c.new.sum != nil && *c.new.sum != [32]byte(k.sum.Sum(nil)) {
		err = config.Hint(errors.New("it has another SHA-256 than its repository says"), "look at the source; it is damaged, or its metadata is of other files")
	}
	blocks.Put(k)
	if bad := unix.Close(out); err == nil {
		err = bad // some file systems tell only now that there is no room
	}
	if err == nil {
		err = same(in, c.new)
	}
	if err != nil {
		return from.fail("copy", c.name, err)
	}
	return h.at.dress(temp, c.new, &entry{kind: file, mode: 0o600, uid: us.uid, gid: us.gid})
}

// us is who makes new files.
var us = entry{uid: uint32(unix.Geteuid()), gid: uint32(unix.Getegid())}

// tie makes a symbolic link.
func (h *hand) tie(e *entry, temp string) error {
	if err := h.at.symlink(e.text, temp); err != nil {
		return err
	}
	return h.at.dress(temp, e, &entry{kind: symlink, mode: e.mode, uid: us.uid, gid: us.gid})
}

// same makes sure that an open file of the source is the one that was planned.
func same(fd int, e *entry) error {
	var st unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &st) }); err != nil {
		return err
	}
	has := entryOf(&st)
	if has.kind != file || has.ino != e.ino || has.dev != e.dev || has.size != e.size || has.mtime != e.mtime {
		return config.Hint(errors.New("it changed since the plan was made"), "wait until nobody writes to the source, then plan again: what is done stays done")
	}
	return nil
}

// copy reads size bytes and writes them, leaving out what is nothing but zeros
// where that makes a hole.
func (k *copier) copy(ctx context.Context, h *hand, in, out int, size int64) error {
	k.sum.Reset()
	sparse := size >= block && hollow(in, size)
	hole := false
	for done := int64(0); done < size; {
		n, err := again(func() (int, error) { return unix.Read(in, k.buf[:min(block, size-done)]) })
		if err == nil && n == 0 {
			err = fmt.Errorf("it ends after %d of %d bytes", done, size)
		}
		if err != nil {
			return err
		}
		k.sum.Write(k.buf[:n])
		if hole = sparse && zeros(k.buf[:n]); hole {
			_, err = unix.Seek(out, int64(n), 1)
		} else {
			err = writeAll(out, k.buf[:n])
		}
		if err != nil {
			return err
		}
		done += int64(n)
		h.count(pipeline.Bytes, int64(n))
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if hole {
		return retry(func() error { return unix.Ftruncate(out, size) })
	}
	return nil
}

func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := again(func() (int, error) { return unix.Write(fd, b) })
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// hollow tells whether a file takes less room than it has bytes.
func hollow(fd int, size int64) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Blocks*512 < size
}

func zeros(b []byte) bool {
	for len(b) >= 8 {
		if b[0]|b[1]|b[2]|b[3]|b[4]|b[5]|b[6]|b[7] != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
