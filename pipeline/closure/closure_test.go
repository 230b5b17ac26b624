package closure_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/closure"
)

// bench is a configuration in a directory.
type bench struct {
	t   *testing.T
	dir string
}

func (b bench) write(name, text string) {
	b.t.Helper()
	at := filepath.Join(b.dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o755); err != nil {
		b.t.Fatal(err)
	}
}

// step makes the step of a closure whose command has these arguments.
func (b bench) step(argv, repos string) (pipeline.Step, *pipeline.Env, error) {
	b.t.Helper()
	b.write("release.yaml", "product: p\ntargets: [{name: a, format: rpm, component: c, series: s, os: el9-x86_64, key: k}]\n"+
		"keys: [{name: k, private: \"env:K\", public: k}]\ncommands:\n  - name: repoclosure\n    argv: "+argv+"\n    dir: .\n    timeout: 2m\n"+
		"closures: [{name: all, command: repoclosure, architectures: [x86_64, aarch64], repos: "+repos+"}]\n")
	cfg, err := config.Load(filepath.Join(b.dir, "release.yaml"))
	if err != nil {
		b.t.Fatal(err)
	}
	step, err := closure.Make(cfg, checklist.Item{ID: "repoclosure", With: map[string]string{"name": "all"}})
	return step, &pipeline.Env{Config: cfg, Version: "9.7", Kind: "final", Now: time.Now}, err
}

// run runs it and returns what is in the log.
func (b bench) run(ctx context.Context, argv, repos string) (pipeline.Evidence, string, error) {
	b.t.Helper()
	step, env, err := b.step(argv, repos)
	if err != nil {
		b.t.Fatal(err)
	}
	plan, err := step.Plan(ctx, env)
	if err != nil {
		b.t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(b.dir, "log"))
	if err != nil {
		b.t.Fatal(err)
	}
	l := pipeline.NewLog(file, time.Now)
	ev, err := step.Run(ctx, env, plan, pipeline.NewProgress(l))
	if cerr := l.Close(); cerr != nil {
		b.t.Fatal(cerr)
	}
	text, rerr := os.ReadFile(filepath.Join(b.dir, "log"))
	if rerr != nil {
		b.t.Fatal(rerr)
	}
	return ev, string(text), err
}

const repos = "[{name: BaseOS}, {name: AppStream, requires: [BaseOS]}]"

func TestArguments(t *testing.T) {
	b := bench{t, t.TempDir()}
	step, env, err := b.step("[dnf, repoclosure, '--forcearch={arch}', '--releasever={major}', '--repo={repo}', '--check={repo}', '{requires}', end]", "[{name: BaseOS}, {name: CRB}, {name: AppStream, requires: [BaseOS, CRB]}]")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := step.Plan(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"BaseOS/aarch64":   `"dnf" "repoclosure" "--forcearch=aarch64" "--releasever=9" "--repo=BaseOS" "--check=BaseOS" "end"`,
		"AppStream/x86_64": `"dnf" "repoclosure" "--forcearch=x86_64" "--releasever=9" "--repo=AppStream" "--check=AppStream" "--repo=BaseOS" "--repo=CRB" "end"`,
	} {
		if plan.Facts[name] != want {
			t.Errorf("%s: %s", name, plan.Facts[name])
		}
	}
	if len(plan.Facts) != 6 {
		t.Errorf("%v", plan.Facts)
	}
	if _, _, err := b.step("[dnf, '{repo}', '{arch}', '-r={requires}']", repos); err == nil || !strings.Contains(err.Error(), "among other text") {
		t.Errorf("got %v", err)
	}
}

const head = "Added BaseOS repo from /mnt/compose\nBaseOS   43 kB/s | 257  B     00:00    \n"
const open = "package: tool-1-1.noarch from BaseOS\n  unresolved deps (1):\n    lib\npackage: broken-1-1.noarch from BaseOS\n  unresolved deps (2):\n    missing-lib >= 2\n    (a if b)\n"
const summary = "Error: Repoclosure ended with unresolved dependencies (3) across 2 packages.\n"

// TestRecorded judges what dnf was seen to write, and how it ended then.
func TestRecorded(t *testing.T) {
	for name, tc := range map[string]struct {
		said string
		exit int
		want string // verdict
	}{
		"closed":            {head, 0, "closed"},
		"closed, cached":    {"Last metadata expiration check: 0:00:01 ago on Sat Nov 21 17:38:47 2026.\n", 0, "closed"},
		"of before":         {"Last metadata expiration check: 3:00:01 ago on Sat Nov 21 15:09:24 2026.\n", 0, "it judged metadata that was read 3h0m1s before"},
		"of days before":    {"Last metadata expiration check: 2 days, 1:00:00 ago on Sat Nov 21 15:09:24 2026.\n" + open + summary, 1, "read 49h0m0s before"},
		"open":              {head + open + summary, 1, "3 unresolved in 2 packages"},
		"open, older dnf":   {head + strings.ReplaceAll(strings.ReplaceAll(open, " (1)", ""), " (2)", "") + "Error: Repoclosure ended with unresolved dependencies.\n", 1, "3 unresolved in 2 packages"},
		"quiet":             {"", 0, "nothing it says shows that it read the repository"},
		"lies":              {head + open + summary, 0, "it lists 3 unresolved, but does not end with that"},
		"cut":               {head + open, 1, "the list may not be whole"},
		"crashed":           {head + open + summary, 139, "it"},
		"unread but well":   {"BaseOS   0.0  B/s |   0  B     00:00    \nErrors during downloading metadata for repository 'BaseOS':\n  - Curl error (37)\nError: Failed to download metadata for repo 'BaseOS'\nIgnoring repositories: BaseOS\n", 0, "Errors during downloading metadata"},
		"one of two unread": {head + "Ignoring repositories: AppStream\n", 0, "Ignoring repositories"},
		"nothing came":      {"BaseOS   0.0  B/s |   0  B     00:00    \n", 0, "nothing it says shows"},
		"unknown":           {"Error: Unknown repo: 'BaseOS'\n", 1, "Unknown repo"},
		"only the end":      {head + summary, 0, "cannot be read"},
		"no list":           {head + "package: tool-1-1.noarch from BaseOS\n", 0, "cannot be read"},
		"failed in silence": {head, 1, "exit status 1"},
		"drowned":           {head + strings.Repeat(strings.Repeat("x", 1000)+"\n", 9000) + open + summary, 0, "what it says from here on is not kept"},
	} {
		t.Run(name, func(t *testing.T) {
			b := bench{t, t.TempDir()}
			b.write("said", tc.said)
			ev, log, err := b.run(t.Context(), fmt.Sprintf("[sh, -c, 'case $1 in x86_64) cat said; exit %d;; esac; echo \"Last metadata expiration check: 1\"', '{repo}', '{arch}']", tc.exit), "[{name: BaseOS}]")
			got := ev["BaseOS/x86_64"]
			if !strings.Contains(got, tc.want) || ev["BaseOS/aarch64"] != "closed" || (err == nil) != (tc.want == "closed") {
				t.Errorf("got %v, %v; log:\n%s", ev, err, log)
			}
			if tc.want == "closed" || strings.HasSuffix(tc.want, "packages") {
				return
			}
			if !strings.HasPrefix(got, "not checked: ") || !strings.Contains(err.Error(), "1 of 2 could not be checked") {
				t.Errorf("%s: %v", got, err)
			}
		})
	}
}

// The list is in the log and in the evidence, whatever program ends well.
func TestH13RepoclosureIsBelievedByItsList(t *testing.T) {
	b := bench{t, t.TempDir()}
	b.write("said", head+open+summary)
	ev, log, err := b.run(t.Context(), "[sh, -c, 'cat said; [ $0 != BaseOS ]', '{repo}', '{arch}']", repos)
	if err == nil || !strings.Contains(err.Error(), "2 of 4 repositories are not closed: BaseOS/x86_64 (3 unresolved in 2 packages)") ||
		!strings.Contains(err.Error(), "2 of 4 could not be checked: AppStream/x86_64") {
		t.Errorf("got %v", err)
	}
	if want := "tool-1-1.noarch needs lib; broken-1-1.noarch needs missing-lib >= 2; broken-1-1.noarch needs (a if b)"; ev["BaseOS/x86_64 lacks"] != want {
		t.Errorf("%q", ev["BaseOS/x86_64 lacks"])
	}
	if !strings.Contains(log, "[BaseOS/aarch64]     missing-lib >= 2\n") || !strings.Contains(log, "[BaseOS/aarch64] verdict: 3 unresolved in 2 packages\n") {
		t.Errorf("log:\n%s", log)
	}
}

// What is read must be in the language that is known, whatever the environment of
// the command says.
func TestLanguage(t *testing.T) {
	b := bench{t, t.TempDir()}
	ev, log, err := b.run(t.Context(), "[sh, -c, 'echo Last metadata expiration check: $LC_ALL $LANGUAGE', '{repo}', '{arch}']\n    env: {LC_ALL: de_DE.UTF-8, LANGUAGE: de}", repos)
	if err != nil || !strings.Contains(log, "check: C.UTF-8 C\n") {
		t.Errorf("%v, %v:\n%s", ev, err, log)
	}
}

func TestCancel(t *testing.T) {
	b := bench{t, t.TempDir()}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("stopped by neil")
	go func() {
		for t.Context().Err() == nil {
			if _, err := os.Stat(filepath.Join(b.dir, "began")); err == nil {
				cancel(why)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	if _, _, err := b.run(ctx, "[sh, -c, 'echo >began; exec sleep 600', '{repo}', '{arch}']", repos); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
