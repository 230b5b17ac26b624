package aside_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gantry/pipeline/aside"
)

func open(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return root, dir
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
}

func is(t *testing.T, path, text string) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || string(b) != text {
		t.Errorf("%s holds %q, %v", path, b, err)
	}
}

// Another name of the same file keeps its bytes, and what a run that died left in
// the way is not written to either.
func TestH23ReplaceLeavesOtherNamesAlone(t *testing.T) {
	root, dir := open(t)
	at := filepath.Join(dir, "f")
	put(t, at, "old")
	for _, other := range []string{"other", ".f.gantry.~tmp~"} {
		if err := os.Link(at, filepath.Join(dir, other)); err != nil {
			t.Fatal(err)
		}
	}
	like, err := os.Stat(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := aside.Replace(root, "f", []byte("new"), like); err != nil {
		t.Fatal(err)
	}
	is(t, at, "new")
	is(t, filepath.Join(dir, "other"), "old")
	if fi, err := os.Stat(at); err != nil || fi.Mode() != 0o640 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
	if err := aside.Link(root, "other", "f"); err != nil {
		t.Fatal(err)
	}
	is(t, at, "old")
	if err := aside.Symlink(root, "f", "elsewhere"); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(at); err != nil || to != "elsewhere" {
		t.Error(to, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v %v", entries, err)
	}
}

// What cannot be written whole leaves nothing.
func TestFillThatFails(t *testing.T) {
	root, dir := open(t)
	put(t, filepath.Join(dir, "f"), "old")
	if err := aside.Fill(root, "f", broken{}, nil); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	is(t, filepath.Join(dir, "f"), "old")
	if _, err := os.Lstat(filepath.Join(dir, aside.Name("f"))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("half a file is left: %v", err)
	}
}

var errBroken = errors.New("disk full")

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func TestRead(t *testing.T) {
	root, dir := open(t)
	put(t, filepath.Join(dir, "f"), "four")
	if err := os.Symlink("f", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string]string{
		"f": "", "link": "not a regular file", "pipe": "not a regular file", ".": "not a regular file", "none": "no such file", "../" + filepath.Base(dir) + "/f": "escapes",
	} {
		b, _, err := aside.Read(root, name, 4)
		if words == "" && (err != nil || string(b) != "four") || words != "" && (err == nil || !strings.Contains(err.Error(), words)) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if _, _, err := aside.Read(root, "f", 3); err == nil {
		t.Error("more than was asked for")
	}
}
