package tree_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gantry/pipeline/tree"
	"gantry/storage"
)

// TestCrashChild is run by the crash tests as a process of its own, which plans
// and runs one verb and kills itself at the failpoint of a number. It prints how
// many it passed.
func TestCrashChild(t *testing.T) {
	at, verb := os.Getenv("GANTRY_TREE_CHILD"), os.Getenv("GANTRY_TREE_VERB")
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
	w := newWorld(t, at)
	w.version = os.Getenv("GANTRY_TREE_VERSION")
	if from := os.Getenv("GANTRY_TREE_COMPOSE"); from != "" {
		w.tree().Compose.Root, w.tree().Compose.Path = filepath.Split(from)
	}
	plan, err := w.step(verb, nil).Plan(t.Context(), w.env())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.step(verb, nil).Run(t.Context(), w.env(), plan, quiet()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at, "passed"), fmt.Append(nil, passed.Load()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// command is a verb in a process of its own.
func (w *world) command(verb string, kill int) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
	cmd.Env = append(os.Environ(), "GANTRY_TREE_CHILD="+w.at, "GANTRY_TREE_VERB="+verb, "GANTRY_TREE_KILL="+strconv.Itoa(kill), "GANTRY_TREE_VERSION="+w.version)
	return cmd
}

// child runs a verb in a process of its own that is killed at a failpoint; it
// tells whether it was.
func (w *world) child(verb string, kill int) (killed bool) {
	w.t.Helper()
	cmd := w.command(verb, kill)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || st.Signal() != syscall.SIGKILL {
		w.t.Fatalf("%s: %v\n%s", verb, err, out)
	}
	return true
}

// passed is how many failpoints the last child passed that came to its end.
func (w *world) passed() int {
	w.t.Helper()
	b, err := os.ReadFile(filepath.Join(w.at, "passed"))
	if err != nil {
		w.t.Fatal(err)
	}
	n, err := strconv.Atoi(string(b))
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// A sync that is killed at any moment, and again while it goes on, leaves a tree
// that clients can read; asked for again it ends as if nothing had happened, and
// taken back, half done or whole, it brings back what was there.
func TestKilledAtAnyMoment(t *testing.T) {
	moments := 100
	if testing.Short() {
		moments = 10
	}
	w := newWorld(t, t.TempDir())
	w.composed(0)
	w.must("stage")
	w.must("promote")
	w.composed(5)
	w.must("stage")
	old, want := picture(t, w.production()), picture(t, w.staging())
	readable := func(when string) {
		t.Helper()
		for _, p := range []string{"BaseOS/x86_64/os", "AppStream/x86_64/os", "BaseOS/source/tree"} {
			if n, err := readRepo(t.Context(), w.production(), p); err != nil || n == 0 {
				t.Fatalf("%s: a reader of %s found %d packages: %v", when, p, n, err)
			}
		}
	}
	if w.child("promote", -1) {
		t.Fatal("nobody was to be killed")
	}
	forth := w.passed()
	equal(t, "production", picture(t, w.production()), want)
	if w.child("rollback", -1) {
		t.Fatal("nobody was to be killed")
	}
	back := w.passed()
	equal(t, "production after the undo", picture(t, w.production()), old)
	if forth < 60 || back < 60 {
		t.Fatalf("only %d and %d failpoints passed", forth, back)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for n := range moments {
		at := 1 + rng.IntN(forth)
		when := fmt.Sprintf("moment %d, sync killed at %d of %d", n, at, forth)
		if !w.child("promote", at) {
			t.Fatalf("%s: it was not", when)
		}
		readable(when)
		if rng.IntN(3) == 0 && len(w.half()) > 0 { // taken back as it is
			w.must("rollback")
			equal(t, when+", taken back", picture(t, w.production()), old)
			continue
		}
		for rng.IntN(2) == 0 && w.child("promote", 1+rng.IntN(forth)) {
			readable(when + " and once more")
		}
		if p := w.must("promote"); p.Move.To == "" {
			t.Fatal(when)
		}
		equal(t, when+", gone on", picture(t, w.production()), want)
		if half := w.half(); len(half) > 0 {
			t.Fatalf("%s: still half done: %q", when, half)
		}
		at = 1 + rng.IntN(back)
		when = fmt.Sprintf("moment %d, undo killed at %d of %d", n, at, back)
		if w.child("rollback", at) {
			readable(when)
			if len(w.half()) > 0 {
				w.must("rollback")
			}
		}
		equal(t, when, picture(t, w.production()), old)
	}
}

// The same, killed by the clock: wherever the process is then, between failpoints
// as well.
func TestKilledByTheClock(t *testing.T) {
	moments := 100
	if testing.Short() {
		moments = 10
	}
	w := newWorld(t, t.TempDir())
	w.composed(0)
	w.must("stage")
	w.must("promote")
	w.composed(5)
	w.must("stage")
	old, want := picture(t, w.production()), picture(t, w.staging())
	began := time.Now()
	if out, err := w.command("promote", -1).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(began)
	w.must("rollback")
	rng, amid := rand.New(rand.NewPCG(11, 11)), 0
	for n := range moments {
		cmd := w.command("promote", -1)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(whole))))
		cmd.Process.Kill() // it may be over
		cmd.Wait()
		when := fmt.Sprintf("moment %d", n)
		for _, p := range []string{"BaseOS/x86_64/os", "AppStream/x86_64/os", "BaseOS/source/tree"} {
			if found, err := readRepo(t.Context(), w.production(), p); err != nil || found == 0 {
				t.Fatalf("%s: a reader of %s found %d packages: %v", when, p, found, err)
			}
		}
		if len(w.half()) > 0 {
			amid++
		}
		w.must("promote")
		equal(t, when+", gone on", picture(t, w.production()), want)
		w.must("rollback")
		equal(t, when+", taken back", picture(t, w.production()), old)
	}
	t.Logf("%d of %d were in the middle of a sync", amid, moments)
}

// Every failpoint is passed by a sync and its undo.
func TestFailpointsArePassed(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.tree().Grace = 1 // nanosecond
	w.composed(0)
	w.must("stage")
	w.must("promote")
	w.composed(1)
	w.must("stage")
	var seen [64]atomic.Bool
	points := tree.Points()
	storage.OnReach(func(point string) {
		if i := slices.Index(points, point); i >= 0 {
			seen[i].Store(true)
		}
	})
	defer storage.OnReach(nil)
	w.must("promote")
	w.must("rollback")
	for i, point := range points {
		if !seen[i].Load() && point != "tree.waiting" {
			t.Errorf("nobody passed %s", point)
		}
	}
}
