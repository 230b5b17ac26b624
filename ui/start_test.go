package ui

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"

	"gantry/pipeline"
)

// inTerminal makes the test program a console in a terminal instead.
const inTerminal = "GANTRY_TEST_CONSOLE"

func TestMain(m *testing.M) {
	dir := os.Getenv(inTerminal)
	if dir == "" {
		os.Exit(m.Run())
	}
	f, err := patchDay(dir)
	if err == nil {
		f.view.Runs[0].Live = false // so that q quits
		f.started = func(pipeline.Plan) { panic("a defect in the console") }
		err = Run(context.Background(), f, Options{Now: func() time.Time { return time.Now() }})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// deadline bounds waits that only a defect reaches. It stands under the five
// seconds that a terminal which answers nothing costs without the guard.
const deadline = 4500 * time.Millisecond

// console is the test program as a console in a terminal that answers nothing.
type console struct {
	t    testing.TB
	tty  *os.File
	cmd  *exec.Cmd
	data chan []byte // closed when the program is gone
	emu  *vt.Emulator
	raw  bytes.Buffer
}

func startConsole(t testing.TB) *console {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), inTerminal+"="+t.TempDir(), "TERM=xterm-256color", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "NO_COLOR=", "CI=")
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, tty: tty, cmd: cmd, data: make(chan []byte), emu: vt.NewEmulator(80, 24)}
	go func() {
		defer close(c.data)
		for {
			b := make([]byte, 4096)
			n, err := tty.Read(b)
			if err != nil {
				return
			}
			c.data <- b[:n]
		}
	}()
	return c
}

// see waits until the screen shows the words.
func (c *console) see(words string) {
	c.t.Helper()
	late := time.After(deadline)
	for !strings.Contains(c.emu.String(), words) {
		select {
		case b, open := <-c.data:
			if !open {
				c.t.Fatalf("ended before it showed %q:\n%s", words, c.emu.String())
			}
			c.raw.Write(b)
			c.emu.Write(b)
		case <-late:
			c.t.Fatalf("does not show %q:\n%s", words, c.emu.String())
		}
	}
}

func (c *console) key(keys string) {
	c.t.Helper()
	if _, err := c.tty.WriteString(keys); err != nil {
		c.t.Fatal(err)
	}
}

// end waits for the program to leave.
func (c *console) end() {
	c.t.Helper()
	for b := range c.data {
		c.raw.Write(b)
	}
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("ended with %v: %s", err, c.raw.String())
	}
	c.tty.Close()
}

func TestFirstFrameOnASilentTerminal(t *testing.T) {
	c := startConsole(t)
	c.see("Checklist")
	c.key("q")
	c.end()
	for _, query := range []string{"\x1b]11;?", "\x1b]10;?", "\x1b[6n", "\x1b[c"} {
		if bytes.Contains(c.raw.Bytes(), []byte(query)) {
			t.Errorf("asked the terminal %q", query)
		}
	}
}

func TestConsoleInATerminal(t *testing.T) {
	c := startConsole(t)
	c.see("Checklist")
	c.key("3")
	c.see("Targets")
	c.key("p")
	c.see("PRODUCTION")
	c.see("To confirm")
	if err := pty.Setsize(c.tty, &pty.Winsize{Rows: 44, Cols: 120}); err != nil {
		t.Fatal(err)
	}
	c.emu.Resize(120, 44)
	c.see("manifest  sha256:41d0c77f0e") // the higher dialog has room for the last line
	c.key("\x1b")
	c.see("snapshots, newest first")
	c.key("q")
	c.end()
	for _, restored := range []string{"\x1b[?1049l", "\x1b[?25h", "\x1b[?2004l", "\x1b[?7h"} {
		if !bytes.Contains(c.raw.Bytes(), []byte(restored)) {
			t.Errorf("the terminal was left without %q", restored)
		}
	}
}

// stopped reads until the terminal was given back, and taken again where again.
func (c *console) stopped(again bool) {
	c.t.Helper()
	late := time.After(deadline)
	for {
		all := c.raw.Bytes()
		given := bytes.LastIndex(all, []byte("\x1b[?1049l"))
		if given >= 0 && (!again || bytes.LastIndex(all, []byte("\x1b[?1049h")) > given) {
			return
		}
		select {
		case b, open := <-c.data:
			if !open {
				c.t.Fatalf("ended: %q", c.raw.String())
			}
			c.raw.Write(b)
			c.emu.Write(b)
		case <-late:
			c.t.Fatalf("the terminal was not given back: %q", c.raw.String())
		}
	}
}

// Where no shell could bring it back, ctrl+z returns to the console at once.
func TestSuspendGivesTheTerminalBack(t *testing.T) {
	c := startConsole(t)
	c.see("Checklist")
	c.key("\x1a")
	c.stopped(true)
	c.key("3")
	c.see("Targets")
	c.key("q")
	c.end()
}

func TestPanicGivesTheTerminalBack(t *testing.T) {
	c := startConsole(t)
	c.see("Checklist")
	c.key("G")
	c.see("▶ ✘ Mirrors have followed")
	c.key("\r")
	for b := range c.data {
		c.raw.Write(b)
	}
	if err := c.cmd.Wait(); err == nil {
		t.Error("a defect ended as if nothing had been")
	}
	c.tty.Close()
	given, trace := bytes.Index(c.raw.Bytes(), []byte("\x1b[?1049l")), bytes.Index(c.raw.Bytes(), []byte("a defect in the console"))
	if given < 0 || trace < given {
		t.Errorf("the trace does not come after the terminal was given back: %q", c.raw.String())
	}
}

// BenchmarkFirstFrame is from the start of the program to its first frame, on a
// terminal that answers nothing; it must stay under 100 ms.
func BenchmarkFirstFrame(b *testing.B) {
	for b.Loop() {
		c := startConsole(b)
		c.see("Checklist")
		b.StopTimer()
		c.key("q")
		c.end()
		b.StartTimer()
	}
}
