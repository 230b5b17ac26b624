package bitflip

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/walk"
)

// changed is an entry of the tree whose mode is not what it is to be.
type changed struct {
	in    *walk.Dir
	entry *walk.Entry
	to    uint32
}

func (c changed) path() string { return join(c.in, c.entry.Name) }

// survey is what is found below the directory of an edition.
type survey struct {
	paths, bytes int64
	files, dirs  []changed // directories after all that is in them
	lost         []string  // what closes and would not open again as it was
	parts        map[string]*pipeline.Part
	repomd       string         // the first repomd.xml
	names        map[inode]int  // of files with several names, how many were found
	links        map[inode]link // likewise, how many there must be
}

type inode struct{ device, number uint64 }

type link struct {
	path string
	of   int
}

// look reads the whole directory.
func (f flip) look(ctx context.Context, p place) (*walk.Root, *survey, error) {
	root, err := walk.Open(p.path, false)
	if err != nil {
		return nil, nil, err
	}
	if top, err := p.top(); err != nil {
		root.Close()
		return nil, nil, err
	} else {
		top.Close()
	}
	top, err := walk.Read(ctx, root, walk.Options{})
	s := &survey{parts: map[string]*pipeline.Part{}, names: map[inode]int{}, links: map[inode]link{}}
	if err == nil {
		err = s.read(top, f)
	}
	if err == nil {
		err = s.outside(ctx, p, f.target.Tree.Production.Undo)
	}
	if err != nil {
		root.Close()
		return nil, nil, err
	}
	return root, s, nil
}

// read looks at a directory and all below it.
func (s *survey) read(d *walk.Dir, f flip) error {
	if d.Unreadable || d.Gone {
		return fmt.Errorf("%s cannot be read, so it cannot be told what is in it", config.Inert(cmp.Or(d.Path(), "the directory")))
	}
	for i := range d.Entries {
		e := &d.Entries[i]
		path := join(d, e.Name)
		if strings.Contains(e.Name, ".~tmp~") {
			return &pipeline.RefusedError{Reason: "the tree is in the middle of a sync: " + config.Inert(path) + " is there", Hint: "let the sync end first"}
		}
		s.count(path, e)
		if e.Dir != nil {
			if err := s.read(e.Dir, f); err != nil {
				return err
			}
		}
		if f.target.Tree.Private {
			s.compare(changed{d, e, f.bits(e.Mode)}, path)
		}
	}
	return nil
}

// bits are the permission bits of what is private until the flip: the world gets
// what the group has, but never to write, or nothing.
func (f flip) bits(mode uint32) uint32 {
	if f.open {
		return mode&0o7777 | mode>>3&0o5
	}
	return mode & 0o7770
}

func (s *survey) count(path string, e *walk.Entry) {
	s.paths++
	part := s.part(path)
	part.Added++
	if e.Kind() != unix.S_IFREG {
		return
	}
	s.bytes += e.Size
	part.Bytes += e.Size
	if s.repomd == "" && strings.HasSuffix(path, "/repodata/repomd.xml") {
		s.repomd = path
	}
}

// part is that of a path: its repository and architecture.
func (s *survey) part(path string) *pipeline.Part {
	name := "."
	if dirs := strings.SplitN(path, "/", 3); len(dirs) == 3 {
		name = config.Inert(dirs[0] + "/" + dirs[1])
	}
	if s.parts[name] == nil {
		s.parts[name] = &pipeline.Part{Name: name}
	}
	return s.parts[name]
}

// compare keeps what is to change. Links have no mode of their own, and what is
// neither a file nor a directory is no part of a release.
func (s *survey) compare(c changed, path string) {
	mode := c.entry.Mode & 0o7777
	kind := c.entry.Kind()
	if c.to == mode || kind != unix.S_IFREG && kind != unix.S_IFDIR {
		return
	}
	if back := c.to | c.to>>3&0o5; c.to < mode && back != mode {
		s.lost = append(s.lost, fmt.Sprintf("%s (%s)", config.Inert(path), octal(mode)))
	}
	if kind == unix.S_IFDIR {
		s.dirs = append(s.dirs, c)
		return
	}
	s.files = append(s.files, c)
	if c.entry.Links > 1 {
		id := inode{c.entry.Device, c.entry.Inode}
		s.names[id]++
		if _, known := s.links[id]; !known {
			s.links[id] = link{path, int(c.entry.Links)}
		}
	}
}

// outside refuses what would change the mode of files outside of the edition,
// under other names. What syncs keep for undo is not served to anybody.
func (s *survey) outside(ctx context.Context, p place, undo string) error {
	missing := func() (path string) {
		for id, l := range s.links {
			if s.names[id] < l.of && (path == "" || l.path < path) {
				path = l.path
			}
		}
		return path
	}
	if missing() != "" {
		root, err := walk.Open(filepath.Join(p.root, filepath.FromSlash(undo)), false)
		if err == nil {
			defer root.Close()
			var kept *walk.Dir
			if kept, err = walk.Read(ctx, root, walk.Options{}); err == nil {
				s.also(kept)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if path := missing(); path != "" {
		return &pipeline.RefusedError{
			Reason: fmt.Sprintf("%s is also linked from outside of %s, where its mode would change too", config.Inert(path), p.name()),
			Hint:   "put a copy in its place, then plan again"}
	}
	return nil
}

// also counts the names of files of the edition that are elsewhere.
func (s *survey) also(d *walk.Dir) {
	for i := range d.Entries {
		e := &d.Entries[i]
		id := inode{e.Device, e.Inode}
		if _, ours := s.links[id]; ours {
			s.names[id]++
		}
		if e.Dir != nil {
			s.also(e.Dir)
		}
	}
}

// digest is of every mode that is to change.
func (s *survey) digest() string {
	h := sha256.New()
	for _, all := range [][]changed{s.files, s.dirs} {
		for _, c := range all {
			fmt.Fprintf(h, "%q %o %o\n", c.path(), c.entry.Mode, c.to)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sorted are the parts, by name; closing takes away what opening adds.
func (s *survey) sorted(open bool) []pipeline.Part {
	var all []pipeline.Part
	for _, p := range s.parts {
		part := *p
		if !open {
			part.Removed, part.Added, part.Bytes = part.Added, 0, 0
		}
		all = append(all, part)
	}
	slices.SortFunc(all, func(a, b pipeline.Part) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func join(d *walk.Dir, name string) string {
	if dir := d.Path(); dir != "" {
		return dir + "/" + name
	}
	return name
}
