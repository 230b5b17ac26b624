package tree_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"

	"gantry/storage"
	"gantry/storage/storagetest"
)

// TestBucketCrashChild is run by the crash test as a process of its own, which
// plans and runs one verb and kills itself at the failpoint of a number.
func TestBucketCrashChild(t *testing.T) {
	at, endpoint := os.Getenv("GANTRY_TREE_BUCKET"), os.Getenv("GANTRY_TREE_ENDPOINT")
	if at == "" {
		t.Skip("only run by crash tests")
	}
	last, err := strconv.ParseInt(os.Getenv("GANTRY_TREE_KILL"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	var passed atomic.Int64
	storage.OnReach(func(string) {
		if passed.Add(1) == last {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	})
	newBucketWorld(t, at, endpoint).must(os.Getenv("GANTRY_TREE_VERB"))
	if err := os.WriteFile(filepath.Join(at, "passed"), fmt.Append(nil, passed.Load()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// child runs a verb in a process of its own that is killed at a failpoint; it
// tells whether it was.
func (w *bucketWorld) child(verb string, kill int) (killed bool) {
	w.t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestBucketCrashChild$")
	cmd.Env = append(os.Environ(), "GANTRY_TREE_BUCKET="+w.at, "GANTRY_TREE_ENDPOINT="+w.endpoint, "GANTRY_TREE_VERB="+verb, "GANTRY_TREE_KILL="+strconv.Itoa(kill))
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || st.Signal() != syscall.SIGKILL {
		w.t.Fatalf("%s: %v\n%s", verb, err, out)
	}
	return true
}

// A console that is killed at any moment of a sync to a store, or of its undo,
// leaves a tree that readers can read; whoever comes after it goes on.
func TestBucketKilledAtAnyMoment(t *testing.T) {
	w := newBucketWorld(t, t.TempDir(), storagetest.NewS3(t).Endpoint())
	moments := 20
	if testing.Short() {
		moments = 3
	}
	w.composed(0)
	w.must("stage")
	w.must("promote")
	old := w.objects(onStore)
	w.composed(5)
	w.must("stage")
	want := contents(t, w.staging())
	if w.child("promote", -1) {
		t.Fatal("nobody was to be killed")
	}
	forth := w.passed()
	w.must("rollback")
	equal(t, "taken back", w.objects(onStore), old)
	rng := rand.New(rand.NewPCG(7, 7))
	readable := func(when string) {
		t.Helper()
		for _, p := range []string{"BaseOS/x86_64/os", "AppStream/x86_64/os", "BaseOS/source/tree"} {
			if n, err := w.reader(p); err != nil || n == 0 {
				t.Fatalf("%s: a reader of %s found %d packages: %v", when, p, n, err)
			}
		}
	}
	for range moments {
		at := 1 + rng.IntN(forth)
		when := fmt.Sprintf("sync killed at %d of %d", at, forth)
		if !w.child("promote", at) {
			t.Fatalf("%s: it was not", when)
		}
		readable(when)
		if p := w.must("promote"); len(p.Alarms) > 0 {
			t.Fatalf("%s: going on gives the alarms %v", when, p.Alarms)
		}
		equal(t, when+", gone on", w.objects(onStore), want)
		when = fmt.Sprintf("undo killed at %d", at)
		if w.child("rollback", at) {
			readable(when)
			if w.half(w.served()) != "" {
				w.must("rollback")
			}
		}
		equal(t, when, w.objects(onStore), old)
		w.must("verify")
	}
}
