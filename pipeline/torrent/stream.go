package torrent

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"gantry/pipeline/image"
)

// stream is the files of a torrent one after the other, which its pieces are cut
// from.
type stream struct {
	parts []part
	total int64
	image int // which part is the image
}

// part is one file.
type part struct {
	file *os.File
	at   int64 // where it begins in the stream
	info fs.FileInfo
}

func (s *stream) close() error {
	var all error
	for _, p := range s.parts {
		all = errors.Join(all, p.file.Close())
	}
	return all
}

// pieces is how many pieces of a size there are.
func (s *stream) pieces(size int64) int { return int((s.total + size - 1) / size) }

// read reads what is at an offset of the stream; at its end, less than was asked for.
func (s *stream) read(at int64, buf []byte) ([]byte, error) {
	to := min(at+int64(len(buf)), s.total)
	for _, p := range s.parts {
		a, b := max(at, p.at), min(to, p.at+p.info.Size())
		if a >= b {
			continue
		}
		chunk := buf[a-at : b-at]
		if n, err := p.file.ReadAt(chunk, a-p.at); n < len(chunk) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, fmt.Errorf("read %s: %w", p.info.Name(), err)
		}
	}
	return buf[:to-at], nil
}

// piece reads a piece, whose size is that of the buffer but at the end, and hashes
// it while it is read: so it is still close to the processor.
func (s *stream) piece(i int, buf []byte) (piece []byte, sum [sha1.Size]byte, err error) {
	const most = 128 << 10
	h, from := sha1.New(), int64(i)*int64(len(buf))
	for n := 0; n < len(buf); n += most {
		chunk, err := s.read(from+int64(n), buf[n:min(n+most, len(buf))])
		if err != nil {
			return nil, sum, err
		}
		h.Write(chunk)
		if piece = buf[:n+len(chunk)]; from+int64(len(piece)) == s.total {
			break
		}
	}
	h.Sum(sum[:0])
	return piece, sum, nil
}

// ofImage are the bytes of a piece that are the image's.
func (s *stream) ofImage(i int, size int64, piece []byte) []byte {
	p, from := s.parts[s.image], int64(i)*size
	a, b := max(from, p.at), min(from+int64(len(piece)), p.at+p.info.Size())
	if a >= b {
		return nil
	}
	return piece[a-from : b-from]
}

// still tells whether the files are those that were opened.
func (s *stream) still() error {
	for _, p := range s.parts {
		if now, err := p.file.Stat(); err != nil || !image.Same(p.info, now) {
			return fmt.Errorf("%s changed while it was read", p.info.Name())
		}
	}
	return nil
}

// hash reads the files once and returns the SHA-1 of every piece and, where it is
// asked for, the SHA-256 of the image. Pieces are read by all processors, each
// its own; the image is hashed in its order by whoever's turn it is.
func (s *stream) hash(ctx context.Context, size int64, whole bool, count func(int64)) (pieces []byte, digest string, err error) {
	n := s.pieces(size)
	pieces = make([]byte, n*sha1.Size)
	sum := sha256.New()
	var next atomic.Int64
	turns := newTurns()
	group, ctx := errgroup.WithContext(ctx)
	const most = 8 // of them hold a piece each
	for range min(n, runtime.GOMAXPROCS(0), most) {
		group.Go(func() error {
			buf := make([]byte, size)
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return nil
				}
				if err := ctx.Err(); err != nil {
					turns.stop()
					return err
				}
				piece, sha, err := s.piece(i, buf)
				if err != nil {
					turns.stop()
					return err
				}
				copy(pieces[i*sha1.Size:], sha[:])
				if whole && !turns.take(i, func() { sum.Write(s.ofImage(i, size, piece)) }) {
					return nil // another one stopped, and says why
				}
				count(int64(len(piece)))
			}
		})
	}
	if err := group.Wait(); err != nil {
		return nil, "", err
	}
	return pieces, hex.EncodeToString(sum.Sum(nil)), s.still()
}

// turns lets workers do something in order.
type turns struct {
	mu      sync.Mutex
	changed *sync.Cond
	next    int
	stopped bool
}

func newTurns() *turns {
	t := &turns{}
	t.changed = sync.NewCond(&t.mu)
	return t
}

// take waits until it is the turn of i and does it; false where somebody stopped.
func (t *turns) take(i int, do func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.next != i && !t.stopped {
		t.changed.Wait()
	}
	if t.stopped {
		return false
	}
	do()
	t.next++
	t.changed.Broadcast()
	return true
}

func (t *turns) stop() {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.changed.Broadcast()
}
