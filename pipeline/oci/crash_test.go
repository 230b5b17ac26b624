package oci_test

import (
	"strings"
	"testing"
	"time"

	"gantry/pipeline"
	"gantry/pipeline/oci"
	"gantry/storage"
)

// TestCrash ends a verb at each of its failpoints and looks what clients get;
// then it runs the verb again.
func TestCrash(t *testing.T) {
	for _, point := range oci.Points() {
		if strings.Contains(point, "take") {
			continue // see TestAdoptCrash
		}
		t.Run(point, func(t *testing.T) {
			s := newShop(t, inProcess(t, false, nil), ", snapshots: 2")
			for _, v := range []string{"1.0", "1.1", "1.2"} {
				s.stageVersion(v)
				s.release()
				s.clock = s.clock.Add(10 * 24 * time.Hour)
			}
			served := s.at("production")
			s.stageVersion("1.3")
			verb := "build"
			switch {
			case strings.Contains(point, "flip"):
				s.do("build")
				s.do("stage")
				verb = "promote"
			case strings.Contains(point, "remove"):
				verb = "prune"
			}
			step, plan, err := s.plan(verb)
			if err != nil {
				t.Fatal(err)
			}
			if !crashes(point, func() { step.Run(t.Context(), s.env, plan, pipeline.NewProgress(nil)) }) {
				t.Fatalf("%s never passes %s", verb, point)
			}

			s.configure(", snapshots: 2") // another console
			if at := s.at("production"); at != served {
				t.Errorf("after a crash production serves %s, not %s", at, served)
			}
			if verb != "promote" {
				s.do("verify")
			}
			if seen, err := s.step(verb).Plan(t.Context(), s.env); verb == "promote" && (err != nil || seen.Move.From != served) {
				t.Errorf("the plan after a crash: %+v, %v", seen, err)
			}
			switch verb {
			case "build":
				s.do("build")
				s.do("stage")
				s.do("promote")
			case "promote":
				// it may also be given up: back to where the first tags came from
				s.do("rollback")
				s.do("verify")
				s.do("promote")
			case "prune":
				if err := s.served.Sweep(t.Context()); err != nil {
					t.Fatal(err)
				}
				if _, _, err := s.try("prune"); err != nil && !strings.Contains(err.Error(), "nothing to prune") {
					t.Fatal(err)
				}
			}
			s.do("verify")
			ids, err := s.served.Snapshots(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range ids {
				if err := s.served.Check(t.Context(), id, true, nil); err != nil {
					t.Errorf("a snapshot that is not whole: %v", err)
				}
			}
		})
	}
}

// crashes runs f and tells whether it got to a failpoint, where it ends.
func crashes(point string, f func()) (there bool) {
	type end struct{}
	storage.OnReach(func(p string) {
		if p == point {
			panic(end{})
		}
	})
	defer storage.OnReach(nil)
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
		case end:
			there = true
		default:
			panic(r)
		}
	}()
	f()
	return false
}
