package storage_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gantry/storage"
)

// bytesOf gives a text to a pool.
func bytesOf(text string) func() (io.ReadCloser, error) {
	return func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }
}

func TestPool(t *testing.T) {
	stores(t, func(t *testing.T, s storage.Store) {
		ctx := t.Context()
		p := storage.NewPool(s, "deb/pool")
		o := must(p.Put(ctx, "a/a_1.deb", 3, sum("one"), bytesOf("one")))(t)
		if o.Size != 3 || content(t, s, "deb/pool/a/a_1.deb") != "one" {
			t.Errorf("the object is %+v", o)
		}
		same := must(p.Put(ctx, "a/a_1.deb", 3, sum("one"), func() (io.ReadCloser, error) {
			t.Error("what is there was opened again")
			return nil, errServer
		}))(t)
		if same.Version != o.Version {
			t.Error("it was written again")
		}
		for name, other := range map[string]string{"other bytes": "two", "another size": "four"} {
			if _, err := p.Put(ctx, "a/a_1.deb", int64(len(other)), sum(other), bytesOf(other)); !errors.Is(err, storage.ErrExists) {
				t.Errorf("%s: %v", name, err)
			}
		}
		f := storage.File{Path: "a/a_1.deb", Size: 3, SHA256: sum("one"), Stat: o.Stamp()}
		if there := must(p.Has(ctx, f))(t); !there {
			t.Error("it is not there")
		}
		f.Stat = "store:of another time"
		if there := must(p.Has(ctx, f))(t); !there {
			t.Error("it is not there when it is read")
		}
		f.SHA256 = sum("two")
		if _, err := p.Has(ctx, f); !errors.Is(err, storage.ErrExists) {
			t.Errorf("other bytes: %v", err)
		}
		f.Path = "b"
		if there := must(p.Has(ctx, f))(t); there {
			t.Error("what is missing is there")
		}
		r, _, err := p.Open(ctx, "a/a_1.deb")
		ok(t, err)
		defer r.Close()
		if got := string(must(io.ReadAll(r))(t)); got != "one" {
			t.Errorf("it holds %q", got)
		}
		var listed []string
		for o, err := range p.List(ctx, "a/") {
			ok(t, err)
			listed = append(listed, o.Key)
		}
		if len(listed) != 1 || listed[0] != "a/a_1.deb" {
			t.Errorf("there are %q", listed)
		}
		ok(t, p.Remove(ctx, "a/a_1.deb"))
		ok(t, p.Remove(ctx, "a/a_1.deb"))
		if _, err := p.Stat(ctx, "a/a_1.deb"); !errors.Is(err, storage.ErrNotFound) {
			t.Errorf("after it was removed: %v", err)
		}
	})
}

func TestPoolTakesNothingWrong(t *testing.T) {
	for name, c := range map[string]struct {
		path, text, digest string
		size               int64
	}{
		"other bytes": {"a", "two", sum("one"), 3},
		"too long":    {"a", "oneone", sum("one"), 3},
		"too short":   {"a", "on", sum("one"), 3},
		"empty":       {"a", "", sum("one"), 3},
		"no digest":   {"a", "one", "", 3},
		"upper case":  {"a", "one", strings.ToUpper(sum("one")), 3},
		"no size":     {"a", "one", sum("one"), -1},
		"outside":     {"../a", "one", sum("one"), 3},
		"hidden":      {".tmp-a", "one", sum("one"), 3},
	} {
		t.Run(name, func(t *testing.T) {
			stores(t, func(t *testing.T, s storage.Store) {
				p := storage.NewPool(s, "pool")
				if _, err := p.Put(t.Context(), c.path, c.size, c.digest, bytesOf(c.text)); err == nil {
					t.Error("it was put")
				}
				if left := contents(t, s, ""); len(left) > 0 {
					t.Errorf("left behind: %q", left)
				}
			})
		})
	}
}

func TestPoolPutsOnce(t *testing.T) {
	stores(t, func(t *testing.T, s storage.Store) {
		var all sync.WaitGroup
		errs := make([]error, 20)
		for i := range errs {
			all.Go(func() {
				text := []string{"one", "two"}[i%2]
				_, errs[i] = storage.NewPool(s, "").Put(t.Context(), "a", 3, sum(text), bytesOf(text))
			})
		}
		all.Wait()
		won := content(t, s, "a")
		for i, err := range errs {
			if text := []string{"one", "two"}[i%2]; (err == nil) != (text == won) || err != nil && !errors.Is(err, storage.ErrExists) {
				t.Errorf("%s is there, and who put %s was told %v", won, text, err)
			}
		}
	})
}

func TestPoolSurvivesLostAnswers(t *testing.T) {
	m := newRAM()
	p := storage.NewPool(&client{ram: m, lost: func(op, _ string) error {
		if op == "put" {
			return errServer
		}
		return nil
	}}, "")
	if _, err := p.Put(t.Context(), "a", 3, sum("one"), bytesOf("one")); err == nil {
		t.Error("it is not known whether it arrived")
	}
	must(p.Put(t.Context(), "a", 3, sum("one"), bytesOf("one")))(t)
}

// Web servers run as somebody else.
func TestPoolIsReadable(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := t.TempDir()
	must(storage.NewPool(openDir(t, dir+"/served"), "deb/pool").Put(t.Context(), "a/b/c.deb", 3, sum("one"), bytesOf("one")))(t)
	for path, mode := range map[string]os.FileMode{
		"deb": 0o755, "deb/pool": 0o755, "deb/pool/a": 0o755, "deb/pool/a/b": 0o755, "deb/pool/a/b/c.deb": 0o644,
	} {
		if is := must(os.Stat(dir + "/served/" + path))(t).Mode().Perm(); is != mode {
			t.Errorf("%s has the mode %o", path, is)
		}
	}
}
