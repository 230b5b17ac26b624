package filelist

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"gantry/pipeline"
	"gantry/pipeline/walk"
)

// counted is how many entries the lists of a scope have, and had.
type counted struct {
	plain, times       int
	wasPlain, wasTimes int // -1 where there is no list to compare with
	news               pipeline.Counts
	bytes              int64  // of files that are added or changed
	unread             string // why lists that are there cannot be compared with
}

// count counts what lists of a scope will have and those that are there have.
// lists are the paths of those of other scopes in it: they change with every run,
// and are no news.
func (v *view) count(s *scope, at *os.Root, d *walk.Dir, diff bool, lists map[string]bool) (counted, error) {
	c := counted{wasPlain: -1, wasTimes: -1}
	v.paths(d, func([]byte) { c.plain++ })
	if c.plain == 0 {
		return c, refused(fmt.Sprintf("nothing is in scope %s, so its lists would be empty", s.Dir), "is everything mounted and synced?")
	}
	if s.Full != "" {
		n, err := there(at, s.Full, count)
		if c.wasPlain = n; err != nil {
			c.wasPlain, c.unread = -1, fmt.Sprintf("%s of scope %s cannot be compared: %s", s.Full, s.Dir, err)
		}
	}
	if len(s.Times) == 0 {
		c.news = pipeline.Counts{Added: max(c.plain-max(c.wasPlain, 0), 0), Removed: max(c.wasPlain-c.plain, 0)}
		return c, nil
	}
	was := map[uint64]uint64{} // of path to time, kind and size; both as hashes
	seed := maphash.MakeSeed()
	n, err := there(at, s.Times[0], func(r io.Reader) (int, error) {
		return scan(r, func(time, size int64, kind string, path []byte) error {
			if diff && !lists[string(path)] {
				was[maphash.Bytes(seed, path)] = essence(record{time, kind, size})
			}
			return nil
		})
	})
	if c.wasTimes = n; err != nil {
		c.wasTimes, c.unread = -1, fmt.Sprintf("%s of scope %s cannot be compared: %s", s.Times[0], s.Dir, err)
		v.torn[s] = true
		clear(was)
	}
	v.times(d, func(path []byte, r record) {
		c.times++
		if !diff || lists[string(path)] {
			return
		}
		key := maphash.Bytes(seed, path)
		before, known := was[key]
		delete(was, key)
		switch {
		case !known:
			c.news.Added++
			c.bytes += bytesOf(r)
		case before != essence(r) && r.kind[0] != 'd':
			c.news.Changed++
			c.bytes += bytesOf(r)
		}
	})
	c.news.Removed = len(was)
	if c.times == 0 {
		return c, refused(fmt.Sprintf("nothing in scope %s can be read by the group, so its list would be empty", s.Dir), "look at the modes of the files there")
	}
	return c, nil
}

// essence is a record in a number, the same for the same record.
func essence(r record) uint64 {
	h := uint64(r.time)*0x9e3779b97f4a7c15 ^ uint64(r.size)*0xc2b2ae3d27d4eb4f
	for i := range len(r.kind) {
		h = h*31 + uint64(r.kind[i])
	}
	return h
}

func bytesOf(r record) int64 {
	if r.kind[0] == 'f' {
		return r.size
	}
	return 0
}

// there reads a list that is in place; -1 where there is none.
func there(at *os.Root, name string, read func(io.Reader) (int, error)) (int, error) {
	f, err := at.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return -1, nil
	}
	if err != nil {
		return -1, err
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return -1, errors.Join(err, errors.New("it is no plain file"))
	}
	return read(f)
}
