package repodata

import (
	"context"
	"fmt"
	"io"
	"os"
)

// Repository is a repository that others made, as its metadata tells of it.
type Repository struct {
	Index
	files Files
}

// Scan reads repomd.xml of the repository in a directory of a tree, and looks
// that every document which it names is there with its size. A directory without
// repomd.xml is an error that wraps fs.ErrNotExist.
func Scan(ctx context.Context, root *os.Root, dir string) (*Repository, error) {
	r, err := Open(ctx, Below(root, dir))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return r, nil
}

// Open does what Scan does, wherever the repository is.
func Open(ctx context.Context, files Files) (*Repository, error) {
	repo := Repository{files: files}
	err := files.use(ctx, Path, -1, func(r io.Reader) error {
		x, err := ReadIndex(r)
		if err == nil {
			repo.Index = *x
		}
		return err
	})
	for _, d := range repo.Documents {
		if err == nil {
			err = files.use(ctx, d.Href, d.Size, func(io.Reader) error { return nil })
		}
	}
	if err != nil {
		return nil, err
	}
	return &repo, nil
}

// Packages hands out the packages of the repository one by one, in the order of
// its metadata. Nothing of them is to be trusted before it returns nil.
func (r *Repository) Packages(ctx context.Context, yield func(PackageRef) error) error {
	_, err := r.read(ctx, "primary", func(x io.Reader) error { return ReadPrimary(x, yield) })
	return err
}

// Verify reads every document and compares it with its digest.
func (r *Repository) Verify(ctx context.Context) error {
	for _, d := range r.Documents {
		if err := r.files.use(ctx, d.Href, d.Size, d.Verify); err != nil {
			return err
		}
	}
	return nil
}

// read reads the document of a type, and tells whether there is one.
func (r *Repository) read(ctx context.Context, kind string, use func(io.Reader) error) (bool, error) {
	d, ok := r.Document(kind)
	if !ok {
		return false, nil
	}
	return true, r.files.use(ctx, d.Href, d.Size, func(x io.Reader) error { return d.Read(x, use) })
}
