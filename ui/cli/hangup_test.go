package cli_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/creack/pty"
)

// TestConsoleLosesItsTerminal starts a run in the console and takes the
// terminal away: the run goes on to its end, then the program ends; also where
// SIGHUP is ignored, as nohup has it.
func TestConsoleLosesItsTerminal(t *testing.T) {
	t.Run("told by SIGHUP", func(t *testing.T) { losesItsTerminal(t, `exec gantry -C "$0"`) })
	t.Run("SIGHUP ignored", func(t *testing.T) { losesItsTerminal(t, `trap "" HUP; exec gantry -C "$0"`) })
}

func losesItsTerminal(t *testing.T, script string) {
	dir := slowDir(t, ":")
	cmd := exec.Command("sh", "-c", script, filepath.Join(dir, "release.yaml"))
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LANG=C.UTF-8")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it is over where the test passed
	typed := 0
	screen := make(chan struct{}) // closed when the terminal is gone
	go func() {
		defer close(screen)
		_, _ = io.Copy(io.Discard, tty) // ends with the terminal
	}()
	began := make(chan error, 1)
	go func() {
		_, err := os.ReadFile(filepath.Join(dir, "began"))
		began <- err
	}()
	// The console takes no key before it is there, and its dialog none before it
	// was seen: so the keys that run an item are typed until the item runs.
	for waiting := true; waiting; {
		select {
		case err := <-began:
			if err != nil {
				t.Fatal(err)
			}
			waiting = false
		case <-time.After(300 * time.Millisecond):
			if _, err := tty.Write([]byte("\ryyy")[typed%4 : typed%4+1]); err != nil {
				t.Fatal(err)
			}
			typed++
		}
	}
	tty.Close() // the program gets SIGHUP, and EIO on every write
	<-screen
	if got := states(t, dir); got != "running ready" {
		t.Errorf("items are %s, want running ready", got)
	}
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("on\n"), 0); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("gantry: %v", err)
	}
	if got := states(t, dir); got != "done ready" {
		t.Errorf("items are %s, want done ready", got)
	}
}
