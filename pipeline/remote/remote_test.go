package remote_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge/forgetest"
	"gantry/pipeline/remote"
)

func TestMain(m *testing.M) {
	remote.Hurry(5*time.Second, 10*time.Second)
	os.Exit(m.Run())
}

const ours = "20260601T120000Z-0123abcd" // the id of our run

const file = `name: Promote
run-name: promote ${{ inputs.component }} ${{ inputs.os }} ${{ inputs.gantry_run }}
on:
  workflow_dispatch:
    inputs:
      component: {required: true, type: string}
      year: {required: true}
      os: {required: true, type: choice, options: [el8-x86_64, el9-x86_64]}
      dry: {type: boolean, default: false}
      keep: {type: number, default: 3}
      gantry_run: {description: filled in by gantry}
jobs: {promote: {runs-on: ubuntu-latest, steps: [{run: "true"}]}}
`

// bare is a workflow by which its runs cannot be told apart.
const bare = "on: {workflow_dispatch: {inputs: {component: {required: true}, year: {}, os: {}}}}\njobs: {}\n"

// world is a server and a step that runs a workflow there.
type world struct {
	*forgetest.Server
	t    *testing.T
	step pipeline.Step
	env  *pipeline.Env
	log  string

	mu   sync.Mutex
	kept []string
}

func newWorld(t *testing.T, kind, workflow string) *world {
	return newWorldWith(t, kind, workflow, "", nil)
}

func newWorldWith(t *testing.T, kind, workflow, lines string, with map[string]string) *world {
	t.Helper()
	t.Setenv("GANTRY_TEST_TOKEN", forgetest.Token)
	w := &world{Server: forgetest.New(t, kind), t: t}
	w.File(map[string]string{"github": ".github", "gitea": ".gitea", "forgejo": ".forgejo"}[kind]+"/workflows/promote-rpm.yml", workflow)
	// The server shows titles as the workflow's run-name makes them.
	w.Started = func(r *forgetest.Run) bool {
		title(r)
		return true
	}
	w.Looked = goesOn
	kindOf := map[string]string{"github": "github", "gitea": "forgejo", "forgejo": "forgejo"}[kind]
	dir := t.TempDir()
	if lines == "" {
		lines = "    inputs: {component: \"{component}\", year: \"{series}\", os: \"{os}\"}\n"
	}
	text := "product: p\ntargets: [{name: core-el9, format: rpm, component: core, series: \"2025\", os: el9-x86_64, key: k}]\n" +
		"keys: [{name: k, private: \"env:K\", public: k}]\n" +
		"forges:\n  - {name: acme, kind: " + kindOf + ", api: \"" + w.URL + "\", repository: acme/packages, token: \"env:GANTRY_TEST_TOKEN\"}\n" +
		"workflows:\n  - name: promote-rpm\n    forge: acme\n    file: promote-rpm.yml\n    ref: main\n    timeout: 1m\n" + lines
	if err := os.WriteFile(filepath.Join(dir, "release.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	options := map[string]string{"workflow": "promote-rpm"}
	maps.Copy(options, with)
	if w.step, err = remote.Make(cfg, checklist.Item{ID: "i", Target: "core-el9", With: options}); err != nil {
		t.Fatal(err)
	}
	w.log = filepath.Join(dir, "log")
	w.env = &pipeline.Env{
		Config: cfg, Release: "r-1", Version: "1.2.3", Now: time.Now, Run: ours,
		Keep: func(_ context.Context, text string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.kept = append(w.kept, text)
			return nil
		},
		Kept: func(context.Context) (string, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.kept) == 0 {
				return "", nil
			}
			return w.kept[len(w.kept)-1], nil
		},
	}
	return w
}

func title(r *forgetest.Run) {
	if id := r.Inputs["gantry_run"]; id != "" {
		r.Title = fmt.Sprintf("promote %s %s %s", r.Inputs["component"], r.Inputs["os"], id)
	}
	if r.Inputs["dry"] == "" {
		r.Inputs["dry"], r.Inputs["keep"] = "false", "3"
	}
}

// goesOn moves a run on: it waits, works, and succeeds.
func goesOn(r *forgetest.Run) {
	build := []forgetest.Step{{Name: "Fetch", Status: "completed", Conclusion: "success"}, {Name: "Sign", Status: "in_progress"}}
	switch {
	case r.Status == "completed":
	case r.Looks == 2:
		r.Status = "in_progress"
		r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "in_progress", Steps: build}}
	case r.Looks == 4:
		r.Status, r.Conclusion = "completed", "success"
		build[1] = forgetest.Step{Name: "Sign", Status: "completed", Conclusion: "success"}
		r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "completed", Conclusion: "success", Steps: build, Log: "signed 17 packages\n"}}
	}
}

func (w *world) plan() pipeline.Plan {
	w.t.Helper()
	plan, err := w.step.Plan(w.t.Context(), w.env)
	if err != nil {
		w.t.Fatal(err)
	}
	return plan
}

// run runs a plan; what it says is returned, too.
func (w *world) run(ctx context.Context, plan pipeline.Plan) (pipeline.Evidence, string, error) {
	w.t.Helper()
	f, err := os.Create(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	l := pipeline.NewLog(f, time.Now)
	ev, err := w.step.Run(ctx, w.env, plan, pipeline.NewProgress(l))
	if cerr := l.Close(); cerr != nil {
		w.t.Fatal(cerr)
	}
	b, rerr := os.ReadFile(w.log)
	if rerr != nil {
		w.t.Fatal(rerr)
	}
	if text := string(b) + fmt.Sprint(err, config.HintOf(err), plan, w.kept); strings.Contains(text, forgetest.Token) {
		w.t.Error("the token is seen")
	}
	return ev, string(b), err
}

func (w *world) look(plan pipeline.Plan) (pipeline.Seen, error) {
	return w.step.(pipeline.Looker).Look(w.t.Context(), w.env, plan)
}

func TestRuns(t *testing.T) {
	for _, kind := range []string{"github", "gitea", "forgejo"} {
		for _, mute := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, mute %v", kind, mute), func(t *testing.T) {
				w := newWorld(t, kind, file)
				w.Mute = mute
				plan := w.plan()
				want := map[string]string{
					"repository": "acme/packages", "ref": "main", "commit": forgetest.Head, "forge": "acme", "filled in": "gantry_run",
					"workflow": map[string]string{"github": ".github", "gitea": ".gitea", "forgejo": ".forgejo"}[kind] + "/workflows/promote-rpm.yml",
					"run name": "promote ${{ inputs.component }} ${{ inputs.os }} ${{ inputs.gantry_run }}", "default of dry": "false", "default of keep": "3",
					"input component": "core", "input year": "2025", "input os": "el9-x86_64",
				}
				if diff := cmp.Diff(want, plan.Facts); diff != "" {
					t.Error(diff)
				}
				ev, log, err := w.run(t.Context(), plan)
				if err != nil || ev["conclusion"] != "success" || ev["commit"] != forgetest.Head {
					t.Fatalf("%v %v\n%s", ev, err, log)
				}
				for _, line := range []string{"promote: " + map[bool]string{true: "running", false: "in_progress"}[kind == "forgejo"], "promote: success", "promote | signed 17 packages"} {
					if !strings.Contains(log, line) {
						t.Errorf("no %q in\n%s", line, log)
					}
				}
				if n := w.Dispatched(); n != 1 {
					t.Errorf("%d runs", n)
				}
				if seen, err := w.look(plan); err != nil || !seen.Done || seen.Evidence["run"] != ev["run"] {
					t.Errorf("%+v %v", seen, err)
				}
			})
		}
	}
}

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
	for workflow, want := range map[string]string{
		"ok": "", "absent": "does not have", "lost": "does not have", "up": "not the file", "query": "not the file", "ref": "not a branch", "dash": "not a branch",
	} {
		_, err := remote.Make(cfg, checklist.Item{ID: "i", With: map[string]string{"workflow": workflow}})
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

// Each row is what a server does when it is asked to dispatch.
func TestDispatchFails(t *testing.T) {
	for name, tc := range map[string]struct {
		answer  func(w http.ResponseWriter)
		want    string
		unknown bool
		asked   int // dispatches
	}{
		"401":      {answer: says(401, "Bad credentials"), want: "Bad credentials", asked: 1},
		"403":      {answer: says(403, "Resource not accessible"), want: "not accessible", asked: 1},
		"404":      {answer: says(404, "Not Found"), want: "404", asked: 1},
		"422":      {answer: says(422, "Unexpected inputs provided: [\\\"x\\\"]"), want: "Unexpected inputs", asked: 1},
		"429":      {answer: says(429, "slow down"), want: "429", asked: 1},
		"500":      {answer: says(500, ""), want: "nobody can tell whether the dispatch was taken", unknown: true, asked: 1},
		"hangs up": {answer: func(http.ResponseWriter) { panic(http.ErrAbortHandler) }, want: "no run of it appeared", unknown: true, asked: 1},
	} {
		t.Run(name, func(t *testing.T) {
			remote.Hurry(200*time.Millisecond, 10*time.Second)
			defer remote.Hurry(5*time.Second, 10*time.Second)
			w := newWorld(t, "github", file)
			plan := w.plan()
			w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
				if r.Method != http.MethodPost {
					return false
				}
				tc.answer(rw)
				return true
			}
			_, _, err := w.run(t.Context(), plan)
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, pipeline.ErrUnknown) != tc.unknown {
				t.Errorf("got %v", err)
			}
			if n := len(w.Asked("/dispatches")); n != tc.asked {
				t.Errorf("dispatched %d times", n)
			}
			if seen, err := w.look(plan); err != nil || seen.Done || seen.Failed != "" {
				t.Errorf("looking afterwards: %+v %v", seen, err)
			}
		})
	}
}

func says(status int, message string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"message":"%s"}`, message)
	}
}

// A dispatch whose answer is lost did start a run: it is found, not started again.
func TestLostAnswerIsFound(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			run := forgetest.Run{
				Repository: "acme/packages", File: "promote-rpm.yml", Event: "workflow_dispatch", Ref: "main", SHA: forgetest.Head,
				Actor: "releaser", Status: "queued", Title: "promote core el9-x86_64 " + ours,
			}
			w.Add(run)
			panic(http.ErrAbortHandler)
		}
		return false
	}
	if _, log, err := w.run(t.Context(), plan); err != nil || len(w.Asked("/dispatches")) != 1 {
		t.Errorf("%v\n%s", err, log)
	}
}

// An older GitHub Enterprise refuses the question for the run's id.
func TestOlderServer(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	w.Mute = true
	var refused atomic.Bool
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || refused.Swap(true) {
			return false
		}
		says(422, "Invalid request. \\\"return_run_details\\\" is not a permitted key.")(rw)
		return true
	}
	if _, log, err := w.run(t.Context(), plan); err != nil || w.Dispatched() != 1 {
		t.Errorf("%v\n%s", err, log)
	}
}

// Each row is a run that is not what was confirmed, though the server says that
// it is the one that was dispatched.
func TestOtherRunsAreNotTrusted(t *testing.T) {
	for name, tc := range map[string]struct {
		kind   string
		change func(*forgetest.Run)
		want   string
	}{
		"commit":         {"github", func(r *forgetest.Run) { r.SHA = strings.Repeat("b", 40) }, "its commit is bbbb"},
		"repository":     {"github", func(r *forgetest.Run) { r.Repository = "evil/packages" }, "its repository is evil/packages"},
		"workflow":       {"github", func(r *forgetest.Run) { r.File = "evil.yml" }, "its workflow is .github/workflows/evil.yml"},
		"event":          {"github", func(r *forgetest.Run) { r.Event = "push" }, "its event is push"},
		"ref":            {"github", func(r *forgetest.Run) { r.Ref = "evil\x1b[2J" }, `its ref is evil\x1b[2J`},
		"title":          {"github", func(r *forgetest.Run) { r.Title = "promote core el8-x86_64 " + ours }, "other inputs"},
		"forgejo commit": {"forgejo", func(r *forgetest.Run) { r.SHA = strings.Repeat("b", 40) }, "its commit is bbbb"},
		"forgejo inputs": {"forgejo", func(r *forgetest.Run) { r.Inputs["os"] = "el8-x86_64" }, "other inputs"},
		"gitea ref":      {"gitea", func(r *forgetest.Run) { r.Ref = "evil" }, "its ref is evil"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.kind, file)
			plan := w.plan()
			var id atomic.Int64
			w.Looked = func(r *forgetest.Run) {
				id.Store(r.ID)
				tc.change(r)
				goesOn(r)
			}
			ev, log, err := w.run(t.Context(), plan)
			if err == nil || !strings.Contains(err.Error(), tc.want) || errors.Is(err, pipeline.ErrUnknown) {
				t.Fatalf("%v %v\n%s", ev, err, log)
			}
			w.Change(id.Load(), func(r *forgetest.Run) {
				if r.Status != "completed" {
					t.Error("it was left running")
				}
			})
			if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, tc.want) {
				t.Errorf("looking afterwards: %+v %v", seen, err)
			}
		})
	}
}

func TestBranchMoved(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	w.Move(strings.Repeat("c", 40))
	_, _, err := w.run(t.Context(), plan)
	var conflict *pipeline.ConflictError
	if !errors.As(err, &conflict) || w.Dispatched() != 0 {
		t.Errorf("got %v", err)
	}
}

// Each row is what else is there when the server does not tell which run was
// started, and the workflow shows no id.
func TestWhichRunItIs(t *testing.T) {
	mine := forgetest.Run{Repository: "acme/packages", File: "promote-rpm.yml", Event: "workflow_dispatch", Ref: "main", SHA: forgetest.Head, Actor: "releaser", Status: "queued"}
	for name, tc := range map[string]struct {
		other func(r *forgetest.Run)
		app   bool
		want  string
	}{
		"alone":             {},
		"another of ours":   {other: func(*forgetest.Run) {}, want: "cannot be told from others"},
		"of somebody else":  {other: func(r *forgetest.Run) { r.Actor = "eve" }},
		"of another commit": {other: func(r *forgetest.Run) { r.SHA = strings.Repeat("d", 40) }},
		"long ago":          {other: func(r *forgetest.Run) { r.Created = time.Now().Add(-time.Hour) }},
		"token of nobody":   {app: true, want: "cannot be told"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "github", bare)
			w.Mute, w.App = true, tc.app
			plan := w.plan()
			w.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/dispatches") && tc.other != nil {
					other := mine
					tc.other(&other)
					w.Add(other)
				}
				return false
			}
			_, log, err := w.run(t.Context(), plan)
			if tc.want == "" {
				if err != nil {
					t.Errorf("%v\n%s", err, log)
				}
				return
			}
			if err == nil || !errors.Is(err, pipeline.ErrUnknown) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v", err)
			}
			if _, err := w.look(plan); err == nil {
				t.Error("looking tells which it is, while they go on")
			}
			for id := int64(100); id < 110; id++ {
				w.Change(id, func(r *forgetest.Run) { r.Status, r.Conclusion = "completed", "success" })
			}
			if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, "cannot be told") {
				t.Errorf("looking when all have ended: %+v %v", seen, err)
			}
		})
	}
}

func TestConclusions(t *testing.T) {
	for conclusion, want := range map[string]string{
		"failure": "promote: failure at Sign", "cancelled": "concurrency group", "skipped": "skipped", "neutral": "no success",
		"action_required": "waits for somebody", "timed_out": "longer than it may", "stale": "gave it up", "startup_failure": "could not start",
		"": `ended as ""`, "\x1b[2Jsuccess": `\x1b[2Jsuccess`,
	} {
		t.Run(conclusion, func(t *testing.T) {
			w := newWorld(t, "github", file)
			plan := w.plan()
			w.Looked = func(r *forgetest.Run) {
				r.Status, r.Conclusion = "completed", conclusion
				r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "completed", Conclusion: conclusion, Steps: []forgetest.Step{
					{Name: "Fetch", Status: "completed", Conclusion: "success"}, {Name: "Sign", Status: "completed", Conclusion: conclusion}}}}
			}
			if _, _, err := w.run(t.Context(), plan); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
			if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, want) {
				t.Errorf("looking: %+v %v", seen, err)
			}
		})
	}
	t.Run("nothing done", func(t *testing.T) {
		w := newWorld(t, "github", file)
		plan := w.plan()
		w.Looked = func(r *forgetest.Run) {
			r.Status, r.Conclusion = "completed", "success"
			r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "completed", Conclusion: "skipped"}}
		}
		if _, _, err := w.run(t.Context(), plan); err == nil || !strings.Contains(err.Error(), "no job of it succeeded") {
			t.Errorf("got %v", err)
		}
	})
}

var errStopped = errors.New("stopped by neil")

func TestCancelStopsItThere(t *testing.T) {
	for _, kind := range []string{"github", "gitea", "forgejo"} {
		t.Run(kind, func(t *testing.T) {
			w := newWorld(t, kind, file)
			plan := w.plan()
			ctx, cancel := context.WithCancelCause(t.Context())
			w.Looked = func(r *forgetest.Run) {
				if r.Looks == 3 {
					cancel(errStopped)
				}
			}
			_, log, err := w.run(ctx, plan)
			if !errors.Is(err, errStopped) || errors.Is(err, pipeline.ErrUnknown) || len(w.Asked("/cancel")) != 1 {
				t.Errorf("%v\n%s", err, log)
			}
			if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, "cancelled there") {
				t.Errorf("%+v %v", seen, err)
			}
		})
	}
}

// Cancelled in the moment of the dispatch: the run is found, and stopped.
func TestCancelAtDispatch(t *testing.T) {
	w := newWorld(t, "github", file)
	w.Mute = true
	plan := w.plan()
	ctx, cancel := context.WithCancelCause(t.Context())
	w.Started = func(r *forgetest.Run) bool {
		title(r)
		cancel(errStopped)
		return true
	}
	w.Looked = nil
	if _, log, err := w.run(ctx, plan); !errors.Is(err, errStopped) || len(w.Asked("/cancel")) != 1 {
		t.Errorf("%v\n%s", err, log)
	}
}

func TestCancelThatFails(t *testing.T) {
	remote.Hurry(5*time.Second, 300*time.Millisecond)
	defer remote.Hurry(5*time.Second, 10*time.Second)
	for name, status := range map[string]int{"may not": 403, "will not": 202} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "github", file)
			plan := w.plan()
			ctx, cancel := context.WithCancelCause(t.Context())
			w.Looked = func(r *forgetest.Run) { cancel(errStopped) }
			w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/cancel") {
					return false
				}
				rw.WriteHeader(status)
				return true
			}
			_, _, err := w.run(ctx, plan)
			if !errors.Is(err, pipeline.ErrUnknown) || !strings.Contains(err.Error(), "may go on there") {
				t.Errorf("got %v", err)
			}
			if seen, err := w.look(plan); err == nil || !strings.Contains(err.Error(), "goes on there") {
				t.Errorf("%+v %v", seen, err)
			}
		})
	}
}

func TestTimeoutStopsItThere(t *testing.T) {
	w := newWorldWith(t, "github", file, "    inputs: {component: core, year: \"2025\", os: el9-x86_64}\n", nil)
	w.env.Config.Workflows[0].Timeout = config.Duration(500 * time.Millisecond)
	step, err := remote.Make(w.env.Config, checklist.Item{ID: "i", With: map[string]string{"workflow": "promote-rpm"}})
	if err != nil {
		t.Fatal(err)
	}
	w.step, w.Looked = step, nil
	_, log, err := w.run(t.Context(), w.plan())
	if err == nil || !strings.Contains(err.Error(), "longer than 500ms") || len(w.Asked("/cancel")) != 1 {
		t.Errorf("%v\n%s", err, log)
	}
}

// The network goes away, the server falls ill and tells to wait: the run is
// followed all the same.
func TestRoughNetwork(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	var n atomic.Int64
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet {
			return false
		}
		switch n.Add(1) % 6 {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			rw.WriteHeader(503)
		case 2:
			rw.Header().Set("Retry-After", "30")
			rw.WriteHeader(403)
		case 3:
			rw.Header().Set("X-RateLimit-Remaining", "0")
			rw.Header().Set("X-RateLimit-Reset", fmt.Sprint(time.Now().Add(time.Minute).Unix()))
			rw.WriteHeader(429)
		default:
			return false
		}
		return true
	}
	_, log, err := w.run(t.Context(), plan)
	if err != nil || w.Dispatched() != 1 || !strings.Contains(log, "asking again") || !strings.Contains(log, "answers again") {
		t.Errorf("%v\n%s", err, log)
	}
}

// The token is revoked while the run is followed: how it ends is not known, and
// found out later.
func TestLostAccess(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	var gone atomic.Bool
	w.Looked = func(r *forgetest.Run) { gone.Store(true) }
	w.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if gone.Load() {
			says(401, "Bad credentials")(rw)
		}
		return gone.Load()
	}
	if _, _, err := w.run(t.Context(), plan); !errors.Is(err, pipeline.ErrUnknown) {
		t.Errorf("got %v", err)
	}
	if _, err := w.look(plan); err == nil {
		t.Error("it can be seen without access")
	}
	w.Answer, w.Looked = nil, nil
	if _, err := w.look(plan); err == nil || !strings.Contains(err.Error(), "goes on there") || !strings.Contains(config.HintOf(err), "gantry resolve "+ours) {
		t.Errorf("got %v", err)
	}
	w.Looked = func(r *forgetest.Run) {
		r.Status, r.Conclusion = "completed", "success"
		r.Jobs = []forgetest.Job{{ID: 1, Name: "promote", Status: "completed", Conclusion: "success"}}
	}
	if seen, err := w.look(plan); err != nil || !seen.Done {
		t.Errorf("%+v %v", seen, err)
	}
}

// The console dies at each moment at which something is kept; another finds out
// what became of the run by what was kept until then.
func TestConsoleDies(t *testing.T) {
	for _, workflow := range []string{file, bare} {
		w := newWorld(t, "github", workflow)
		w.Mute = true
		plan := w.plan()
		if _, log, err := w.run(t.Context(), plan); err != nil {
			t.Fatalf("%v\n%s", err, log)
		}
		kept := w.kept
		if len(kept) != 2 {
			t.Fatalf("kept %q", kept)
		}
		for n := range len(kept) + 1 {
			w.kept = kept[:n]
			seen, err := w.look(plan)
			if err != nil || seen.Done != (n > 0) || seen.Failed != "" { // nothing is dispatched before something is kept
				t.Errorf("after %d: %+v %v", n, seen, err)
			}
		}
		w.kept = []string{"{}"}
		if _, err := w.look(plan); err == nil {
			t.Error("what was damaged was believed")
		}
	}
}

func TestNothingIsDispatchedThatCannotBeFoundAgain(t *testing.T) {
	w := newWorld(t, "github", file)
	w.env.Keep = func(context.Context, string) error { return errors.New("disk full") }
	if _, _, err := w.run(t.Context(), w.plan()); err == nil || w.Dispatched() != 0 {
		t.Errorf("%v, %d runs", err, w.Dispatched())
	}
}

func TestDeletedRun(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	if _, _, err := w.run(t.Context(), plan); err != nil {
		t.Fatal(err)
	}
	w.kept = []string{`{"since":"2026-06-01T12:00:00Z","id":4711}`}
	if seen, err := w.look(plan); err != nil || seen.Done || !strings.Contains(seen.Failed, "not there any more") {
		t.Errorf("%+v %v", seen, err)
	}
}

func TestHostileNames(t *testing.T) {
	w := newWorld(t, "github", file)
	plan := w.plan()
	const evil = "\x1b]0;owned\x07\u202ejob\r\nfake: success"
	w.Looked = func(r *forgetest.Run) {
		r.Status, r.Conclusion = "completed", "success"
		r.Jobs = []forgetest.Job{{ID: 1, Name: evil, Status: "completed", Conclusion: "success", Log: evil + "\n" + strings.Repeat("x", 5<<20),
			Steps: []forgetest.Step{{Name: strings.Repeat(evil, 100), Status: "completed", Conclusion: "success"}}}}
	}
	_, log, err := w.run(t.Context(), plan)
	if err != nil || strings.ContainsAny(log, "\x1b\x07\u202e\r") || !strings.Contains(log, "the rest of its log is not kept") {
		t.Errorf("%v\n%.3000q", err, log)
	}
	for line := range strings.Lines(log) {
		if len(line) > 6000 {
			t.Errorf("a line of %d bytes", len(line))
		}
		if _, text, _ := strings.Cut(line, " "); strings.HasPrefix(text, "fake: success") {
			t.Error("a name made a line of its own")
		}
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
