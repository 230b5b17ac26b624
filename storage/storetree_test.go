package storage_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/storage"
)

// face is that of an archive: the file In names the snapshot, what is in
// by-hash is copied before it, Old after it.
var face = storage.Face{
	Dir:  map[string]string{"production": "../../dists/a", "staging": "../../dists/a-staging"},
	File: "In",
	ID: func(b []byte) (string, error) {
		return strings.TrimSuffix(strings.TrimPrefix(string(b), "id "), "\n"), nil
	},
	Copy:  func(path string) bool { return strings.Contains(path, "by-hash/") },
	After: func(path string) bool { return path == "Old" },
}

const dists = "deb/dists/a/"

func storeTree(t testing.TB, s storage.Store) storage.Tree {
	t.Helper()
	return must(storage.OpenStoreTree(s, "deb/suites/a", face))(t)
}

// edition builds a snapshot whose metadata holds text.
func edition(t testing.TB, s storage.Tree, text string) string {
	t.Helper()
	b := begin(t, s)
	fill(t, b, text)
	return must(b.Commit(t.Context(), storage.Manifest{Target: "a"}, nil))(t).ID
}

func fill(t testing.TB, b storage.Build, text string) {
	t.Helper()
	create(t, b, "In", "id "+b.ID()+"\n")
	create(t, b, "Old", "old "+b.ID())
	e := must(b.Create(t.Context(), "main/by-hash/new"))(t)
	must(io.WriteString(e, text))(t)
	ok(t, e.Rename(sum(text)))
	must(e.Commit())(t)
}

func contents(t testing.TB, s storage.Store, prefix string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for o, err := range s.List(t.Context(), prefix) {
		ok(t, err)
		all[strings.TrimPrefix(o.Key, prefix)] = content(t, s, o.Key)
	}
	return all
}

func TestStoreTree(t *testing.T) {
	stores(t, func(t *testing.T, s storage.Store) {
		ctx := t.Context()
		tree := storeTree(t, s)
		if ids, err := tree.Snapshots(ctx); len(ids) > 0 || err != nil {
			t.Errorf("there are %q, %v", ids, err)
		}
		if at, err := tree.Pointer(ctx, "production"); at != "" || err != nil {
			t.Errorf("production is %q, %v", at, err)
		}
		one := edition(t, tree, "one")
		if diff := cmp.Diff([]string{one}, must(tree.Snapshots(ctx))(t)); diff != "" {
			t.Error(diff)
		}
		f := must(tree.Open(ctx, one, "In"))(t)
		defer f.Close()
		if got := string(must(io.ReadAll(f))(t)); got != "id "+one+"\n" {
			t.Errorf("the file holds %q", got)
		}
		m, digest, err := tree.Manifest(ctx, one)
		ok(t, err)
		raw := must(tree.Open(ctx, one, "manifest.json"))(t)
		defer raw.Close()
		if got := must(io.ReadAll(raw))(t); sum(string(got)) != digest || m.ID != one || len(m.Files) != 3 {
			t.Errorf("the manifest is %+v, digest %s", m, digest)
		}
		if h := must(tree.Head(ctx, one))(t); h.Target != "a" || h.Files != nil {
			t.Errorf("the head is %+v", h)
		}
		var heard atomic.Int64
		ok(t, tree.Check(ctx, one, true, func(n int64) { heard.Add(n) }))
		ok(t, tree.Check(ctx, one, false, nil))
		if want := m.Files[0].Size + m.Files[1].Size + m.Files[2].Size; heard.Load() != want {
			t.Errorf("count heard of %d bytes of %d", heard.Load(), want)
		}

		ok(t, tree.Flip(ctx, "production", "", one))
		if at := must(tree.Pointer(ctx, "production"))(t); at != one {
			t.Errorf("production is %s", at)
		}
		want := map[string]string{"In": "id " + one + "\n", "Old": "old " + one, "main/by-hash/" + sum("one"): "one"}
		if diff := cmp.Diff(want, contents(t, s, dists)); diff != "" {
			t.Errorf("what clients see: %s", diff)
		}

		// The second takes a file of the first over, for clients that look for it.
		b := begin(t, tree)
		kept := m.Files[slices.IndexFunc(m.Files, func(f storage.File) bool { return strings.Contains(f.Path, "by-hash") })]
		linked := must(b.Link(ctx, one, kept))(t)
		linked.Retained = true
		b.Add(linked)
		fill(t, b, "two")
		again := must(b.Open(ctx, kept.Path))(t)
		defer again.Close()
		if got := string(must(io.ReadAll(again))(t)); got != "one" {
			t.Errorf("the linked file holds %q", got)
		}
		m2 := must(b.Commit(ctx, storage.Manifest{Target: "a", Base: one}, nil))(t)
		two := m2.ID
		ok(t, tree.Check(ctx, two, false, nil))
		three := edition(t, tree, "three")
		ok(t, tree.Flip(ctx, "production", one, two))
		ok(t, tree.Flip(ctx, "production", two, three))
		if err := tree.Flip(ctx, "production", two, one); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("a flip from elsewhere: %v", err)
		}
		if err := tree.Remove(ctx, three); err == nil {
			t.Error("what is served was removed")
		}
		ok(t, tree.Remove(ctx, one))
		for text, stays := range map[string]bool{"one": true, "two": true, "three": true} {
			if _, there := contents(t, s, dists)["main/by-hash/"+sum(text)]; there != stays {
				t.Errorf("after the first was removed: %s is there: %t", text, there)
			}
		}
		ok(t, tree.Remove(ctx, two))
		if diff := cmp.Diff([]string{"In", "Old", "main/by-hash/" + sum("three")}, slices.Sorted(maps.Keys(contents(t, s, dists)))); diff != "" {
			t.Errorf("after the second was removed: %s", diff)
		}
		ok(t, tree.Sweep(ctx))
		for key := range contents(t, s, "deb/suites/a/") {
			if !strings.HasPrefix(key, "snapshots/"+three+"/") {
				t.Errorf("left behind: %s", key)
			}
		}
		ok(t, tree.Check(ctx, three, true, nil))
	})
}

func TestStoreTreeRefusesFaces(t *testing.T) {
	s := openDir(t, t.TempDir())
	id := func([]byte) (string, error) { return "", nil }
	for name, f := range map[string]storage.Face{
		"none":            {},
		"no id":           {File: "In"},
		"no file":         {ID: id},
		"above the store": {File: "In", ID: id, Dir: map[string]string{"production": "../../../x"}},
		"snapshots":       {File: "In", ID: id, Dir: map[string]string{"production": "snapshots/x"}},
		"absolute":        {File: "In", ID: id, Dir: map[string]string{"production": "/x"}},
		"twice":           {File: "In", ID: id, Dir: map[string]string{"production": "staging"}},
	} {
		if _, err := storage.OpenStoreTree(s, "a/b", f); err == nil {
			t.Errorf("%s: it was opened", name)
		}
	}
}

func TestStorePointerOfOthers(t *testing.T) {
	m := newRAM()
	s := &client{ram: m}
	tree := storeTree(t, s)
	one := edition(t, tree, "one")
	ok(t, tree.Flip(t.Context(), "production", "", one))
	for name, body := range map[string]string{
		"nothing": "", "noise": "\x1b[31mhello", "another snapshot": "id 20200101T000000Z\n", "other bytes": "id " + one,
	} {
		m.set(dists+"In", body)
		if at, err := tree.Pointer(t.Context(), "production"); err == nil || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: it names %q, %v", name, at, err)
		}
		if err := tree.Flip(t.Context(), "production", one, one); err == nil || m.get(dists+"In") != body {
			t.Errorf("%s: it was overwritten: %v", name, err)
		}
		if err := tree.Remove(t.Context(), one); err == nil {
			t.Errorf("%s: a snapshot was removed though nobody knows what is served", name)
		}
	}
}

func TestStoreTreeFindsDamage(t *testing.T) {
	for name, damage := range map[string]func(m *ram, dir string){
		"changed":     func(m *ram, dir string) { m.set(dir+"Old", strings.Repeat("x", len(m.get(dir+"Old")))) },
		"longer":      func(m *ram, dir string) { m.set(dir+"Old", m.get(dir+"Old")+"x") },
		"missing":     func(m *ram, dir string) { delete(m.objects, dir+"Old") },
		"one more":    func(m *ram, dir string) { m.set(dir+"more", "") },
		"no manifest": func(m *ram, dir string) { m.set(dir+"manifest.json", "{}") },
	} {
		t.Run(name, func(t *testing.T) {
			m := newRAM()
			tree := storeTree(t, &client{ram: m})
			one := edition(t, tree, "one")
			damage(m, "deb/suites/a/snapshots/"+one+"/")
			if err := tree.Check(t.Context(), one, false, nil); err == nil {
				t.Error("it was not seen")
			}
			b := begin(t, tree)
			defer b.Abort()
			if name != "changed" && name != "longer" && name != "missing" {
				return
			}
			text := "old " + one
			if _, err := b.Link(t.Context(), one, storage.File{Path: "Old", Size: int64(len(text)), SHA256: sum(text)}); err == nil {
				t.Error("it was taken over")
			}
			if f, err := tree.Open(t.Context(), one, "Old"); err == nil {
				f.Close()
				t.Error("it was opened")
			}
			if err := tree.Flip(t.Context(), "production", "", one); name != "missing" && err == nil {
				t.Error("it was published")
			}
		})
	}
}

// What changes between the writing and the commit is found.
func TestStoreBuildReadsAgain(t *testing.T) {
	stores(t, func(t *testing.T, s storage.Store) {
		tree := storeTree(t, s)
		b := begin(t, tree)
		f := create(t, b, "In", "id "+b.ID()+"\n")
		key := "deb/suites/a/snapshots/" + b.ID() + "/In"
		must(s.Put(t.Context(), key, strings.NewReader(strings.Repeat("x", int(f.Size))), storage.Always))(t)
		if _, err := b.Commit(t.Context(), storage.Manifest{}, nil); err == nil {
			t.Error("it was committed")
		}
		ok(t, b.Abort())
		if left := contents(t, s, "deb/"); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

func TestStoreBuildNames(t *testing.T) {
	stores(t, func(t *testing.T, s storage.Store) {
		tree := storeTree(t, s)
		b := begin(t, tree)
		defer b.Abort()
		for _, path := range []string{"../x", "manifest.json", "", "a/../b", "/x"} {
			if e, err := b.Create(t.Context(), path); err == nil {
				t.Errorf("%q was created", path)
				e.Abort()
			}
		}
		e := must(b.Create(t.Context(), "a/x"))(t)
		if _, err := b.Create(t.Context(), "a/x"); !errors.Is(err, storage.ErrExists) {
			t.Errorf("a name twice: %v", err)
		}
		if _, err := b.Commit(t.Context(), storage.Manifest{}, nil); err == nil {
			t.Error("it was committed with an open file")
		}
		ok(t, e.Rename("y"))
		create(t, b, "a/x", "x")
		if err := e.Rename("x"); !errors.Is(err, storage.ErrExists) {
			t.Errorf("renamed to a name that is taken: %v", err)
		}
		must(e.Commit())(t)
		if _, err := e.Commit(); err == nil {
			t.Error("it was committed twice")
		}
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() { create(t, b, "many/"+string(rune('a'+i%26))+strings.Repeat("x", i), "x") })
		}
		all.Wait()
		m := must(b.Commit(t.Context(), storage.Manifest{}, nil))(t)
		if len(m.Files) != 52 {
			t.Errorf("it has %d files", len(m.Files))
		}
		if _, err := b.Create(t.Context(), "late"); err == nil {
			t.Error("created after the end")
		}
	})
}

// Two who build at once never have one id.
func TestStoreBuildsInOneSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &client{ram: newRAM()}
		var mu sync.Mutex
		ids := map[string]bool{}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				tree := storeTree(t, s)
				b, err := tree.Begin(t.Context(), noon, 0)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				ids[b.ID()] = true
				mu.Unlock()
				fill(t, b, "x")
				if _, err := b.Commit(t.Context(), storage.Manifest{}, nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if len(ids) != 3 {
			t.Errorf("the ids are %v", ids)
		}
	})
}

// Of those who flip at once one wins, whatever they flip to.
func TestStoreFlipRace(t *testing.T) {
	for name, same := range map[string]bool{"to one snapshot": true, "to several": false} {
		t.Run(name, func(t *testing.T) {
			stores(t, func(t *testing.T, s storage.Store) {
				tree := storeTree(t, s)
				from := edition(t, tree, "from")
				ok(t, tree.Flip(t.Context(), "production", "", from))
				to := []string{edition(t, tree, "a"), edition(t, tree, "b"), edition(t, tree, "c")}
				var mu sync.Mutex
				var won []string
				var all sync.WaitGroup
				for i := range 12 {
					id := to[i%len(to)]
					if same {
						id = to[0]
					}
					all.Go(func() {
						err := storeTree(t, s).Flip(t.Context(), "production", from, id)
						mu.Lock()
						defer mu.Unlock()
						if err == nil {
							won = append(won, id)
						} else if !errors.Is(err, storage.ErrConflict) {
							t.Error(err)
						}
					})
				}
				all.Wait()
				if len(won) != 1 {
					t.Fatalf("%d won", len(won))
				}
				if at := must(tree.Pointer(t.Context(), "production"))(t); at != won[0] {
					t.Errorf("%s won, and it names %s", won[0], at)
				}
			})
		})
	}
}

// Every write may arrive without an answer: what was asked for is there then.
func TestStoreTreeLostAnswers(t *testing.T) {
	for _, which := range []string{"manifest.json", dists + "In"} {
		t.Run(which, func(t *testing.T) {
			s := &client{ram: newRAM(), lost: func(op, key string) error {
				if op == "put" && strings.HasSuffix(key, which) {
					return errServer
				}
				return nil
			}}
			tree := storeTree(t, s)
			one := edition(t, tree, "one")
			ok(t, tree.Flip(t.Context(), "production", "", one))
			if at := must(tree.Pointer(t.Context(), "production"))(t); at != one {
				t.Errorf("it names %q", at)
			}
		})
	}
}

// A builder that was stopped for long is told, and what it built is gone.
func TestStoreBuildThatWasSwept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRAM()
		var stopped atomic.Bool
		slow := storage.StrangerTree(storeTree(t, &client{ram: m, fault: func(string, string) error {
			if stopped.Load() {
				return errServer
			}
			return nil
		}}))
		b := begin(t, slow)
		fill(t, b, "slow")
		other := storeTree(t, &client{ram: m})
		ok(t, other.Sweep(t.Context())) // it lives
		if len(m.keys("deb/suites/a/snapshots/"+b.ID()+"/")) != 3 {
			t.Fatal("a living build was swept")
		}
		stopped.Store(true)
		ok(t, other.Sweep(t.Context()))
		stopped.Store(false)
		if _, err := b.Commit(t.Context(), storage.Manifest{}, nil); err == nil {
			t.Error("what was swept was committed")
		}
		if _, err := b.Create(t.Context(), "more"); err == nil {
			t.Error("it goes on")
		}
		_ = b.Abort()
		if ids := must(other.Snapshots(t.Context()))(t); len(ids) > 0 {
			t.Errorf("there are %q", ids)
		}
		time.Sleep(2 * time.Hour)
		ok(t, other.Sweep(t.Context()))
		if left := m.keys(""); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

// However late a builder is given up for dead, its manifest does not appear.
func TestStoreBuildThatWasSweptAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newRAM()
		other := storeTree(t, &client{ram: m})
		var stopped atomic.Bool
		slow := storage.StrangerTree(storeTree(t, &client{ram: m, fault: func(op, key string) error {
			if stopped.Load() {
				return errServer
			}
			if op == "put" && strings.HasSuffix(key, "/manifest.json") {
				stopped.Store(true)
				ok(t, other.Sweep(t.Context()))
				stopped.Store(false)
			}
			return nil
		}}))
		b := begin(t, slow)
		fill(t, b, "slow")
		if _, err := b.Commit(t.Context(), storage.Manifest{}, nil); !errors.Is(err, storage.ErrConflict) {
			t.Errorf("what was swept was committed: %v", err)
		}
		if ids := must(other.Snapshots(t.Context()))(t); len(ids) > 0 {
			t.Errorf("there are %q", ids)
		}
		_ = b.Abort()
	})
}

func TestStoreTreeOpensNothing(t *testing.T) {
	s := &client{ram: newRAM(), fault: func(op, key string) error { t.Errorf("%s %s", op, key); return nil }}
	storeTree(t, s)
}

func TestManifestWithPool(t *testing.T) {
	tree := storeTree(t, &client{ram: newRAM()})
	b := begin(t, tree)
	fill(t, b, "x")
	pool := []storage.File{{Path: "pool/b", Size: 1, SHA256: sum("b"), Name: "b"}, {Path: "pool/a", Size: 1, SHA256: sum("a"), Name: "a"}}
	m := must(b.Commit(t.Context(), storage.Manifest{Pool: pool}, nil))(t)
	again, _, err := tree.Manifest(t.Context(), m.ID)
	ok(t, err)
	if diff := cmp.Diff([]storage.File{pool[1], pool[0]}, again.Pool); diff != "" {
		t.Error(diff)
	}
	b = begin(t, tree)
	defer b.Abort()
	fill(t, b, "x")
	for _, bad := range [][]storage.File{{pool[0], pool[0]}, {{Path: "../x", SHA256: sum("b")}}, {{Path: "x"}}} {
		if _, err := b.Commit(t.Context(), storage.Manifest{Pool: bad}, nil); err == nil {
			t.Errorf("%v was committed", bad)
		}
	}
	raw := must(tree.Open(t.Context(), m.ID, "manifest.json"))(t)
	defer raw.Close()
	body := must(io.ReadAll(raw))(t)
	if _, err := storage.DecodeManifest(bytes.Replace(body, []byte(`"pool/a"`), []byte(`"pool/c"`), 1)); err == nil {
		t.Error("a pool out of order was read")
	}
}

func TestStoreTreeLeavesNoTemporaryFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	tree := storeTree(t, &client{ram: newRAM()})
	one := edition(t, tree, "one")
	f := must(tree.Open(t.Context(), one, "In"))(t)
	defer f.Close()
	if left := must(os.ReadDir(dir))(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
