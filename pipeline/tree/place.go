package tree

import (
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// The places that a sync can change; both are pointers of the target.
const (
	staging    = "staging"
	production = "production"
)

// step is what every step knows.
type step struct {
	cfg    *config.Release
	target *config.Target
	tree   *config.Tree
	item   checklist.Item
}

// area is a place of the configuration by its name.
func (s *step) area(place string) config.Area {
	switch place {
	case staging:
		return s.tree.Staging
	case production:
		return s.tree.Production
	}
	return s.tree.Compose
}

// open opens the root of a place. It is never made: one that is missing is a
// file system that is not mounted.
func (s *step) open(place string) (*folder, error) { return openArea(s.cfg, place, s.area(place)) }

// away says that nobody could look at a place. What is there may be as it was.
type away struct{ error }

// Temporary tells those who ask what is served that it is no drift.
func (away) Temporary() bool { return true }
func (a away) Unwrap() error { return a.error }

func openArea(cfg *config.Release, place string, a config.Area) (*folder, error) {
	if _, _, remote := cfg.StoreOf(a.Root); remote {
		return nil, config.Hint(fmt.Errorf("%s is on a store, and a tree is synced to directories", place), "set its root to a directory")
	}
	at := cfg.Path(a.Root)
	root, err := openRoot(at)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, away{config.Hint(fmt.Errorf("%s: there is no directory %s", place, at), "mount it, or make it by hand; gantry makes no root, which would fill the disk below a mount that is missing")}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	if !a.Mount {
		return root, nil
	}
	mounted, err := root.mounted()
	if err == nil && !mounted {
		err = away{config.Hint(fmt.Errorf("%s: nothing is mounted at %s", place, at), "mount it; what would be written now would fill the disk below")}
	}
	if err != nil {
		root.close()
		return nil, err
	}
	return root, nil
}

// edition is what a release of the tree is of: a version that the tree does not
// have leads nowhere.
func (s *step) edition(env *pipeline.Env) (config.Edition, error) {
	if env.Version == "" {
		return config.Edition{}, &pipeline.RefusedError{
			Reason: "it is not known which edition of " + string(s.target.Name) + " is meant, since no release is open",
			Hint:   "begin one: gantry open KIND VERSION"}
	}
	e, err := config.ParseEdition(env.Version)
	switch {
	case err != nil && s.tree.Major == 0 && !s.placeheld():
		return config.Edition{}, nil
	case err != nil:
		return e, err
	case s.tree.Major == 0 && e.Stream == s.tree.Stream || s.tree.Serves(e):
		return e, nil
	}
	what := string(s.tree.Stream)
	if s.tree.Major != 0 {
		what = fmt.Sprintf("%s %d", what, s.tree.Major)
	}
	return e, config.Hint(fmt.Errorf("%s is no edition of %s, which is of %s", env.Version, s.target.Name, what), "open a release of one of its editions, or choose another tree")
}

// placeheld tells whether a path of the tree needs to know the edition.
func (s *step) placeheld() bool {
	return strings.Contains(s.tree.Compose.Path+s.tree.Staging.Path+s.tree.Production.Path, "{")
}

// source opens the directory that is copied, and names it with all links on the
// way to it resolved: a compose is found by its latest.
func (s *step) source(place string, e config.Edition) (*folder, string, error) {
	a := s.area(place)
	p, err := s.tree.Directory(a, e)
	if err != nil {
		return nil, "", err
	}
	root, err := s.open(place)
	if err != nil {
		return nil, "", err
	}
	defer root.close()
	at := s.cfg.Path(a.Root)
	real, err := filepath.EvalSymlinks(filepath.Join(at, filepath.FromSlash(p)))
	if err == nil {
		at, err = filepath.EvalSymlinks(at)
	}
	if errors.Is(err, unix.ENOENT) {
		return nil, "", config.Hint(fmt.Errorf("%s has no directory %s below %s", place, p, at), "make it first, or look at the version and at path in release.yaml")
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", place, err)
	}
	below, err := filepath.Rel(at, real)
	if err != nil || !filepath.IsLocal(below) || below == "." {
		return nil, "", config.Hint(fmt.Errorf("%s leads out of %s, to %s", p, at, real), "set root to a directory that holds it")
	}
	from, err := root.open(filepath.ToSlash(below))
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", place, err)
	}
	from.path = "."
	return from, real, nil
}

// destination opens the tree that is made like another; nil where there is none
// yet. No link leads to it: what others name so is not ours to write to.
func destination(root *folder, place, p string) (*folder, error) {
	to, err := root.open(p)
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENOTDIR) {
		return nil, config.Hint(fmt.Errorf("%s: %s is a link, or leads through one", place, p), "name the directory itself in path")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", place, err)
	}
	to.path = "."
	return to, nil
}

// overlap tells whether one path is the other, or leads to it.
func overlap(a, b string) bool {
	a, b = path.Clean(filepath.ToSlash(a))+"/", path.Clean(filepath.ToSlash(b))+"/"
	return strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}
