package cli_test

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const slowRelease = `product: acme
keys:
  - {name: k, private: file:k, public: k.asc}
targets:
  - {name: core, format: rpm, component: core, series: "1", os: el9-x86_64, key: k}
commands:
  - name: slow
    argv: [sh, -c, "SET; echo begun >began; read line <go; echo $line"]
  - name: quick
    argv: ["true"]
`

const slowList = `name: slow
title: A slow release
kinds: [slow]
sections:
  - id: all
    title: All
    items:
      - {id: first, title: First, kind: check, uses: command, with: {command: slow}}
      - {id: second, title: Second, kind: check, uses: command, with: {command: quick}}
`

// slow starts a program that runs two items, of which the first waits until go
// is written to. setting is a shell command that the first begins with.
func slow(t *testing.T, setting string) (dir string, cmd *exec.Cmd, stderr *bufio.Scanner) {
	t.Helper()
	dir = slowDir(t, setting)
	cmd = exec.Command("gantry", "-C", filepath.Join(dir, "release.yaml"), "run", "first", "second")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // it is over where the test passed
	if _, err := os.ReadFile(filepath.Join(dir, "began")); err != nil {
		t.Fatal(err)
	}
	return dir, cmd, bufio.NewScanner(pipe)
}

// slowDir is a directory with a release whose first item waits until go is
// written to, after it wrote to began.
func slowDir(t *testing.T, setting string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{"release.yaml": strings.Replace(slowRelease, "SET", setting, 1), "checklists/slow.yaml": slowList} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, fifo := range []string{"began", "go"} {
		if err := syscall.Mkfifo(filepath.Join(dir, fifo), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	gantry(t, dir, "open", "slow", "1")
	return dir
}

// gantry runs the program to its end and returns its output.
func gantry(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("gantry", append([]string{"-C", filepath.Join(dir, "release.yaml")}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gantry %v: %v\n%s", args, err, out)
	}
	return out
}

// states are the statuses of the items.
func states(t *testing.T, dir string) string {
	t.Helper()
	var status struct{ Items []struct{ Status string } }
	if err := json.Unmarshal(gantry(t, dir, "status", "--json"), &status); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, it := range status.Items {
		all = append(all, it.Status)
	}
	return strings.Join(all, " ")
}

func send(t *testing.T, cmd *exec.Cmd, sig syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// until reads stderr to the line that holds what, and returns what came before it.
func until(t *testing.T, stderr *bufio.Scanner, what string) {
	t.Helper()
	var all []string
	for stderr.Scan() {
		if strings.Contains(stderr.Text(), what) {
			return
		}
		all = append(all, stderr.Text())
	}
	t.Fatalf("no %q on stderr:\n%s", what, strings.Join(all, "\n"))
}

func end(t *testing.T, cmd *exec.Cmd, stderr *bufio.Scanner) int {
	t.Helper()
	for stderr.Scan() {
	}
	_ = cmd.Wait() // the exit code tells
	return cmd.ProcessState.ExitCode()
}

func TestHangUpLetsTheRunEndAndBeginsNoOther(t *testing.T) {
	if signal.Ignored(syscall.SIGHUP) {
		t.Skip("SIGHUP is ignored here, and so by what is started")
	}
	dir, cmd, stderr := slow(t, ":")
	send(t, cmd, syscall.SIGHUP)
	until(t, stderr, "the terminal is gone")
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("on\n"), 0); err != nil {
		t.Fatal(err)
	}
	if code := end(t, cmd, stderr); code != 3 {
		t.Errorf("exit code %d, want 3: the second item is refused", code)
	}
	if got := states(t, dir); got != "done ready" {
		t.Errorf("items are %s, want done ready", got)
	}
}

func TestInterruptStopsTheRun(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		dir, cmd, stderr := slow(t, ":")
		send(t, cmd, sig)
		if code := end(t, cmd, stderr); code != 1 {
			t.Errorf("%v: exit code %d, want 1", sig, code)
		}
		if got := states(t, dir); got != "cancelled ready" {
			t.Errorf("%v: items are %s, want cancelled ready", sig, got)
		}
	}
}

func TestSecondInterruptLeavesTheRun(t *testing.T) {
	dir, cmd, stderr := slow(t, "trap '' TERM")
	send(t, cmd, syscall.SIGINT)
	until(t, stderr, "stopping run")
	send(t, cmd, syscall.SIGINT)
	until(t, stderr, "begun and not ended")
	if code := end(t, cmd, stderr); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if got := states(t, dir); got != "unknown ready" {
		t.Errorf("items are %s, want unknown ready", got)
	}
	go_, err := os.OpenFile(filepath.Join(dir, "go"), os.O_WRONLY|syscall.O_NONBLOCK, 0) // lets the left program end
	if err == nil {
		_, _ = go_.WriteString("on\n")
		go_.Close()
	}
	var status struct{ Runs []struct{ Run string } }
	if err := json.Unmarshal(gantry(t, dir, "status", "--json"), &status); err != nil || len(status.Runs) != 1 {
		t.Fatalf("runs %v: %v", status.Runs, err)
	}
	gantry(t, dir, "resolve", status.Runs[0].Run)
	if got := states(t, dir); got != "failed ready" {
		t.Errorf("after resolve items are %s, want failed ready", got)
	}
}

func TestOutputThatNobodyReads(t *testing.T) {
	dir := slowDir(t, ":")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := exec.Command("gantry", "-C", filepath.Join(dir, "release.yaml"), "run", "second")
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Run(); err != nil {
		t.Errorf("gantry run: %v", err)
	}
	w.Close()
	if got := states(t, dir); got != "ready done" {
		t.Errorf("items are %s, want ready done", got)
	}
}
