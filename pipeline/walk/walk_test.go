package walk_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gantry/pipeline/walk"
)

func write(t *testing.T, at string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(at), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *walk.Root {
	t.Helper()
	r, err := walk.Open(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// paths are all of a tree, in order.
func paths(d *walk.Dir) []string {
	var all []string
	for i := range d.Entries {
		e := &d.Entries[i]
		all = append(all, filepath.Join(d.Path(), e.Name))
		if e.Dir != nil {
			all = append(all, paths(e.Dir)...)
		}
	}
	return all
}

func descriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(open)
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for i := range 300 {
		write(t, fmt.Sprintf("%s/%d/%x/%d", dir, i%7, i%16, i))
	}
	write(t, dir+"/no/file")
	write(t, dir+"/name\nof two lines")
	for at, to := range map[string]string{"loop": ".", "up": "..", "self": "self", "dangling": "x", "file": "0/0/0", "1/back": "../1"} {
		if err := os.Symlink(to, filepath.Join(dir, at)); err != nil {
			t.Fatal(err)
		}
	}
	r, before := open(t, dir), descriptors(t)
	var counted atomic.Int64
	top, err := walk.Read(t.Context(), r, walk.Options{
		Skip:  func(at, name string) bool { return at == "" && name == "no" },
		Count: func(n int64) { counted.Add(n) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d files stay open", after-before)
	}
	var want []string
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if d.Name() == "no" {
			return filepath.SkipDir
		}
		if path != dir {
			want = append(want, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if diff := cmp.Diff(want, paths(top)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if counted.Load() != int64(len(want)) {
		t.Errorf("%d entries were counted", counted.Load())
	}
	for name, leads := range map[string]uint32{"loop": syscall.S_IFDIR, "up": syscall.S_IFDIR, "self": 0, "dangling": 0} {
		if e, ok := top.Entry(name); !ok || e.Kind() != syscall.S_IFLNK || e.Target&syscall.S_IFMT != leads || e.Dir != nil {
			t.Errorf("%s is %+v", name, e)
		}
	}
	d := top.Find("0/0")
	if d == nil || d.Path() != "0/0" || top.Find(".") != top || top.Find("file") != nil || top.Find("0/nothing") != nil {
		t.Error("what is there is not found, or what is not is")
	}
	e, ok := d.Entry("0")
	var st unix.Stat_t
	if err := unix.Lstat(dir+"/0/0/0", &st); err != nil || !ok {
		t.Fatal(err)
	}
	if e.Inode != st.Ino || e.Size != st.Size || e.Modified != st.Mtim.Nano() || e.Changed != st.Ctim.Nano() || e.Mode != uint32(st.Mode) || e.UID != st.Uid {
		t.Errorf("%+v is not %+v", e, st)
	}
}

// What comes and goes while a tree is read does no harm.
func TestReadWhileItChanges(t *testing.T) {
	dir := t.TempDir()
	for i := range 200 {
		write(t, fmt.Sprintf("%s/stays/%d/%d", dir, i%20, i))
	}
	stop, changed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(changed)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				at := fmt.Sprintf("%s/goes/%d", dir, i%5)
				os.MkdirAll(at, 0o755)
				os.WriteFile(at+"/file", nil, 0o644)
				os.RemoveAll(at)
			}
		}
	}()
	r := open(t, dir)
	for range 100 {
		top, err := walk.Read(t.Context(), r, walk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if n := len(paths(top.Find("stays"))); n != 220 {
			t.Fatalf("%d entries stay", n)
		}
	}
	close(stop)
	<-changed
}

func TestReadEnds(t *testing.T) {
	dir := t.TempDir()
	for i := range 500 {
		write(t, fmt.Sprintf("%s/%d/%d/file", dir, i%50, i))
	}
	r, before := open(t, dir), descriptors(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	var n atomic.Int64
	_, err := walk.Read(ctx, r, walk.Options{Count: func(int64) {
		if n.Add(1) == 100 {
			cancel(enough)
		}
	}})
	if err != nil && !errors.Is(err, enough) {
		t.Error(err)
	}
	cancel(nil)
	if _, err := walk.Read(ctx, r, walk.Options{}); !errors.Is(err, enough) {
		t.Errorf("read although it was over: %v", err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d files stay open", after-before)
	}
}

// TestChild is run as a user who may read less.
func TestChild(t *testing.T) {
	dir := os.Getenv("GANTRY_WALK_CHILD")
	if dir == "" {
		t.Skip("only run by another test")
	}
	top, err := walk.Read(t.Context(), open(t, dir), walk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if d := top.Find("closed"); d == nil || !d.Unreadable || len(d.Entries) > 0 {
		t.Errorf("the closed directory is %+v", d)
	}
	if d := top.Find("open"); d == nil || d.Unreadable || len(d.Entries) != 1 {
		t.Errorf("the open directory is %+v", d)
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/closed/file")
	write(t, dir+"/open/file")
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755), os.Chmod(dir+"/closed", 0o700)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), "GANTRY_WALK_CHILD="+dir)
	if os.Geteuid() == 0 {
		copied := filepath.Join(filepath.Dir(dir), "walk.test") // where everybody gets at it
		if out, err := exec.Command("cp", os.Args[0], copied).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		cmd.Path, cmd.Dir = copied, "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	} else if err := os.Chmod(dir+"/closed", 0); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.Chmod(dir+"/closed", 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a/b/file")
	outside := t.TempDir()
	for at, to := range map[string]string{"in": "a/b", "out": outside} {
		if err := os.Symlink(to, filepath.Join(dir, at)); err != nil {
			t.Fatal(err)
		}
	}
	r := open(t, dir)
	at, err := r.Below("a/b")
	if err != nil {
		t.Fatal(err)
	}
	at.Close()
	for _, path := range []string{"in", "out", "nothing", "..", "a/b/file"} {
		if at, err := r.Below(path); err == nil {
			at.Close()
			t.Errorf("%s was opened", path)
		}
	}
	sub, err := r.Sub("in")
	if err != nil {
		t.Fatal(err)
	}
	sub.Close()
	if sub, err := r.Sub("out"); err == nil {
		sub.Close()
		t.Error("a link that leads out was followed")
	}
	if err := errors.Join(os.Rename(dir+"/a", dir+"/c"), os.Symlink(outside, dir+"/a")); err != nil {
		t.Fatal(err)
	}
	top, err := walk.Read(t.Context(), r, walk.Options{})
	if err != nil {
		t.Fatal(err)
	}
	folders := r.Folders()
	defer folders.Close()
	if _, err := folders.Stat(top.Find("c/b"), "file"); err != nil {
		t.Error(err)
	}
	if err := errors.Join(os.Rename(dir+"/c", dir+"/d"), os.Symlink(outside, dir+"/c")); err != nil {
		t.Fatal(err)
	}
	folders.Close()
	if _, err := folders.Open(top.Find("c/b")); err == nil {
		t.Error("a directory that became a link was followed")
	}
}

func TestMounted(t *testing.T) {
	dir := t.TempDir()
	if r, err := walk.Open(dir, true); err == nil {
		r.Close()
		t.Error("a directory is taken for a mount point")
	}
	mounts := []string{"/", "/dev"}
	if i := slices.IndexFunc(mounts, func(at string) bool {
		r, err := walk.Open(at, true)
		if err == nil {
			err = r.Close()
		}
		return err != nil
	}); i >= 0 {
		t.Errorf("%s is not taken for a mount point", mounts[i])
	}
}
