package storage_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/storage"
)

func TestCheckKey(t *testing.T) {
	for _, good := range []string{
		"a", "a/b", "core/2025/rpm/el9-x86_64/core-1.0-1.el9.x86_64.rpm", ".treeinfo", "libstdc++6_1%3a", "x~rc1^git", "runs/r/lock",
		strings.Repeat("n", 255),
	} {
		if strings.Contains(good, "%") {
			continue
		}
		if err := storage.CheckKey(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "-rf", "a/-b", ".tmp-x", "a/.tmp-0123", "a\nb", "a\x1b[31mb", "a\x00b",
		`a\b`, "a b", "a%2e", "ä", "a\u202eb", "a\xffb", "a;b", "$(x)", strings.Repeat("n", 256), strings.Repeat("n", 300),
		strings.Repeat("a/", 3000) + "a",
	} {
		err := storage.CheckKey(bad)
		if err == nil {
			t.Errorf("%q is accepted", bad)
		} else if config.Inert(err.Error()) != err.Error() {
			t.Errorf("the message on %q is not inert: %q", bad, err)
		}
	}
}

func FuzzCheckKey(f *testing.F) {
	for _, s := range []string{"a/b", "../a", "a\nb", "-x", ".tmp-a", "a//b", "a/./b", `a\..\b`, "a\x1b]52;c;x\x07"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if storage.CheckKey(key) != nil {
			return
		}
		if !fs.ValidPath(key) || key == "." || !filepath.IsLocal(key) {
			t.Errorf("%q is no path below a directory", key)
		}
		if config.Inert(key) != key {
			t.Errorf("%q is not harmless on a terminal", key)
		}
	})
}

func put(t testing.TB, d storage.Store, key, text string, c storage.Condition) storage.Object {
	t.Helper()
	return must(d.Put(t.Context(), key, strings.NewReader(text), c))(t)
}

func read(t testing.TB, d storage.Store, key string) string {
	t.Helper()
	r, _, err := d.Open(t.Context(), key, storage.Range{})
	ok(t, err)
	defer r.Close()
	return string(must(io.ReadAll(r))(t))
}

func keys(t testing.TB, d storage.Store, prefix string) []string {
	t.Helper()
	var all []string
	for o, err := range d.List(t.Context(), prefix) {
		ok(t, err)
		all = append(all, o.Key)
	}
	return all
}

func TestPutConditions(t *testing.T) {
	d := openDir(t, t.TempDir()+"/new/store")
	ctx := t.Context()
	one := put(t, d, "a/b/c", "one", storage.IfAbsent)
	if _, err := d.Put(ctx, "a/b/c", strings.NewReader("two"), storage.IfAbsent); !errors.Is(err, storage.ErrExists) {
		t.Errorf("IfAbsent over an object: %v", err)
	}
	two := put(t, d, "a/b/c", "two", storage.IfMatch(one.Version))
	if _, err := d.Put(ctx, "a/b/c", strings.NewReader("three"), storage.IfMatch(one.Version)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("IfMatch of an old version: %v", err)
	}
	if _, err := d.Put(ctx, "a/b/none", strings.NewReader("x"), storage.IfMatch(one.Version)); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("IfMatch of nothing: %v", err)
	}
	if got := read(t, d, "a/b/c"); got != "two" {
		t.Errorf("it holds %q", got)
	}
	if is := must(d.Stat(ctx, "a/b/c"))(t); is != two {
		t.Errorf("Stat says %+v, Put said %+v", is, two)
	}
	put(t, d, "a/b/c", "four", storage.Always)
	if _, err := d.Put(ctx, "a/b", strings.NewReader("x"), storage.Always); err == nil {
		t.Error("a directory was replaced by a file")
	}
	r, _, err := d.Open(ctx, "a/b/c", storage.Range{Offset: 1, Length: 2})
	ok(t, err)
	if got := string(must(io.ReadAll(r))(t)); got != "ou" {
		t.Errorf("the range holds %q", got)
	}
	r.Close()
	ok(t, d.Delete(ctx, "a/b/c"))
	if err := d.Delete(ctx, "a/b/c"); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Delete of nothing: %v", err)
	}
	if _, _, err := d.Open(ctx, "a/b/c", storage.Range{}); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("Open of nothing: %v", err)
	}
	if left := leftovers(t, d.Path()); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// leftovers are the files in the making below a directory.
func leftovers(t testing.TB, dir string) []string {
	t.Helper()
	var all []string
	ok(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if n := e.Name(); err == nil && n != ".tmp-guard" && (strings.HasPrefix(n, ".tmp-") || strings.HasPrefix(n, ".ptr-")) {
			all = append(all, path)
		}
		return err
	}))
	return all
}

func TestPutOneWins(t *testing.T) {
	d := openDir(t, t.TempDir())
	start := put(t, d, "match", "0", storage.Always)
	for name, cond := range map[string]storage.Condition{"absent": storage.IfAbsent, "match": storage.IfMatch(start.Version)} {
		var won atomic.Int32
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				_, err := d.Put(context.Background(), name, strings.NewReader("mine"), cond)
				switch {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, storage.ErrExists) && !errors.Is(err, storage.ErrConflict):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Errorf("%s: %d writers won", name, won.Load())
		}
	}
}

type failing struct{ after int }

func (f *failing) Read(p []byte) (int, error) {
	if f.after == 0 {
		return 0, errors.New("the line broke")
	}
	f.after--
	return copy(p, "x"), nil
}

func TestPutBrokenReader(t *testing.T) {
	d := openDir(t, t.TempDir())
	put(t, d, "k", "old", storage.Always)
	if _, err := d.Put(t.Context(), "k", &failing{3}, storage.Always); err == nil || !strings.Contains(err.Error(), "the line broke") {
		t.Errorf("the error is %v", err)
	}
	if got := read(t, d, "k"); got != "old" {
		t.Errorf("it holds %q", got)
	}
	if left := leftovers(t, d.Path()); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestListOrderAndOddities(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	for _, k := range []string{"a/b", "a-b", "a.b", "a/c/d", "b", "z/y"} {
		put(t, d, k, k, storage.Always)
	}
	if diff := cmp.Diff([]string{"a-b", "a.b", "a/b", "a/c/d", "b", "z/y"}, keys(t, d, "")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a/b", "a/c/d"}, keys(t, d, "a/")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a/c/d"}, keys(t, d, "a/c")); diff != "" {
		t.Error(diff)
	}
	if got := keys(t, d, "none/"); got != nil {
		t.Errorf("in no directory there is %q", got)
	}
	ok(t, os.Symlink("../b", dir+"/z/link"))
	ok(t, os.Symlink("a", dir+"/away"))
	ok(t, syscall.Mkfifo(dir+"/z/pipe", 0o600))
	ok(t, os.WriteFile(dir+"/z/new\nline", nil, 0o600))
	ok(t, os.Mkdir(dir+"/z/esc\x1b", 0o700))
	links := map[string]bool{}
	for o, err := range d.List(t.Context(), "") {
		ok(t, err)
		links[o.Key] = o.Link
	}
	want := map[string]bool{
		"a-b": false, "a.b": false, "a/b": false, "a/c/d": false, "b": false, "z/y": false,
		"z/link": true, "away": true, "z/pipe": true, "z/new\nline": false, "z/esc\x1b/": true,
	}
	if diff := cmp.Diff(want, links); diff != "" {
		t.Error(diff)
	}
	for _, k := range []string{"z/link", "z/pipe", "away/b", "away"} {
		if _, _, err := d.Open(t.Context(), k, storage.Range{}); err == nil {
			t.Errorf("%s was opened", k)
		}
	}
	if _, err := d.Put(t.Context(), "away/x", strings.NewReader(""), storage.Always); err == nil {
		t.Error("a file was put through a link")
	}
	if _, err := d.Lock(t.Context(), "away/x"); err == nil {
		t.Error("a lock was taken through a link")
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	d, other := openDir(t, dir), openDir(t, dir)
	if d.Locked(t.Context(), "locks/x.lock") {
		t.Error("a lock that was never taken is held")
	}
	l := must(d.Lock(t.Context(), "locks/x.lock"))(t)
	if _, err := other.Lock(t.Context(), "locks/x.lock"); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("the second lock: %v", err)
	}
	if !other.Locked(t.Context(), "locks/x.lock") {
		t.Error("a held lock is not seen")
	}
	ok(t, l.Release())
	if d.Locked(t.Context(), "locks/x.lock") {
		t.Error("a released lock is seen as held")
	}
	if _, err := os.Stat(dir + "/locks/x.lock"); err != nil {
		t.Errorf("the lock file is gone: %v", err)
	}
}

func TestLockedDoesNotDisturb(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	stop := make(chan struct{})
	var lookers sync.WaitGroup
	for range 4 {
		lookers.Go(func() {
			other, err := storage.OpenDir(dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer other.Close()
			for {
				select {
				case <-stop:
					return
				default:
					other.Locked(t.Context(), "l")
				}
			}
		})
	}
	for range 200 {
		l, err := d.Lock(t.Context(), "l")
		if err != nil {
			t.Error(err)
			break
		}
		ok(t, l.Release())
	}
	close(stop)
	lookers.Wait()
}

func TestSweepKeepsWhatIsBeingWritten(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	put(t, d, "p/a", "a", storage.Always)
	dead := dir + "/p/.tmp-" + strings.Repeat("0", 32)
	ok(t, os.WriteFile(dead, []byte("half"), 0o600))
	foreign := dir + "/p/.tmp-mine"
	ok(t, os.WriteFile(foreign, nil, 0o600))
	r, w := io.Pipe()
	done := make(chan error)
	go func() {
		_, err := d.Put(context.Background(), "p/b", r, storage.Always)
		done <- err
	}()
	must(w.Write([]byte("half")))(t)
	ok(t, d.Sweep(t.Context(), "p"))
	must(w.Write([]byte(" and half")))(t)
	w.Close()
	ok(t, <-done)
	if got := read(t, d, "p/b"); got != "half and half" {
		t.Errorf("it holds %q", got)
	}
	if _, err := os.Stat(dead); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what a dead writer left: %v", err)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("what is not ours: %v", err)
	}
}
