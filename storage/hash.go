package storage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Hashed is what hashing one file gave.
type Hashed struct {
	Object Object // as it was when it was opened
	SHA256 string // lower-case hex
	Stat   string // device:inode:mtime_ns, as manifests remember it
	Err    error
}

// chunk is how much is read and hashed at a time: small enough for the data to
// be hashed while still in the cache of the CPU, large enough for few calls.
const chunk = 256 << 10

var chunks = sync.Pool{New: func() any { b := make([]byte, chunk); return &b }}

// HashFiles hashes the files of those keys, as many at a time as workers says,
// one per CPU where that is 0. count hears of the bytes as they are hashed and
// name of each key when its turn comes; both may be nil and are called from
// several goroutines. Results are in the order of keys; an error of one file is
// in its result, the error returned is that of ctx.
func (d *Dir) HashFiles(ctx context.Context, keys []string, workers int, count func(int64), name func(string)) ([]Hashed, error) {
	return d.hashFiles(ctx, keys, workers, hashing{count: count, name: name})
}

type hashing struct {
	count func(int64)
	name  func(string)
	cold  bool // read from the disk, not from the cache
}

func (d *Dir) hashFiles(ctx context.Context, keys []string, workers int, h hashing) ([]Hashed, error) {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	// By directory, so that each is opened once.
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(keys[a], keys[b]) })
	results := make([]Hashed, len(keys))
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(workers, len(keys)) {
		all.Go(func() {
			w := worker{dir: d, hashing: h, sum: sha256.New()}
			defer w.close()
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(order) {
					return
				}
				i := order[n]
				if h.name != nil {
					h.name(keys[i])
				}
				results[i] = w.hash(ctx, keys[i])
			}
		})
	}
	all.Wait()
	return results, ctx.Err()
}

// worker hashes one file after another, and keeps the directory of the last one
// open.
type worker struct {
	dir *Dir
	hashing
	sum  hash.Hash
	at   *folder
	path string
	out  [sha256.Size]byte
}

func (w *worker) close() {
	if w.at != nil {
		w.at.close()
		w.at = nil
	}
}

func (w *worker) hash(ctx context.Context, key string) Hashed {
	if err := CheckKey(key); err != nil {
		return Hashed{Err: err}
	}
	path, name := splitKey(key)
	if w.at == nil || path != w.path {
		w.close()
		at, err := w.dir.folder(path, false)
		if err != nil {
			return Hashed{Err: err}
		}
		w.at, w.path = at, path
	}
	fd, st, err := w.at.openFD(name)
	if err != nil {
		return Hashed{Err: err}
	}
	defer unix.Close(fd)
	if w.cold {
		dropCache(fd)
	}
	if err := w.read(ctx, fd, st.Size); err != nil {
		return Hashed{Err: w.at.fail("read", name, err)}
	}
	var after unix.Stat_t
	if err := retry(func() error { return unix.Fstat(fd, &after) }); err != nil {
		return Hashed{Err: w.at.fail("stat", name, err)}
	}
	if after.Mtim != st.Mtim || after.Size != st.Size {
		return Hashed{Err: w.at.fail("read", name, fmt.Errorf("%w, while it was read", ErrConflict))}
	}
	return Hashed{Object: object(key, st), SHA256: hex.EncodeToString(w.sum.Sum(w.out[:0])), Stat: statOf(st)}
}

// read hashes what an open file holds. A file that grows while it is read ends
// at the size it had, plus one chunk: the digest is then not that of anything
// expected, which is the right verdict.
func (w *worker) read(ctx context.Context, fd int, size int64) error {
	buf := chunks.Get().(*[]byte)
	defer chunks.Put(buf)
	w.sum.Reset()
	var total int64
	for total <= size {
		if err := ctx.Err(); err != nil {
			return err
		}
		var n int
		err := retry(func() (err error) { n, err = unix.Read(fd, *buf); return err })
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		w.sum.Write((*buf)[:n])
		total += int64(n)
		if w.count != nil {
			w.count(int64(n))
		}
		if total == size && n < len(*buf) {
			break // the end; spares small files the read of nothing
		}
	}
	return nil
}
