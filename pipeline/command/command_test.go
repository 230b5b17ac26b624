package command_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/command"
)

// run runs a command of a configuration made of these lines.
func run(t *testing.T, ctx context.Context, lines string, with map[string]string) (ev pipeline.Evidence, log string, err error) {
	t.Helper()
	dir := t.TempDir()
	text := "product: p\ntargets: [{name: a, format: rpm, component: c, series: s, os: el9-x86_64, key: k}]\n" +
		"keys: [{name: k, private: \"env:K\", public: k}]\ncommands:\n  - name: it\n" + lines
	if err := os.WriteFile(filepath.Join(dir, "release.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if with == nil {
		with = map[string]string{}
	}
	with["command"] = "it"
	step, err := command.Make(cfg, checklist.Item{ID: "i", With: with, Target: "a"})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	l := pipeline.NewLog(file, time.Now)
	env := &pipeline.Env{Config: cfg, Release: "r-1", Version: "1", Now: time.Now, Keep: func(context.Context, string) error { return nil }}
	plan, err := step.Plan(ctx, env)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(plan.Facts["environment"]+plan.Facts["argv"], "hunter2") {
		t.Error("the plan shows the secret")
	}
	ev, err = step.Run(ctx, env, plan, pipeline.NewProgress(l))
	if cerr := l.Close(); cerr != nil {
		t.Fatal(cerr)
	}
	b, rerr := os.ReadFile(filepath.Join(dir, "log"))
	if rerr != nil {
		t.Fatal(rerr)
	}
	return ev, string(b), err
}

func TestRuns(t *testing.T) {
	ev, log, err := run(t, t.Context(), `    argv: [sh, -c, 'echo "$1 $WORD $SECRET $GANTRY_RELEASE $GANTRY_VERSION $GANTRY_TARGET"; printf "\033[31mred"; echo >made', sh, '$(id);"x']
    env: {WORD: "a b"}
    secrets: {SECRET: "file:secret"}
`, map[string]string{"creates": "made"})
	if err != nil {
		t.Fatal(err)
	}
	if ev["exit"] != "exit status 0" || ev["made"] == "" {
		t.Errorf("%v", ev)
	}
	if !strings.Contains(log, `$(id);"x a b *** r-1 1 a`) || strings.Contains(log, "\x1b") || !strings.Contains(log, "red") {
		t.Errorf("log:\n%s", log)
	}
}

func TestFailures(t *testing.T) {
	for name, tc := range map[string]struct{ lines, with, want string }{
		"exit":     {"    argv: [sh, -c, 'echo why; exit 3']\n", "", "exit status 3; it last said: why"},
		"absent":   {"    argv: [/nonexistent/program]\n", "", "start it"},
		"creates":  {"    argv: [\"true\"]\n", "made", "it ended well, but made proves nothing: no such file"},
		"timeout":  {"    argv: [sleep, '60']\n    timeout: 50ms\n", "", "longer than 50ms"},
		"no stdin": {"    argv: [sh, -c, 'read x && exit 0; exit 9']\n", "", "exit status 9"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := run(t, t.Context(), tc.lines, map[string]string{"creates": tc.with})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

// untilThere cancels as soon as a file is there.
func untilThere(t *testing.T, file string, cancel context.CancelCauseFunc, why error) {
	t.Helper()
	go func() {
		for t.Context().Err() == nil {
			if _, err := os.Stat(file); err == nil {
				cancel(why)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
}

// dies fails unless the process whose id a file holds ends. It was sent a
// signal, which takes a moment; one that nobody waits for is a zombie, and dead.
func dies(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid < 2 {
		t.Fatalf("process %q: %v", b, err)
	}
	var state string
	for range 1000 {
		out, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output() // fails when there is none
		if state = strings.TrimSpace(string(out)); state == "" || strings.HasPrefix(state, "Z") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Errorf("process %d lives on, in state %s", pid, state)
}

var errStopped = errors.New("stopped by neil")

func TestCancelEndsTheWholeGroup(t *testing.T) {
	for name, script := range map[string]string{
		"child":              "sh -c 'echo $$ >MARK.new; mv MARK.new MARK; exec sleep 600' & wait",
		"ignores SIGTERM":    "trap '' TERM; echo $$ >MARK.new; mv MARK.new MARK; while :; do sleep 1; done",
		"child ignores it":   "sh -c 'trap \"\" TERM; echo $$ >MARK.new; mv MARK.new MARK; while :; do sleep 1; done' & wait",
		"child without pipe": "sh -c 'trap \"\" TERM; echo $$ >MARK.new; mv MARK.new MARK; while :; do sleep 1; done' >/dev/null 2>&1 & wait",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mark := filepath.Join(t.TempDir(), "child")
			ctx, cancel := context.WithCancelCause(t.Context())
			untilThere(t, mark, cancel, errStopped)
			script = strings.ReplaceAll(strings.ReplaceAll(script, "MARK", mark), "'", "''")
			_, _, err := run(t, ctx, "    argv: [sh, -c, '"+script+"']\n", nil)
			if !errors.Is(err, errStopped) {
				t.Errorf("got %v", err)
			}
			dies(t, mark)
		})
	}
}

// A program that ended while something it started holds its output: the run
// waits for a moment, says so, and leaves nothing behind.
func TestHeldOutputEnds(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "child")
	_, log, err := run(t, t.Context(), "    argv: [sh, -c, 'echo said; (exec sleep 600) & echo $! >"+mark+"']\n", nil)
	if err == nil || !strings.Contains(err.Error(), "kept its output open") || !strings.Contains(log, "said") {
		t.Errorf("got %v, log %s", err, log)
	}
	dies(t, mark)
}

func TestInherit(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "/agent")
	t.Setenv("OTHER", "other")
	const show = "    argv: [sh, -c, 'echo \"<$SSH_AUTH_SOCK> <$OTHER>\"']\n"
	for inherit, want := range map[string]string{
		"": "<> <>", "    inherit: [SSH_AUTH_SOCK]\n": "</agent> <>", "    inherit: [SSH_AUTH_SOCK, OTHER]\n": "</agent> <other>",
	} {
		if _, log, err := run(t, t.Context(), show+inherit, nil); err != nil || !strings.Contains(log, want) {
			t.Errorf("%s: %v, log %s", inherit, err, log)
		}
	}
	os.Unsetenv("OTHER")
	if _, _, err := run(t, t.Context(), show+"    inherit: [OTHER]\n", nil); err == nil || !strings.Contains(err.Error(), "inherits OTHER") {
		t.Errorf("got %v", err)
	}
}

func TestCreates(t *testing.T) {
	ev, _, err := run(t, t.Context(), "    argv: [sh, -c, 'echo more >>secret']\n", map[string]string{"creates": "secret"})
	if err != nil || !strings.HasPrefix(ev["secret"], "13 bytes") {
		t.Errorf("%v, %v", ev, err)
	}
	if _, _, err = run(t, t.Context(), "    argv: [ln, -s, /etc, out]\n", map[string]string{"creates": "out/passwd"}); err == nil {
		t.Error("a link out of the directory was followed")
	}
}

func TestOutputIsBounded(t *testing.T) {
	_, log, err := run(t, t.Context(), "    argv: [sh, -c, 'head -c 10000000 /dev/zero | tr \"\\0\" x; echo; echo end; exit 1']\n", nil)
	if err == nil || !strings.HasSuffix(err.Error(), "| end") {
		t.Errorf("got %.2000v", err)
	}
	if len(log) > 9<<20 || !strings.Contains(log, "from here on is not kept") {
		t.Errorf("%d bytes of log", len(log))
	}
}

func TestLongLinesAreCut(t *testing.T) {
	_, log, err := run(t, t.Context(), "    argv: [sh, -c, 'head -c 100000 /dev/zero | tr \"\\0\" x']\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for line := range strings.Lines(log) {
		if len(line) > 5000 {
			t.Errorf("a line of %d bytes", len(line))
		}
		total += strings.Count(line, "x")
	}
	if total != 100000 {
		t.Errorf("%d of 100000 bytes in the log", total)
	}
}
