package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gantry/config"
	"gantry/storage"
)

// volume is a small file system of its own.
func volume(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting takes root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("mounting is not possible here: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

func TestFullDisk(t *testing.T) {
	dir := volume(t, "64k")
	big := strings.Repeat("x", 1<<17)
	t.Run("store", func(t *testing.T) {
		d := openDir(t, dir+"/store")
		put(t, d, "k", "old", storage.Always)
		_, err := d.Put(t.Context(), "k", strings.NewReader(big), storage.Always)
		if !errors.Is(err, syscall.ENOSPC) || config.HintOf(err) == "" || !strings.Contains(err.Error(), dir) {
			t.Errorf("the error is %v, its hint %q", err, config.HintOf(err))
		}
		if got := read(t, d, "k"); got != "old" {
			t.Errorf("it holds %.20q", got)
		}
		if left := leftovers(t, dir); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
	t.Run("build", func(t *testing.T) {
		s, id := served(t, dir+"/served")
		ok(t, s.Flip(t.Context(), "production", "", id))
		b := begin(t, s)
		e := must(b.Create(t.Context(), "big"))(t)
		_, err := e.Write([]byte(big))
		if !errors.Is(err, syscall.ENOSPC) || config.HintOf(err) == "" {
			t.Errorf("the error is %v, its hint %q", err, config.HintOf(err))
		}
		ok(t, e.Abort())
		ok(t, b.Abort())
		if is := must(s.Pointer(t.Context(), "production"))(t); is != id {
			t.Errorf("production is %s", is)
		}
		ok(t, s.Check(t.Context(), id, true, nil))
		if left := leftovers(t, dir); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

func TestLinkCopiesWhereItCannotLink(t *testing.T) {
	dir := t.TempDir()
	s, one := served(t, dir)
	m, _, err := s.Manifest(t.Context(), one)
	ok(t, err)
	pkg := m.Files[0]
	at := filepath.Dir(dir + "/snapshots/" + one + "/" + pkg.Path)
	away := volume(t, "64k")
	ok(t, unix.Mount(away, at, "", unix.MS_BIND, "")) // another file system: no links to it
	t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
	path := at + "/" + filepath.Base(pkg.Path)

	ok(t, os.WriteFile(path, []byte("one"), 0o444))
	b := begin(t, s)
	must(b.Link(t.Context(), one, pkg))(t)
	two := must(b.Commit(t.Context(), storage.Manifest{}, nil))(t)
	ok(t, s.Check(t.Context(), two.ID, true, nil))

	rewrite(t, path, "eno", false)
	b = begin(t, s)
	if _, err := b.Link(t.Context(), one, pkg); err == nil {
		t.Error("other bytes were copied")
	}
	ok(t, b.Abort())
}

func TestReadOnlyServedTree(t *testing.T) {
	dir := volume(t, "1m")
	s, id := served(t, dir)
	ok(t, s.Flip(t.Context(), "production", "", id))
	two := snapshot(t, s, map[string]string{"a": "two"})
	ok(t, unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	s = must(storage.OpenServed(dir, storage.Face{}))(t)
	for what, err := range map[string]error{
		"flip":   s.Flip(t.Context(), "production", id, two),
		"remove": s.Remove(t.Context(), two),
		"begin": func() error {
			_, err := s.Begin(t.Context(), clock(two), 0)
			return err
		}(),
	} {
		if !errors.Is(err, syscall.EROFS) || config.HintOf(err) == "" || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, hint %q", what, err, config.HintOf(err))
		}
	}
	if is := must(s.Pointer(t.Context(), "production"))(t); is != id {
		t.Errorf("production is %s", is)
	}
	ok(t, s.Check(t.Context(), id, true, nil))
}
