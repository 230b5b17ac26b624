package torrent

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gantry/config"
	"gantry/pipeline/aside"
	"gantry/pipeline/image"
)

// content is what one torrent is of: an image, with the files that tell of it.
type content struct {
	image.Image
	name  string   // of the torrent and its directory: the image's without .iso
	links []string // all that lies in the directory, sorted
	files []string // those that the torrent names
	total int64    // bytes of these
}

// contents are those of all images of an area, in the order of the matrix. An
// image that is not there, or has no checksum, has no torrent, and the rest must
// wait for it.
func (s subject) contents(area, version string) ([]content, *image.Found, error) {
	m, err := image.NewMatrix(s.cfg, s.im, s.tree, area, version)
	if err != nil {
		return nil, nil, err
	}
	v := m.Look()
	var all []content
	var bad []string
	for _, im := range v.Images {
		if im.Verdict != image.Present {
			bad = append(bad, im.Title()+": "+string(im.Verdict))
			continue
		}
		c := content{Image: im, name: strings.TrimSuffix(im.Name, ".iso")}
		if slices.ContainsFunc(all, func(o content) bool { return o.name == c.name }) {
			bad = append(bad, im.Title()+": another image is called "+im.Name+" too")
			continue
		}
		for name, info := range im.Folder.Files {
			if strings.HasSuffix(name, ".torrent") || !strings.HasPrefix(name, m.Checksum) && !strings.HasPrefix(name, im.Name) {
				continue
			}
			c.links = append(c.links, name)
			if name != m.Checksum+".asc" {
				c.files = append(c.files, name)
				c.total += info.Size()
			}
		}
		slices.Sort(c.links)
		slices.Sort(c.files)
		all = append(all, c)
	}
	if len(bad) > 0 {
		v.Close()
		const most = 5
		text := strings.Join(bad[:min(len(bad), most)], "; ")
		return nil, nil, config.Hint(fmt.Errorf("images of %s in %s: %s", s.im.Name, area, text), "let image.check tell more; name under except: what there is none of")
	}
	return all, v, nil
}

// open opens the files of the torrent, one after the other as its pieces are.
func (c content) open() (*stream, error) {
	s := &stream{image: slices.Index(c.files, c.Name)}
	for _, name := range c.files {
		f, err := c.Folder.Open(name)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.parts = append(s.parts, part{f, s.total, c.Folder.Files[name]})
		s.total += c.Folder.Files[name].Size()
	}
	return s, nil
}

// lay makes the directory that the seed box finds the files in: links to where
// they are. Links to what is no part of it any more go.
func (c content) lay(data string) error {
	root, err := os.OpenRoot(data)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.Mkdir(c.name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := aside.Sync(root, "."); err != nil {
		return err
	}
	dir, err := root.OpenRoot(c.name)
	if err != nil {
		return err
	}
	defer dir.Close()
	from, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	for _, name := range c.links {
		if err := link(dir, name, filepath.Join(from, name)); err != nil {
			return fmt.Errorf("link %s below %s: %w", name, config.Inert(data), err)
		}
	}
	there, err := fs.ReadDir(dir.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range there {
		if e.Type()&fs.ModeSymlink != 0 && !slices.Contains(c.links, e.Name()) {
			if err := dir.Remove(e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// link makes a link, or lets it lead elsewhere, without a moment in which it is
// not there.
func link(dir *os.Root, name, to string) error {
	info, err := dir.Lstat(name)
	if err == nil && info.Mode()&fs.ModeSymlink == 0 {
		return config.Hint(errors.New("something else is there that is no link"), "look what it is, and remove it")
	}
	if err == nil {
		if is, err := dir.Readlink(name); err == nil && is == to {
			return nil
		}
	}
	return aside.Symlink(dir, name, to)
}
