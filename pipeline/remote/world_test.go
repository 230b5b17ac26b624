package remote_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/forge/forgetest"
	"gantry/pipeline/remote"
)

func TestMain(m *testing.M) {
	remote.Hurry(5*time.Second, 10*time.Second)
	if dir := os.Getenv("GANTRY_REMOTE_DOOMED"); dir != "" {
		os.Exit(doomed(dir))
	}
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
