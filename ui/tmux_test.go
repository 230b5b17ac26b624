package ui

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// patience of a test with a screen; only a defect reaches it.
const tmuxDeadline = 30 * time.Second

// desk is an operator's terminal in tmux, with a gantry that was built for it.
type desk struct {
	t              *testing.T
	gantry, socket string
	dir            string // of the demo
}

// newDesk opens the console on a small real release in a terminal of a size.
func newDesk(t *testing.T, w, h int) *desk {
	t.Helper()
	return newDeskOf(t, "packyard", "enter run", w, h)
}

// newDeskOf does so on a demo, and waits for words of its first screen.
func newDeskOf(t *testing.T, demo, words string, w, h int) *desk {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
			t.Fatal("tmux is required and not here")
		}
		t.Skip("no tmux here")
	}
	short, err := os.MkdirTemp("", "desk") // the path of a socket has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	d := &desk{t: t, gantry: filepath.Join(short, "gantry"), socket: filepath.Join(short, "tmux"), dir: filepath.Join(short, "demo")}
	if out, err := exec.Command("go", "build", "-o", d.gantry, "gantry").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", d.socket, "kill-server").Run() })
	d.tmux("-u", "-f", "/dev/null", "new-session", "-d", "-s", "desk", "-x", fmt.Sprint(w), "-y", fmt.Sprint(h),
		"env -u CI LC_ALL=C.UTF-8 NO_COLOR= PS1='shell> ' sh")
	d.sees("shell>")
	d.keys("stty -g >" + short + "/before; " + d.gantry + " demo " + demo + " --dir " + d.dir + "; stty -g >" + short + "/after; cat " + short + "/before " + short + "/after | uniq | wc -l")
	d.press("Enter")
	d.sees(words)
	return d
}

func (d *desk) tmux(args ...string) string {
	d.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", d.socket}, args...)...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("tmux %q: %v\n%s", args, err, out)
	}
	return string(out)
}

func (d *desk) screen() string { return d.tmux("capture-pane", "-p", "-t", "desk") }

// press sends keys by their names in tmux.
func (d *desk) press(names ...string) {
	d.t.Helper()
	d.tmux(append([]string{"send-keys", "-t", "desk"}, names...)...)
}

// keys sends text in one piece, as a terminal without bracketed paste does.
func (d *desk) keys(text string) {
	d.t.Helper()
	d.tmux("send-keys", "-t", "desk", "-l", "--", text)
}

// types sends text key by key, 50 ms apart.
func (d *desk) types(text string) {
	d.t.Helper()
	for _, r := range text {
		d.keys(string(r))
		time.Sleep(50 * time.Millisecond)
	}
}

// until waits for the screen to be as wanted.
func (d *desk) until(what string, is func(screen string) bool) string {
	d.t.Helper()
	for late := time.Now().Add(tmuxDeadline); ; {
		s := d.screen()
		if is(s) {
			return s
		}
		if time.Now().After(late) {
			d.t.Fatalf("the screen never shows %s:\n%s", what, s)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (d *desk) sees(words string) string {
	d.t.Helper()
	return d.until(words, func(s string) bool { return strings.Contains(s, words) })
}

// armed waits until a dialog takes answers.
func (d *desk) armed(words string) string {
	d.t.Helper()
	d.sees(words)
	return d.until(words+", armed", func(s string) bool {
		return strings.Contains(s, words) && !strings.Contains(s, "a moment: keys typed before now")
	})
}

func (d *desk) gone(words string) {
	d.t.Helper()
	d.until("no "+words, func(s string) bool { return !strings.Contains(s, words) })
}

// cursorRow is the row of the list with the cursor.
func cursorRow(screen string) string {
	for l := range strings.Lines(screen) {
		if strings.Contains(l, "▶") {
			return strings.TrimSpace(l)
		}
	}
	return ""
}

// stands is how an item stands in the list.
func stands(glyph, title string) string { return "▶ " + glyph + " " + title + " " }

// to moves the cursor to an item.
func (d *desk) to(title string) {
	d.t.Helper()
	d.until("the cursor at the top", func(s string) bool {
		if strings.Contains(cursorRow(s), "The GPG public key") {
			return true
		}
		d.press("Home") // keys are dropped while the engine answers
		return false
	})
	for range 60 {
		at := cursorRow(d.screen())
		if regexp.MustCompile(`▶ . ` + regexp.QuoteMeta(title) + ` `).MatchString(at) {
			return
		}
		d.press("j")
		d.until("a moved cursor", func(s string) bool { return cursorRow(s) != at })
	}
	d.t.Fatalf("no item %q:\n%s", title, d.screen())
}

// check runs a safe item, which asks nothing.
func (d *desk) check(title string) {
	d.t.Helper()
	d.to(title)
	d.press("Enter")
	d.sees(stands("✔", title))
}

// work runs an item that is asked for by a letter.
func (d *desk) work(title string) {
	d.t.Helper()
	d.to(title)
	d.press("Enter")
	d.armed("y run it")
	d.press("y")
	d.sees(stands("✔", title))
}

var phraseLine = regexp.MustCompile(`read this off and type it, then Enter:[^\n]*\n[│┃ ]*([a-z0-9-]+ \+\d+(?: ~\d+)? -\d+(?: ![a-z-]+)* [0-9a-f]{6}) `)

// phrase waits for the red dialog and reads its phrase off.
func (d *desk) phrase() string {
	d.t.Helper()
	m := phraseLine.FindStringSubmatch(d.armed("To confirm, read this off"))
	if m == nil {
		d.t.Fatalf("no phrase:\n%s", d.screen())
	}
	return m[1]
}

// confirm types a phrase as people do. A machine that stalls may bunch the keys,
// which the console takes for a paste: then it is typed again, as people would.
func (d *desk) confirm(phrase string) {
	d.t.Helper()
	for range 5 {
		d.press("C-u")
		d.types(phrase)
		s := d.until("what was typed", func(s string) bool {
			return strings.Contains(s, "> "+phrase) || strings.Contains(s, "too fast")
		})
		if strings.Contains(s, "> "+phrase) {
			d.press("Enter")
			d.gone("To confirm")
			return
		}
		d.armed("To confirm")
	}
	d.t.Fatal("the phrase could not be typed")
}

func (d *desk) production() string {
	d.t.Helper()
	to, err := os.Readlink(filepath.Join(d.dir, "served/rpm/core/2025/el9-x86_64/production"))
	if err != nil && !os.IsNotExist(err) {
		d.t.Fatal(err)
	}
	return to
}

func (d *desk) stays(as, after string) {
	d.t.Helper()
	if is := d.production(); is != as {
		d.t.Fatalf("%s: production went from %q to %q", after, as, is)
	}
}

// TestReleaseByKeys walks a release to production and back, at 80x24, by keys
// alone, on the real engine; and tries everything that must not promote.
func TestReleaseByKeys(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes its time")
	}
	d := newDesk(t, 80, 24)
	if s := d.screen(); !strings.Contains(s, "/37 ─╮") || !strings.Contains(s, "ready │") {
		t.Errorf("the right edge is missing:\n%s", s)
	}

	gates := []string{"The GPG public key is a real GPG public key", "The cosign public key is a real cosign public key", "All secrets are set", "The staging area can be reached", "Artifacts are staged: core-el9", "Artifacts are staged: core-el9-arm", "There is room for the new snapshots"}
	for _, title := range gates {
		d.check(title)
	}
	for _, title := range []string{"Build core-el9", "Stage core-el9"} {
		d.work(title)
	}
	d.check("Verify staging of core-el9")
	d.to("Promote core-el9")
	d.press("Enter")
	phrase := d.phrase()

	red := regexp.MustCompile(`\x1b\[[0-9;]*48;(5;203|2;255;85;85)m PRODUCTION `)
	if s := d.tmux("capture-pane", "-p", "-e", "-t", "desk"); !red.MatchString(s) {
		t.Errorf("the word PRODUCTION is not on red: %q", s)
	}
	nothing := d.production()
	if nothing != "" {
		t.Fatalf("production serves %s before it was promoted", nothing)
	}
	enter := func(until string) {
		t.Helper()
		d.until(until, func(s string) bool {
			if strings.Contains(s, until) {
				return true
			}
			d.press("Enter")
			return false
		})
	}

	enter("Enter alone confirms nothing")
	d.stays(nothing, "Enter alone")
	d.types(phrase[:len(phrase)-1] + "x")
	enter("that is not the phrase")
	d.stays(nothing, "a wrong phrase")
	d.press("C-u")
	d.tmux("set-buffer", "--", phrase)
	d.tmux("paste-buffer", "-p", "-t", "desk")
	d.sees("pasting is refused")
	enter("Enter alone confirms nothing")
	d.stays(nothing, "a bracketed paste")
	d.keys(phrase)
	d.sees("too fast for fingers")
	enter("Enter alone confirms nothing")
	d.stays(nothing, "a raw paste")
	d.press("Escape")
	d.gone("To confirm")
	d.stays(nothing, "Esc")

	d.press("Enter")
	d.confirm(d.phrase())
	d.sees(stands("✔", "Promote core-el9"))
	first := d.production()
	if first == "" {
		t.Fatal("the phrase, typed, did not promote")
	}

	// A second version comes; what rests on the first is to be done again.
	next, err := filepath.Glob(filepath.Join(d.dir, "packages/2025.2/core-el9/*.rpm"))
	if err != nil || len(next) == 0 {
		t.Fatalf("no second version in the demo: %v", err)
	}
	args := append([]string{"-C", filepath.Join(d.dir, "release.yaml"), "stage", "core-el9"}, next...)
	if out, err := exec.Command(d.gantry, args...).CombinedOutput(); err != nil {
		t.Fatalf("stage: %v\n%s", err, out)
	}
	d.to("Artifacts are staged: core-el9")
	d.sees(stands("↻", "Artifacts are staged: core-el9"))
	d.check("Artifacts are staged: core-el9")
	for _, title := range []string{"Build core-el9", "Stage core-el9"} {
		d.work(title)
	}
	d.check("Verify staging of core-el9")
	d.to("Promote core-el9")
	d.press("Enter")
	d.confirm(d.phrase())
	d.sees(stands("✔", "Promote core-el9"))
	second := d.production()
	if second == first {
		t.Fatal("the second version was not promoted")
	}

	d.press("3")
	d.sees("snapshots, newest first")
	d.press("r")
	d.sees("Roll core-el9 back to")
	d.press("Enter")
	d.confirm(d.phrase())
	d.sees("done  Roll")
	if d.production() == second {
		t.Fatal("the phrase, typed, did not roll back")
	}

	d.press("q")
	d.sees("the demo stays in")
	d.until("one line: the terminal's settings before and after are the same", func(s string) bool {
		lines := strings.Fields(s)
		return len(lines) > 2 && lines[len(lines)-2] == "1" && lines[len(lines)-1] == "shell>"
	})
}
