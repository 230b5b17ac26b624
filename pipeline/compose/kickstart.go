package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
	"gantry/storage"
)

// kickstarts makes the copy of each os directory that installations of this very
// release come from, whatever updates os gets later: of the repositories that an
// installer reads, which have groups or .treeinfo. It is made once; one that is
// there is never written to.
func (f *finding) kickstarts() error {
	repos, err := f.directories(".")
	if err != nil {
		return err
	}
	for _, repo := range repos {
		if slices.ContainsFunc(f.drop, func(p string) bool { ok, _ := path.Match(p, repo); return ok }) {
			continue
		}
		arches, err := f.directories(repo)
		if err != nil {
			return err
		}
		for _, arch := range arches {
			if err := f.kickstart(repo, arch); err != nil {
				return fmt.Errorf("kickstart copy of %s: %w", config.Inert(path.Join(repo, arch)), err)
			}
		}
	}
	return nil
}

func (f *finding) kickstart(repo, arch string) error {
	from, to := path.Join(repo, arch, "os"), path.Join(repo, arch, "kickstart")
	if is, err := f.is(from); err != nil || !is {
		return err
	}
	if is, err := f.is(to); err != nil || is {
		return err
	}
	_, err := f.root.Lstat(path.Join(from, ".treeinfo"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	boots := err == nil
	data, info, err := aside.Read(f.root, path.Join(from, "repodata/repomd.xml"), maxRepomd)
	if errors.Is(err, fs.ErrNotExist) && !boots {
		return nil
	}
	if err != nil {
		return err
	}
	md, err := readRepomd(data)
	if err != nil {
		return fmt.Errorf("repomd.xml: %w", err)
	}
	if !boots && !md.groups() {
		return nil
	}
	if err := md.whole(f.root, from); err != nil {
		return fmt.Errorf("repomd.xml: %w", err)
	}
	size := info.Size()
	for _, d := range md.documents {
		size += max(0, d.size)
	}
	a := f.add("added", pipeline.Change{Name: to, To: "copy of os by hard links, with metadata of its own", Size: size}, func(ctx context.Context) error {
		return f.copy(ctx, repo, arch, from, to)
	})
	a.tree = from
	if f.env.Kind == "patch" {
		a.alarm = "late-kickstart"
	}
	return nil
}

// copy makes the copy aside and gives it its name when it is whole.
func (f *finding) copy(ctx context.Context, repo, arch, from, to string) error {
	made := aside.Name(to)
	if err := f.root.RemoveAll(made); err != nil {
		return err
	}
	var dirs []string
	err := fs.WalkDir(f.root.FS(), from, func(at string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if aside.Passing(d.Name()) || d.Name() == ".treeinfo-pristine" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			dirs = append(dirs, at)
		}
		return f.twin(at, made+strings.TrimPrefix(at, from), d)
	})
	if err != nil {
		return err
	}
	if repo == installs {
		if err := f.mend(made, arch, "kickstart"); err != nil {
			return err
		}
	}
	for _, dir := range slices.Backward(dirs) { // what is in a directory changes its time
		twin := made + strings.TrimPrefix(dir, from)
		fi, err := f.root.Lstat(dir)
		if err == nil {
			err = f.root.Chtimes(twin, fi.ModTime(), fi.ModTime())
		}
		if err == nil {
			err = aside.Sync(f.root, twin)
		}
		if err != nil {
			return err
		}
	}
	if err := aside.Appear(f.root, to); err != nil {
		return err
	}
	return aside.Sync(f.root, path.Dir(to))
}

// twin makes one entry of a copy. Packages and images are linked, since nobody
// writes to them; metadata is copied, since tools do.
func (f *finding) twin(from, to string, d fs.DirEntry) error {
	storage.Reach("compose.twin")
	fi, err := d.Info()
	if err != nil {
		return err
	}
	owned := func() error {
		return aside.Own(func(uid, gid int) error { return f.root.Lchown(to, uid, gid) }, func() (fs.FileInfo, error) { return f.root.Lstat(to) }, fi)
	}
	switch {
	case d.IsDir():
		if err := f.root.Mkdir(to, 0o700); err != nil {
			return err
		}
		if err := owned(); err != nil {
			return err
		}
		return f.root.Chmod(to, fi.Mode().Perm())
	case d.Type()&fs.ModeSymlink != 0:
		target, err := f.root.Readlink(from)
		if err != nil {
			return err
		}
		if err := f.root.Symlink(target, to); err != nil {
			return err
		}
		return owned()
	case !d.Type().IsRegular():
		return fmt.Errorf("%s is neither file, directory nor link", config.Inert(from))
	case path.Base(path.Dir(from)) == "repodata" || strings.HasPrefix(d.Name(), "."):
		return f.duplicate(from, to, fi)
	}
	return f.root.Link(from, to)
}

// duplicate copies a file with its time.
func (f *finding) duplicate(from, to string, like fs.FileInfo) error {
	in, err := f.root.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	if err := aside.Fill(f.root, to, in, like); err != nil {
		return err
	}
	if err := f.root.Chtimes(aside.Name(to), like.ModTime(), like.ModTime()); err != nil {
		return err
	}
	return aside.Appear(f.root, to)
}

// measure counts the files below a directory and their bytes.
func measure(ctx context.Context, root *os.Root, dir string) (files int, bytes int64, err error) {
	err = fs.WalkDir(root.FS(), dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			files, bytes = files+1, bytes+fi.Size()
		}
		return err
	})
	return files, bytes, err
}
