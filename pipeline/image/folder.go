package image

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline/aside"
)

// Folder is a directory of images as it is now.
type Folder struct {
	Dir   string
	Files map[string]fs.FileInfo // of regular files, and of those that links in it lead to
	Links map[string]string      // what each link leads to: a file of the same directory
	Odd   []string               // what is neither, in words
	Sums  map[string]Sum         // of its CHECKSUM file; nil without one
	root  *os.Root
}

const mostFiles = 10_000

// openFolder lists a directory of images, at a path below that of an edition, and
// reads its checksums from the file of that name. No link leads out of the edition.
func openFolder(edition *os.Root, at, checksum string) (*Folder, error) {
	root, err := edition.OpenRoot(at)
	if err != nil {
		return nil, err
	}
	f := &Folder{Dir: filepath.Join(edition.Name(), at), Files: map[string]fs.FileInfo{}, Links: map[string]string{}, root: root}
	err = f.list()
	if err == nil {
		err = f.read(checksum)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", config.Inert(f.Dir), err), root.Close())
	}
	return f, nil
}

// Close closes the directory.
func (f *Folder) Close() error { return f.root.Close() }

func (f *Folder) list() error {
	d, err := f.root.Open(".")
	if err != nil {
		return err
	}
	defer d.Close()
	names, err := d.Readdirnames(mostFiles + 1)
	if err != nil && err != io.EOF {
		return err
	}
	if len(names) > mostFiles {
		return fmt.Errorf("more than %d files", mostFiles)
	}
	slices.Sort(names)
	for _, name := range names {
		if aside.Passing(name) {
			continue
		}
		info, err := f.root.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it went while we looked
		}
		if err != nil {
			return err
		}
		switch {
		case plain(name) != nil:
			f.Odd = append(f.Odd, fmt.Sprintf("%q is no name", config.Inert(name)))
		case info.Mode().IsRegular():
			f.Files[name] = info
		case info.Mode()&fs.ModeSymlink != 0:
			f.link(name)
		case !info.IsDir():
			f.Odd = append(f.Odd, name+" is no file")
		}
	}
	return nil
}

// link notes a link that leads to a file of the directory.
func (f *Folder) link(name string) {
	to, err := f.root.Readlink(name)
	if err == nil {
		err = plain(to)
	}
	var info fs.FileInfo
	if err == nil {
		info, err = f.root.Lstat(to)
	}
	if err != nil || !info.Mode().IsRegular() {
		f.Odd = append(f.Odd, name+" is a link that leads to no file beside it")
		return
	}
	f.Links[name], f.Files[name] = to, info
}

// read reads the file of checksums, where there is one.
func (f *Folder) read(name string) error {
	if f.Files[name] == nil {
		if slices.ContainsFunc(f.Odd, func(odd string) bool { return strings.HasPrefix(odd, name+" is ") }) {
			return fmt.Errorf("%s is no file", name)
		}
		return nil
	}
	sums, err := f.parse(name)
	if err != nil {
		return err
	}
	f.Sums = make(map[string]Sum, len(sums))
	for _, s := range sums {
		f.Sums[s.Name] = s
	}
	return nil
}

// parse reads a file of checksums.
func (f *Folder) parse(name string) ([]Sum, error) {
	text, err := f.text(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	sums, err := Parse(text)
	if err != nil {
		return nil, config.Hint(fmt.Errorf("%s: %w", name, err), "look at "+config.Inert(filepath.Join(f.Dir, name))+" and find out who wrote it")
	}
	return sums, nil
}

func (f *Folder) text(name string) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, mostText+1))
}

// Open opens a file that was listed; one that was replaced since is an error.
func (f *Folder) Open(name string) (*os.File, error) {
	info := f.Files[name]
	if info == nil {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	file, err := f.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0) // what took its place may be a pipe
	if err != nil {
		return nil, err
	}
	now, err := file.Stat()
	if err == nil && !Same(info, now) {
		err = fmt.Errorf("%s changed while it was looked at", name)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Same tells whether a file is the one that it was, and was not written to.
func Same(was, is fs.FileInfo) bool {
	return os.SameFile(was, is) && was.Size() == is.Size() && was.ModTime().Equal(is.ModTime())
}

// Match are the files of a cell, by name.
func (f *Folder) Match(c Cell) []string {
	var names []string
	for name := range f.Files {
		if c.Is(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// beside tells whether a file tells of others and has no checksum of its own.
func beside(name, checksum string) bool {
	for _, end := range []string{".CHECKSUM", ".CHECKSUM.asc", ".CHECKSUM.sig", ".manifest", ".torrent"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return name == checksum || name == checksum+".asc" || name == checksum+".sig"
}
