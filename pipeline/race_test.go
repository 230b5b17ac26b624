package pipeline_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

// racer promotes and rolls back el9 of the release.yaml in its argument a few
// times, against others, and tells of each move that it was let to make.
func racer() int {
	cfg, err := config.Load(os.Args[len(os.Args)-1])
	if err != nil {
		return 2
	}
	e, err := pipeline.Open(bg, pipeline.Options{Config: cfg, Makers: makers(nil), Actor: fmt.Sprint("racer ", os.Getpid())})
	if err != nil {
		return 2
	}
	for i := range 12 {
		verb := []string{"promote", "rollback"}[i%2]
		plan, err := e.Plan(bg, pipeline.Job{Verb: verb, Target: "el9"})
		if err == nil {
			var run *pipeline.Active
			if run, err = e.Start(bg, plan, plan.Phrase()); err == nil {
				if err = run.Wait(); err == nil && plan.Move.From != plan.Move.To {
					fmt.Println(run.ID(), plan.Move.From, plan.Move.To)
				}
			}
		}
		var conflict *pipeline.ConflictError
		var refused *pipeline.RefusedError
		if err != nil && !errors.As(err, &conflict) && !errors.As(err, &refused) {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	if e.Close() != nil {
		return 1
	}
	return 0
}

// Consoles in several processes that move one pointer against each other make a
// chain: each move begins where the one before ended, and every move that was
// acknowledged is in it.
func TestRacingConsolesMakeAChain(t *testing.T) {
	cfg := setup(t)
	e := begun(t, cfg, pipeline.Options{})
	for range 3 {
		if err := do(t, e, pipeline.Job{Item: "build:el9"}); err != nil {
			t.Fatal(err)
		}
	}
	acked := map[string]string{}
	var cmds []*exec.Cmd
	var outs []*strings.Builder
	for range 4 {
		cmd := exec.Command(os.Args[0], filepath.Join(cfg.Dir(), "release.yaml"))
		cmd.Env = append(os.Environ(), "GANTRY_TEST_RACE=1")
		out := &strings.Builder{}
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds, outs = append(cmds, cmd), append(outs, out)
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("racer %d: %v", i, err)
		}
		for lines := bufio.NewScanner(strings.NewReader(outs[i].String())); lines.Scan(); {
			run, move, _ := strings.Cut(lines.Text(), " ")
			acked[run] = move
		}
	}
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	at, moves := "", 0
	for _, ev := range e.History() {
		var end checklist.Ended
		if ev.Type != checklist.RunEnded || decode(t, ev.Data, &end).Move == nil {
			continue
		}
		if end.Move.From != at {
			t.Errorf("run %s moved from %q, the one before ended at %q", end.Run, end.Move.From, at)
		}
		at = end.Move.To
		moves++
		if got := end.Move.From + " " + end.Move.To; end.Outcome == checklist.Done && acked[end.Run] != got {
			t.Errorf("run %s moved %q, acknowledged was %q", end.Run, got, acked[end.Run])
		}
		delete(acked, end.Run)
	}
	if len(acked) > 0 {
		t.Errorf("acknowledged and not in the journal: %v", acked)
	}
	if v := e.View().Targets[0]; v.Production != at || v.Drift != "" || moves < 2 {
		t.Errorf("production %s, the chain of %d moves ends at %s, drift %q", v.Production, moves, at, v.Drift)
	}
	if r, err := e.VerifyHistory(t.Context()); err != nil || len(r.Damage) > 0 {
		t.Errorf("%v %v", r.Damage, err)
	}
}
