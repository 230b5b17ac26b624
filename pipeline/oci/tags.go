package oci

import (
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"gantry/config"
	"gantry/storage"
)

// The pointers of a target.
const (
	staging    = "staging"
	production = "production"
)

// tag is the tag that a pointer is.
func (s *shelf) tag(pointer string) (string, error) {
	switch pointer {
	case production:
		return string(s.target.Series), nil
	case staging:
		return string(s.target.Series) + "-" + staging, nil
	}
	return "", fmt.Errorf("an image has no pointer %s", config.Inert(clip(pointer)))
}

// archTag is the tag of production for one architecture.
func (s *shelf) archTag(a config.Arch) string { return string(s.target.Series) + "-" + string(a) }

// snapshotTag keeps a snapshot from being collected by the registry.
func (s *shelf) snapshotTag(id string) string {
	return string(s.target.Series) + "-" + strings.ToLower(id)
}

// move is a tag that goes to another manifest.
type move struct {
	tag string
	to  *document
	// from are the digests that it may be found at; the zero digest is none.
	from func(v1.Hash) bool
}

// Flip moves a pointer: of production the tags of the architectures first, the
// tag of the series last. A tag has no compare-and-swap of its own, so each is
// looked at right before it is moved, and read back after; the caller holds the
// target's lock. An interrupted flip is completed by the next one, wherever that
// goes: the tag of an architecture may be found at any snapshot of the target.
func (s *shelf) Flip(ctx context.Context, name, from, to string) error {
	moves, err := s.moves(ctx, name, from, to)
	if err != nil {
		return fmt.Errorf("flip %s: %w", config.Inert(clip(name)), err)
	}
	replaced, moved := map[string]string{}, []string{}
	broken := func(err error) error {
		if len(moved) > 0 {
			err = config.Hint(fmt.Errorf("%w (moved already: %s)", err, strings.Join(moved, ", ")), config.HintOf(err))
		}
		return fmt.Errorf("flip %s: %w", name, err)
	}
	for n, m := range moves {
		at, err := s.compare(ctx, m)
		if err != nil {
			return broken(err)
		}
		replaced[m.tag] = orMissing(at)
		if n == len(moves)-1 {
			storage.Reach("oci.flip.arch.all")
		}
		if at == m.to.digest {
			continue
		}
		ref := s.repo.Tag(m.tag)
		if err := s.put(ctx, ref, m.to); err != nil {
			return broken(err)
		}
		moved = append(moved, m.tag)
		storage.Reach("oci.flip.moved")
		// Whoever cancels now still learns where the tag is.
		is, err := s.tagged(context.WithoutCancel(ctx), m.tag)
		if err != nil {
			return broken(fmt.Errorf("%s was moved, and cannot be read back: %w", ref, err))
		}
		if is != m.to.digest {
			return broken(fmt.Errorf("%s names %s after it was moved to %s: %w", ref, orMissing(is), m.to.digest, storage.ErrConflict))
		}
	}
	s.mu.Lock()
	s.replaced = replaced
	s.mu.Unlock()
	return nil
}

// moves lists the tags to move, that of the series last, after it looked that
// each can be moved.
func (s *shelf) moves(ctx context.Context, name, from, to string) ([]move, error) {
	tag, err := s.tag(name)
	if err != nil {
		return nil, err
	}
	next, err := s.record(ctx, to)
	if err != nil {
		return nil, err
	}
	expected := v1.Hash{}
	if from != "" {
		before, err := s.record(ctx, from)
		if err != nil {
			return nil, err
		}
		expected = before.image.stood()
	}
	var moves []move
	if name == production {
		ours, err := s.ours(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range next.image.Platforms {
			moves = append(moves, move{tag: s.archTag(p.Arch), to: &document{digest: p.Digest, kind: p.Image.MediaType},
				from: func(h v1.Hash) bool { return h == (v1.Hash{}) || ours[h] }})
		}
	}
	moves = append(moves, move{tag: tag, to: &document{digest: next.image.Index, kind: next.image.kind()}, from: func(h v1.Hash) bool { return h == expected }})
	for n, m := range moves {
		d, err := s.manifest(ctx, s.repo.Digest(m.to.digest.String()))
		if err != nil {
			return nil, err
		}
		if d == nil {
			return nil, config.Hint(fmt.Errorf("%s of snapshot %s is not in the registry any more", m.to.digest, to), "build it again, or go to another snapshot")
		}
		if d.kind != m.to.kind {
			return nil, fmt.Errorf("the registry says that %s is %s, not %s", m.to.digest, config.Inert(clip(string(d.kind))), m.to.kind)
		}
		moves[n].to = d
		if _, err := s.compare(ctx, m); err != nil {
			return nil, err
		}
	}
	return moves, nil
}

// ours are the images of all snapshots of the target.
func (s *shelf) ours(ctx context.Context) (map[v1.Hash]bool, error) {
	ids, err := s.Snapshots(ctx)
	if err != nil {
		return nil, err
	}
	ours := map[v1.Hash]bool{}
	for _, id := range ids {
		r, err := s.record(ctx, id)
		if err != nil {
			return nil, err
		}
		for _, h := range r.image.owned() {
			ours[h] = true
		}
	}
	return ours, nil
}

// compare tells where a tag is, which must be where it is expected.
func (s *shelf) compare(ctx context.Context, m move) (v1.Hash, error) {
	at, err := s.tagged(ctx, m.tag)
	if err != nil {
		return at, err
	}
	if !m.from(at) {
		return at, config.Hint(fmt.Errorf("%s names %s, which it should not: %w", s.repo.Tag(m.tag), orMissing(at), storage.ErrConflict),
			"plan again; if somebody moved it by other means, find out who, then take over what is served: gantry adopt "+string(s.target.Name))
	}
	return at, nil
}
