package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// TestProgressOnATerminal watches a run on a terminal: the line is written over
// while the run lasts, and gone when it is over.
func TestProgressOnATerminal(t *testing.T) {
	dir := slowDir(t, ":")
	cmd := exec.Command("gantry", "-C", filepath.Join(dir, "release.yaml"), "run", "first")
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it is over where the test passed
	if _, err := os.ReadFile(filepath.Join(dir, "began")); err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	read := func(what string) {
		t.Helper()
		b := make([]byte, 4096)
		for !strings.Contains(seen.String(), what) {
			n, err := tty.Read(b)
			seen.Write(b[:n])
			if err != nil {
				t.Fatalf("no %q on the terminal: %v\n%q", what, err, seen.String())
			}
		}
	}
	read("\rFirst  run slow")
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("on\n"), 0); err != nil {
		t.Fatal(err)
	}
	read("\r\x1b[Kdone  First")
	if err := cmd.Wait(); err != nil {
		t.Errorf("gantry run: %v", err)
	}
	if strings.Contains(seen.String(), "\x1b[3") {
		t.Errorf("colours in spite of NO_COLOR: %q", seen.String())
	}
}
