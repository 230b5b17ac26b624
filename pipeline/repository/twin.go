package repository

import (
	"context"
	"slices"
	"time"

	"gantry/storage"
)

// fresh is how long a twin waits to be published: its metadata is to look new
// when clients get it.
const fresh = 24 * time.Hour

// servable is the snapshot that the pointer may go to in order to serve what is
// wanted: that one, or a twin of it that was built aside lately. Where it is not
// the wanted one, why says what the matter is with that; where it is nil, there
// is no such twin.
func (f *flip) servable(ctx context.Context, w *World, wanted *Snapshot) (to *Snapshot, why string, err error) {
	why, err = w.unfit(ctx, wanted, f.pointer)
	if err == nil && why == "" && f.item.Uses == "refresh" {
		why = "it is to be published anew"
		if key, err := w.trade.Key(w); err != nil {
			return nil, "", err
		} else if wanted.Lineage.Key != key {
			why = otherKey
		}
	}
	if err != nil || why == "" {
		return wanted, "", err
	}
	for _, id := range slices.Backward(w.IDs) {
		s, err := w.Snapshot(ctx, id)
		if err != nil {
			return nil, "", err
		}
		if s.TwinOf != wanted.Root() || w.Published(id) || id == wanted.ID || w.stale(s) || !sameSources(s, wanted) {
			continue
		}
		if other, err := w.unfit(ctx, s, f.pointer); err != nil {
			return nil, "", err
		} else if other == "" {
			return s, why, nil
		}
	}
	return nil, why, nil
}

const otherKey = "clients were given another key since"

// unfit says in words why a pointer may not go to a snapshot, or nothing.
func (w *World) unfit(ctx context.Context, s *Snapshot, pointer string) (string, error) {
	if s.ID == w.at(pointer) {
		return "", nil
	}
	key, err := w.trade.Key(w)
	if err != nil {
		return "", err
	}
	if s.Lineage.Key == "" {
		return "it was taken over, and is not signed as clients verify it", nil
	}
	if s.Lineage.Key != key {
		return otherKey, nil
	}
	if why, err := w.trade.Unfit(ctx, w, s); err != nil || why != "" {
		return why, err
	}
	if !w.trade.Traits().Forward {
		return "", nil
	}
	if pointer == Staging {
		if at, err := storage.ParseID(w.Staging); err == nil && s.Revision <= at.Unix() {
			return "staging serves newer metadata, and clients may refuse to go back", nil
		}
		return "", nil
	}
	if s.Revision <= w.Highest() {
		return "production served newer metadata, and clients may refuse to go back", nil
	}
	missing, err := w.misses(ctx, s)
	if err == nil && missing != "" {
		return "clients that hold the metadata of snapshot " + missing + " would miss files", nil
	}
	return "", err
}

// stale tells whether a snapshot is a twin that was never published and waited
// too long for it.
func (w *World) stale(s *Snapshot) bool {
	return s.TwinOf != "" && !w.Published(s.ID) && w.Env.Now().Sub(time.Unix(s.Revision, 0)) >= fresh
}

// displaced counts the packages of a snapshot that clients may hold or fetch
// under the same name with other bytes.
func (w *World) displaced(ctx context.Context, s *Snapshot) (int, error) {
	is := map[string]string{}
	for _, f := range s.Packages() {
		is[f.Path] = f.SHA256
	}
	all := map[string]bool{}
	for _, id := range w.Kept() {
		kept, err := w.Snapshot(ctx, id)
		if err != nil {
			return 0, err
		}
		for _, f := range kept.Packages() {
			if sum, ok := is[f.Path]; ok && sum != f.SHA256 {
				all[f.Path] = true
			}
		}
	}
	return len(all), nil
}

// misses names a snapshot that clients may hold and whose files another one does
// not retain; empty where there is none.
func (w *World) misses(ctx context.Context, s *Snapshot) (string, error) {
	there := make(map[string]bool, len(s.Files))
	for _, f := range s.Files {
		there[f.Path] = true
	}
	for _, id := range w.Kept() {
		kept, err := w.Snapshot(ctx, id)
		if err != nil {
			return "", err
		}
		for _, f := range w.trade.Lasting(kept) {
			if !there[f.Path] {
				return id, nil
			}
		}
	}
	return "", nil
}

// sameSources tells whether two snapshots have the same packages, whoever signed
// them.
func sameSources(a, b *Snapshot) bool {
	return slices.EqualFunc(a.Packages(), b.Packages(), func(x, y storage.File) bool {
		return x.Path == y.Path && x.Version == y.Version && x.Source == y.Source
	})
}
