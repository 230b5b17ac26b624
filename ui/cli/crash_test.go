package cli_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"gantry/storage"
	"gantry/ui/cli"
)

// doomed is gantry, killed (kill -9) when it passes its GANTRY_TEST_KILLth
// failpoint.
func doomed() {
	n, err := strconv.ParseInt(os.Getenv("GANTRY_TEST_KILL"), 10, 64)
	if err != nil {
		os.Exit(99)
	}
	var passed atomic.Int64
	storage.OnReach(func(string) {
		if passed.Add(1) == n {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal is there
		}
	})
	os.Exit(cli.Main(trades(), os.Args[1:]))
}

// victim is a played demo on which verbs are killed.
type victim struct {
	t      *testing.T
	dir    string
	root   string // served directory of core-el9
	deaths map[string]int
}

func newVictim(t *testing.T) *victim {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	out, err := exec.Command("gantry", "demo", "packyard", "--dir", dir, "--headless").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return &victim{t: t, dir: dir, root: filepath.Join(dir, "served/rpm/core/2025/el9-x86_64"), deaths: map[string]int{}}
}

func (v *victim) command(program string, args ...string) *exec.Cmd {
	return exec.Command(program, append([]string{"-C", filepath.Join(v.dir, "release.yaml")}, args...)...)
}

// phrase plans a verb and returns its phrase, empty where there is nothing to do.
func (v *victim) phrase(verb string) string {
	v.t.Helper()
	out, err := v.command("gantry", verb, "core-el9", "--json").Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		v.t.Fatal(err)
	}
	var answer struct{ Error, Phrase string }
	if err := json.Unmarshal(out, &answer); err != nil {
		v.t.Fatalf("%s: %v\n%s", verb, err, out)
	}
	if answer.Phrase == "" && !strings.Contains(answer.Error, "nothing to promote") {
		v.t.Fatalf("%s: %s", verb, answer.Error)
	}
	return answer.Phrase
}

// kill lets a verb die at its nth failpoint; it returns false when the verb
// passed them all alive.
func (v *victim) kill(n int, args ...string) bool {
	v.t.Helper()
	cmd := v.command("doomed", args...)
	cmd.Env = append(os.Environ(), "GANTRY_TEST_KILL="+strconv.Itoa(n))
	out, err := cmd.CombinedOutput()
	v.judge("%s killed at failpoint %d", args[0], n)
	switch {
	case err != nil && strings.Contains(err.Error(), "signal: killed"):
		v.deaths[args[0]]++
		return true
	case err != nil && cmd.ProcessState.ExitCode() != 3: // 3: it planned, and asks for its phrase
		v.t.Fatalf("%v at %d: %v\n%s", args, n, err, out)
	}
	return false
}

func (v *victim) judge(format string, args ...any) {
	v.t.Helper()
	if err := (checker{v.dir}).check("core-el9", v.root); err != nil {
		v.t.Errorf(format+": %v", append(args, err)...)
	}
}

// finish brings a verb to its end after a crash, as an operator would: plan
// again, which settles what was interrupted, and confirm.
func (v *victim) finish(verb string) {
	v.t.Helper()
	phrase := v.phrase(verb)
	if phrase == "" {
		return
	}
	if out, err := v.command("gantry", verb, "core-el9", "--confirm", phrase).CombinedOutput(); err != nil {
		v.t.Fatalf("%s after a crash: %v\n%s", verb, err, out)
	}
	v.judge("%s again after a crash", verb)
}

func (v *victim) production() string {
	v.t.Helper()
	link, err := os.Readlink(filepath.Join(v.root, "production"))
	if err != nil {
		v.t.Fatal(err)
	}
	return link
}

// Promote and rollback are killed at every failpoint in turn. Production is
// always a whole snapshot, that of the last acknowledged flip or of the run in
// doubt, and the next call of the verb goes on without anybody touching a file.
func TestKilledAtEveryFailpoint(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	alive := map[string]bool{}
	for n := 1; !alive["promote"] || !alive["rollback"]; n++ {
		for _, verb := range []string{"promote", "rollback"} {
			before := v.production()
			if !alive[verb] {
				alive[verb] = !v.kill(n, verb, "core-el9", "--confirm", v.phrase(verb))
			}
			if v.production() == before {
				v.finish(verb)
			}
			if v.production() == before {
				t.Fatalf("%s at %d never reached production", verb, n)
			}
		}
	}
	out, err := v.command("gantry", "history", "--verify").CombinedOutput()
	if err != nil {
		t.Errorf("history: %v\n%s", err, out)
	}
	for verb, n := range v.deaths {
		if n < 10 {
			t.Errorf("%s was killed %d times only", verb, n)
		}
	}
	t.Logf("killed: %v", v.deaths)
}

// What is built aside for a rollback is killed too: production does not notice,
// and the next plan builds it anew.
func TestKilledWhileBuildingTheTwin(t *testing.T) {
	t.Parallel()
	v := newVictim(t)
	before := v.production()
	for n := 1; v.kill(n, "promote", "core-el9"); n += 3 {
		if now := v.production(); now != before {
			t.Fatalf("killed at %d: production moved from %s to %s without a confirmation", n, before, now)
		}
	}
	v.finish("promote")
	if v.production() == before {
		t.Error("production stayed")
	}
	left, err := filepath.Glob(filepath.Join(v.root, "snapshots/.tmp-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	t.Logf("killed: %v", v.deaths)
}
