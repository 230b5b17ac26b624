package tree

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"slices"
	stdsync "sync"

	"golang.org/x/sync/errgroup"

	"gantry/config"
	"gantry/storage"
)

// inspect compares a tree on a store with what its latest sync left: every key,
// size and version. full also reads every object and compares its SHA-256.
func (l *ledger) inspect(ctx context.Context, t *config.Tree, r *record, full bool, count func(int64)) (*findings, error) {
	want, err := l.tree(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	here, err := l.below(ctx, r.To+"/")
	if err != nil {
		return nil, err
	}
	f := &findings{repos: len(r.Repos)}
	skip := excludes(t.Exclude)
	var alike []string
	for _, p := range slices.Sorted(maps.Keys(here)) {
		if skip.skipsPath(p) {
			continue
		}
		f.files++
		switch w := want[p]; {
		case w == nil:
			f.add("%s was not there", p)
		case w.size != here[p].size || w.text != here[p].text:
			f.add("%s differs", p)
		default:
			alike = append(alike, p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if here[p] == nil && !skip.skipsPath(p) {
			f.add("%s is missing", p)
		}
	}
	if !full || len(f.odd) > 0 {
		return f, nil
	}
	all, group := errgroup.WithContext(ctx)
	all.SetLimit(transfers)
	var mu stdsync.Mutex // guards f
	for _, p := range alike {
		if want[p].sum == nil {
			continue // of others, acknowledged and left
		}
		all.Go(func() error {
			bad := l.hashed(group, r.To+"/"+p, want[p], count)
			mu.Lock()
			defer mu.Unlock()
			f.hashed++
			if bad != nil {
				f.add("%s: %v", p, bad)
			}
			return group.Err()
		})
	}
	return f, all.Wait()
}

// hashed compares an object with its SHA-256.
func (l *ledger) hashed(ctx context.Context, key string, want *entry, count func(int64)) error {
	r, _, err := l.Open(ctx, key, storage.Range{})
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	count(n)
	if err == nil && *want.sum != [32]byte(sum.Sum(nil)) {
		err = fmt.Errorf("it has another SHA-256 than what was uploaded")
	}
	return err
}
