package review

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/pipeline/walk"
	"gantry/storage"
)

// place is the directory of an edition, with the repositories found in it.
type place struct {
	repos map[string]bool // by path below the directory
	open  func(repo string) repodata.Files
	close func() error
}

// files opens the files of a repository, nil where the place has not got it.
func (p *place) files(repo string) repodata.Files {
	if !p.repos[repo] {
		return nil
	}
	return p.open(repo)
}

// reach finds the repositories of a directory below a root: on this machine, or in
// a store. A directory that is not there has none; a root that is not there, or not
// mounted, is an error.
func reach(ctx context.Context, env *pipeline.Env, area config.Area, dir string) (*place, error) {
	if _, _, far := env.Config.StoreOf(area.Root); far {
		s, err := env.Area(ctx, "tree", area.Root)
		if err != nil {
			return nil, err
		}
		return inStore(ctx, s, dir)
	}
	at := env.Config.Path(area.Root)
	there, err := walk.Open(at, area.Mount)
	if err != nil {
		return nil, err
	}
	there.Close()
	top, err := os.OpenRoot(at)
	if err != nil {
		return nil, err
	}
	defer top.Close()
	below, err := top.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return &place{close: func() error { return nil }}, nil
	}
	if err != nil {
		return nil, err
	}
	p := &place{
		repos: map[string]bool{},
		open:  func(repo string) repodata.Files { return repodata.Below(below, repo) },
		close: below.Close,
	}
	if err := p.find(ctx, below.FS()); err != nil {
		below.Close()
		return nil, fmt.Errorf("look for repositories: %w", err)
	}
	return p, nil
}

// maxFolders bounds how much of a tree is looked at. Packages are not.
const maxFolders = 200_000

// find walks a tree for repositories. What only packages and images lie in is left
// out, and links are not followed: what they name is found where it is.
func (p *place) find(ctx context.Context, tree fs.FS) error {
	folders := 0
	return fs.WalkDir(tree, ".", func(at string, d fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if !d.IsDir() {
			return nil
		}
		if folders++; folders > maxFolders {
			return fmt.Errorf("more than %d directories", maxFolders)
		}
		switch base := path.Base(at); {
		case base == "repodata":
			if _, err := fs.Stat(tree, path.Join(at, path.Base(repodata.Path))); err == nil {
				p.repos[path.Dir(at)] = true
			}
			return fs.SkipDir
		case base == "Packages", strings.Contains(base, ".~tmp~"):
			return fs.SkipDir
		}
		return nil
	})
}

// inStore finds repositories among the objects of a store.
func inStore(ctx context.Context, s storage.Store, dir string) (*place, error) {
	p := &place{repos: map[string]bool{}, close: func() error { return nil }}
	p.open = func(repo string) repodata.Files {
		return func(ctx context.Context, name string) (io.ReadCloser, int64, error) {
			r, about, err := s.Open(ctx, path.Join(dir, repo, name), storage.Range{})
			return r, about.Size, err
		}
	}
	for o, err := range s.List(ctx, dir+"/") {
		if err != nil {
			return nil, fmt.Errorf("look for repositories: %w", err)
		}
		if repo, ok := strings.CutSuffix(strings.TrimPrefix(o.Key, dir+"/"), "/"+repodata.Path); ok && !o.Link {
			p.repos[repo] = true
		}
	}
	return p, nil
}

// about tells of which name and architecture a repository is by its path, as
// distributions lay them out: AppStream/x86_64/os, AppStream/x86_64/debug/tree,
// AppStream/source/tree, core/x86_64/core-common-debug.
func about(at string, arches []config.Arch) pipeline.ReviewedRepo {
	r := pipeline.ReviewedRepo{Path: at}
	var words []string
	for _, part := range strings.Split(at, "/") {
		switch {
		case r.Arch == "" && (part == "source" || slices.Contains(arches, config.Arch(part))):
			r.Arch = part
		case part == "os", part == "tree", part == ".":
		default:
			words = append(words, part)
		}
	}
	r.Name, r.Path = config.Inert(strings.Join(words, "-")), config.Inert(at)
	return r
}
