package rpm_test

import (
	"slices"
	"testing"

	"gantry/pipeline"
	"gantry/pipeline/repository"
	"gantry/storage"
)

// A flip that ends anywhere leaves production on one snapshot or the other,
// whole; looking tells which, and the same plan run again brings it about.
func TestCrashedFlip(t *testing.T) {
	points := append([]string{"flip.checked", "flip.linked", "flip.renamed", "flip.synced"}, repository.Points()...)
	for _, point := range points {
		if i := slices.Index(append(storage.Points(), repository.Points()...), point); i < 0 {
			t.Errorf("%s is no failpoint", point)
		}
	}
	for _, verb := range []string{"promote", "rollback"} {
		for _, point := range points {
			t.Run(verb+" "+point, func(t *testing.T) {
				s := newShop(t, ", policy: replace")
				s.stage("agent-1.0.x86_64")
				s.release()
				s.stage("lib-1.0.x86_64")
				s.do("build")
				s.do("stage")
				if verb == "rollback" {
					s.do("promote")
				}
				step, plan, err := s.plan(verb)
				if err != nil {
					t.Fatal(err)
				}
				reached := false
				func() {
					defer func() { recover() }()
					storage.OnReach(func(at string) {
						if at == point {
							reached = true
							panic("crash")
						}
					})
					defer storage.OnReach(nil)
					step.Run(t.Context(), s.env, plan, pipeline.NewProgress(nil))
				}()
				if !reached {
					t.Fatal("never reached")
				}
				at := s.at("production")
				if at != plan.Move.From && at != plan.Move.To {
					t.Fatalf("production names %s", at)
				}
				if err := s.served.Check(t.Context(), at, true, nil); err != nil {
					t.Error(err)
				}
				seen, err := step.(pipeline.Looker).Look(t.Context(), s.env, plan)
				if err != nil || seen.Done != (at == plan.Move.To) {
					t.Errorf("production names %s of %s, looking says %+v, %v", at, plan.Move.To, seen, err)
				}
				if _, err := s.step(verb).Run(t.Context(), s.env, plan, pipeline.NewProgress(nil)); err != nil {
					t.Errorf("run again: %v", err)
				}
				s.record(plan)
				s.do("verify")
			})
		}
	}
}
