package rpm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"gantry/pipeline/repodata"
	"gantry/storage"
)

// SaveRepodata writes the documents of a set of packages into a snapshot, under
// the names that Repodata tells, and returns their files in that order. It does
// not write repomd.xml, which is Repodata.Encode, and is signed.
func SaveRepodata(ctx context.Context, b storage.Build, pkgs []PackageFile, o RepodataOptions) (*Repodata, []storage.File, error) {
	var entries [parts]storage.Entry
	defer func() {
		for _, e := range entries {
			if e != nil {
				e.Abort() // does nothing where it was committed
			}
		}
	}()
	var w [parts]io.Writer
	for i, name := range repodata.Types {
		e, err := b.Create(ctx, "repodata/"+name+".new")
		if err != nil {
			return nil, nil, fmt.Errorf("write %s: %w", name, err)
		}
		entries[i], w[i] = e, e
	}
	r, err := WriteRepodata(ctx, w, pkgs, o)
	if err != nil {
		return nil, nil, err
	}
	var files []storage.File
	for i, d := range r.Documents() {
		if err := entries[i].Rename(path.Base(d.Href)); err != nil {
			return nil, nil, fmt.Errorf("write %s: %w", repodata.Types[i], err)
		}
		f, err := entries[i].Commit()
		if err == nil && (f.SHA256 != d.Checksum.Hex || f.Size != d.Size) {
			err = errors.New("what was written is not what was meant")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("write %s: %w", repodata.Types[i], err)
		}
		files = append(files, f)
	}
	return r, files, nil
}
