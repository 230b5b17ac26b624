package filelist_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"gantry/pipeline"
	"gantry/pipeline/filelist"
	"gantry/storage"
)

var lists = []string{
	"fullfilelist", "fullfiletimelist-root",
	"mirror/pub/rocky/fullfilelist", "mirror/pub/rocky/fullfiletimelist-rocky", "mirror/pub/rocky/fullfiletimelist", "mirror/pub/rocky/fullfiletimelist-rocky-linux",
	"mirror/pub/sig/fullfilelist", "mirror/pub/sig/fullfiletimelist-sig", "mirror/pub/sig/fullfiletimelist",
}

// whole looks at every list as a mirror would: it is there, and whole.
func (b *bench) whole() error {
	for _, list := range lists {
		data, err := os.ReadFile(filepath.Join(b.root, list))
		if err != nil {
			return err
		}
		if strings.HasSuffix(list, "fullfilelist") {
			if !strings.HasPrefix(string(data), ".\n") || !strings.HasSuffix(string(data), "\n") {
				return errors.New(list + " is not whole")
			}
			continue
		}
		if _, err := filelist.Parse(strings.NewReader(string(data)), nil); err != nil {
			return err
		}
	}
	return nil
}

// TestChild is run as a process of its own, that kills itself at a point.
func TestChild(t *testing.T) {
	root, at, ok := strings.Cut(os.Getenv("GANTRY_FILELIST_CHILD"), "@")
	if !ok {
		t.Skip("only run by another test")
	}
	point, err := strconv.Atoi(at)
	if err != nil {
		t.Fatal(err)
	}
	b := benchAt(t, root)
	plan, err := b.plan()
	if err != nil {
		t.Fatal(err)
	}
	var passed atomic.Int64
	storage.OnReach(func(string) {
		if passed.Add(1) == int64(point) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
	})
	env := b.env()
	env.Keep = func(_ context.Context, text string) error {
		return os.WriteFile(filepath.Join(root, ".gantry/kept"), []byte(text), 0o644)
	}
	if _, err := b.step().Run(t.Context(), env, plan, pipeline.NewProgress(nil)); err != nil {
		t.Fatal(err)
	}
}

// Every list is there and whole at every moment, whoever reads it and wherever a
// run is killed; looking tells whether it came to its end, and the run after it
// does.
func TestH09ListsAreWholeAtEveryMoment(t *testing.T) {
	b := newBench(t)
	b.must()
	stop, reading := make(chan struct{}), sync.WaitGroup{}
	defer reading.Wait()
	defer close(stop)
	reading.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if err := b.whole(); err != nil {
					t.Errorf("a mirror sees: %v", err)
					return
				}
			}
		}
	})
	for point := 1; ; point++ {
		b.write("mirror/pub/rocky/9.7/new.rpm", strings.Repeat("x", point))
		b.write(".gantry/kept", "")
		cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("GANTRY_FILELIST_CHILD=%s@%d", b.root, point))
		over := cmd.Run() == nil
		if err := b.whole(); err != nil {
			t.Fatalf("killed at point %d: %v", point, err)
		}
		b.kept = b.read(".gantry/kept")
		seen, err := b.step().(pipeline.Looker).Look(t.Context(), b.env(), pipeline.Plan{})
		all := len(lists) + 3 // lists, and those that keep the ones before
		placed := point - 6 - 1
		if over {
			placed = all
		}
		if err != nil || seen.Done != (placed >= all) {
			t.Errorf("killed at point %d it is found to be done: %v %v", point, seen, err)
		}
		b.must()
		if !strings.Contains(b.read("mirror/pub/rocky/fullfiletimelist-rocky"), fmt.Sprintf("\t%d\t9.7/new.rpm", point)) {
			t.Fatal("the list is not the new one")
		}
		if left := b.temporary(); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
		if over {
			if point < all {
				t.Errorf("there were %d points", point)
			}
			break
		}
	}
}

// What a run that was killed left behind goes with the next; files of others stay.
func TestSweeping(t *testing.T) {
	b := newBench(t)
	const mine, others = "mirror/pub/rocky/.fullfilelist.0123abcd.~tmp~", "mirror/pub/rocky/.kernel.rpm.0123abcd.~tmp~"
	b.write(mine, "half a li")
	b.write(others, "half a kernel")
	b.must()
	if left := b.temporary(); !slices.Equal(left, []string{filepath.Join(b.root, others)}) {
		t.Errorf("left are %v", left)
	}
	if strings.Contains(b.read("fullfilelist"), "tmp") {
		t.Error("a list has a file in the making")
	}
}

// A run that fails when some lists are written leaves those of before in place.
func TestH09FailureLeavesTheListsBefore(t *testing.T) {
	b := newBench(t)
	b.must()
	before := map[string]string{}
	for _, list := range lists {
		before[list] = b.read(list)
	}
	b.write("mirror/pub/rocky/9.7/new.rpm", "x")
	plan, err := b.plan()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var written atomic.Int64
	storage.OnReach(func(name string) {
		if name == "filelist.written" && written.Add(1) == 3 {
			cancel()
		}
	})
	defer storage.OnReach(nil)
	if _, err := b.step().Run(ctx, b.env(), plan, pipeline.NewProgress(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that was cancelled: %v", err)
	}
	if written.Load() < 3 {
		t.Errorf("%d lists were written", written.Load())
	}
	for _, list := range lists {
		if b.read(list) != before[list] {
			t.Errorf("%s was replaced", list)
		}
	}
	if left := b.temporary(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What tells mirrors to come is touched last.
func TestOrder(t *testing.T) {
	b := newBench(t)
	b.must()
	was := map[string]uint64{}
	inode := func(list string) uint64 {
		st, err := os.Lstat(filepath.Join(b.root, list))
		if err != nil {
			t.Fatal(err)
		}
		return st.Sys().(*syscall.Stat_t).Ino
	}
	for _, list := range lists {
		was[list] = inode(list)
	}
	var order []string
	storage.OnReach(func(name string) {
		if name != "filelist.placed" {
			return
		}
		for _, list := range lists {
			if !slices.Contains(order, list) && inode(list) != was[list] {
				order = append(order, list)
			}
		}
	})
	defer storage.OnReach(nil)
	b.must()
	if len(order) != len(lists) {
		t.Fatalf("replaced were %v", order)
	}
	for i, list := range order {
		base := filepath.Base(list)
		plain := base == "fullfilelist"
		signal := base == "fullfiletimelist-rocky" || base == "fullfiletimelist-sig" || base == "fullfiletimelist-root"
		if plain != (i < 3) || signal != (i >= len(order)-3) {
			t.Errorf("%s is number %d of %v", list, i, order)
		}
	}
	one, two := inode("mirror/pub/rocky/fullfiletimelist-rocky"), inode("mirror/pub/rocky/fullfiletimelist")
	if one != two {
		t.Error("the copies are not the same list")
	}
}

func TestReverse(t *testing.T) {
	b := newBench(t)
	b.must()
	reverse := b.step().(pipeline.Reverser).Reverse()
	var refused *pipeline.RefusedError
	if _, err := reverse.Plan(t.Context(), b.env()); !errors.As(err, &refused) {
		t.Errorf("nothing was there before, and: %v", err)
	}
	before := map[string]string{}
	for _, list := range lists {
		before[list] = b.read(list)
	}
	b.write("mirror/pub/rocky/9.7/new.rpm", "x")
	b.must()
	plan, err := reverse.Plan(t.Context(), b.env())
	if err != nil {
		t.Fatal(err)
	}
	if plan.Count().Removed == 0 || len(plan.Parts) != 3 {
		t.Errorf("%+v in %d parts", plan.Count(), len(plan.Parts))
	}
	if _, err := reverse.Run(t.Context(), b.env(), plan, pipeline.NewProgress(nil)); err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		if !strings.HasSuffix(list, "fullfilelist") && b.read(list) != before[list] {
			t.Errorf("%s is not as before", list)
		}
	}
	if _, err := reverse.Plan(t.Context(), b.env()); !errors.As(err, &refused) || !refused.Idle {
		t.Errorf("twice: %v", err)
	}
	if left := b.temporary(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	b.must()
	if !strings.Contains(b.read("mirror/pub/rocky/fullfiletimelist-rocky"), "new.rpm") {
		t.Error("they cannot be written anew")
	}
}

// A list that was damaged is no list to go back to: the good one before it stays.
func TestH09ADamagedListIsNotKept(t *testing.T) {
	b := newBench(t)
	b.must()
	b.write("mirror/pub/rocky/9.7/new.rpm", "x")
	b.must()
	const list = "mirror/pub/rocky/fullfiletimelist-rocky"
	good := b.read(list + "-old")
	b.write(list, b.read(list)[:20])
	b.must()
	if got := b.read(list + "-old"); got != good {
		t.Errorf("what can be put back is %q", got)
	}
	if err := b.whole(); err != nil {
		t.Error(err)
	}
	for _, e := range b.entries("fullfiletimelist-root") {
		if e.Path == list+"-old" && e.Size != int64(len(good)) {
			t.Errorf("the outer list says %+v of %d bytes", e, len(good))
		}
	}
}

func TestOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away")
	}
	b := newBench(t)
	o := &b.cfg.FileLists[0].Scopes[1].Owner
	o.Set, o.UID, o.GID = true, 10004, 10005
	b.must() // also the first time, when no list is there
	for _, name := range []string{"fullfilelist", "fullfiletimelist-rocky", "fullfiletimelist"} {
		st, err := os.Lstat(filepath.Join(b.root, "mirror/pub/rocky", name))
		if err != nil {
			t.Fatal(err)
		}
		if sys := st.Sys().(*syscall.Stat_t); sys.Uid != 10004 || sys.Gid != 10005 || st.Mode().Perm() != 0o644 {
			t.Errorf("%s belongs to %d:%d, %v", name, sys.Uid, sys.Gid, st.Mode())
		}
	}
}

// Two runs at a time, of whichever releases, do not mix their lists.
func TestH17OneRunAtATime(t *testing.T) {
	b := newBench(t)
	plan, err := b.plan()
	if err != nil {
		t.Fatal(err)
	}
	var second error
	storage.OnReach(func(name string) {
		if name == "filelist.kept" && second == nil {
			_, second = b.step().Run(t.Context(), b.env(), plan, pipeline.NewProgress(nil))
		}
	})
	defer storage.OnReach(nil)
	if _, err := b.step().Run(t.Context(), b.env(), plan, pipeline.NewProgress(nil)); err != nil {
		t.Fatal(err)
	}
	if !errors.As(second, new(*pipeline.ConflictError)) {
		t.Errorf("the second run: %v", second)
	}
	if _, err := os.Lstat(filepath.Join(b.root, ".filelists.~tmp~")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the lock stays behind: %v", err)
	}
}
