package deb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"runtime"

	"gantry/config"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// outlet is where clients get their files from; paths are relative to the archive.
type outlet interface {
	// open opens a file, a fresh one past every cache. size is -1 where it is not
	// told.
	open(ctx context.Context, file string, fresh bool) (r io.ReadCloser, size int64, err error)
	address(file string) string
	workers() int // how many files to read at a time
	near() bool   // to see that a file is there costs nothing
	close()
}

// openOutlet chooses where clients of the target get their files from: http or
// files; by default http where the target has such an address.
func openOutlet(w *repository.World, via string) (outlet, error) {
	if via == "" {
		via = "files"
		if repository.Online(w.Target) {
			via = "http"
		}
	}
	if via == "http" {
		web, err := repository.OpenWeb(w.Config, w.Target)
		if err != nil {
			return nil, err
		}
		return &online{web: web, base: base(w.Target)}, nil
	}
	if _, _, remote := w.Config.StoreOf(w.Config.Served); remote {
		return &stored{poolOf(w)}, nil
	}
	root, err := os.OpenRoot(directory(w.Config, w.Target))
	if err != nil {
		return nil, fmt.Errorf("read what %s serves: %w", w.Target.Name, err)
	}
	return &local{root: root}, nil
}

// directory is that of the archive on this machine.
func directory(cfg *config.Release, t *config.Target) string {
	return cfg.Path(cfg.Served) + "/" + t.Path
}

// local is the archive as a file server sees it.
type local struct{ root *os.Root } // links that lead out of it lead nowhere

func (l *local) open(_ context.Context, file string, _ bool) (io.ReadCloser, int64, error) {
	f, err := l.root.Open(file)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

func (l *local) address(file string) string {
	return (&url.URL{Scheme: "file", Path: l.root.Name() + "/" + file}).String()
}
func (l *local) workers() int { return runtime.GOMAXPROCS(0) }
func (l *local) near() bool   { return true }
func (l *local) close()       { l.root.Close() }

// stored is the archive on an object store.
type stored struct{ pool *storage.Pool }

func (s *stored) open(ctx context.Context, file string, _ bool) (io.ReadCloser, int64, error) {
	r, o, err := s.pool.Open(ctx, file)
	return r, o.Size, err
}

func (s *stored) address(file string) string { return s.pool.Path() + "/" + file }
func (s *stored) workers() int               { return 8 }
func (s *stored) near() bool                 { return false }
func (s *stored) close()                     {}

// online is the archive over HTTP.
type online struct {
	web  *repository.Web
	base string
}

func (o *online) open(ctx context.Context, file string, fresh bool) (io.ReadCloser, int64, error) {
	return o.web.Get(ctx, o.address(file), fresh)
}

// address escapes what a path of an archive may have and a URL has not as it is.
func (o *online) address(file string) string {
	return o.base + "/" + (&url.URL{Path: file}).EscapedPath()
}
func (o *online) workers() int { return 4 }
func (o *online) near() bool   { return false }
func (o *online) close()       { o.web.Close() }
