package rpm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// outlet chooses where clients of the target get the files of a snapshot from:
// http or files; by default http where the target has such an address.
func (w *world) outlet(id, via string) (outlet, error) {
	if via == "" {
		via = "files"
		if repository.Online(w.Target) {
			via = "http"
		}
	}
	if via == "http" {
		from, err := repository.OpenWeb(w.Config, w.Target)
		if err != nil {
			return nil, err
		}
		return &web{from, strings.TrimRight(w.Target.URL, "/"), prefix(w.Target, w.tree, id)}, nil
	}
	if !filepath.IsAbs(w.tree.Path()) {
		return &stored{tree: w.tree, id: id}, nil
	}
	root, err := os.OpenRoot(w.tree.Path())
	if err != nil {
		return nil, fmt.Errorf("read what %s serves: %w", w.Target.Name, err)
	}
	return &localTree{root: root, id: id}, nil
}

// localTree is the served tree as a file server sees it.
type localTree struct {
	root *os.Root // links that lead out of it lead nowhere
	id   string
}

func (d *localTree) mirrorlist(_ context.Context, pointer string) (io.ReadCloser, error) {
	return d.root.Open(pointer + "/" + mirrorlistPath)
}

func (d *localTree) open(_ context.Context, href string) (io.ReadCloser, int64, error) {
	f, err := d.root.Open("snapshots/" + d.id + "/" + href)
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

func (d *localTree) workers() int { return runtime.GOMAXPROCS(0) }

func (d *localTree) near() bool { return true }

func (d *localTree) close() { d.root.Close() }

// stored is the tree on a store, read from there.
type stored struct {
	tree storage.Tree
	id   string
}

func (s *stored) mirrorlist(ctx context.Context, pointer string) (io.ReadCloser, error) {
	id, err := s.tree.Pointer(ctx, pointer)
	if err != nil {
		return nil, err
	}
	return s.tree.Open(ctx, id, mirrorlistPath)
}

func (s *stored) open(ctx context.Context, href string) (io.ReadCloser, int64, error) {
	f, err := s.tree.Open(ctx, s.id, href)
	if err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

func (s *stored) workers() int { return 4 }

func (s *stored) near() bool { return false }

func (s *stored) close() {}

// web is the target over HTTP.
type web struct {
	*repository.Web
	base, prefix string
}

func (w *web) mirrorlist(ctx context.Context, pointer string) (io.ReadCloser, error) {
	r, _, err := w.Get(ctx, w.base+"/"+pointer+"/"+mirrorlistPath, true)
	return r, err
}

func (w *web) open(ctx context.Context, href string) (io.ReadCloser, int64, error) {
	return w.Get(ctx, w.prefix+href, href == repodata.Path || href == signaturePath)
}

func (w *web) workers() int { return 4 }

func (w *web) near() bool { return false }

func (w *web) close() { w.Close() }
