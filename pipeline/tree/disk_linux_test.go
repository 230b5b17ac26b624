package tree_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gantry/config"
)

// small mounts a file system of its own.
func small(t *testing.T, at, options string) {
	t.Helper()
	if err := unix.Mount("tmpfs", at, "tmpfs", 0, options); err != nil {
		t.Skipf("mount: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(at, 0); err != nil {
			t.Error(err)
		}
	})
}

// A disk that fills up in the middle of production stops the sync; with room
// again it goes on, and ends as if nothing had happened.
func TestDiskFullInTheMiddle(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(0)
	w.must("stage")
	root := filepath.Join(w.at, "production")
	small(t, root, "size=48m")
	w.tree().Production.Mount = true
	s := w.step("promote", nil)
	plan, err := s.Plan(t.Context(), w.env())
	if err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("mount", "-o", "remount,size=200k", root).Run(); err != nil {
		t.Skipf("remount: %v", err)
	}
	_, err = s.Run(t.Context(), w.env(), plan, quiet())
	if err == nil || !strings.Contains(err.Error(), "no space left") || !strings.Contains(config.HintOf(err), "make room") {
		t.Fatalf("the run ended with %v (%s)", err, config.HintOf(err))
	}
	if _, err := os.Stat(w.production("BaseOS/x86_64/os/repodata/repomd.xml")); !os.IsNotExist(err) {
		t.Errorf("the metadata is there: %v", err)
	}
	w.fails("promote", "has room for")
	if err := exec.Command("mount", "-o", "remount,size=48m", root).Run(); err != nil {
		t.Fatal(err)
	}
	if p := w.must("promote"); p.Move.To != plan.Move.To {
		t.Errorf("it went on as %s, begun as %s", p.Move.To, plan.Move.To)
	}
	equal(t, "production", picture(t, w.production()), picture(t, w.staging()))
}

// The undo area is on the file system of the tree, or nothing is begun.
func TestUndoAreaElsewhereIsRefused(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(0)
	w.must("stage")
	if err := os.RemoveAll(filepath.Join(w.at, "staging", ".gantry")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(w.at, "staging", ".gantry"), 0o700); err != nil {
		t.Fatal(err)
	}
	small(t, filepath.Join(w.at, "staging", ".gantry"), "size=1m")
	w.fails("stage", "another file system")
}

// As a user that may not read everything, a sync is refused before it begins.
func TestUnreadableIsRefusedBefore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes somebody else")
	}
	w := newWorld(t, t.TempDir())
	w.composed(0)
	for p := w.at; p != "/"; p = filepath.Dir(p) {
		if info, err := os.Stat(p); err == nil && info.Mode().Perm()&1 == 0 {
			if err := os.Chmod(p, info.Mode().Perm()|0o055); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Chown(filepath.Join(w.at, "staging"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(w.compose("metadata/COMPOSE_ID"), 0o600); err != nil {
		t.Fatal(err)
	}
	exe := filepath.Join(w.at, "child")
	b, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(exe, b, 0o755); err != nil {
		t.Fatal(err)
	}
	run := func() (string, error) {
		cmd := exec.Command(exe, "-test.run=^TestCrashChild$", "-test.v")
		cmd.Env = append(os.Environ(), "GANTRY_TREE_CHILD="+w.at, "GANTRY_TREE_VERB=stage", "GANTRY_TREE_KILL=-1", "GANTRY_TREE_VERSION="+w.version)
		cmd.Dir = w.at
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(); err == nil || !strings.Contains(out, "metadata/COMPOSE_ID: permission denied") || len(w.half()) > 0 {
		t.Fatalf("%v, half done %q\n%s", err, w.half(), out)
	}
	if err := os.Chmod(w.compose("metadata/COMPOSE_ID"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := run(); err == nil || !strings.Contains(out, "passed") {
		// The child cannot leave its number in a directory that is not its own, which is
		// after all is done.
		t.Fatalf("%v\n%s", err, out)
	}
	if w.pointer("staging") == "" {
		t.Error("staging is the result of nothing")
	}
}
