package pipeline_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// onlooker is a check that tells which targets it is about.
type onlooker struct{ *trade }

func (onlooker) Run(_ context.Context, env *pipeline.Env, _ pipeline.Plan, _ *pipeline.Progress) (pipeline.Evidence, error) {
	var names []string
	for _, t := range env.Targets() {
		names = append(names, string(t.Name))
	}
	return pipeline.Evidence{"about": fmt.Sprint(names)}, nil
}

// A check that is about no target of its own is about those of the release.
func TestTargetsOfARelease(t *testing.T) {
	for about, want := range map[string]string{"": "[el9 el8]", "el8": "[el8]", "el8 el9": "[el9 el8]"} {
		cfg := setup(t)
		more := releaseYAML + "  - {name: el8, format: rpm, component: core, series: \"1\", os: el8-x86_64, key: k}\n"
		if err := os.WriteFile(filepath.Join(cfg.Dir(), "release.yaml"), []byte(more), 0o644); err != nil {
			t.Fatal(err)
		}
		cfg, err := config.Load(filepath.Join(cfg.Dir(), "release.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		m := makers(nil)
		m["check"] = func(cfg *config.Release, item checklist.Item) (pipeline.Step, error) {
			return onlooker{&trade{item: item, cfg: cfg}}, nil
		}
		e := open(t, cfg, pipeline.Options{Makers: m})
		if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}, strings.Fields(about)...); err != nil {
			t.Fatal(err)
		}
		if err := do(t, e, pipeline.Job{Item: "watch"}); err != nil {
			t.Fatal(err)
		}
		runs := e.View().Runs
		if got := runs[len(runs)-1].Ended.Evidence["about"]; got != want {
			t.Errorf("%q: about %s, want %s", about, got, want)
		}
	}
}
