package compose

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
)

// What an installer reads: the tree of installs, whose .treeinfo must name
// applications too, since a release is installed from both.
const (
	installs     = "BaseOS"
	applications = "AppStream"
)

// treeinfos lets each .treeinfo of the tree that is installed name the
// applications of its architecture, and keeps a copy of it beside, once: tools
// that make repositories overwrite it, and put it back from there.
func (f *finding) treeinfos() error {
	arches, err := f.directories(installs)
	if err != nil {
		return err
	}
	for _, arch := range arches {
		for _, kind := range []string{"os", "kickstart"} {
			if err := f.treeinfo(path.Join(installs, arch, kind), arch, kind); err != nil {
				return err
			}
		}
	}
	return nil
}

// treeinfo finds out what is to do about one.
func (f *finding) treeinfo(dir, arch, kind string) error {
	file, pristine := path.Join(dir, ".treeinfo"), path.Join(dir, ".treeinfo-pristine")
	is, was, like, err := f.mended(dir, arch, kind)
	if err != nil || is == nil {
		return err
	}
	if !bytes.Equal(is, was) {
		f.add("changed", pipeline.Change{Name: file, To: "names " + applications, Size: int64(len(is))}, func(context.Context) error {
			return aside.Replace(f.root, file, is, like)
		})
	}
	switch _, err := f.root.Lstat(pristine); {
	case errors.Is(err, fs.ErrNotExist):
		f.add("added", pipeline.Change{Name: pristine, To: "copy of .treeinfo", Size: int64(len(is))}, func(context.Context) error {
			return aside.Replace(f.root, pristine, is, like)
		})
	case err != nil:
		return err
	}
	return nil
}

// mended is a .treeinfo as it must be and as it is; nil where there is none, or no
// applications that it could name.
func (f *finding) mended(dir, arch, kind string) (is, was []byte, like fs.FileInfo, err error) {
	apps, err := f.is(path.Join(applications, arch, "os"))
	if err != nil || !apps {
		return nil, nil, nil, err
	}
	was, like, err = aside.Read(f.root, path.Join(dir, ".treeinfo"), maxTreeinfo)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil, nil
	}
	if err == nil {
		is, err = nameApplications(was, arch, kind)
	}
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", config.Inert(path.Join(dir, ".treeinfo")), err)
	}
	return is, was, like, nil
}

// mend does at once what treeinfo finds.
func (f *finding) mend(dir, arch, kind string) error {
	is, _, like, err := f.mended(dir, arch, kind)
	if err != nil || is == nil {
		return err
	}
	for _, name := range []string{".treeinfo", ".treeinfo-pristine"} {
		if err := aside.Replace(f.root, path.Join(dir, name), is, like); err != nil {
			return err
		}
	}
	return nil
}
