package hardlink_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/hardlink"
	"gantry/storage"
)

func TestLinks(t *testing.T) {
	b := newBench(t, t.TempDir())
	big := strings.Repeat("0123456789abcdef", 40_000)
	for path, text := range map[string]string{
		"BaseOS/x86_64/os/a.rpm": big, "BaseOS/aarch64/os/a.rpm": big, "AppStream/x86_64/os/b.rpm": big, // one
		"BaseOS/x86_64/os/c.rpm": big[1:] + "x", "BaseOS/aarch64/os/c.rpm": "x" + big[1:], // begin or end otherwise
		"BaseOS/x86_64/os/late.rpm": big, "BaseOS/x86_64/os/mode.rpm": big, "BaseOS/x86_64/os/owner.rpm": big,
		"empty1": "", "empty2": "", "BaseOS/x86_64/os/name\nof two lines": "same", "other": "same",
	} {
		b.write(path, text)
	}
	late := filepath.Join(b.dir, "BaseOS/x86_64/os/late.rpm")
	if err := errors.Join(os.Chtimes(late, moment, moment.Add(time.Nanosecond)), os.Chmod(filepath.Join(b.dir, "BaseOS/x86_64/os/mode.rpm"), 0o640)); err != nil {
		t.Fatal(err)
	}
	wants := 3
	if os.Geteuid() == 0 {
		if err := os.Chown(filepath.Join(b.dir, "BaseOS/x86_64/os/owner.rpm"), 1, 1); err != nil {
			t.Fatal(err)
		}
	} else {
		wants++
	}
	for at, to := range map[string]string{"loop": "loop", "up": "..", "dangling": "x"} {
		if err := os.Symlink(to, filepath.Join(b.dir, at)); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, b.dir)
	plan := b.plan()
	if n := plan.Count().Changed; n != wants || plan.Bytes != int64(2*len(big)+4) && wants == 3 {
		t.Errorf("%d names, %d bytes", n, plan.Bytes)
	}
	if again := b.plan(); again.Digest() != plan.Digest() {
		t.Error("the same twice are two plans")
	}
	if diff := cmp.Diff(before, tree(t, b.dir)); diff != "" {
		t.Errorf("planning changed:\n%s", diff)
	}
	stop := b.reading("BaseOS/x86_64/os/a.rpm", "BaseOS/aarch64/os/a.rpm", "AppStream/x86_64/os/b.rpm")
	ev, err := b.run(plan)
	stop()
	if err != nil || ev["files linked"] != fmt.Sprint(wants) || ev["bytes saved"] != fmt.Sprint(plan.Bytes) {
		t.Errorf("%v %v", ev, err)
	}
	if diff := cmp.Diff(before, tree(t, b.dir)); diff != "" {
		t.Errorf("what can be seen changed:\n%s", diff)
	}
	if !b.one("BaseOS/x86_64/os/a.rpm", "BaseOS/aarch64/os/a.rpm", "AppStream/x86_64/os/b.rpm") || !b.one("other", "BaseOS/x86_64/os/name\nof two lines") {
		t.Error("what is the same was not linked")
	}
	for _, path := range []string{"empty1", "BaseOS/x86_64/os/late.rpm", "BaseOS/x86_64/os/mode.rpm", "BaseOS/x86_64/os/c.rpm"} {
		if b.stat(path).Nlink != 1 {
			t.Errorf("%s was linked", path)
		}
	}
	if plan := b.plan(); plan.Count() != (pipeline.Counts{}) {
		t.Errorf("after it there is more to do: %+v", plan.Count())
	}
	if ev := b.must(); ev["files linked"] != "0" {
		t.Errorf("again: %v", ev)
	}
}

// Metadata that later steps edit, and its signatures, stay files of their own;
// and no edit reaches another name by way of a link, since names are replaced and
// never written through.
func TestH23MetadataStaysItsOwn(t *testing.T) {
	b := newBench(t, t.TempDir())
	own := []string{
		"repodata/repomd.xml", "repodata/repomd.xml.asc", "repodata/0a-primary.xml.gz", ".treeinfo", ".treeinfo-pristine", ".discinfo", "CHECKSUM", "dvd.iso.CHECKSUM",
	}
	for _, dir := range []string{"BaseOS/x86_64/os", "BaseOS/x86_64/kickstart"} {
		for _, path := range append(own, "Packages/k.rpm") {
			b.write(dir+"/"+path, "the same")
		}
	}
	b.must()
	for _, path := range own {
		if b.one("BaseOS/x86_64/os/"+path, "BaseOS/x86_64/kickstart/"+path) {
			t.Errorf("%s is one file", path)
		}
	}
	if !b.one("BaseOS/x86_64/os/Packages/k.rpm", "BaseOS/x86_64/kickstart/Packages/k.rpm") {
		t.Error("packages are not one file")
	}
}

// A name keeps its access list, label and capabilities: those of the other file
// are not for it.
func TestAttributesStayWithTheirNames(t *testing.T) {
	b := newBench(t, t.TempDir())
	for _, path := range []string{"a", "b", "c", "d", "e"} {
		b.write(path, "the same")
	}
	for path, value := range map[string]string{"b": "x", "c": strings.Repeat("y", 600), "d": strings.Repeat("y", 600)} {
		if err := unix.Setxattr(filepath.Join(b.dir, path), "user.note", []byte(value), 0); err != nil {
			t.Skipf("no attributes here: %v", err)
		}
	}
	if ev := b.must(); ev["files linked"] != "2" || !b.one("a", "e") || !b.one("c", "d") || b.one("a", "b") || b.one("a", "c") {
		t.Errorf("%v", ev)
	}
}

// A directory that is mounted from elsewhere on the same device takes no links from
// outside: what is the same becomes one on either side.
func TestMountsAreApart(t *testing.T) {
	b, from := newBench(t, t.TempDir()), t.TempDir()
	for _, path := range []string{"a", "m/b", "n", "o/c"} {
		b.write(path, "the same")
	}
	at := filepath.Join(b.dir, "m")
	if out, err := exec.Command("mount", "--bind", from, at).CombinedOutput(); err != nil {
		t.Skipf("nothing can be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", at).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	for _, path := range []string{"m/b", "m/d"} {
		b.write(path, "the same")
	}
	if ev := b.must(); ev["files linked"] != "3" || !b.one("a", "n", "o/c") || !b.one("m/b", "m/d") {
		t.Errorf("%v", ev)
	}
}

// A file that changes between planning and linking, or goes, is left alone.
func TestFilesThatMove(t *testing.T) {
	for name, move := range map[string]func(at string) error{
		"vanishes":         os.Remove,
		"is another file":  func(at string) error { return errors.Join(os.Remove(at), os.WriteFile(at, []byte("differs"), 0o644)) },
		"is written to":    func(at string) error { return os.WriteFile(at, []byte("differs"), 0o644) },
		"is a directory":   func(at string) error { return errors.Join(os.Remove(at), os.Mkdir(at, 0o755)) },
		"is a link":        func(at string) error { return errors.Join(os.Remove(at), os.Symlink("/etc/passwd", at)) },
		"gets another day": func(at string) error { return os.Chtimes(at, moment, moment.Add(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, t.TempDir())
			for _, path := range []string{"a", "b", "c"} {
				b.write(path, "content")
			}
			plan := b.plan()
			moved := false
			storage.OnReach(func(point string) {
				if point == "hardlink.linked" && !moved {
					moved = true
					if err := move(filepath.Join(b.dir, "b")); err != nil {
						t.Error(err)
					}
				}
			})
			defer storage.OnReach(nil)
			ev, err := b.run(plan)
			if err != nil || ev["files left alone"] != "1" || !moved {
				t.Errorf("%v %v", ev, err)
			}
			if !b.one("a", "c") {
				t.Error("the others were not linked")
			}
			if text, err := os.ReadFile(filepath.Join(b.dir, "a")); err != nil || string(text) != "content" {
				t.Errorf("a holds %q, %v", text, err)
			}
			if names, err := filepath.Glob(filepath.Join(b.dir, ".*tmp~")); err != nil || len(names) > 0 {
				t.Errorf("left behind: %v", names)
			}
		})
	}
}

// TestChild is run as a process of its own, that kills itself at a point.
func TestChild(t *testing.T) {
	root, at, ok := strings.Cut(os.Getenv("GANTRY_HARDLINK_CHILD"), "@")
	if !ok {
		t.Skip("only run by another test")
	}
	point, err := strconv.Atoi(at)
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, root)
	plan := b.plan()
	var passed atomic.Int64
	storage.OnReach(func(string) {
		if passed.Add(1) == int64(point) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
	if _, err := b.run(plan); err != nil {
		t.Fatal(err)
	}
}

// Killed anywhere, every name is there with its bytes, and the next run comes to
// the end.
func TestResume(t *testing.T) {
	for point := 1; ; point++ {
		root := t.TempDir()
		b := newBench(t, root)
		for i := range 5 {
			b.write(fmt.Sprintf("x/%d.rpm", i), "content")
		}
		before := tree(t, b.dir)
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("GANTRY_HARDLINK_CHILD=%s@%d", root, point))
		err := cmd.Run()
		now := tree(t, b.dir)
		for path, is := range before {
			if now[path] != is {
				t.Errorf("killed at point %d, %s is %s", point, path, now[path])
			}
		}
		b.must()
		if diff := cmp.Diff(before, tree(t, b.dir)); diff != "" {
			t.Errorf("killed at point %d:\n%s", point, diff)
		}
		if !b.one("x/0.rpm", "x/1.rpm", "x/2.rpm", "x/3.rpm", "x/4.rpm") {
			t.Errorf("killed at point %d, not all became one", point)
		}
		if err == nil {
			if point != 9 { // two for each of four links
				t.Errorf("there were %d points", point-1)
			}
			break
		}
	}
}

func TestRefusals(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.write("a", "x")
	var refused *pipeline.RefusedError
	b.busy = []string{"rocky-9"}
	if _, err := b.step().Plan(t.Context(), b.env()); !errors.As(err, &refused) {
		t.Errorf("busy: %v", err)
	}
	b.busy = nil
	plan := b.plan()
	b.away = []string{"half of it"}
	if _, err := b.step().Plan(t.Context(), b.env()); !errors.As(err, &refused) || !says(err, "half of it") {
		t.Errorf("in the middle of a sync: %v", err)
	}
	if _, err := b.run(plan); !errors.As(err, &refused) {
		t.Errorf("in the middle of a sync it ran: %v", err)
	}
	b.away = nil
	b.write("b", "x")
	if _, err := b.run(plan); !errors.As(err, new(*pipeline.ConflictError)) {
		t.Errorf("more than the plan says: %v", err)
	}
	b.cfg.Targets[0].Tree.Production.Mount = true
	if _, err := b.step().Plan(t.Context(), b.env()); !says(err, "is not mounted") {
		t.Errorf("not mounted: %v", err)
	}
	env := b.env()
	env.Version = "8.10"
	if _, err := b.step().Plan(t.Context(), env); !says(err, "no edition") {
		t.Errorf("another major version: %v", err)
	}
	for _, item := range []checklist.Item{
		{Target: "rocky-9", With: map[string]string{"in": "vault"}},
		{Target: "rocky-9", With: map[string]string{"in": "staging"}}, // on a store
		{Target: "rocky-9", With: map[string]string{"exclude": "x"}},
		{Target: "other"},
	} {
		if _, err := hardlink.Make(b.cfg, item); err == nil || config.HintOf(err) == "" {
			t.Errorf("%+v: %v", item, err)
		}
	}
}

// The latest compose is reached by a link, which may not lead out.
func TestCompose(t *testing.T) {
	root := t.TempDir()
	b := newBench(t, root)
	b.in = "compose"
	b.write("a", "x")
	b.write("b", "x")
	if err := os.Symlink("pub/rocky/9.7", filepath.Join(root, "latest")); err != nil {
		t.Fatal(err)
	}
	b.must()
	if !b.one("a", "b") {
		t.Error("nothing was linked")
	}
	outside := t.TempDir()
	if err := errors.Join(os.Remove(filepath.Join(root, "latest")), os.Symlink(outside, filepath.Join(root, "latest"))); err != nil {
		t.Fatal(err)
	}
	if _, err := b.step().Plan(t.Context(), b.env()); err == nil {
		t.Error("a link that leads out is followed")
	}
}

func TestInputs(t *testing.T) {
	b := newBench(t, t.TempDir())
	first, err := b.step().(pipeline.Observer).Inputs(t.Context(), b.env())
	if err != nil {
		t.Fatal(err)
	}
	b.at = "two"
	if second, err := b.step().(pipeline.Observer).Inputs(t.Context(), b.env()); err != nil || second == first {
		t.Errorf("another sync is the same: %v", err)
	}
}

// A file that can have no more names is followed by another one.
func TestTooManyLinks(t *testing.T) {
	b := newBench(t, t.TempDir())
	b.write("x/0", "content")
	full := false
	for i := 1; i < 66_000 && !full; i++ {
		err := os.Link(filepath.Join(b.dir, "x/0"), filepath.Join(b.dir, fmt.Sprintf("x/%d", i)))
		full = err != nil
	}
	if !full {
		t.Skip("this file system bounds no links")
	}
	for _, path := range []string{"a", "b", "c"} {
		b.write(path, "content")
	}
	ev, err := b.run(b.plan())
	if err != nil || ev["files linked"] != "2" || !b.one("a", "b", "c") || b.one("a", "x/0") {
		t.Errorf("%v %v", ev, err)
	}
}

// The same files become one as hardlink makes them.
func TestClientHardlink(t *testing.T) {
	program := client(t, "hardlink")
	b := newBench(t, t.TempDir())
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 600 {
		b.write(fmt.Sprintf("%d/%d/f%d.rpm", i%7, i%3, i), strings.Repeat(string(rune('a'+random.IntN(9))), 1+random.IntN(5)))
	}
	for i := range 30 { // some are linked already
		at := filepath.Join(b.dir, fmt.Sprintf("%d/%d/f%d.rpm", i%7, i%3, i))
		if err := os.Link(at, at+".again"); err != nil {
			t.Fatal(err)
		}
	}
	theirs := filepath.Join(t.TempDir(), "theirs")
	if out, err := exec.Command("cp", "-a", b.dir, theirs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command(program, "-q", theirs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.must()
	if diff := cmp.Diff(families(t, theirs), families(t, b.dir)); diff != "" {
		t.Error(diff)
	}
}

// families are the names of each file.
func families(t *testing.T, dir string) map[string]string {
	t.Helper()
	first, all := map[uint64]string{}, map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		st, err := inode(path)
		if err != nil {
			return err
		}
		if first[st] == "" {
			first[st] = rel
		}
		all[rel] = first[st]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
