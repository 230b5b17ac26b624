package command_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/command"
)

func TestFarRuns(t *testing.T) {
	f := newFarm(t)
	ev, log, err := f.console(`    argv: [sh, -c, 'printf "%s|" "$@"; echo; echo "$WORD $GANTRY_ARCH $GANTRY_VERSION"; pwd; echo err >&2; echo "done {arch}" >"$HOME/$GANTRY_ARCH.out"', sh, "it's $(id) ;\"x` + "`" + `", "", '{rc-flag}', '{arch}', "a\nb"]
    dir: /usr
    env: {WORD: "a 'b' $c"}
    architectures: [x86_64, aarch64]
    proofs: [{files: "` + f.home + `/{arch}.out", contains: "done {arch}", fresh: true}, {files: "` + f.home + `/*.out", count: 2}]
`).run(t.Context())
	if err != nil {
		t.Fatal(err, log)
	}
	for _, want := range []string{
		`[x86_64] it's $(id) ;"x` + "`||--rc|x86_64|a", "[aarch64] b|", `[aarch64] a 'b' $c aarch64 9.7-RC2`, "[x86_64] /usr", "[x86_64] err",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not hold %s", want)
		}
	}
	if ev["x86_64: exit"] != "exit status 0" || ev["aarch64: "+f.home+"/aarch64.out"] == "" || !strings.HasPrefix(ev[f.home+"/*.out"], "2 files") {
		t.Errorf("%v", ev)
	}
	if t.Failed() {
		t.Log(log)
	}
}

func TestFarFailures(t *testing.T) {
	for name, tc := range map[string]struct{ lines, want string }{
		"exit":     {"    argv: [sh, -c, 'echo why; exit 3']\n", "it failed: exit status 3; it last said: why"},
		"absent":   {"    argv: [/nonexistent/program]\n", "exit status 127"},
		"dir":      {"    argv: [\"true\"]\n    dir: /nonexistent\n", "start it: "},
		"builtin":  {"    argv: [exit, '0']\n", "exit status 127"},
		"timeout":  {"    argv: [sleep, '60']\n    timeout: 1s\n", "longer than 1s"},
		"no stdin": {"    argv: [sh, -c, 'read x && exit 0; exit 9']\n", "exit status 9"},
		"killed":   {"    argv: [sh, -c, 'kill -s KILL $PPID; sleep 60']\n", "it was killed there"},
		"orphan":   {"    argv: [sh, -c, 'kill -s KILL $PPID; while :; do echo x; done']\n    timeout: 8s\n", "it was killed there"},
		"proof":    {"    argv: [\"true\"]\n    proofs: [{files: made}]\n", "ended well, but made proves nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, log, err := newFarm(t).console(tc.lines).run(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q; log %s", err, tc.want, log)
			}
		})
	}
}

// A wire that is cut again and again loses nothing, and starts nothing twice.
func TestFarOutlivesTheWire(t *testing.T) {
	f := newFarm(t)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		for n := 0; ctx.Err() == nil; n++ {
			until(t, "more is said", func() bool {
				b, _ := os.ReadFile(filepath.Join(f.home, "said"))
				return strings.Count(string(b), "\n") > n || ctx.Err() != nil
			})
			f.cut()
		}
	}()
	_, log, err := f.console("    argv: [sh, -c, 'for i in 1 2 3 4 5; do echo \"line $i\"; echo x >>$HOME/said; sleep 1; done; echo x >>$HOME/began']\n").run(t.Context())
	stop()
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(filepath.Join(f.home, "began")); string(b) != "x\n" {
		t.Errorf("it ran %d times", len(b)/2)
	}
	for _, want := range []string{"line 1\n", "line 2\n", "line 3\n", "line 4\n", "line 5\n"} {
		if strings.Count(log, want) != 1 {
			t.Errorf("%q is in the log %d times:\n%s", want, strings.Count(log, want), log)
		}
	}
}

func TestFarCancelEndsTheWholeGroup(t *testing.T) {
	for name, script := range map[string]string{
		"child":           "sh -c 'echo $$ >MARK.new; mv MARK.new MARK; exec sleep 600' & wait",
		"ignores SIGTERM": "trap '' TERM; echo $$ >MARK.new; mv MARK.new MARK; while :; do sleep 1; done",
		"child ignores":   "sh -c 'trap \"\" TERM; echo $$ >MARK.new; mv MARK.new MARK; while :; do sleep 1; done' >/dev/null 2>&1 & wait",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFarm(t)
			mark := filepath.Join(f.home, "child")
			ctx, cancel := context.WithCancelCause(t.Context())
			untilThere(t, mark, cancel, errStopped)
			_, log, err := f.console("    argv: [sh, -c, " + quote(strings.ReplaceAll(script, "MARK", mark)) + "]\n").run(ctx)
			if !errors.Is(err, errStopped) || errors.Is(err, pipeline.ErrUnknown) {
				t.Errorf("got %v; log %s", err, log)
			}
			dies(t, mark)
		})
	}
}

// What the program left behind goes when it ended, or was killed.
func TestFarLeavesNothing(t *testing.T) {
	for end, want := range map[string]string{"echo said": "", "kill -s KILL $PPID; sleep 600": "killed there"} {
		f := newFarm(t)
		mark := filepath.Join(f.home, "child")
		_, log, err := f.console("    argv: [sh, -c, 'trap \"\" TERM; (exec sleep 600) & echo $! >" + mark + "; " + end + "']\n").run(t.Context())
		if want == "" && (err != nil || !strings.Contains(log, "said")) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v; log %s", err, log)
		}
		dies(t, mark)
		left, _ := filepath.Glob(filepath.Join(f.home, ".gantry/runs/*/log"))
		if len(left) > 0 {
			t.Errorf("%v is left", left)
		}
	}
}

// What left the group of a program does not keep its run open, however much it
// says.
func TestFarEndsWithItsProgram(t *testing.T) {
	f := newFarm(t)
	mark := filepath.Join(f.home, "child")
	defer func() {
		b, _ := os.ReadFile(mark)
		if pid := 0; len(b) > 0 {
			fmt.Sscan(string(b), &pid)
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	script := "setsid sh -c 'echo $$ >" + mark + "; while :; do echo more; sleep 0.01; done' & while [ ! -s " + mark + " ]; do sleep 0.1; done; echo last"
	_, log, err := f.console("    argv: [sh, -c, " + quote(script) + "]\n    timeout: 1m\n").run(t.Context())
	if err != nil || !strings.Contains(log, "last\n") {
		t.Errorf("got %v; log %.300s", err, log)
	}
}

// A console that dies leaves a run that goes on; the next one is told so, follows
// it, and believes its end only with what proves it.
func TestFarOutlivesTheConsole(t *testing.T) {
	for exit, want := range map[string]string{"0": "", "4": "it failed: exit status 4"} {
		f := newFarm(t)
		lines := "    argv: [sh, -c, 'echo first; echo >$HOME/began; while [ ! -e $HOME/go ]; do sleep 0.1; done; echo last; echo >$HOME/made; exit " + exit + "']\n" +
			"    proofs: [{files: " + f.home + "/made, fresh: true}]\n"
		ctx, cancel := context.WithCancelCause(t.Context())
		untilThere(t, filepath.Join(f.home, "began"), cancel, pipeline.ErrLost)
		if _, _, err := f.console(lines).run(ctx); !errors.Is(err, pipeline.ErrUnknown) {
			t.Fatalf("got %v", err)
		}
		next := f.console(lines)
		if _, err := next.step.(pipeline.Looker).Look(t.Context(), next.env, pipeline.Plan{}); !errors.Is(err, pipeline.ErrGoesOn) || !strings.Contains(config.HintOf(err), "gantry resolve") {
			t.Errorf("got %v", err)
		}
		if err := os.WriteFile(filepath.Join(f.home, "go"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
		_, log, err := next.logged(func(p *pipeline.Progress) (pipeline.Evidence, error) {
			return nil, next.step.(pipeline.Follower).Follow(t.Context(), next.env, pipeline.Plan{}, p)
		})
		if err != nil || !strings.Contains(log, "first\n") || !strings.Contains(log, "last\n") {
			t.Errorf("%v: %s", err, log)
		}
		seen, err := next.step.(pipeline.Looker).Look(t.Context(), next.env, pipeline.Plan{})
		if err != nil || seen.Done != (want == "") || !strings.Contains(seen.Failed, want) {
			t.Errorf("exit %s: %+v, %v", exit, seen, err)
		}
	}
}

func TestLook(t *testing.T) {
	f := newFarm(t)
	c := f.console("    argv: [\"true\"]\n")
	look := c.step.(pipeline.Looker).Look
	if seen, err := look(t.Context(), c.env, pipeline.Plan{}); err != nil || seen.Done || seen.Failed != "" {
		t.Errorf("nothing was kept: %+v, %v", seen, err)
	}
	f.kept = `{"began":"2026-11-21T17:00:00Z"}`
	if seen, err := look(t.Context(), c.env, pipeline.Plan{}); err != nil || seen.Done || seen.Failed != "" {
		t.Errorf("it was not started: %+v, %v", seen, err)
	}
	dir := filepath.Join(f.home, ".gantry/runs", c.env.Run)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	// A process of that number lives, but it is another one.
	if err := os.WriteFile(filepath.Join(dir, "pid"), []byte("1 other\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if seen, err := look(t.Context(), c.env, pipeline.Plan{}); err != nil || !strings.Contains(seen.Failed, "killed there") {
		t.Errorf("%+v, %v", seen, err)
	}
	if _, _, err := c.run(t.Context()); err == nil || !strings.Contains(err.Error(), "was there before") {
		t.Errorf("it was started twice: %v", err)
	}
	f.kept = "rubbish"
	if _, err := look(t.Context(), c.env, pipeline.Plan{}); err == nil {
		t.Error("what is damaged was read")
	}
}

// What is run there is read from a directory that nobody else can prepare.
func TestFarDirectoryIsItsOwn(t *testing.T) {
	for name, prepare := range map[string]func(home string) error{
		"a link": func(home string) error {
			return errors.Join(os.Mkdir(filepath.Join(home, "else"), 0o777), os.Symlink("else", filepath.Join(home, ".gantry")))
		},
		"a link below": func(home string) error {
			return errors.Join(os.MkdirAll(filepath.Join(home, ".gantry"), 0o777), os.Symlink("..", filepath.Join(home, ".gantry/runs")))
		},
		"of another user": func(home string) error {
			if os.Geteuid() != 0 {
				t.Skip("only root gives directories away")
			}
			return errors.Join(os.Mkdir(filepath.Join(home, ".gantry"), 0o777), os.Chown(filepath.Join(home, ".gantry"), 65534, 65534))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFarm(t)
			if err := prepare(f.home); err != nil {
				t.Fatal(err)
			}
			if _, log, err := f.console("    argv: [\"true\"]\n").run(t.Context()); err == nil || !strings.Contains(err.Error(), "not a directory of your own") {
				t.Errorf("got %v; log %s", err, log)
			}
		})
	}
}

// After a restart of its machine, the number of a run's group may be that of
// another, whose leader has ended.
func TestFarStopsNoOtherGroup(t *testing.T) {
	f := newFarm(t)
	cmd := exec.Command("sh", "-c", "sleep 600 & echo $!; exit")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child := 0
	if _, err := fmt.Fscan(pipe, &child); err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.Process.Wait(); err != nil { // the pipe stays open with the child
		t.Fatal(err)
	}
	defer syscall.Kill(child, syscall.SIGKILL)
	c := f.console("    argv: [\"true\"]\n")
	f.kept = `{"began":"2026-11-21T17:00:00Z"}`
	dir := filepath.Join(f.home, ".gantry/runs", c.env.Run)
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "pid"), fmt.Appendf(nil, "%d 1-another\n", cmd.Process.Pid), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.logged(func(p *pipeline.Progress) (pipeline.Evidence, error) {
		return nil, c.step.(pipeline.Follower).Follow(t.Context(), c.env, pipeline.Plan{}, p)
	}); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child)); err != nil || strings.Contains(string(b), ") Z") {
		t.Error("it was killed")
	}
}

func TestFarIsSentNoSecrets(t *testing.T) {
	for key, cmd := range map[string]config.Command{"secrets": {Secrets: map[string]config.Secret{"S": {}}}, "inherit": {Inherit: []string{"PATH"}}} {
		cmd.Name, cmd.Argv, cmd.On = "it", []string{"true"}, "builder"
		_, err := command.Make(&config.Release{Commands: []config.Command{cmd}}, checklist.Item{With: map[string]string{"name": "it"}})
		if err == nil || !strings.Contains(config.HintOf(err), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
}
