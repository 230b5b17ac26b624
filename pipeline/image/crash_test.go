package image_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline"
	"gantry/storage"
)

// Wherever writing checksums died, the next run completes it, and until then
// nobody takes it for done.
func TestH16ChecksumsAfterACrash(t *testing.T) {
	const crash = "crash"
	whole := newWorld(t)
	whole.fill()
	if _, _, err := whole.run("image.checksum"); err != nil {
		t.Fatal(err)
	}
	struck := func(w *world, n int) (plan pipeline.Plan, died bool) {
		step, env := w.make("image.checksum")
		plan, err := step.Plan(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
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
		_, err = step.Run(t.Context(), env, plan, pipeline.NewProgress(nil))
		wants(t, err, "")
		return plan, false
	}
	for n := 1; ; n++ {
		w := newWorld(t)
		w.fill()
		plan, died := struck(w, n)
		if !died {
			if n < 20 {
				t.Errorf("only %d points where a crash may come", n-1)
			}
			break
		}
		if cmp.Diff(whole.tree(), w.tree()) != "" && w.inputs("image.checksum") == plan.Inputs {
			t.Fatalf("point %d: half of it is taken for all", n)
		}
		_, _, err := w.run("image.checksum")
		wants(t, err, "")
		if diff := cmp.Diff(whole.tree(), w.tree()); diff != "" {
			t.Fatalf("point %d: %s", n, diff)
		}
	}
}
