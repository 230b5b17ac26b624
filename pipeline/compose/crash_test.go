package compose_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline"
	"gantry/storage"
)

// struck plans and runs a step that dies at the n-th point where a crash may do
// no harm. It tells whether it did: past the last point it comes to its end.
func (w *world) struck(s pipeline.Step, n int) (died bool) {
	w.t.Helper()
	const crash = "crash"
	plan := w.plan(s)
	storage.OnReach(func(string) {
		if n--; n == 0 {
			panic(crash)
		}
	})
	defer storage.OnReach(nil)
	defer func() {
		if r := recover(); r == crash {
			died = true
		} else if r != nil {
			panic(r)
		}
	}()
	if _, err := s.Run(w.t.Context(), &w.env, plan, pipeline.NewProgress(nil)); err != nil {
		w.t.Fatalf("point %d: %v", n, err)
	}
	return false
}

// A run that died anywhere is gone on with, and ends as if it had not; and none
// is taken for done before that.
func TestGoesOnAfterACrash(t *testing.T) {
	for name, tc := range map[string]struct {
		make func(*world) pipeline.Step
		most int // points there are at least
	}{
		"layout": {func(w *world) pipeline.Step { w.minor(); return w.step("compose.layout", minor) }, 40},
		"sign":   {func(w *world) pipeline.Step { w.repos(); return w.step("compose.sign", nil) }, 10},
		"latest": {func(w *world) pipeline.Step {
			w.compose("Rocky-9.7-20251120.101500")
			w.run(w.step("compose.latest", newest))
			w.compose("Rocky-9.7-20251121.101500")
			return w.step("compose.latest", newest)
		}, 4},
		"latest, back": {func(w *world) pipeline.Step {
			for _, id := range []string{"Rocky-9.7-20251120.101500", "Rocky-9.7-20251121.101500"} {
				w.compose(id)
				w.run(w.step("compose.latest", newest))
			}
			return w.step("compose.latest", newest).(pipeline.Reverser).Reverse()
		}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			whole := newWorld(t)
			s := tc.make(whole)
			if whole.struck(s, 1<<30) {
				t.Fatal("nothing struck it")
			}
			want := whole.plain()
			for n := 1; ; n += 1 + n/12 { // points that follow each other in a row are much alike
				w := newWorld(t)
				s := tc.make(w)
				plan := w.plan(s)
				if !w.struck(s, n) {
					if n <= tc.most {
						t.Errorf("it has less than %d points where a crash may come", n)
					}
					break
				}
				seen, err := s.(pipeline.Looker).Look(t.Context(), &w.env, plan)
				if err != nil {
					t.Fatalf("point %d: look: %v", n, err)
				}
				if !seen.Done {
					if _, err := s.Run(t.Context(), &w.env, w.plan(s), pipeline.NewProgress(nil)); err != nil {
						t.Fatalf("point %d: go on: %v", n, err)
					}
				}
				if diff := cmp.Diff(want, w.plain()); diff != "" {
					t.Fatalf("point %d, done %v: %s", n, seen.Done, diff)
				}
			}
		})
	}
}

// plain are all files of the areas; of signatures, which differ each time, that
// they are there.
func (w *world) plain() map[string]string {
	all := map[string]string{}
	for _, area := range []string{"c", "s"} {
		for name, text := range w.files(area) {
			if len(name) > 4 && name[len(name)-4:] == ".asc" {
				text = "a signature"
			}
			all[area+"/"+name] = text
		}
	}
	return all
}
