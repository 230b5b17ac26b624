// Package torrent makes torrents of images, holds them back, and publishes them
// when the release does.
package torrent

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/image"
)

// Make makes the step of an item that uses torrent.make, torrent.publish or
// torrent.seeds, with the name of torrents, of the tree that the item is about.
func Make(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
	if err := item.Takes("name"); err != nil {
		return nil, err
	}
	at := slices.IndexFunc(cfg.Torrents, func(t config.Torrents) bool { return string(t.Name) == item.With["name"] })
	if at < 0 {
		return nil, config.Hint(fmt.Errorf("item %s: torrents has no %q", item.ID, config.Inert(item.With["name"])), "name one of torrents under with: {name: ...}")
	}
	t := &cfg.Torrents[at]
	im, tree, err := image.Find(cfg, item, string(t.Images))
	if err != nil {
		return nil, err
	}
	s := subject{cfg, t, im, tree, cfg.Path(t.Held), cfg.Path(t.Data), cfg.Path(t.Publish), 0}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("torrents %s: %w", t.Name, err)
	}
	switch item.Uses {
	case "torrent.make":
		return build{s}, nil
	case "torrent.publish":
		return publish{s}, nil
	case "torrent.seeds":
		return seeds{s}, nil
	}
	return nil, fmt.Errorf("item %s uses %q, which is nothing to do with torrents", item.ID, config.Inert(item.Uses))
}

// subject is what the steps are about.
type subject struct {
	cfg                 *config.Release
	t                   *config.Torrents
	im                  *config.Images
	tree                *config.Tree
	held, data, publish string // directories
	piece               int64  // bytes, 0 for a size by that of the image
}

// check refuses what would publish a torrent by making it.
func (s *subject) check() (err error) {
	for name, dir := range map[string]string{"held": s.held, "data": s.data} {
		if within(real(dir), real(s.publish)) {
			return config.Hint(fmt.Errorf("%s is %s or lies in it, which the seed box watches: a torrent would be seeded as soon as it is made", name, config.Inert(s.publish)),
				"write a directory outside of it")
		}
	}
	if len(s.t.Trackers) == 0 {
		return config.Hint(fmt.Errorf("there is no tracker"), "write trackers: [udp://...]")
	}
	s.piece, err = parsePiece(s.t.Piece)
	return err
}

// real is a path without links, as far as it is there.
func real(path string) string {
	if p, err := filepath.Abs(path); err == nil {
		path = p
	}
	if p, err := filepath.EvalSymlinks(path); err == nil {
		return p
	}
	if up := filepath.Dir(path); up != path {
		return filepath.Join(real(up), filepath.Base(path))
	}
	return path
}

func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// area is where the images lie that torrents are made of: in production, which is
// what they must be of when they are published.
func (s subject) area() string {
	if s.tree.Production.Root != "" {
		return "production"
	}
	return s.im.In
}

// comment is the comment of the torrent of an image of a version.
func (s subject) comment(c image.Cell, version string) (string, error) {
	e, err := config.ParseEdition(version)
	if err != nil {
		return "", err
	}
	words := s.tree.Placeholders(e)
	words["arch"], words["variant"] = string(c.Arch), c.Variant
	words["revision_"] = strings.ReplaceAll(e.Revision(), ".", "_")
	return config.Expand(s.t.Comment, words)
}
