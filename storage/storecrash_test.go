package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gantry/storage"
)

// releaseTo does once on a store what a promotion does: sweeps, builds upon what
// is in production, flips, and removes the oldest snapshot.
func releaseTo(ctx context.Context, s storage.Store) error {
	opened, err := storage.OpenStoreTree(s, "deb/suites/a", face)
	if err != nil {
		return err
	}
	tree := storage.StrangerTree(opened)
	if err := tree.Sweep(ctx); err != nil {
		return err
	}
	from, err := tree.Pointer(ctx, "production")
	if err != nil {
		return err
	}
	ids, err := tree.Snapshots(ctx)
	if err != nil {
		return err
	}
	at := noon
	if len(ids) > 0 {
		at = clock(ids[len(ids)-1])
	}
	b, err := tree.Begin(ctx, at, 0)
	if err != nil {
		return err
	}
	defer b.Abort()
	if from != "" {
		m, _, err := tree.Manifest(ctx, from)
		if err != nil {
			return err
		}
		for _, f := range m.Files {
			if face.Copy(f.Path) && !f.Retained {
				if f, err = b.Link(ctx, from, f); err != nil {
					return err
				}
				f.Retained = true
				b.Add(f)
			}
		}
	}
	for path, text := range map[string]string{"In": "id " + b.ID() + "\n", "Old": "old " + b.ID(), "main/by-hash/" + sum(b.ID()): b.ID()} {
		e, err := b.Create(ctx, path)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(e, text); err != nil {
			return errors.Join(err, e.Abort())
		}
		if _, err := e.Commit(); err != nil {
			return err
		}
	}
	m, err := b.Commit(ctx, storage.Manifest{Target: "a", Base: from}, nil)
	if err != nil {
		return err
	}
	if err := tree.Flip(ctx, "production", from, m.ID); err != nil {
		return err
	}
	if len(ids) > 1 {
		return tree.Remove(ctx, ids[0])
	}
	return nil
}

// wholeBucket looks at a bucket as a stranger would, with nothing of the package:
// every snapshot has the files of its manifest and no others, and production is
// the file of one of them, with what it names beside it.
func wholeBucket(m *ram) (production string, err error) {
	for _, key := range m.keys("deb/suites/a/snapshots/") {
		dir, ok := strings.CutSuffix(key, "/manifest.json")
		if !ok || m.get(key) == "" {
			continue
		}
		var manifest struct {
			Files []struct{ Path, SHA256 string }
		}
		if err := json.Unmarshal([]byte(m.get(key)), &manifest); err != nil {
			return "", fmt.Errorf("%s: %w", key, err)
		}
		if have := m.keys(dir + "/"); len(have) != len(manifest.Files)+1 {
			return "", fmt.Errorf("%s has %q", dir, have)
		}
		for _, f := range manifest.Files {
			if sum(m.get(dir+"/"+f.Path)) != f.SHA256 {
				return "", fmt.Errorf("%s/%s is not what the manifest says", dir, f.Path)
			}
		}
	}
	in := m.get("deb/dists/a/In")
	id := strings.TrimSuffix(strings.TrimPrefix(in, "id "), "\n")
	dir := "deb/suites/a/snapshots/" + id + "/"
	if m.get(dir+"manifest.json") == "" || m.get(dir+"In") != in {
		return "", fmt.Errorf("production is %q, which is no snapshot", in)
	}
	for _, key := range m.keys(dir + "main/") {
		if path := strings.TrimPrefix(key, dir); m.get(key) != m.get(dists+path) {
			return "", fmt.Errorf("clients miss %s", path)
		}
	}
	return id, nil
}

// TestStoreKillAnywhere lets a console die at every single request: before it
// takes effect, and after, when only the answer is missing.
func TestStoreKillAnywhere(t *testing.T) {
	for _, how := range []string{"before", "after"} {
		for _, kind := range []string{"plain", "copies"} {
			t.Run(how+" "+kind, func(t *testing.T) {
				died := true
				for n := int64(1); died && !t.Failed(); n++ {
					synctest.Test(t, func(t *testing.T) { died = killAt(t, n, how == "after", kind == "copies") })
					if n > 1000 {
						t.Fatal("it never comes to its end")
					}
				}
			})
		}
	}
}

// killAt tells whether there was a request of that number to die at.
func killAt(t *testing.T, n int64, after, copies bool) bool {
	m := newRAM()
	connect := func(c *client) storage.Store {
		if copies {
			return &copier{c}
		}
		return c
	}
	for range 3 {
		ok(t, releaseTo(t.Context(), connect(&client{ram: m})))
	}
	before := must(wholeBucket(m))(t)

	var requests atomic.Int64
	dying := &client{ram: m}
	if after {
		dying.fault = func(string, string) error {
			if requests.Load() >= n {
				return errServer
			}
			return nil
		}
		dying.lost = func(string, string) error {
			if requests.Add(1) >= n {
				return errServer
			}
			return nil
		}
	} else {
		dying.fault = func(string, string) error {
			if requests.Add(1) >= n {
				return errServer
			}
			return nil
		}
	}
	err := releaseTo(t.Context(), connect(dying))
	// A request after which nothing is asked any more may fail unnoticed.
	died := err != nil || requests.Load() >= n
	at, judged := wholeBucket(m)
	if judged != nil {
		t.Fatalf("dead at request %d: %v", n, judged)
	}
	if err == nil && at == before {
		t.Errorf("dead at request %d: production stays at %s", n, at)
	}

	ok(t, releaseTo(t.Context(), connect(&client{ram: m})))
	again, judged := wholeBucket(m)
	if judged != nil {
		t.Fatalf("dead at request %d, and released again: %v", n, judged)
	}
	if again == at {
		t.Errorf("dead at request %d: production stays at %s afterwards", n, at)
	}
	if m.get(dists+"Old") != "old "+again {
		t.Errorf("dead at request %d: other clients see %q", n, m.get(dists+"Old"))
	}
	time.Sleep(2 * time.Hour)
	tree := storeTree(t, connect(&client{ram: m}))
	ok(t, tree.Sweep(t.Context()))
	left := map[string]bool{}
	for _, id := range must(tree.Snapshots(t.Context()))(t) {
		left[id] = true
	}
	for _, key := range m.keys("deb/suites/a/snapshots/") {
		if id := strings.Split(strings.TrimPrefix(key, "deb/suites/a/snapshots/"), "/")[0]; !left[id] {
			t.Errorf("dead at request %d: left behind: %s", n, key)
		}
	}
	return died
}

// A flip that moved its pointer and then could not copy the rest is ended by the
// next sweep.
func TestStoreSweepEndsFlips(t *testing.T) {
	m := newRAM()
	broken := &client{ram: m, fault: func(op, key string) error {
		if op == "put" && key == dists+"Old" {
			return errServer
		}
		return nil
	}}
	tree := storeTree(t, broken)
	one := edition(t, tree, "one")
	err := tree.Flip(t.Context(), "production", "", one)
	if err == nil || !strings.Contains(err.Error(), "moved to "+one) {
		t.Errorf("it does not say that it moved: %v", err)
	}
	if at := must(tree.Pointer(t.Context(), "production"))(t); at != one {
		t.Errorf("it names %q", at)
	}
	ok(t, storeTree(t, &client{ram: m}).Sweep(t.Context()))
	if m.get(dists+"Old") != "old "+one {
		t.Errorf("other clients see %q", m.get(dists+"Old"))
	}
}

func TestStorePointsAreAllReached(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	storage.OnReach(func(p string) {
		mu.Lock()
		seen[p] = true
		mu.Unlock()
	})
	defer storage.OnReach(nil)
	s := &client{ram: newRAM()}
	for range 3 {
		ok(t, releaseTo(t.Context(), s))
	}
	s.set("deb/suites/a/snapshots/20200101T000000Z/x", "left by a removal")
	ok(t, releaseTo(t.Context(), s))
	mu.Lock()
	defer mu.Unlock()
	points := map[string]bool{}
	for _, p := range storage.StorePoints() {
		points[p] = true
		if !seen[p] {
			t.Errorf("%s is never reached", p)
		}
	}
	for p := range seen {
		if !points[p] {
			t.Errorf("%s is not among the points", p)
		}
	}
}

// A console that stopped between the flip and what it copies afterwards, and
// wakes when another flipped on, leaves what the other's clients need.
func TestStoreFlipThatWasOvertaken(t *testing.T) {
	m := newRAM()
	s := &client{ram: m}
	tree := storeTree(t, s)
	one := edition(t, tree, "one")
	two := edition(t, tree, "two")
	overtaken := false
	storage.OnReach(func(p string) {
		if p == "storetree.flip.put" && !overtaken {
			overtaken = true
			ok(t, storeTree(t, s).Flip(t.Context(), "production", one, two))
		}
	})
	defer storage.OnReach(nil)
	_ = tree.Flip(t.Context(), "production", "", one) // whatever it says
	if in, old := m.get(dists+"In"), m.get(dists+"Old"); in != "id "+two+"\n" || old != "old "+two {
		t.Errorf("some clients read %q, others %q", in, old)
	}
}

// A console that slept between its look at the pointer and its flip is told that
// another was there, and the pointer stays where that one put it.
func TestStoreFlipThatSlept(t *testing.T) {
	s := &client{ram: newRAM()}
	tree := storeTree(t, s)
	one, two, three := edition(t, tree, "one"), edition(t, tree, "two"), edition(t, tree, "three")
	ok(t, tree.Flip(t.Context(), "production", "", one))
	for _, point := range []string{"storetree.flip.checked", "storetree.flip.copied"} {
		at := must(tree.Pointer(t.Context(), "production"))(t)
		to := map[string]string{one: two, two: three}[at]
		slept := false
		storage.OnReach(func(p string) {
			if p == point && !slept {
				slept = true
				ok(t, storeTree(t, s).Flip(t.Context(), "production", at, to))
			}
		})
		err := tree.Flip(t.Context(), "production", at, map[string]string{one: three, two: one}[at])
		storage.OnReach(nil)
		if is := must(tree.Pointer(t.Context(), "production"))(t); !errors.Is(err, storage.ErrConflict) || !strings.Contains(err.Error(), to) || is != to {
			t.Errorf("after %s: %v, and it names %s, not %s", point, err, is, to)
		}
	}
}
