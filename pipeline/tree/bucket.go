package tree

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// ledger is the records of a place that is on a store, below its undo prefix:
//
//	current           the sync that the tree is the result of, moved by compare-and-swap
//	records/ID.json   what each sync did
//	ID/changes/N      what it was about to do, written before it did
//	ID/placed/N       what it put there, and by which version that is known
//	ID/tree           what the whole tree holds when it is complete
//	ID/files/PATH     what it replaced or removed
//	ID/aside/PATH     what others wrote in the midst of it
type ledger struct {
	storage.Store
	storage.Copier
	at      string // prefix of all of it, without '/' at the end
	version string // of the pointer as it was read or written last, empty where there is none
}

const transfers = 8 // objects that are on their way at a time

// pointer is what current holds. Two never have the same bytes, so that a version
// is of one alone.
type pointer struct {
	Sync  string `json:"sync"`
	Doing string `json:"doing,omitempty"` // the sync that somebody is at, or the undo of one
	Claim string `json:"claim"`
}

// area opens a place of the configuration; it is that of pipeline.Env and Site.
type area = func(ctx context.Context, what, place string) (storage.Store, error)

// remote tells whether a place is on a store.
func remote(cfg *config.Release, a config.Area) bool {
	_, _, ok := cfg.StoreOf(a.Root)
	return ok
}

// openLedger opens the store of a place.
func openLedger(ctx context.Context, open area, a config.Area, target, place string) (*ledger, error) {
	s, err := open(ctx, place+" of "+target, a.Root)
	if err != nil {
		return nil, err
	}
	copier, ok := s.(storage.Copier)
	if !ok {
		return nil, fmt.Errorf("%s is on a store that does not copy objects", place)
	}
	return &ledger{Store: s, Copier: copier, at: homeOf(a.Undo, target, place)}, nil
}

// chain reads the records. There may be none.
func (l *ledger) chain(ctx context.Context, target, place string) (*chain, error) {
	c := &chain{at: l.at, place: place, far: l}
	at, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	c.current = at.Sync
	prefix := l.at + "/records/"
	for o, err := range l.List(ctx, prefix) {
		if err != nil {
			return nil, fmt.Errorf("look at the records of %s: %w", place, err)
		}
		id := strings.TrimSuffix(strings.TrimPrefix(o.Key, prefix), ".json")
		if _, err := storage.ParseID(id); err != nil || o.Key != l.record(id) {
			continue
		}
		if len(c.records) == maxRecords {
			return nil, fmt.Errorf("more than %d syncs in %s", maxRecords, l.at)
		}
		b, _, err := l.read(ctx, o.Key, maxRecord)
		var r *record
		if err == nil {
			r, err = parseRecord(b, id, target, place)
		}
		if err != nil {
			return nil, config.Hint(fmt.Errorf("the record of sync %s of %s: %w", id, place, err), "look at "+o.Key+" on the store of "+place)
		}
		c.records = append(c.records, r)
	}
	if c.current != "" && c.find(c.current) == nil {
		return nil, config.Hint(fmt.Errorf("%s is the result of sync %q, which has no record", place, c.current), "look at "+prefix+" on the store of "+place)
	}
	return c, nil
}

func (l *ledger) record(id string) string { return l.at + "/records/" + id + ".json" }

// of is where something of a sync is.
func (l *ledger) of(id, what string) string { return l.at + "/" + id + "/" + what }

// current reads the pointer.
func (l *ledger) current(ctx context.Context) (p pointer, err error) {
	key := l.at + "/" + currentFile
	b, o, err := l.read(ctx, key, 1<<10)
	if errors.Is(err, storage.ErrNotFound) {
		l.version = ""
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err == nil && p.Sync != "" {
		_, err = storage.ParseID(p.Sync)
	}
	if err != nil {
		return p, fmt.Errorf("the pointer %s: %w", currentFile, err)
	}
	l.version = o.Version
	return p, nil
}

// move writes the pointer where it is as it was read or written last.
func (l *ledger) move(ctx context.Context, sync, doing string) error {
	b, err := json.Marshal(pointer{sync, doing, rand.Text()})
	if err != nil {
		return err
	}
	when := storage.IfAbsent
	if l.version != "" {
		when = storage.IfMatch(l.version)
	}
	o, err := l.Put(ctx, l.at+"/"+currentFile, bytes.NewReader(b), when)
	if err != nil {
		return claimed(err)
	}
	l.version = o.Version
	storage.Reach("tree.pointed")
	return nil
}

// claimed says what a pointer that moved means.
func claimed(err error) error {
	if errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrExists) {
		return config.Hint(fmt.Errorf("another console is at it, or was meanwhile: %w", err), "see what it does, then plan again")
	}
	return err
}

// holds makes sure that the run may still act, and that nobody else moved the
// pointer since this one did.
func (l *ledger) holds(ctx context.Context, env *pipeline.Env) error {
	if err := holds(ctx, env); err != nil {
		return err
	}
	o, err := l.Stat(ctx, l.at+"/"+currentFile)
	if err == nil && o.Version != l.version {
		err = fmt.Errorf("the pointer moved: %w", storage.ErrConflict)
	}
	return claimed(err)
}

// write puts a record down.
func (l *ledger) write(ctx context.Context, r *record) error {
	b, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	_, err = l.Put(ctx, l.record(r.ID), bytes.NewReader(append(b, '\n')), storage.Always)
	return err
}

// read reads an object of at most that many bytes.
func (l *ledger) read(ctx context.Context, key string, most int64) ([]byte, storage.Object, error) {
	r, o, err := l.Open(ctx, key, storage.Range{})
	if err != nil {
		return nil, o, err
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s has more than %d bytes", key, most)
	}
	return b, o, err
}

// remove removes what a sync kept. Its record goes first: without one, all the
// rest is swept.
func (l *ledger) remove(ctx context.Context, id string) error {
	if err := l.Delete(ctx, l.record(id)); err != nil && !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	return l.clear(ctx, l.of(id, ""), func(string) bool { return true })
}

// sweep removes what syncs kept that have no record any more.
func (l *ledger) sweep(ctx context.Context, c *chain) error {
	return l.clear(ctx, l.at+"/", func(key string) bool {
		id, _, _ := strings.Cut(strings.TrimPrefix(key, l.at+"/"), "/")
		_, err := storage.ParseID(id)
		return err == nil && c.find(id) == nil
	})
}

// clear deletes objects below a prefix.
func (l *ledger) clear(ctx context.Context, prefix string, which func(key string) bool) error {
	all, group := errgroup.WithContext(ctx)
	all.SetLimit(transfers)
	var listed error
	for o, err := range l.List(group, prefix) {
		if err != nil {
			listed = err
			break
		}
		if !which(o.Key) {
			continue
		}
		all.Go(func() error {
			if err := l.Delete(group, o.Key); err != nil && !errors.Is(err, storage.ErrNotFound) {
				return err
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	return listed
}

// earlier reads a small file that a sync replaced.
func (l *ledger) earlier(ctx context.Context, r *record, at string) ([]byte, error) {
	b, _, err := l.read(ctx, path.Join(l.of(r.ID, filesDir), at), earlierSize)
	return b, err
}

// point makes a sync the one that the tree is the result of; none for "".
func (l *ledger) point(ctx context.Context, c *chain, id string) error {
	if err := l.move(ctx, id, ""); err != nil {
		return err
	}
	c.current = id
	return nil
}
