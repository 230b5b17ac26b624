package pipeline_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// doomedGroup promotes el8 and el9 of the release.yaml in its argument together,
// and is killed at the failpoint of that number. It ends with 0 if it was not.
func doomedGroup(at string) int {
	n, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return 2
	}
	cfg, err := config.Load(os.Args[len(os.Args)-1])
	if err != nil {
		return 2
	}
	e, err := pipeline.Open(bg, pipeline.Options{Config: cfg, Makers: pipeline.Makers{"rpm": strictly}, Actor: "doomed"})
	if err != nil {
		return 2
	}
	g, err := e.PlanGroup(bg, jobs("promote", "el8", "el9"))
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
	a, err := e.StartGroup(bg, g, g.Phrase())
	if err != nil {
		return 1
	}
	if moved, err := a.Wait(); err != nil || moved != 2 {
		return 1
	}
	return 0
}

// A group whose console is killed anywhere is told of as far as it came: by the
// journal once its last run is settled. To ask for the same again finishes it.
func TestGroupKilledAnywhere(t *testing.T) {
	cfg := setup(t)
	e, _ := matrixOf(t, cfg)
	partial := 0
	for n := 1; ; n += 3 { // which meets both targets at every kind of point
		for _, target := range []string{"el8", "el9"} {
			if err := do(t, e, pipeline.Job{Item: "build:" + target}); err != nil {
				t.Fatal(err)
			}
		}
		was := e.View().Targets[:2]
		cmd := exec.Command(os.Args[0], filepath.Join(cfg.Dir(), "release.yaml"))
		cmd.Env = append(os.Environ(), "GANTRY_TEST_KILL_GROUP="+strconv.Itoa(n))
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
		v := e.View()
		moved := 0
		for i, w := range v.Targets[:2] {
			if w.Production == w.Snapshots[0].ID {
				moved++
			} else if w.Production != was[i].Production {
				t.Fatalf("killed at %d: %s serves %s", n, w.Name, w.Production)
			}
		}
		if v.Runs[0].Ended == nil {
			if err := e.Resolve(t.Context(), v.Runs[0].Run.Run); err != nil {
				t.Fatalf("killed at %d: %v", n, err)
			}
		}
		v = e.View()
		if g := v.Group; g != nil && g.Actor == "doomed" && g.Ended == nil && g.Started.After(was[0].Snapshots[0].Created) && (g.Live || len(g.Moved) != moved) {
			t.Errorf("killed at %d: %d moved, the group says %+v", n, moved, g)
		}
		if (v.Partial != nil) != (moved == 1) {
			t.Errorf("killed at %d: %d moved, partial is %+v", n, moved, v.Partial)
		}
		if moved == 1 {
			partial++
		}
		rest, err := together(t, e, jobs("promote", "el8", "el9"))
		var idle *pipeline.RefusedError
		if errors.As(err, &idle) {
			err = nil
		}
		if err != nil || rest != 2-moved {
			t.Errorf("killed at %d: %d moved, then %d: %v", n, moved, rest, err)
		}
		for _, w := range e.View().Targets[:2] {
			if w.Production != w.Snapshots[0].ID || w.Drift != "" {
				t.Errorf("killed at %d: %s serves %s, %s", n, w.Name, w.Production, w.Drift)
			}
		}
		if p := e.View().Partial; p != nil {
			t.Errorf("killed at %d: it is whole, and partial: %+v", n, p)
		}
	}
	if partial < 3 {
		t.Errorf("only %d groups were killed between their moves", partial)
	}
	t.Logf("%d groups were killed between their moves", partial)
}
