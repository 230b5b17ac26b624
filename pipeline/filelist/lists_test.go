package filelist_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gantry/pipeline"
)

var scopes = map[string]string{".": "fullfiletimelist-root", "mirror/pub/rocky": "fullfiletimelist-rocky", "mirror/pub/sig": "fullfiletimelist-sig"}

// Every list is what find sees, as it is when the run is over, the first time and
// later.
func TestListsAreWhatFindSees(t *testing.T) {
	b := newBench(t)
	for round := range 3 {
		b.must()
		for dir, times := range scopes {
			plain := b.read(filepath.Join(dir, "fullfilelist"))
			if !strings.HasPrefix(plain, ".\n") {
				t.Errorf("round %d: %s does not begin with its directory: %.20q", round, dir, plain)
			}
			found := b.found(dir)
			if diff := cmp.Diff(found, sorted(plain)); diff != "" {
				t.Errorf("round %d: plain list of %s:\n%s", round, dir, diff)
			}
			var want []string // without the directory and its own lists
			for _, path := range found {
				path = strings.TrimPrefix(path, "./")
				if path != "." && !strings.HasPrefix(path, "full") {
					want = append(want, path)
				}
			}
			slices.Sort(want)
			if diff := cmp.Diff(want, b.paths(filepath.Join(dir, times))); diff != "" {
				t.Errorf("round %d: list with times of %s:\n%s", round, dir, diff)
			}
		}
	}
	if left := b.temporary(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// The list with times is made of lines that create-filelist writes.
func TestTimesExactly(t *testing.T) {
	b := newBench(t)
	dir := filepath.Join(b.root, "mirror/pub/sig")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{
		"open/file", "open/private", "open/secret", "closed/file", "closed/private", "closed/below/file", "hidden/file",
		"open/.nfs0001", "open/x.~tmp~", ".~tmp~/file", "fullfiletimelist-sig", "open/fullfiletimelist-sig",
	} {
		b.write("mirror/pub/sig/"+at, at)
	}
	for at, mode := range map[string]os.FileMode{
		"open/private": 0o640, "open/secret": 0o600, "closed": 0o750, "closed/private": 0o640, "hidden": 0o701,
	} {
		if err := os.Chmod(filepath.Join(dir, at), mode); err != nil {
			t.Fatal(err)
		}
	}
	for at, to := range map[string]string{
		"link": "open", "dangling": "nowhere", "loop": "loop", "to-secret": "open/secret", "closed/link": "file",
	} {
		if err := os.Symlink(to, filepath.Join(dir, at)); err != nil {
			t.Fatal(err)
		}
	}
	b.must()
	want := map[string]string{
		"open": "d", "open/file": "f", "open/private": "f-", "open/fullfiletimelist-sig": "f", "link": "l",
		"closed": "d-", "closed/file": "f*", "closed/private": "f-", "closed/below": "d*", "closed/below/file": "f*", "closed/link": "l*",
	}
	got, seen := map[string]string{}, map[string]bool{}
	for _, e := range b.entries("mirror/pub/sig/fullfiletimelist-sig") {
		got[e.Path] = e.Kind
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, e.Path), &st); err != nil {
			t.Fatal(err)
		}
		if e.Size != st.Size || e.Kind[0] != 'd' && e.Time != max(st.Mtim.Sec, st.Ctim.Sec) {
			t.Errorf("%v is not %d bytes at %d", e, st.Size, max(st.Mtim.Sec, st.Ctim.Sec))
		}
		if parent := filepath.Dir(e.Path); seen[parent] {
			t.Errorf("%s comes after its directory", e.Path)
		}
		seen[e.Path] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	text := b.read("mirror/pub/sig/fullfiletimelist-sig")
	if !strings.HasPrefix(text, "[Version]\n2\n\n[Files]\n") || !strings.HasSuffix(text, "\n\n[Checksums SHA1]\n\n[End]\n") {
		t.Errorf("not the sections of version 2:\n%s", text)
	}
	if b.read("mirror/pub/sig/fullfiletimelist") != text {
		t.Error("the copy is another list")
	}
}

// Outer lists tell of inner ones as they are after the run.
func TestListsTellOfEachOther(t *testing.T) {
	b := newBench(t)
	b.must()
	b.write("mirror/pub/rocky/9.7/new.rpm", "new")
	b.must()
	found := 0
	for _, e := range b.entries("fullfiletimelist-root") {
		if strings.Contains(e.Path, "fullfile") {
			st, err := os.Stat(filepath.Join(b.root, e.Path))
			if err != nil || st.Size() != e.Size {
				t.Errorf("%v: %v", e, err)
			}
			found++
		}
	}
	if found != 5+4 { // with the two that keep the ones before
		t.Errorf("%d lists are told of", found)
	}
	if old := b.read("mirror/pub/rocky/fullfiletimelist-rocky-old"); strings.Contains(old, "new.rpm") || !strings.Contains(old, "[End]") {
		t.Error("the list before is not the one before")
	}
}

func TestNamesThatNoClientReads(t *testing.T) {
	for name, quoted := range map[string]string{"a\nb": `"mirror/vault/a\nb"`, "a\tb": `"mirror/vault/a\tb"`} {
		b := newBench(t)
		b.must()
		before := b.read("fullfilelist")
		b.write("mirror/vault/"+name, "x")
		_, err := b.run()
		var refused *pipeline.RefusedError
		if !errors.As(err, &refused) || !strings.Contains(refused.Reason, quoted) {
			t.Errorf("%q: %v", name, err)
		}
		if b.read("fullfilelist") != before {
			t.Errorf("%q: the list was written", name)
		}
	}
	for _, name := range []string{"a\rb", "[End]", " a ", "\x1b[31m", "a\xffb", "-n"} { // others are for the client to bear
		b := newBench(t)
		b.write("mirror/vault/"+name, "x")
		b.must()
		if !slices.Contains(b.paths("fullfiletimelist-root"), "mirror/vault/"+name) {
			t.Errorf("%q is not listed", name)
		}
	}
}

func TestManyPaths(t *testing.T) {
	b := newBench(t)
	for i := range 4000 {
		b.write(fmt.Sprintf("mirror/pub/rocky/9.7/%02d/Packages/%x/package-%05d.rpm", i%50, i%16, i), "")
	}
	b.must()
	if diff := cmp.Diff(b.found("."), sorted(b.read("fullfilelist"))); diff != "" {
		t.Error(diff)
	}
}
