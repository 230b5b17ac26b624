package command_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
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
	env := &pipeline.Env{Config: cfg, Release: "r-1", Version: "1", Now: time.Now}
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
	ev, log, err := run(t, t.Context(), `    argv: [sh, -c, 'echo "$1 $WORD $SECRET $GANTRY_RELEASE $GANTRY_VERSION $GANTRY_TARGET"; printf "\033[31mred"; touch made', sh, '$(id);"x']
    env: {WORD: "a b"}
    secrets: {SECRET: "file:secret"}
`, map[string]string{"creates": "made"})
	if err != nil {
		t.Fatal(err)
	}
	if ev["exit"] != "exit status 0" || ev["created"] != "made" {
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
		"creates":  {"    argv: [\"true\"]\n", "made", "did not leave made behind"},
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

func TestCancelEndsTheWholeGroup(t *testing.T) {
	dir := t.TempDir()
	mark := filepath.Join(dir, "child")
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped by neil")
	go func() {
		for { // until the grandchild runs
			if _, err := os.Stat(mark); err == nil {
				cancel(stopped)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, _, err := run(t, ctx, "    argv: [sh, -c, '(echo $$ > "+mark+".new; mv "+mark+".new "+mark+"; exec sleep 600) & wait']\n", nil)
	if !errors.Is(err, stopped) {
		t.Errorf("got %v", err)
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
