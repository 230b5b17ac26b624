package torrent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/aside"
	"gantry/pipeline/image"
)

// build makes a torrent of every image, after the image was verified against its
// checksum. Nothing is published.
type build struct{ subject }

// Plan tells which torrents are not there and which are evidently not of the
// images as they are. Those that seem right are verified with the others, and
// made anew where they are not.
func (b build) Plan(_ context.Context, env *pipeline.Env) (pipeline.Plan, error) {
	all, v, err := b.contents(b.area(), env.Version)
	if err != nil {
		return pipeline.Plan{}, err
	}
	defer v.Close()
	plan := pipeline.Plan{
		Title:  fmt.Sprintf("verify %d images and hold a torrent of each back; nothing is published", len(all)),
		Inputs: b.fingerprint(v),
	}
	held, err := os.OpenRoot(b.held)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return plan, err
	}
	if held != nil {
		defer held.Close()
	}
	for _, c := range all {
		plan.Bytes += c.total
		change := pipeline.Change{Name: c.name, Size: c.total}
		if held == nil {
			plan.Added = append(plan.Added, change)
			continue
		}
		info, err := held.Stat(c.name + ".torrent")
		if errors.Is(err, fs.ErrNotExist) {
			plan.Added = append(plan.Added, change)
			continue
		}
		if err != nil {
			return plan, err
		}
		t, err := load(held, c.name+".torrent")
		if err != nil || t == nil || !b.wants(t, c, t.info.Pieces, env.Version) || newer(c, info) {
			plan.Changed = append(plan.Changed, change)
		}
	}
	return plan, nil
}

// newer tells whether a file of the content was written after the torrent.
func newer(c content, torrent fs.FileInfo) bool {
	for _, name := range c.files {
		if c.Folder.Files[name].ModTime().After(torrent.ModTime()) {
			return true
		}
	}
	return false
}

// size is that of a content's pieces.
func (s subject) size(c content) int64 {
	if s.piece > 0 {
		return s.piece
	}
	return pieceSize(c.total)
}

// fingerprint is of all that torrents are made of.
func (s subject) fingerprint(v *image.Found) string {
	return v.Fingerprint(func(string) bool { return true })
}

// Inputs are names, sizes and times of the images and what lies beside them.
func (b build) Inputs(_ context.Context, env *pipeline.Env) (string, error) {
	m, err := image.NewMatrix(b.cfg, b.im, b.tree, b.area(), env.Version)
	if err != nil {
		return "", err
	}
	v := m.Look()
	defer v.Close()
	return b.fingerprint(v), nil
}

// Run reads every image once, for its SHA-256 and its pieces.
func (b build) Run(ctx context.Context, env *pipeline.Env, plan pipeline.Plan, p *pipeline.Progress) (pipeline.Evidence, error) {
	all, v, err := b.contents(b.area(), env.Version)
	if err != nil {
		return nil, err
	}
	defer v.Close()
	if err := errors.Join(os.MkdirAll(b.held, 0o755), os.MkdirAll(b.data, 0o755)); err != nil {
		return nil, err
	}
	held, err := os.OpenRoot(b.held)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	p.Phase("verify images and hash pieces", pipeline.Bytes, plan.Bytes)
	ev, made := pipeline.Evidence{}, 0
	for _, c := range all {
		p.File(c.Name)
		t, anew, err := b.one(ctx, env, held, c, p)
		if err != nil {
			return ev, err
		}
		ev[c.name] = t.id()
		if anew {
			made++
			p.Logf("%s: made, %d pieces of %d KiB, %s", c.name, len(t.info.Pieces)/20, t.info.PieceLength>>10, t.id())
		} else {
			p.Logf("%s: still right, %s", c.name, t.id())
		}
	}
	ev["torrents"], ev["made"] = strconv.Itoa(len(all)), strconv.Itoa(made)
	return ev, nil
}

// one makes one torrent, or finds that the one that is held is right.
func (b build) one(ctx context.Context, env *pipeline.Env, held *os.Root, c content, p *pipeline.Progress) (*torrent, bool, error) {
	s, err := c.open()
	if err != nil {
		return nil, false, err
	}
	defer s.close()
	pieces, digest, err := s.hash(ctx, b.size(c), true, p.Add)
	if err != nil {
		return nil, false, fmt.Errorf("hash %s: %w", c.Name, err)
	}
	if said := c.Folder.Sums[c.Name].SHA256; digest != said {
		return nil, false, config.Hint(fmt.Errorf("%s has the SHA-256 %s, its checksum is %s", c.Name, digest, said), "build or fetch it again; no torrent was made of it")
	}
	t, err := b.compose(c, b.size(c), pieces, env.Version, env.Now())
	if err != nil {
		return nil, false, err
	}
	if err := c.lay(b.data); err != nil {
		return nil, false, err
	}
	if was, err := load(held, c.name+".torrent"); err == nil && was != nil && b.wants(was, c, pieces, env.Version) {
		return was, false, nil
	}
	return t, true, aside.Replace(held, c.name+".torrent", t.raw, nil)
}
