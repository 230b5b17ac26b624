package compose

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
)

// sources are the repositories whose images a release offers.
var sources = []string{"BaseOS", "Minimal"}

// isos links what the repositories have of images into isos/ARCH, under a name
// that never is half a file, and names the newest of each kind.
func (f *finding) isos() error {
	have := map[string][]string{} // names by architecture
	arches, err := f.directories("isos")
	if err != nil {
		return err
	}
	for _, arch := range arches {
		if have[arch], err = f.names(path.Join("isos", arch)); err != nil {
			return err
		}
	}
	from := map[string]string{}
	for _, source := range sources {
		arches, err := f.directories(source)
		if err != nil {
			return err
		}
		for _, arch := range arches {
			dir := path.Join(source, arch, "iso")
			names, err := f.names(dir)
			if err != nil {
				return err
			}
			for _, name := range names {
				to := path.Join("isos", arch, name)
				if other, twice := from[to]; twice {
					return fmt.Errorf("%s is in %s too", config.Inert(path.Join(dir, name)), other)
				}
				from[to] = dir
				is, err := f.iso(path.Join(dir, name), to)
				if err != nil {
					return err
				}
				if is {
					have[arch] = append(have[arch], name)
				}
			}
		}
	}
	for _, arch := range slices.Sorted(maps.Keys(have)) {
		if err := f.newest(arch, have[arch]); err != nil {
			return err
		}
	}
	return nil
}

// directories are the names of the directories in one, which may be missing.
// Links are none.
func (f *finding) directories(dir string) ([]string, error) {
	return f.read(dir, func(d fs.DirEntry) bool { return d.IsDir() && !strings.HasPrefix(d.Name(), ".") })
}

// names are those of the images in a directory and of what belongs to each.
func (f *finding) names(dir string) ([]string, error) {
	return f.read(dir, func(d fs.DirEntry) bool {
		base := strings.TrimSuffix(strings.TrimSuffix(d.Name(), ".manifest"), ".CHECKSUM")
		return d.Type().IsRegular() && strings.HasSuffix(base, ".iso") && !strings.HasPrefix(base, ".")
	})
}

func (f *finding) read(dir string, of func(fs.DirEntry) bool) ([]string, error) {
	all, err := fs.ReadDir(f.root.FS(), dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, d := range all {
		if of(d) {
			names = append(names, d.Name())
		}
	}
	return names, err
}

// iso links one file, and tells whether its name is new. Two files are taken for
// the same where size and time are, as rsync does.
func (f *finding) iso(from, to string) (bool, error) {
	is, err := f.root.Lstat(from)
	if err != nil {
		return false, err
	}
	list, was := "added", ""
	old, err := f.root.Lstat(to)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case !old.Mode().IsRegular():
		return false, fmt.Errorf("%s is no regular file", config.Inert(to))
	case os.SameFile(is, old) || is.Size() == old.Size() && is.ModTime().Equal(old.ModTime()):
		return false, nil
	default:
		list, was = "changed", "another of "+strconv.FormatInt(old.Size(), 10)+" bytes"
	}
	a := f.add(list, pipeline.Change{Name: to, From: was, To: "hard link to " + config.Inert(from), Size: is.Size()}, func(context.Context) error {
		if err := f.root.MkdirAll(path.Dir(to), 0o755); err != nil {
			return err
		}
		return aside.Link(f.root, from, to)
	})
	if list == "changed" {
		a.alarm = "replaces-images"
	}
	return list == "added", nil
}

var isoForm = regexp.MustCompile(`^([A-Za-z]+)-([0-9]+\.[0-9]+)(?:-(?i:RC[0-9]+|beta|lookahead|lh))?-(.+)-(boot|dvd1?|minimal)\.iso$`)

// newest names the images of an architecture as the latest of their major
// version: Rocky-8-latest-x86_64-dvd.iso leads to Rocky-8.10-x86_64-dvd1.iso.
func (f *finding) newest(arch string, names []string) error {
	leads := map[string]string{}
	for _, name := range names {
		m := isoForm.FindStringSubmatch(name)
		if m == nil || m[3] != arch {
			continue
		}
		if m[2] != f.edition.Revision() {
			return config.Hint(fmt.Errorf("isos/%s: %s is an image of %s, and the release is of %s", arch, config.Inert(name), m[2], f.edition.Revision()),
				"find out how it came there, and remove it")
		}
		kind := strings.TrimSuffix(m[4], "1")
		l := link{path.Join("isos", arch, fmt.Sprintf("%s-%d-latest-%s-%s.iso", m[1], f.edition.Major, arch, kind)), name}
		if other, twice := leads[l.name]; twice {
			return fmt.Errorf("%s could lead to %s and to %s", l.name, other, config.Inert(name))
		}
		leads[l.name] = name
		if err := f.lead(f.root, l, l.name); err != nil {
			return err
		}
	}
	return nil
}
