package torrent_test

import (
	"testing"

	"gantry/pipeline"
	"gantry/storage"
)

// struck plans and runs a step that dies at the n-th point where a crash may do
// no harm. It tells whether it did.
func (w *world) struck(uses string, n int) (died bool) {
	w.t.Helper()
	const crash = "crash"
	step, env, err := w.make(uses)
	if err != nil {
		w.t.Fatal(err)
	}
	plan, err := step.Plan(w.t.Context(), env)
	if err != nil {
		w.t.Fatal(err)
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
	if _, err := step.Run(w.t.Context(), env, plan, pipeline.NewProgress(nil)); err != nil {
		w.t.Fatalf("%s: %v", uses, err)
	}
	return false
}

// Wherever making or publishing died, what the seed box sees is whole, is known
// again, and the next run completes it.
func TestH22CrashWhilePublishing(t *testing.T) {
	points := 0
	for n := 1; ; n++ {
		w := newWorld(t)
		made := !w.struck("torrent.make", n)
		if made && !w.struck("torrent.publish", n) {
			break
		}
		if !made {
			if got := w.files("watch/start"); got != "" {
				t.Fatalf("point %d: made and published at once: %s", n, got)
			}
			w.must("torrent.make")
		}
		points++
		if made {
			w.looks(n)
		}
		for _, name := range []string{boot, dvd} { // undone at once, or gone on with
			if entry := w.at("watch/start/" + name + ".torrent"); exists(entry) && w.read("watch/start/"+name+".torrent") != w.read("held/"+name+".torrent") {
				t.Fatalf("point %d: %s is not what is held", n, name)
			}
		}
		if exists(w.at("held/published")) {
			if plan, _ := w.must("undo torrent.publish"); len(plan.Warnings) > 0 {
				t.Fatalf("point %d: %v", n, plan.Warnings)
			}
		}
		w.must("torrent.publish")
		if got := w.files("watch/start"); got != boot+".torrent "+dvd+".torrent" {
			t.Fatalf("point %d: %s", n, got)
		}
		w.must("undo torrent.publish")
		if got := w.files("watch/start"); got != "" {
			t.Fatalf("point %d: it stays: %s", n, got)
		}
	}
	if points < 10 {
		t.Errorf("only %d points where a crash may come", points)
	}
}

// looks makes sure that what a publication which died says of itself is what is
// there.
func (w *world) looks(n int) {
	w.t.Helper()
	step, env, err := w.make("torrent.publish")
	if err != nil {
		w.t.Fatal(err)
	}
	plan := pipeline.Plan{}
	for _, name := range []string{boot, dvd} {
		m, _ := w.load("held/" + name + ".torrent")
		plan.Added = append(plan.Added, pipeline.Change{Name: name, To: m.HashInfoBytes().HexString()})
	}
	seen, err := step.(pipeline.Looker).Look(w.t.Context(), env, plan)
	all := exists(w.at("watch/start/"+boot+".torrent")) && exists(w.at("watch/start/"+dvd+".torrent"))
	if err != nil || seen.Done != all || !all && seen.Failed == "" {
		w.t.Fatalf("point %d: %+v, %v", n, seen, err)
	}
}
