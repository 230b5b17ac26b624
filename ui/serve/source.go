package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"gantry/storage"
)

// Source is a tree of files to serve: Directory or Store.
type Source interface {
	// open opens the file of a checked key; one that is not there, or is not for
	// clients, is fs.ErrNotExist.
	open(ctx context.Context, key string) (*content, error)
}

// content is one file, as it was when it was opened.
type content struct {
	io.ReadSeeker
	close    func() error
	size     int64
	modified time.Time
	tag      string // changes whenever the content does
}

// Directory serves a directory of served trees. Of symbolic links it follows
// those that gantry makes; all others are not there.
func Directory(path string) Source { return directory(path) }

type directory string

func (d directory) open(_ context.Context, key string) (*content, error) {
	root, err := os.OpenRoot(string(d))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	at, err := resolve(root, key)
	if errors.Is(err, unix.ENOTDIR) {
		err = fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(at, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	// The place is part of it: the same name leads elsewhere after a flip.
	tag := digest(fmt.Sprintf("%s %d %d", at, info.Size(), info.ModTime().UnixNano()))
	return &content{f, f.Close, info.Size(), info.ModTime(), tag}, nil
}

// maxLinks is how many links lead to a file: a suite to its pointer, and that to
// its snapshot.
const maxLinks = 2

// resolve finds the place of a file, following pointers on the way.
func resolve(root *os.Root, key string) (string, error) {
	at, links := ".", 0
	rest := strings.Split(key, "/")
	for len(rest) > 0 {
		next := path.Join(at, rest[0])
		info, err := root.Lstat(next)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at, rest = next, rest[1:]
			continue
		}
		to, err := root.Readlink(next)
		if err != nil {
			return "", err
		}
		if links++; links > maxLinks || !ours(at, rest[0], to) {
			return "", fmt.Errorf("%s: %w", key, fs.ErrNotExist)
		}
		rest = append(strings.Split(to, "/"), rest[1:]...)
		if rest[0] == ".." { // only out of dists
			at, rest = path.Dir(at), rest[1:]
		}
	}
	return at, nil
}

// ours tells whether a link is one of those that gantry makes: a pointer to a
// snapshot beside it, or a suite of dists to a pointer of that suite.
func ours(at, name, to string) bool {
	if id, ok := strings.CutPrefix(to, "snapshots/"); ok {
		_, err := storage.ParseID(id)
		return err == nil
	}
	suite, staging := strings.CutSuffix(name, "-staging")
	pointer := "production"
	if staging {
		pointer = "staging"
	}
	return path.Base(at) == "dists" && to == "../suites/"+suite+"/"+pointer
}

// Store serves what is below a prefix of a store.
func Store(s storage.Store, prefix string) Source { return &store{s, strings.Trim(prefix, "/")} }

type store struct {
	storage.Store
	prefix string
}

func (s *store) open(ctx context.Context, key string) (*content, error) {
	key = path.Join(s.prefix, key)
	o, err := s.Stat(ctx, key)
	if errors.Is(err, storage.ErrNotFound) || err == nil && o.Link {
		return nil, fmt.Errorf("%s: %w", key, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	r := &object{ctx: ctx, store: s, key: key, o: o}
	return &content{r, r.Close, o.Size, o.Modified, digest(o.Version)}, nil
}

// object reads an object from where it is wanted: one request for each run of
// bytes.
type object struct {
	ctx   context.Context
	store *store
	key   string
	o     storage.Object
	at    int64
	body  io.ReadCloser // from at on; nil before it is wanted
}

func (r *object) Read(p []byte) (int, error) {
	if r.at >= r.o.Size {
		return 0, io.EOF
	}
	if r.body == nil {
		body, o, err := r.store.Open(r.ctx, r.key, storage.Range{Offset: r.at})
		if err != nil {
			return 0, err
		}
		if o.Version != r.o.Version {
			return 0, errors.Join(fmt.Errorf("%s: %w", r.key, storage.ErrConflict), body.Close())
		}
		r.body = body
	}
	n, err := r.body.Read(p)
	r.at += int64(n)
	return n, err
}

func (r *object) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.o.Size
	}
	if offset < 0 {
		return 0, errors.New("a seek to before the beginning")
	}
	if offset != r.at {
		if err := r.Close(); err != nil {
			return 0, err
		}
		r.at = offset
	}
	return offset, nil
}

func (r *object) Close() error {
	if r.body == nil {
		return nil
	}
	body := r.body
	r.body = nil
	return body.Close()
}

// digest makes an entity tag of what tells versions of a file apart.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:12])
}
