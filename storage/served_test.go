package storage_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/storage"
)

// clock is a time at which the next snapshot after that one may begin.
func clock(id string) time.Time {
	at, _ := storage.ParseID(id)
	return at.Add(time.Second)
}

// now is later than every snapshot there.
func now(t testing.TB, s storage.Tree) time.Time {
	t.Helper()
	ids := must(s.Snapshots(t.Context()))(t)
	if len(ids) == 0 {
		return noon
	}
	return clock(ids[len(ids)-1])
}

func begin(t testing.TB, s storage.Tree) storage.Build {
	t.Helper()
	return must(s.Begin(t.Context(), now(t, s), 0))(t)
}

func create(t testing.TB, b storage.Build, path, text string) storage.File {
	t.Helper()
	e := must(b.Create(t.Context(), path))(t)
	must(io.WriteString(e, text))(t)
	return must(e.Commit())(t)
}

// snapshot builds a snapshot of those files.
func snapshot(t testing.TB, s storage.Tree, files map[string]string) string {
	t.Helper()
	b := begin(t, s)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		create(t, b, path, files[path])
	}
	return must(b.Commit(t.Context(), storage.Manifest{Target: "core-el9"}, nil))(t).ID
}

// served is a served tree with one snapshot.
func served(t testing.TB, dir string) (storage.Tree, string) {
	t.Helper()
	s := must(storage.OpenServed(dir, storage.Face{}))(t)
	t.Cleanup(func() { s.Close() })
	return s, snapshot(t, s, map[string]string{"mirrorlist": "url\n", "repodata/repomd.xml": "<repomd/>", "Packages/a/a-1.rpm": "one"})
}

func TestBuild(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	dir := t.TempDir() + "/served/core"
	s, id := served(t, dir)
	m, digest := func() (*storage.Manifest, string) {
		m, digest, err := s.Manifest(t.Context(), id)
		ok(t, err)
		return m, digest
	}()
	if m.ID != id || m.Revision != noon.Unix() || m.Target != "core-el9" || len(m.Files) != 3 {
		t.Errorf("the manifest is %+v", m)
	}
	raw := must(os.ReadFile(dir + "/snapshots/" + id + "/manifest.json"))(t)
	if digest != sum(string(raw)) {
		t.Error("the digest is not that of the manifest's bytes")
	}
	for path, mode := range map[string]os.FileMode{
		"": 0o755, "snapshots": 0o755, "snapshots/" + id: 0o755, "snapshots/" + id + "/Packages/a": 0o755,
		"snapshots/" + id + "/manifest.json": 0o444, "snapshots/" + id + "/Packages/a/a-1.rpm": 0o444,
	} {
		if is := must(os.Stat(dir + "/" + path))(t).Mode().Perm(); is != mode {
			t.Errorf("%q has the mode %o", path, is)
		}
	}
	ok(t, s.Check(t.Context(), id, true, nil))
	f := must(s.Open(t.Context(), id, "Packages/a/a-1.rpm"))(t)
	defer f.Close()
	if got := string(must(io.ReadAll(f))(t)); got != "one" {
		t.Errorf("the package holds %q", got)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestLinkedFilesAreNotWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	s, one := served(t, dir)
	m, _, err := s.Manifest(t.Context(), one)
	ok(t, err)
	pkg := m.Files[0]
	b := begin(t, s)
	f := must(b.Link(t.Context(), one, pkg))(t)
	f.Name, f.Arch, f.Retained = "a", "x86_64", true
	b.Add(f)
	create(t, b, "mirrorlist", "new\n")
	two := must(b.Commit(t.Context(), storage.Manifest{Base: one}, nil))(t)
	if got := two.Files[0]; got.SHA256 != pkg.SHA256 || got.Stat != pkg.Stat || !got.Retained || got.Name != "a" {
		t.Errorf("the linked file is %+v", got)
	}
	a, bb := must(os.Stat(dir+"/snapshots/"+one+"/"+pkg.Path))(t), must(os.Stat(dir+"/snapshots/"+two.ID+"/"+pkg.Path))(t)
	if !os.SameFile(a, bb) {
		t.Error("it is a copy")
	}
	ok(t, s.Check(t.Context(), two.ID, false, nil))
}

func TestLinkLooks(t *testing.T) {
	dir := t.TempDir()
	s, one := served(t, dir)
	m, _, err := s.Manifest(t.Context(), one)
	ok(t, err)
	pkg := m.Files[0]
	path := dir + "/snapshots/" + one + "/" + pkg.Path
	b := begin(t, s)
	defer b.Abort()

	later := time.Now().Add(time.Hour)
	ok(t, os.Chtimes(path, later, later)) // touched, not changed: hashed again
	f := must(b.Link(t.Context(), one, pkg))(t)
	if f.SHA256 != pkg.SHA256 || f.Stat == pkg.Stat {
		t.Errorf("the touched file is %+v", f)
	}
	ok(t, os.Chmod(path, 0o644))
	ok(t, os.WriteFile(path, []byte("eno"), 0))
	other := begin(t, s)
	defer other.Abort()
	if _, err := other.Link(t.Context(), one, pkg); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("a changed file: %v", err)
	}
	ok(t, os.Remove(path))
	ok(t, os.Symlink("/etc/passwd", path))
	if _, err := other.Link(t.Context(), one, pkg); err == nil {
		t.Error("a link was linked")
	}
	for _, path := range []string{"../x", "manifest.json", "", "a/../b"} {
		if _, err := other.Link(t.Context(), one, storage.File{Path: path, SHA256: pkg.SHA256}); err == nil {
			t.Errorf("%q was linked", path)
		}
		if e, err := other.Create(t.Context(), path); err == nil {
			t.Errorf("%q was created", path)
			e.Abort()
		}
	}
}

func TestCommitCompares(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, b storage.Build, temp string){
		"a changed file": func(t *testing.T, b storage.Build, temp string) {
			ok(t, os.Chmod(temp+"/p/a", 0o644))
			ok(t, os.WriteFile(temp+"/p/a", []byte("b"), 0))
		},
		"a file more":   func(t *testing.T, b storage.Build, temp string) { ok(t, os.WriteFile(temp+"/p/more", nil, 0o644)) },
		"a file less":   func(t *testing.T, b storage.Build, temp string) { ok(t, os.Remove(temp+"/p/a")) },
		"a link":        func(t *testing.T, b storage.Build, temp string) { ok(t, os.Symlink("a", temp+"/p/link")) },
		"only recorded": func(t *testing.T, b storage.Build, temp string) { b.Add(storage.File{Path: "p/b", SHA256: sum("")}) },
		"still being written": func(t *testing.T, b storage.Build, temp string) {
			must(b.Create(t.Context(), "p/open"))(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := must(storage.OpenServed(dir, storage.Face{}))(t)
			b := begin(t, s)
			create(t, b, "p/a", "a")
			harm(t, b, leftovers(t, dir)[0])
			if _, err := b.Commit(t.Context(), storage.Manifest{}, nil); err == nil {
				t.Error("it was committed")
			}
			ok(t, b.Abort())
			if ids := must(s.Snapshots(t.Context()))(t); len(ids) > 0 {
				t.Errorf("there are %v", ids)
			}
			if left := leftovers(t, dir); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
	s := must(storage.OpenServed(t.TempDir(), storage.Face{}))(t)
	b := begin(t, s)
	defer b.Abort()
	if _, err := b.Commit(t.Context(), storage.Manifest{}, nil); err == nil {
		t.Error("an empty snapshot was committed")
	}
}

func TestCommitCountsNewBytes(t *testing.T) {
	s := must(storage.OpenServed(t.TempDir(), storage.Face{}))(t)
	b := begin(t, s)
	create(t, b, "a", "12345")
	var n atomic.Int64
	must(b.Commit(t.Context(), storage.Manifest{}, func(k int64) { n.Add(k) }))(t)
	if n.Load() != 5 {
		t.Errorf("counted %d bytes", n.Load())
	}
}

func TestIDs(t *testing.T) {
	s, one := served(t, t.TempDir())
	at := must(storage.ParseID(one))(t)
	for name, c := range map[string]struct {
		now   time.Time
		after int64
		id    string // "" is an error
	}{
		"later":              {at.Add(5 * time.Second), 0, at.Add(5 * time.Second).Format("20060102T150405Z")},
		"the same second":    {at.Add(900 * time.Millisecond), 0, at.Add(time.Second).Format("20060102T150405Z")},
		"after what was":     {at.Add(5500 * time.Millisecond), at.Unix() + 5, at.Add(6 * time.Second).Format("20060102T150405Z")},
		"clock a bit behind": {at.Add(-900 * time.Millisecond), 0, at.Add(time.Second).Format("20060102T150405Z")},
		"clock behind":       {at.Add(-2 * time.Second), 0, ""},
		"clock far behind":   {at.Add(-time.Hour), 0, ""},
		"future published":   {at.Add(time.Minute), at.Unix() + 3600, ""},
	} {
		b, err := s.Begin(t.Context(), c.now, c.after)
		if c.id == "" {
			if err == nil || config.HintOf(err) == "" {
				t.Errorf("%s: %v, hint %q", name, err, config.HintOf(err))
			}
			continue
		}
		ok(t, err)
		if b.ID() != c.id || b.Time().Format("20060102T150405Z") != c.id {
			t.Errorf("%s: %s at %s, want %s", name, b.ID(), b.Time(), c.id)
		}
		ok(t, b.Abort())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Begin(ctx, at, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while waiting: %v", err)
	}
}

func TestTwoBuilders(t *testing.T) {
	s, _ := served(t, t.TempDir())
	at := now(t, s)
	a, b := must(s.Begin(t.Context(), at, 0))(t), must(s.Begin(t.Context(), at, 0))(t)
	ok(t, s.Sweep(t.Context())) // both are alive
	create(t, a, "a", "a")
	create(t, b, "b", "b")
	var won atomic.Int32
	var all sync.WaitGroup
	for _, build := range []storage.Build{a, b} {
		all.Go(func() {
			_, err := build.Commit(context.Background(), storage.Manifest{}, nil)
			if err == nil {
				won.Add(1)
				return
			}
			if !errors.Is(err, storage.ErrExists) || config.HintOf(err) == "" {
				t.Error(err)
			}
			if err := build.Abort(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d builders won", won.Load())
	}
	ok(t, s.Check(t.Context(), a.ID(), true, nil))
}

func TestSweepRemovesWhatIsAbandoned(t *testing.T) {
	dir := t.TempDir()
	s, id := served(t, dir)
	live := begin(t, s)
	dead := dir + "/snapshots/.tmp-" + strings.Repeat("a", 32)
	ok(t, os.MkdirAll(dead+"/Packages", 0o700))
	ok(t, os.Symlink("snapshots/"+id, dir+"/.ptr-"+strings.Repeat("b", 32)))
	ok(t, os.Mkdir(dir+"/snapshots/.tmp-notes", 0o700))
	ok(t, s.Sweep(t.Context()))
	if left := leftovers(t, dir); len(left) != 2 { // the live one and what is not ours
		t.Errorf("left: %q", left)
	}
	create(t, live, "a", "a")
	must(live.Commit(t.Context(), storage.Manifest{}, nil))(t)
}

func TestPointerAndFlip(t *testing.T) {
	dir := t.TempDir()
	ctx := t.Context()
	s, one := served(t, dir)
	two := snapshot(t, s, map[string]string{"a": "two"})
	if is := must(s.Pointer(t.Context(), "production"))(t); is != "" {
		t.Errorf("a pointer that is not there names %s", is)
	}
	ok(t, s.Flip(ctx, "production", "", one))
	if to := must(os.Readlink(dir + "/production"))(t); to != "snapshots/"+one {
		t.Errorf("the link leads to %s", to)
	}
	for name, err := range map[string]error{
		"expected none":    s.Flip(ctx, "production", "", two),
		"expected another": s.Flip(ctx, "production", two, one),
		"absent":           s.Flip(ctx, "staging", one, two),
	} {
		if !errors.Is(err, storage.ErrConflict) || config.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, config.HintOf(err))
		}
	}
	ok(t, s.Flip(ctx, "production", one, two))
	ok(t, s.Flip(ctx, "production", two, one))
	ok(t, os.Mkdir(dir+"/snapshots/20300101T000000Z", 0o755))
	ok(t, os.Mkdir(dir+"/snapshots/20300101T000001Z", 0o755))
	must(1, os.Link(dir+"/snapshots/"+two+"/manifest.json", dir+"/snapshots/20300101T000001Z/manifest.json"))(t)
	for name, to := range map[string]string{
		"not there": "20200101T000000Z", "no manifest": "20300101T000000Z", "another's manifest": "20300101T000001Z",
		"no id": "../../etc", "empty": "", "a build": ".tmp-" + strings.Repeat("a", 32),
	} {
		if err := s.Flip(ctx, "production", one, to); err == nil {
			t.Errorf("%s: flipped", name)
		}
	}
	for _, pointer := range []string{"", "..", "snapshots", "a/b", ".hidden"} {
		if err := s.Flip(ctx, pointer, "", one); err == nil {
			t.Errorf("the pointer %q was made", pointer)
		}
	}
	if is := must(s.Pointer(t.Context(), "production"))(t); is != one {
		t.Errorf("production is %s", is)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestPointerRefuses(t *testing.T) {
	for name, make := range map[string]func(path, id string) error{
		"absolute":  func(p, id string) error { return os.Symlink("/etc", p) },
		"elsewhere": func(p, id string) error { return os.Symlink("../other/snapshots/"+id, p) },
		"slash":     func(p, id string) error { return os.Symlink("snapshots/"+id+"/", p) },
		"no id":     func(p, id string) error { return os.Symlink("snapshots/latest", p) },
		"escape":    func(p, id string) error { return os.Symlink("snapshots/\x1b[31m", p) },
		"file":      func(p, id string) error { return os.WriteFile(p, []byte(id), 0o644) },
		"directory": func(p, id string) error { return os.Mkdir(p, 0o755) },
		"dangling":  func(p, id string) error { return os.Symlink("snapshots/20200101T000000Z", p) },
	} {
		dir := t.TempDir()
		s, id := served(t, dir)
		ok(t, make(dir+"/production", id))
		is, err := s.Pointer(t.Context(), "production")
		if err == nil || is != "" || config.HintOf(err) == "" || config.Inert(err.Error()) != err.Error() {
			t.Errorf("%s: %q, %v, hint %q", name, is, err, config.HintOf(err))
		}
		if name == "dangling" && !strings.Contains(err.Error(), "not there") {
			t.Errorf("a dangling pointer: %v", err)
		}
		if name != "dangling" && s.Flip(t.Context(), "production", "", id) == nil {
			t.Errorf("%s: flipped", name)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(t *testing.T, at string)
		fast bool // seen without hashing everything
		says string
	}{
		"a file more":  {func(t *testing.T, at string) { ok(t, os.WriteFile(at+"/more", nil, 0o644)) }, true, "more is not in the manifest"},
		"a file less":  {func(t *testing.T, at string) { ok(t, os.Remove(at+"/mirrorlist")) }, true, "mirrorlist is missing"},
		"another size": {func(t *testing.T, at string) { rewrite(t, at+"/mirrorlist", "other url\n", false) }, true, "bytes"},
		"a link": {func(t *testing.T, at string) {
			ok(t, os.Remove(at+"/mirrorlist"))
			ok(t, os.Symlink("repodata/repomd.xml", at+"/mirrorlist"))
		}, true, "not a regular file"},
		"other bytes":             {func(t *testing.T, at string) { rewrite(t, at+"/mirrorlist", "URL\n", false) }, true, "SHA-256"},
		"other bytes in old time": {func(t *testing.T, at string) { rewrite(t, at+"/mirrorlist", "URL\n", true) }, false, "SHA-256"},
		"the manifest":            {func(t *testing.T, at string) { rewrite(t, at+"/manifest.json", "{}", false) }, true, "manifest"},
		"no manifest":             {func(t *testing.T, at string) { ok(t, os.Remove(at+"/manifest.json")) }, true, "manifest"},
	} {
		dir := t.TempDir()
		s, id := served(t, dir)
		ok(t, s.Check(t.Context(), id, false, nil))
		var n atomic.Int64
		ok(t, s.Check(t.Context(), id, true, func(k int64) { n.Add(k) }))
		if n.Load() != int64(len("url\n<repomd/>one")) {
			t.Errorf("counted %d bytes", n.Load())
		}
		time.Sleep(15 * time.Millisecond)
		c.harm(t, dir+"/snapshots/"+id)
		for _, full := range []bool{false, true} {
			err := s.Check(t.Context(), id, full, nil)
			if bad := full || c.fast; (err != nil) != bad {
				t.Errorf("%s, full %v: %v", name, full, err)
			} else if bad && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s, full %v: %v does not say %q", name, full, err, c.says)
			}
		}
	}
}

// rewrite changes a read-only file in place, and its time back where keep is set.
func rewrite(t *testing.T, path, text string, keep bool) {
	t.Helper()
	fi := must(os.Stat(path))(t)
	ok(t, os.Chmod(path, 0o644))
	ok(t, os.WriteFile(path, []byte(text), 0))
	if keep {
		ok(t, os.Chtimes(path, fi.ModTime(), fi.ModTime()))
	}
}

func TestRemove(t *testing.T) {
	dir := t.TempDir()
	s, one := served(t, dir)
	two := snapshot(t, s, map[string]string{"a": "two"})
	three := snapshot(t, s, map[string]string{"a": "three"})
	ok(t, s.Flip(t.Context(), "production", "", one))
	ok(t, os.Symlink("snapshots/"+two+"/", dir+"/latest"))
	ok(t, os.WriteFile(dir+"/README", nil, 0o644))
	for _, id := range []string{one, two, "", "..", "20200101T000000Z"} {
		if err := s.Remove(t.Context(), id); err == nil {
			t.Errorf("%q was removed", id)
		}
	}
	ok(t, s.Remove(t.Context(), three))
	if diff := cmp.Diff([]string{one, two}, must(s.Snapshots(t.Context()))(t)); diff != "" {
		t.Error(diff)
	}
	if left := leftovers(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestManifestIsStrict(t *testing.T) {
	good := storage.Manifest{
		ID: noon.Format("20060102T150405Z"), Revision: noon.Unix(), Created: noon, Target: "core-el9",
		Files: []storage.File{{Path: "a", Size: 1, SHA256: sum("a")}, {Path: "b/c", SHA256: sum("")}},
		Extra: map[string]json.RawMessage{"rpm": json.RawMessage(`{"k": "<&>"}`)},
	}
	text := stored(t, good)
	must(storage.DecodeManifest([]byte(text)))(t)
	for name, bad := range map[string]string{
		"unknown key":   strings.Replace(text, `"target"`, `"x": 1, "target"`, 1),
		"a key twice":   strings.Replace(text, `"target"`, `"target": "y", "target"`, 1),
		"other case":    strings.Replace(text, `"target"`, `"Target"`, 1),
		"more behind":   text + "{}",
		"cut short":     text[:len(text)/2],
		"empty":         "",
		"path out":      strings.Replace(text, `"b/c"`, `"b/../../c"`, 1),
		"absolute path": strings.Replace(text, `"b/c"`, `"/etc/passwd"`, 1),
		"path twice":    strings.Replace(text, `"b/c"`, `"a"`, 1),
		"no digest":     strings.Replace(text, sum("a"), "", 1),
		"MD5":           strings.Replace(text, sum("a"), "d41d8cd98f00b204e9800998ecf8427e", 1),
		"negative size": strings.Replace(text, `"size": 1`, `"size": -1`, 1),
		"revision":      strings.Replace(text, fmt.Sprint(noon.Unix()), fmt.Sprint(noon.Unix()+1), 1),
		"id":            strings.Replace(text, good.ID, "20261199T120000Z", 1),
	} {
		if bad == text {
			t.Fatalf("%s changes nothing", name)
		}
		if _, err := storage.DecodeManifest([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func stored(t testing.TB, m storage.Manifest) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	ok(t, e.Encode(m))
	return b.String()
}

func FuzzDecodeManifest(f *testing.F) {
	f.Add([]byte(stored(f, storage.Manifest{ID: noon.Format("20060102T150405Z"), Revision: noon.Unix(), Created: noon, Files: []storage.File{{Path: "a", SHA256: sum("a")}}})))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := storage.DecodeManifest(b)
		if err != nil {
			return
		}
		for _, file := range m.Files {
			if storage.CheckKey(file.Path) != nil || len(file.SHA256) != 64 {
				t.Errorf("%q lists %+v", b, file)
			}
		}
	})
}
