package job_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/job"
)

const template = `
name: test
title: A test
kinds: [test]
sections:
  - {id: all, title: All, items: [{id: lorax, title: Lorax, kind: step, uses: job, with: {name: build_ISO}, risk: safe}]}
`

func engine(t *testing.T, dir string) *pipeline.Engine {
	t.Helper()
	cfg, err := config.Load(filepath.Join(dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := pipeline.Open(t.Context(), pipeline.Options{Config: cfg, Makers: pipeline.Makers{"job": job.Make}, Trades: map[config.Format]pipeline.Trade{config.FormatRPM: {}}, Actor: "neil"})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// TestConsole is the console that TestKilled kills; by itself it is none.
func TestConsole(t *testing.T) {
	dir := os.Getenv("GANTRY_TEST_CONSOLE")
	if dir == "" {
		t.Skip("TestKilled runs it")
	}
	job.Hasten(t, time.Minute)
	e := engine(t, dir)
	plan, err := e.Plan(t.Context(), pipeline.Job{Item: "lorax"})
	if err != nil {
		t.Fatal(err)
	}
	run, err := e.Start(t.Context(), plan, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Fatal("it ended: ", run.Wait())
}

// A console is killed while a Job runs. The run is unknown then, the next console
// makes no second Job, follows the first to its end, and knows how it ended.
func TestKilled(t *testing.T) {
	job.Hasten(t, time.Minute)
	a, d := newAPI(t), newDesk(t)
	d.console(one, "")
	if err := os.Mkdir(filepath.Join(d.dir, "checklists"), 0o755); err != nil {
		t.Fatal(err)
	}
	d.write("checklists/test.yaml", template)
	first := engine(t, d.dir)
	if _, err := first.OpenRelease(t.Context(), "test", "9.7-RC2", time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	console := exec.Command(os.Args[0], "-test.run", "^TestConsole$")
	console.Env = append(os.Environ(), "GANTRY_TEST_CONSOLE="+d.dir)
	var said strings.Builder
	console.Stdout, console.Stderr = &said, &said
	if err := console.Start(); err != nil {
		t.Fatal(err)
	}
	name := a.job("")
	a.pod(name, "p", "Running", 0, running)
	a.say("p", false, "works")
	until(t, "its log is read", func() bool { a.mu.Lock(); defer a.mu.Unlock(); return len(a.since) > 0 })
	if err := console.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	console.Wait()

	second := engine(t, d.dir)
	defer second.Close()
	status := func() checklist.Status {
		t.Helper()
		if err := second.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		it, ok := second.View().Checklist.Item("lorax")
		if !ok {
			t.Fatal("no such item")
		}
		return it.Status
	}
	if s := status(); s != checklist.StatusUnknown {
		t.Fatalf("it is %s; the console said %s", s, &said)
	}
	if _, err := second.Plan(t.Context(), pipeline.Job{Item: "lorax"}); !errors.Is(err, pipeline.ErrGoesOn) {
		t.Errorf("it can be planned again: %v", err)
	}
	runs := second.View().Runs
	followed := make(chan error, 1)
	go func() { followed <- second.Follow(t.Context(), runs[len(runs)-1].Intent.Run) }()
	d.write("made", "x")
	a.say("p", true, "ends")
	a.pod(name, "p", "Succeeded", 0, well)
	a.end(name, "Complete", "")
	if err := <-followed; err != nil {
		t.Error(err)
	}
	if s := status(); s != checklist.StatusDone || a.created != 1 {
		t.Errorf("it is %s, of %d Jobs", s, a.created)
	}
}
