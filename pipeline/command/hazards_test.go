package command_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/command"
)

// made is the step of a command of a configuration made of these lines.
func made(t *testing.T, lines string, with map[string]string) (pipeline.Step, error) {
	t.Helper()
	dir := t.TempDir()
	text := "product: p\ntargets: [{name: a, format: rpm, component: c, series: s, os: el9-x86_64, key: k}]\n" +
		"keys: [{name: k, private: \"env:K\", public: k}]\ntunnels: [{name: builder, host: h, user: u}]\ncommands:\n  - name: it\n" + lines
	if err := os.WriteFile(filepath.Join(dir, "release.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if with == nil {
		with = map[string]string{"name": "it"}
	}
	return command.Make(cfg, checklist.Item{ID: "i", With: with})
}

// finalize-compose would take back what incremental updates published.
func TestH11FinalizeIsNotRunDuringUpdates(t *testing.T) {
	step, err := made(t, "    argv: [finalize-compose, --release, '{major}']\n    never: {kinds: [patch], because: it would take back the images of the release}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	for kind, refused := range map[string]bool{"patch": true, "final": false, "rc": false} {
		_, err := step.Plan(t.Context(), &pipeline.Env{Kind: kind, Version: "9.7"})
		if refused && (err == nil || !strings.Contains(err.Error(), "never run in a release of kind patch: it would take back the images") || config.HintOf(err) == "") {
			t.Errorf("%s: %v", kind, err)
		}
		if !refused && err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// A program that says it is well is not believed without what it was to make, nor
// with what an earlier one made.
func TestH13ExitStatusIsNotBelieved(t *testing.T) {
	for name, tc := range map[string]struct{ script, proof, want string }{
		"made nothing":  {"exit 0", "{files: '*.tar'}", "no such file"},
		"made too few":  {"echo x >a.tar", "{files: '*.tar', count: 2}", "1 of at least 2"},
		"made it empty": {"touch a.tar", "{files: '*.tar', fresh: true}", "a.tar is empty"},
		"made another":  {"echo x >a.tar", "{files: '*.tar', contains: lorax}", "does not hold"},
		"older work":    {"echo x >a.tar; touch -d '1 hour ago' a.tar", "{files: '*.tar', fresh: true}", "before the run began"},
		"other work":    {"echo other >a.tar", "{files: a.tar, sha256: a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447}", "its SHA-256 is"},
		"did it":        {"echo hello world >a.tar", "{files: a.tar, fresh: true, contains: hello, sha256: a948904f2f0f479b8f8197694b30184b0d2ed1c1cd2a1ec0fb85d299a192a447}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			ev, _, err := run(t, t.Context(), "    argv: [sh, -c, "+quote("cd \"$0\"; "+tc.script)+", '.']\n    dir: .\n    proofs: ["+tc.proof+"]\n", nil)
			if tc.want == "" && (err != nil || ev["a.tar"] == "") || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("%v, %v", ev, err)
			}
		})
	}
}

// One architecture that works does not hide one that does not.
func TestH15EachArchitectureIsJudged(t *testing.T) {
	ev, log, err := run(t, t.Context(), `    argv: [sh, -c, 'echo "at $GANTRY_ARCH"; [ {arch} != s390x ] || exit 5; [ {arch} = ppc64le ] || echo >{arch}.iso']
    dir: .
    architectures: [x86_64, s390x, ppc64le]
    proofs: [{files: "{arch}.iso"}]
`, nil)
	for _, want := range []string{"s390x: it failed: exit status 5", "ppc64le: it ended well, but ppc64le.iso proves nothing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if ev["x86_64: x86_64.iso"] == "" || ev["s390x: exit"] != "exit status 5" || !strings.Contains(log, "[x86_64] at x86_64\n") {
		t.Errorf("%v\n%s", ev, log)
	}
}

func TestPlaceholders(t *testing.T) {
	for argv, want := range map[string]string{
		"[build-iso, --release, '{major}', '{rc-flag}']":      `"build-iso" "--release" "9" "--rc"`,
		"[find, ., -exec, ls, '{}', ;, '{unknown}']":          `"find" "." "-exec" "ls" "{}" ";" "{unknown}"`,
		"[echo, '{version}', '{kind}', '{revision}{suffix}']": `"echo" "9.7-RC2" "rc" "9.7-RC2"`,
		"['{rc-flag}']": `"--rc"`,
	} {
		step, err := made(t, "    argv: "+argv+"\n", map[string]string{"command": "it"})
		if err != nil {
			t.Fatal(err)
		}
		plan, err := step.Plan(t.Context(), &pipeline.Env{Version: "9.7-RC2", Kind: "rc"})
		if err != nil || plan.Facts["argv"] != want {
			t.Errorf("%s: %s, %v", argv, plan.Facts["argv"], err)
		}
	}
	step, err := made(t, "    argv: ['{rc-flag}']\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := step.Plan(t.Context(), &pipeline.Env{Version: "9.7", Kind: "final"}); err == nil {
		t.Error("a command of nothing was planned")
	}
}
