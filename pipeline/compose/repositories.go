package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline/aside"
	"gantry/pipeline/repodata"
	"gantry/pipeline/sign"
)

// maxSignature bounds repomd.xml.asc.
const maxSignature = 1 << 16

// repo is a repository whose metadata is signed, as it was found.
type repo struct {
	path  string
	md    *repomd
	info  fs.FileInfo // of repomd.xml
	lacks string      // why it is not as it must be, empty where it is
	added bool        // it has no signature at all
}

func (r *repo) file() string { return path.Join(r.path, "repodata/repomd.xml") }

// repositories are those below a directory, by their path, as they are found by
// walking: whatever has repodata is one, wherever a list of names would look. What
// lies in Packages is not looked through, and links are not followed.
func repositories(ctx context.Context, root *os.Root) ([]string, error) {
	var all []string
	err := fs.WalkDir(root.FS(), ".", func(at string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		switch {
		case !d.IsDir():
			return nil
		case d.Name() == "Packages" || aside.Passing(d.Name()):
			return fs.SkipDir
		case d.Name() == ".repodata":
			return config.Hint(fmt.Errorf("createrepo is at %s, or was interrupted there", config.Inert(path.Dir(at))),
				"wait for it; or remove "+config.Inert(at)+" and run it again")
		case d.Name() == "repodata":
			all = append(all, path.Dir(at))
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for repositories: %w", err)
	}
	if len(all) == 0 {
		return nil, config.Hint(errors.New("there is no repository: no directory has repodata"), "sync the compose first, and run createrepo")
	}
	return all, nil
}

// inspect reads the metadata of a repository and tells whether it has the
// signature that clients want.
func inspect(root *os.Root, at string, public *sign.Public, now time.Time) (*repo, error) {
	r := &repo{path: at}
	data, info, err := aside.Read(root, r.file(), maxRepomd)
	if err == nil {
		r.info = info
		r.md, err = readRepomd(data)
	}
	if err == nil {
		err = r.md.whole(root, at)
	}
	if err != nil {
		return nil, config.Hint(fmt.Errorf("metadata of %s: %w", config.Inert(at), err), "run createrepo on it again: what is not whole is not signed")
	}
	sig, signed, err := aside.Read(root, r.file()+".asc", maxSignature)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.lacks, r.added = "not signed", true
	case err != nil:
		return nil, fmt.Errorf("signature of %s: %w", config.Inert(at), err)
	case r.md.emptied > 0:
		r.lacks = "has an empty open-size"
	default:
		if err := public.VerifyDetached(data, sig, now); err != nil {
			r.lacks = config.Inert(err.Error())
			if info.ModTime().After(signed.ModTime()) {
				r.lacks = "changed since it was signed"
			}
		}
	}
	return r, nil
}

// genuine makes sure that each document is the one whose digest repomd.xml names:
// a signature says so to every client.
func (r *repo) genuine(ctx context.Context, root *os.Root) error {
	index, err := repodata.ReadIndex(bytes.NewReader(r.md.bytes))
	if err != nil {
		return err
	}
	for _, d := range index.Documents {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := root.OpenFile(path.Join(r.path, d.Href), os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Verify(f), f.Close()); err != nil {
			return config.Hint(err, "run createrepo on it again: what is not whole is not signed")
		}
	}
	return nil
}
