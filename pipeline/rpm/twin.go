package rpm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"gantry/pipeline"
	"gantry/storage"
)

// fresh is how long a twin waits to be published: its metadata is to look new
// when clients get it.
const fresh = 24 * time.Hour

// servable is the snapshot that the pointer may go to in order to serve what is
// wanted: that one, or a twin of it that was built aside lately. Where it is not
// the wanted one, why says what the matter is with that; where it is nil, there
// is no such twin.
func (f *flip) servable(w *world, wanted *snapshot) (to *snapshot, why string, err error) {
	why, err = w.unfit(wanted, f.pointer)
	if err == nil && why == "" && f.item.Uses == "refresh" {
		why = "it is to be published anew"
	}
	if err != nil || why == "" {
		return wanted, "", err
	}
	for _, id := range slices.Backward(w.ids) {
		s, err := w.snapshot(id)
		if err != nil {
			return nil, "", err
		}
		if s.TwinOf != wanted.root() || w.published(id) || id == wanted.ID || w.stale(s) || !sameSources(s, wanted) {
			continue
		}
		if other, err := w.unfit(s, f.pointer); err != nil {
			return nil, "", err
		} else if other == "" {
			return s, why, nil
		}
	}
	return nil, why, nil
}

// unfit says in words why a pointer may not go to a snapshot, or nothing.
func (w *world) unfit(s *snapshot, pointer string) (string, error) {
	if s.ID == w.at(pointer) {
		return "", nil
	}
	public, err := w.publicKey()
	if err != nil {
		return "", err
	}
	if s.lineage.Key != public.Fingerprint() {
		return "clients were given another key since", nil
	}
	if err := w.signedBy(public, s.ID); err != nil {
		return "clients would refuse its signature: " + err.Error(), nil
	}
	address, err := w.small(s.ID, mirrorlistPath)
	if err != nil {
		return "", err
	}
	if strings.TrimSpace(string(address)) != w.prefix(w.served, s.ID) {
		return "the target has another address since", nil
	}
	if pointer == staging {
		if at, err := storage.ParseID(w.staging); err == nil && s.Revision <= at.Unix() {
			return "staging serves newer metadata, and clients may refuse to go back", nil
		}
		return "", nil
	}
	if s.Revision <= w.highest() {
		return "production served newer metadata, and clients may refuse to go back", nil
	}
	missing, err := w.misses(s)
	if err == nil && missing != "" {
		return "clients that hold the metadata of snapshot " + missing + " would miss files", nil
	}
	return "", err
}

// stale tells whether a snapshot is a twin that was never published and waited
// too long for it.
func (w *world) stale(s *snapshot) bool {
	return s.TwinOf != "" && !w.published(s.ID) && w.env.Now().Sub(time.Unix(s.Revision, 0)) >= fresh
}

// displaced counts the packages of a snapshot that clients may hold or fetch
// under the same name with other bytes.
func (w *world) displaced(s *snapshot) (int, error) {
	is := map[string]string{}
	for _, f := range s.packages() {
		is[f.Path] = f.SHA256
	}
	all := map[string]bool{}
	for _, id := range w.kept() {
		kept, err := w.snapshot(id)
		if err != nil {
			return 0, err
		}
		for _, f := range kept.packages() {
			if sum, ok := is[f.Path]; ok && sum != f.SHA256 {
				all[f.Path] = true
			}
		}
	}
	return len(all), nil
}

// misses names a snapshot that clients may hold and whose files another one does
// not retain; empty where there is none.
func (w *world) misses(s *snapshot) (string, error) {
	there := make(map[string]bool, len(s.Files))
	for _, f := range s.Files {
		there[f.Path] = true
	}
	for _, id := range w.kept() {
		kept, err := w.snapshot(id)
		if err != nil {
			return "", err
		}
		for _, f := range lasting(kept) {
			if !there[f.Path] {
				return id, nil
			}
		}
	}
	return "", nil
}

// sameSources tells whether two snapshots have the same packages, whoever signed
// them.
func sameSources(a, b *snapshot) bool {
	return slices.EqualFunc(a.packages(), b.packages(), func(x, y storage.File) bool {
		return x.Path == y.Path && x.Version == y.Version && x.Source == y.Source
	})
}

// twin builds a snapshot aside with the packages of another one and metadata
// newer than all that was served. Packages are hard links, unless clients were
// given another key since: then they are signed anew.
func (w *world) twin(ctx context.Context, of *snapshot, p *pipeline.Progress) error {
	key, err := w.signingKey(w.env.Now())
	if err != nil {
		return err
	}
	p.Phase("check "+of.ID, pipeline.Bytes, total(of.Files))
	if err := w.served.Check(ctx, of.ID, false, p.Add); err != nil {
		return err
	}
	packages, err := of.candidates(key.Fingerprint())
	if err != nil {
		return err
	}
	from := of.lineage
	from.Key = key.Fingerprint()
	m, err := w.publish(ctx, packages, key, from, storage.Manifest{Base: w.production, TwinOf: of.root()}, of, p)
	if err != nil {
		return fmt.Errorf("build a twin of snapshot %s: %w", of.ID, err)
	}
	p.Logf("snapshot %s is a twin of %s", m.ID, of.ID)
	return nil
}
