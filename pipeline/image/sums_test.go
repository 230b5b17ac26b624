package image_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A second run appends nothing, moves nothing and writes nothing.
func TestH16ChecksumsTwice(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.write("x86_64/Rocky-9.7-x86_64-dvd.iso.manifest", "a list")
	begun, _, err := w.run("image.checksum")
	if err != nil {
		t.Fatal(err)
	}
	first := w.tree()
	want := pair("Rocky-9-latest-x86_64-boot.iso", "boot of x86_64") + pair("Rocky-9-latest-x86_64-dvd.iso", "dvd of x86_64") +
		pair("Rocky-9.7-x86_64-boot.iso", "boot of x86_64") + pair("Rocky-9.7-x86_64-dvd.iso", "dvd of x86_64")
	if diff := cmp.Diff(want, w.read("x86_64/CHECKSUM")); diff != "" {
		t.Error(diff)
	}
	if got := w.read("x86_64/Rocky-9.7-x86_64-dvd.iso.CHECKSUM"); got != pair("Rocky-9.7-x86_64-dvd.iso", "dvd of x86_64") {
		t.Error(got)
	}
	plan, ev, err := w.run("image.checksum")
	if err != nil {
		t.Fatal(err)
	}
	if n := plan.Count(); n.Added+n.Changed+n.Removed > 0 || ev["written"] != "0" || ev["checksums"] != "6" {
		t.Errorf("%+v, %v", n, ev)
	}
	if diff := cmp.Diff(first, w.tree()); diff != "" {
		t.Error(diff)
	}
	if w.inputs("image.checksum") != begun.Inputs {
		t.Error("what a run writes makes it stale")
	}

	// what tee -a appended twice is put right
	w.write("x86_64/CHECKSUM", w.read("x86_64/CHECKSUM")+pair("Rocky-9.7-x86_64-dvd.iso", "dvd of x86_64"))
	if _, ev, err = w.run("image.checksum"); err != nil || ev["written"] != "1" {
		t.Fatalf("%v %v", ev, err)
	}
	if diff := cmp.Diff(first, w.tree()); diff != "" {
		t.Error(diff)
	}
}

// A minor version of two digits has the links that the others have.
func TestH18LatestOfTwoDigits(t *testing.T) {
	w := newWorld(t)
	w.version = "9.10-RC2"
	w.images = strings.Replace(isos, "dvd", "dvd1", 2)
	if err := os.MkdirAll(w.dir+"/compose/9.10-RC2/isos", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("9.10-RC2", w.dir+"/compose/9.7-RC2"); err != nil { // where the helpers look
		t.Fatal(err)
	}
	w.write("x86_64/Rocky-9.10-x86_64-boot.iso", "boot")
	w.write("x86_64/Rocky-9.10-x86_64-dvd1.iso", "dvd")
	w.write("aarch64/Rocky-9.10-aarch64-boot.iso", "boot")
	if err := os.Symlink("Rocky-9.9-x86_64-dvd1.iso", w.at("x86_64/Rocky-9-latest-x86_64-dvd.iso")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.run("image.checksum"); err != nil {
		t.Fatal(err)
	}
	for link, want := range map[string]string{
		"x86_64/Rocky-9-latest-x86_64-dvd.iso":    "Rocky-9.10-x86_64-dvd1.iso",
		"x86_64/Rocky-9-latest-x86_64-boot.iso":   "Rocky-9.10-x86_64-boot.iso",
		"aarch64/Rocky-9-latest-aarch64-boot.iso": "Rocky-9.10-aarch64-boot.iso",
	} {
		if to, err := os.Readlink(w.at(link)); err != nil || to != want {
			t.Errorf("%s leads to %q, %v", link, to, err)
		}
	}
	if strings.Contains(w.tree(), "latest0") {
		t.Error(w.tree())
	}
}

func TestChecksumRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*world)
		words string
	}{
		"other bytes": {func(w *world) {
			w.write("x86_64/CHECKSUM", pair("Rocky-9.7-x86_64-dvd.iso", "dvd of x86_65"))
		}, "Rocky-9.7-x86_64-dvd.iso has the SHA-256 " + digest("dvd of x86_64")},
		"other bytes in its own": {func(w *world) {
			w.write("x86_64/Rocky-9.7-x86_64-dvd.iso.CHECKSUM", pair("Rocky-9.7-x86_64-dvd.iso", "dvd of x86_65"))
		}, "dvd.iso.CHECKSUM says"},
		"unreadable": {func(w *world) { w.write("x86_64/CHECKSUM", "404 Not Found\n") }, "line 1"},
		"named and gone": {func(w *world) {
			w.write("x86_64/CHECKSUM", pair("Rocky-9.7-x86_64-minimal.iso", "gone"))
		}, "CHECKSUM names Rocky-9.7-x86_64-minimal.iso, which is not there"},
		"missing image":     {func(w *world) { w.remove("x86_64/Rocky-9.7-x86_64-dvd.iso") }, "dvd x86_64: Rocky-9.7-x86_64-dvd.iso is MISSING"},
		"missing directory": {func(w *world) { os.RemoveAll(w.at("aarch64")) }, "isos/aarch64 is not there"},
		"empty":             {func(w *world) { w.write("x86_64/Rocky-9.7-x86_64-dvd.iso", "") }, "is EMPTY"},
		"empty neighbour":   {func(w *world) { w.write("x86_64/other.iso", "") }, "other.iso is empty"},
		"file for a link":   {func(w *world) { w.write("x86_64/Rocky-9-latest-x86_64-dvd.iso", "x") }, "is a file and no link"},
		"link elsewhere": {func(w *world) {
			if err := os.Symlink("/etc/passwd", w.at("x86_64/p.iso")); err != nil {
				w.t.Fatal(err)
			}
		}, "p.iso is a link that leads to no file beside it"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.fill()
			tc.spoil(w)
			before := w.tree()
			_, _, err := w.run("image.checksum")
			wants(t, err, tc.words)
			if diff := cmp.Diff(before, w.tree()); diff != "" {
				t.Errorf("it wrote nevertheless: %s", diff)
			}
		})
	}
}

// What an interrupted run left behind is in nobody's way.
func TestChecksumAfterInterruption(t *testing.T) {
	w := newWorld(t)
	w.fill()
	for _, name := range []string{"CHECKSUM", "Rocky-9-latest-x86_64-dvd.iso", "Rocky-9.7-x86_64-dvd.iso.CHECKSUM"} {
		w.write("x86_64/."+name+".gantry.~tmp~", "half of it")
	}
	if _, _, err := w.run("image.checksum"); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(w.tree(), "~tmp~") {
		t.Error(w.tree())
	}
	if _, _, err := w.run("image.check"); err != nil {
		t.Error(err)
	}
}

// Files are replaced, never written to: those that share their bytes keep them.
func TestH23ChecksumsOfHardLinks(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.write("x86_64/CHECKSUM", pair("Rocky-9.7-x86_64-dvd.iso", "dvd of x86_64"))
	before := w.read("x86_64/CHECKSUM")
	if err := os.Link(w.at("x86_64/CHECKSUM"), w.at("copy")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.run("image.checksum"); err != nil {
		t.Fatal(err)
	}
	if got := w.read("copy"); got != before || got == w.read("x86_64/CHECKSUM") {
		t.Errorf("the other name has %q", got)
	}
}

// A directory that leads out of the edition is neither believed nor written to.
func TestH16NoLinkOutOfTheEdition(t *testing.T) {
	w := newWorld(t)
	w.fill()
	elsewhere := filepath.Join(w.dir, "compose/9.6")
	if err := os.Rename(w.at("x86_64"), elsewhere); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../../9.6", w.at("x86_64")); err != nil {
		t.Fatal(err)
	}
	for _, uses := range []string{"image.checksum", "image.check"} {
		_, _, err := w.run(uses)
		wants(t, err, "escapes")
	}
	if entries, err := os.ReadDir(elsewhere); err != nil || len(entries) != 2 {
		t.Errorf("%v %v", entries, err)
	}
}

// What must be mounted and is not is the disk below.
func TestH24ImagesMustBeMounted(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.mount = ", mount: true"
	before := w.tree()
	for _, uses := range []string{"image.checksum", "image.check"} {
		_, _, err := w.run(uses)
		wants(t, err, "is not mounted")
	}
	if diff := cmp.Diff(before, w.tree()); diff != "" {
		t.Error(diff)
	}
}

// Checksums that went since they were written are not taken for written.
func TestChecksumsThatWent(t *testing.T) {
	w := newWorld(t)
	w.fill()
	plan, _, err := w.run("image.checksum")
	wants(t, err, "")
	if w.inputs("image.checksum") != plan.Inputs {
		t.Fatal("it makes itself stale")
	}
	for _, name := range []string{"CHECKSUM", "Rocky-9.7-x86_64-dvd.iso.CHECKSUM", "Rocky-9-latest-x86_64-dvd.iso"} {
		w.remove("x86_64/" + name)
		if w.inputs("image.checksum") == plan.Inputs {
			t.Errorf("nobody sees that %s is not there", name)
		}
		_, _, err := w.run("image.checksum")
		wants(t, err, "")
	}
}
