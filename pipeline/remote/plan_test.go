package remote_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge/forgetest"
	"gantry/pipeline/remote"
)

func TestInputsAreChecked(t *testing.T) {
	inputs := func(s string) string { return "    inputs: {" + s + "}\n" }
	for name, tc := range map[string]struct {
		lines string
		with  map[string]string
		file  string
		want  string
	}{
		"overridden":     {with: map[string]string{"os": "el8-x86_64"}},
		"version":        {with: map[string]string{"component": "core-{version}"}},
		"unknown":        {with: map[string]string{"oz": "x"}, want: `no input "oz"`},
		"missing":        {lines: inputs(`component: core, os: el9-x86_64`), want: "wants input year"},
		"not a choice":   {with: map[string]string{"os": "el7-x86_64"}, want: `cannot be "el7-x86_64"`},
		"not a boolean":  {with: map[string]string{"dry": "yes"}, want: "neither true nor false"},
		"a boolean":      {with: map[string]string{"dry": "true"}},
		"not a number":   {with: map[string]string{"keep": "0x10"}, want: "not a number"},
		"a number":       {with: map[string]string{"keep": "-1.5"}},
		"empty":          {with: map[string]string{"year": ""}, want: "empty or has control"},
		"line break":     {with: map[string]string{"year": "2025\necho"}, want: "control characters"},
		"filled in":      {with: map[string]string{"gantry_run": "x"}, want: "filled in by gantry"},
		"no placeholder": {with: map[string]string{"year": "{suite}"}, want: "{suite} stands for nothing"},
		"typo":           {with: map[string]string{"year": "{serie}"}, want: "{serie} stands for nothing"},
		"hostile":        {with: map[string]string{"year": "{\x1b[2J}"}, want: `\x1b[2J`},
		"no dispatch":    {file: "on: push\n", want: "no workflow_dispatch"},
		"a list":         {file: "on: [push, workflow_dispatch]\n", want: `no input "component"`},
		"no YAML":        {file: "on: [", want: "not YAML"},
		"twice":          {file: strings.Replace(file, "year:", "os: {}\n      year:", 1), want: `has "os" twice`},
		"odd type":       {file: strings.Replace(file, "type: number", "type: object", 1), want: "does not know"},
		"no file":        {file: "-", want: "has no workflow promote-rpm.yml"},
		"bomb":           {file: bomb(), want: "not a mapping"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.file == "" {
				tc.file = file
			}
			w := newWorldWith(t, "github", tc.file, tc.lines, tc.with)
			if tc.file == "-" {
				w.Move(strings.Repeat("a", 40))
				w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
					if strings.Contains(r.URL.Path, "/contents/") {
						rw.WriteHeader(404)
						return true
					}
					return false
				}
			}
			_, err := w.step.Plan(t.Context(), w.env)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
			if w.Dispatched() != 0 {
				t.Error("planning dispatched")
			}
		})
	}
}

// bomb is YAML whose aliases unfold to 2^60 words.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x]\n")
	for i := 1; i < 60; i++ {
		fmt.Fprintf(&b, "a%d: &a%d [*a%d, *a%d]\n", i, i, i-1, i-1)
	}
	return b.String() + "on: {workflow_dispatch: {inputs: *a59}}\n"
}

func TestMakeRefuses(t *testing.T) {
	cfg := &config.Release{
		Forges: []config.Forge{{Name: "acme", Repository: "acme/packages"}},
		Workflows: []config.Workflow{
			{Name: "ok", Forge: "acme", File: "a.yml"}, {Name: "lost", Forge: "gone", File: "a.yml"}, {Name: "up", Forge: "acme", File: "../a.yml"},
			{Name: "query", Forge: "acme", File: "a.yml?x=.yml"}, {Name: "ref", Forge: "acme", File: "a.yml", Ref: "a..b"}, {Name: "dash", Forge: "acme", File: "a.yml", Ref: "-x"},
		},
	}
	cfg.Targets = []config.Target{{Name: "t", Format: config.FormatRPM}}
	cfg.Workflows = append(cfg.Workflows, config.Workflow{Name: "promote-rpm", Forge: "acme", File: "promote-rpm.yml"})
	for workflow, want := range map[string]string{
		"ok": "", "promote-{format}": "", "promote-{os}": "does not have", "absent": "does not have", "lost": "does not have", "up": "not the file", "query": "not the file", "ref": "not a branch", "dash": "not a branch",
	} {
		_, err := remote.Make(cfg, checklist.Item{ID: "i", Target: "t", With: map[string]string{"workflow": workflow}})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", workflow, err)
		}
	}
}

// Each row is a run that is there already when another is planned.
func TestQueue(t *testing.T) {
	run := forgetest.Run{Repository: "acme/packages", File: "promote-rpm.yml", Event: "workflow_dispatch", Ref: "main", SHA: forgetest.Head, Actor: "neil", Status: "in_progress"}
	change := func(f func(*forgetest.Run)) forgetest.Run {
		r := run
		f(&r)
		return r
	}
	titled := func(title, status string) forgetest.Run {
		return change(func(r *forgetest.Run) { r.Title, r.Status = title, status })
	}
	for name, tc := range map[string]struct {
		kind, file string
		run        forgetest.Run
		want       string
		warns      int
	}{
		"over":             {"github", bare, titled("", "completed"), "", 0},
		"unknown, runs":    {"github", bare, run, "", 1},
		"unknown, waits":   {"github", bare, titled("", "pending"), "could drop it", 0},
		"the same":         {"github", file, titled("promote core el9-x86_64 20260601T110000Z-ffffffff", "in_progress"), "about the same", 0},
		"by hand":          {"github", file, titled("promote core el9-x86_64 ", "queued"), "about the same", 0},
		"another":          {"github", file, titled("promote core el8-x86_64 x", "pending"), "", 0},
		"another workflow": {"github", file, change(func(r *forgetest.Run) { r.File = "other.yml" }), "", 0},
		"forgejo, the same": {"forgejo", bare, change(func(r *forgetest.Run) {
			r.Inputs = map[string]string{"component": "core", "year": "2025", "os": "el9-x86_64"}
		}), "about the same", 0},
		"forgejo, another": {"forgejo", bare, change(func(r *forgetest.Run) { r.Inputs = map[string]string{"component": "minion"} }), "", 0},
		"gitea, unknown":   {"gitea", bare, run, "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.kind, tc.file)
			w.Add(tc.run)
			plan, err := w.step.Plan(t.Context(), w.env)
			if tc.want != "" {
				var refused *pipeline.RefusedError
				if !errors.As(err, &refused) || !strings.Contains(refused.Reason, tc.want) {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil || len(plan.Warnings) != tc.warns {
				t.Errorf("%v %v", plan.Warnings, err)
			}
		})
	}
}

// The facts are all that a plan is bound to: another input, another digest.
func TestFactsBind(t *testing.T) {
	digests := map[string]bool{}
	for _, with := range []map[string]string{nil, {"os": "el8-x86_64"}, {"keep": "4"}, {"dry": "false"}} {
		plan := newWorldWith(t, "github", file, "", with).plan()
		digests[plan.Digest()] = true
	}
	if len(digests) != 4 {
		t.Errorf("%d digests of 4 plans", len(digests))
	}
	w := newWorld(t, "github", file)
	plan := w.plan()
	for _, name := range slices.Sorted(maps.Keys(plan.Facts)) {
		if slices.Contains([]string{"repository", "forge", "workflow"}, name) {
			changed := plan
			changed.Facts = maps.Clone(plan.Facts)
			changed.Facts[name] = "evil/evil"
			if _, _, err := w.run(t.Context(), changed); err == nil || w.Dispatched() != 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{file, bare, bomb(), "on: workflow_dispatch", "on: {workflow_dispatch: }", "on: &a [*a]", "? {a: b}\n: c", "on: {workflow_dispatch: {inputs: {x: {type: choice, options: [a]}}}}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if n, err := remote.Parse(data); err == nil && n > len(data) {
			t.Errorf("%d inputs in %d bytes", n, len(data))
		}
	})
}
