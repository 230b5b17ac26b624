package pipeline_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

var bg = context.Background()

// TestMain lets the test binary be a console that promotes and is killed on the
// way: GANTRY_TEST_KILL says at which failpoint it passes, counted from 1.
func TestMain(m *testing.M) {
	if at := os.Getenv("GANTRY_TEST_KILL"); at != "" {
		os.Exit(doomed(at))
	}
	if at := os.Getenv("GANTRY_TEST_KILL_GROUP"); at != "" {
		os.Exit(doomedGroup(at))
	}
	if os.Getenv("GANTRY_TEST_RACE") != "" {
		os.Exit(racer())
	}
	os.Exit(m.Run())
}

// doomed promotes el9 of the release.yaml in its argument. It ends with 0 if it
// was not killed.
func doomed(at string) int {
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return 2
	}
	cfg, err := config.Load(os.Args[len(os.Args)-1])
	if err != nil {
		return 2
	}
	e, plan, err := planned(cfg)
	if err != nil {
		return 2
	}
	var passed atomic.Int64
	storage.OnReach(func(string) {
		if passed.Add(1) == n {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // until the signal is there
		}
	})
	run, err := e.Start(bg, plan, plan.Phrase())
	if err != nil {
		return 1
	}
	if run.Wait() != nil {
		return 1
	}
	return 0
}

func planned(cfg *config.Release) (*pipeline.Engine, pipeline.Plan, error) {
	e, err := pipeline.Open(bg, pipeline.Options{Config: cfg, Makers: makers(nil), Actor: "doomed"})
	if err != nil {
		return nil, pipeline.Plan{}, err
	}
	plan, err := e.Plan(bg, pipeline.Job{Item: "promote:el9"})
	return e, plan, err
}

// A console that is killed at any failpoint of a promote leaves production as
// it was or as planned; another console sees the run as unknown, settles it by
// looking, and can go on.
func TestKilledAnywhere(t *testing.T) {
	cfg := setup(t)
	now := time.Now().Add(-24 * time.Hour)
	e := begun(t, cfg, pipeline.Options{Now: func() time.Time { return now }})
	before, after := 0, 0
	for n := 1; ; n++ {
		now = now.Add(2 * time.Second) // snapshots are named by their second
		if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
			t.Fatal(err)
		}
		v := e.View().Targets[0]
		was, to := v.Production, v.Snapshots[0].ID
		if to == was {
			t.Fatalf("nothing to promote: %s", to)
		}
		cmd := exec.Command(os.Args[0], filepath.Join(cfg.Dir(), "release.yaml"))
		cmd.Env = append(os.Environ(), "GANTRY_TEST_KILL="+strconv.Itoa(n))
		out, err := cmd.CombinedOutput()
		if err == nil {
			break // every failpoint was passed alive
		}
		if !strings.Contains(err.Error(), "killed") {
			t.Fatalf("at %d: %v\n%s", n, err, out)
		}
		if err := e.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		serves := e.View().Targets[0].Production
		switch serves {
		case was:
			before++
		case to:
			after++
		default:
			t.Fatalf("killed at %d: production went from %s to %s, neither it nor %s", n, was, serves, to)
		}
		if last := e.View().Runs[0]; last.Ended == nil && last.Actor == "doomed" {
			if last.State() != string(checklist.StatusUnknown) {
				t.Errorf("killed at %d: the run is %s", n, last.State())
			}
			if err := e.Resolve(t.Context(), last.Intent.Run); err != nil {
				t.Fatalf("killed at %d: %v", n, err)
			}
			want := checklist.Failed
			if serves == to {
				want = checklist.Done
			}
			if got := e.View().Runs[0].Ended; got.Outcome != want || !got.Looked {
				t.Errorf("killed at %d: settled as %+v, want %s", n, got, want)
			}
		}
		if drift := e.View().Targets[0].Drift; drift != "" {
			t.Fatalf("killed at %d: %s", n, drift)
		}
		if serves == was {
			if err := do(t, e, pipeline.Job{Item: "promote:el9"}); err != nil {
				t.Fatalf("killed at %d, again: %v", n, err)
			}
		}
		if report, err := e.VerifyHistory(t.Context()); err != nil || len(report.Damage) > 0 {
			t.Fatalf("killed at %d: %v %v", n, report.Damage, err)
		}
	}
	if before < 3 || after < 3 {
		t.Errorf("killed %d times before the flip and %d times after: not every failpoint was passed", before, after)
	}
	t.Logf("killed %d times before the flip, %d times after", before, after)
}
