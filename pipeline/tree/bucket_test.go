package tree_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
	"gantry/storage/storagetest"
)

// everyShop runs a test against an S3 server in this process and a real one.
func everyShop(t *testing.T, test func(t *testing.T, w *bucketWorld)) {
	t.Run("fake", func(t *testing.T) { test(t, newBucketWorld(t, t.TempDir(), newShop(t).URL)) })
	t.Run("versitygw", func(t *testing.T) { test(t, newBucketWorld(t, t.TempDir(), storagetest.NewS3(t).Endpoint())) })
}

// The objects of a production on a store are the files of staging, at every sync,
// and what they were before, at every undo. Nothing is done twice.
func TestBucketIsLikeStaging(t *testing.T) {
	everyShop(t, func(t *testing.T, w *bucketWorld) {
		states := []map[string]string{{}}
		for round := range 3 {
			w.composed(round)
			w.must("stage")
			p := w.must("promote")
			if n := len(contents(t, w.staging())); round == 0 && (p.Counts.Added != n || len(p.Alarms) > 0 || len(p.Parts) < 4) {
				t.Errorf("the plan of %d files says %+v, alarms %v, %d parts", n, *p.Counts, p.Alarms, len(p.Parts))
			}
			states = append(states, contents(t, w.staging()))
			equal(t, fmt.Sprint("production of round ", round), w.objects(onStore), states[round+1])
			if again := w.must("promote"); again.Move.From != again.Move.To || again.Counts.Added+again.Counts.Changed+again.Counts.Removed > 0 {
				t.Errorf("asked again, it would change %+v", *again.Counts)
			}
			w.must("verify")
		}
		for round := 2; round >= 0; round-- {
			w.must("rollback")
			equal(t, fmt.Sprint("production without round ", round), w.objects(onStore), states[round])
			if round > 0 {
				w.must("verify")
			}
		}
		if id := w.pointer("production"); id != "" {
			t.Errorf("taken back whole, production is %s", id)
		}
		w.must("promote")
		equal(t, "production once more", w.objects(onStore), states[3])
	})
}

// Several syncs are taken back at a time.
func TestBucketRollbackTo(t *testing.T) {
	w := newBucketWorld(t, t.TempDir(), newShop(t).URL)
	var states []map[string]string
	var ids []string
	for round := range 3 {
		w.composed(round)
		w.must("stage")
		ids = append(ids, w.must("promote").Move.To)
		states = append(states, w.objects(onStore))
	}
	if got, err := w.served().Snapshots(t.Context()); err != nil || len(got) < 3 {
		t.Errorf("the snapshots are %v, %v", got, err)
	}
	past := w.served().(interface {
		Earlier(ctx context.Context, path string) ([][]byte, error)
	})
	repomd := "BaseOS/x86_64/os/repodata/repomd.xml"
	if all, err := past.Earlier(t.Context(), onStore+repomd); err != nil || len(all) != 2 || hexSum(all[0]) != states[1][repomd] || hexSum(all[1]) != states[0][repomd] {
		t.Errorf("it was %q before, %v", all, err)
	}
	if _, err := w.run("rollback", map[string]string{"to": ids[0]}); err != nil {
		t.Fatal(err)
	}
	equal(t, "production", w.objects(onStore), states[0])
	w.must("verify")
	w.cfg.Targets[0].Snapshots = 1
	w.must("prune")
	for key := range w.objects(".gantry/rocky-9/production/") {
		if strings.HasPrefix(key, ids[1]) {
			t.Errorf("pruned, and %s is there", key)
		}
	}
	w.must("promote")
	equal(t, "production synced again", w.objects(onStore), states[2])
}

// Objects that are uploaded in parts come back by an undo in one, by which the sync
// before knows them.
func TestBucketLargeObjects(t *testing.T) {
	everyShop(t, func(t *testing.T, w *bucketWorld) {
		var states []map[string]string
		for round := range 3 {
			put(t, w.compose("isos/x86_64/dvd.iso"), strings.Repeat(fmt.Sprintf("%07d", round), 3<<20))
			w.must("stage")
			w.must("promote")
			states = append(states, w.objects(onStore))
		}
		for round := 1; round >= 0; round-- {
			if p := w.must("rollback"); len(p.Alarms) > 0 {
				t.Errorf("the alarms are %v", p.Alarms)
			}
			equal(t, "production", w.objects(onStore), states[round])
			w.must("verify")
		}
		if p := w.must("promote"); len(p.Alarms) > 0 || p.Counts.Changed != 1 {
			t.Errorf("synced again, the plan says %+v, %v", *p.Counts, p.Alarms)
		}
		equal(t, "production", w.objects(onStore), states[2])
	})
}

// reader reads a repository on the store as a client does.
func (w *bucketWorld) reader(at string) (int, error) {
	return readRepoOf(w.t.Context(), w.store, onStore+at)
}

// A reader that loops over repomd.xml, primary.xml and packages on the store
// during several syncs and undos finds all that the metadata names.
func TestH05BucketPackagesBeforeMetadata(t *testing.T) {
	w := newBucketWorld(t, t.TempDir(), newShop(t).URL)
	repos := []string{"BaseOS/x86_64/os", "AppStream/x86_64/os", "BaseOS/source/tree"}
	w.composed(0)
	w.must("stage")
	w.must("promote")
	var reading sync.RWMutex // a removal begins when whoever reads by old metadata is done
	storage.OnReach(func(point string) {
		if point == "tree.phase.removing" {
			reading.Lock()
			defer reading.Unlock()
		}
	})
	defer storage.OnReach(nil)
	over := make(chan struct{})
	var readers sync.WaitGroup
	for _, p := range repos {
		readers.Go(func() {
			for n := 0; ; n++ {
				reading.RLock()
				_, err := w.reader(p)
				reading.RUnlock()
				if err != nil {
					t.Errorf("reading %d of %s: %v", n, p, err)
					return
				}
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	for round := 1; round < 6; round++ {
		w.composed(round)
		w.must("stage")
		w.must("promote")
	}
	close(over)
	readers.Wait()
}

// A sync or undo whose network is cut at any request leaves a tree that readers can
// read. Asked for again it goes on, and taken back it brings back what was there.
func TestBucketCutAtAnyRequest(t *testing.T) {
	s := newShop(t)
	w := newBucketWorld(t, t.TempDir(), s.URL)
	w.composed(0)
	w.must("stage")
	w.must("promote")
	old := w.objects(onStore)
	w.composed(5)
	w.must("stage")
	want := contents(t, w.staging())
	s.mend(0, false)
	w.must("promote")
	forth := s.count()
	equal(t, "production", w.objects(onStore), want)
	s.mend(0, false)
	w.must("rollback")
	back := s.count()
	equal(t, "production, taken back", w.objects(onStore), old)
	if forth < 60 || back < 60 {
		t.Fatalf("only %d and %d requests", forth, back)
	}
	step := 7
	if testing.Short() {
		step = 41
	}
	cut := func(verb string, at int) (failed bool) {
		t.Helper()
		s.mend(at, at%2 == 0)
		_, err := w.run(verb, nil)
		s.mend(0, false)
		for _, p := range []string{"BaseOS/x86_64/os", "AppStream/x86_64/os", "BaseOS/source/tree"} {
			if n, err := w.reader(p); err != nil || n == 0 {
				t.Fatalf("%s cut at request %d: a reader of %s found %d packages: %v", verb, at, p, n, err)
			}
		}
		return err != nil
	}
	fails := func(verb string, at int) {
		t.Helper()
		if !cut(verb, at) {
			t.Fatalf("%s cut at request %d went well", verb, at)
		}
	}
	for at := 1; at < forth; at += step {
		when := fmt.Sprintf("cut at request %d of %d", at, forth)
		fails("promote", at)
		if at%3 == 0 {
			cut("promote", 1+at/3)
		}
		p := w.must("promote")
		if len(p.Alarms) > 0 {
			t.Fatalf("%s: going on gives the alarms %v", when, p.Alarms)
		}
		equal(t, when+", gone on", w.objects(onStore), want)
		w.must("verify")
		undo := 1 + at*(back-2)/forth
		fails("rollback", undo)
		if p := w.must("rollback"); len(p.Alarms) > 0 {
			t.Fatalf("%s: going on with the undo gives the alarms %v", when, p.Alarms)
		}
		equal(t, fmt.Sprintf("undo cut at request %d of %d", undo, back), w.objects(onStore), old)
		w.must("verify")
		fails("promote", at)
		if o := w.served(); w.half(o) == "" { // nothing was begun, or all was done
			w.must("promote")
		}
		w.must("rollback")
		equal(t, when+", taken back as it was", w.objects(onStore), old)
	}
}

// What others put there, changed or removed is shown, must be acknowledged, and is
// kept: the undo brings it back.
func TestBucketForeignObjects(t *testing.T) {
	w := newBucketWorld(t, t.TempDir(), newShop(t).URL)
	w.composed(0)
	w.must("stage")
	w.must("promote")
	w.write(onStore+"isos/x86_64/CHECKSUM", "of another console")
	w.write(onStore+"isos/x86_64/of-nobody", "put there by hand")
	if err := w.store.Delete(t.Context(), onStore+"BaseOS/x86_64/os/media.repo"); err != nil {
		t.Fatal(err)
	}
	was := w.objects(onStore)
	if _, err := w.run("verify", nil); err == nil || !strings.Contains(err.Error(), "3 differences") {
		t.Errorf("verify says %v", err)
	}
	p := w.must("promote")
	if len(p.Alarms) != 1 || p.Alarms[0].Word != "foreign-3" || !strings.Contains(p.Alarms[0].Text, "isos/x86_64/of-nobody") {
		t.Errorf("the alarms are %+v", p.Alarms)
	}
	equal(t, "production", w.objects(onStore), contents(t, w.staging()))
	w.must("verify")
	w.must("rollback")
	equal(t, "taken back", w.objects(onStore), was)
}

// What is written after the plan is made is not written over.
func TestBucketWrittenAfterThePlan(t *testing.T) {
	w := newBucketWorld(t, t.TempDir(), newShop(t).URL)
	w.composed(0)
	w.must("stage")
	w.must("promote")
	w.composed(1)
	w.must("stage")
	s := w.step("promote", nil)
	p, err := s.Plan(t.Context(), w.env())
	if err != nil {
		t.Fatal(err)
	}
	w.write(onStore+"metadata/COMPOSE_ID", "of another")
	if _, err = s.Run(t.Context(), w.env(), p, quiet()); !errors.Is(err, storage.ErrConflict) || config.HintOf(err) == "" {
		t.Errorf("it says %v", err)
	}
	if got := string(w.read(onStore + "metadata/COMPOSE_ID")); got != "of another" {
		t.Errorf("it was written over with %q", got)
	}
	if p := w.must("promote"); len(p.Alarms) != 1 {
		t.Errorf("the alarms are %v", p.Alarms)
	}
	equal(t, "production", w.objects(onStore), contents(t, w.staging()))
}

// Of two consoles that act at the same moment one loses, before it did anything.
func TestBucketTwoConsoles(t *testing.T) {
	s := newShop(t)
	w := newBucketWorld(t, t.TempDir(), s.URL)
	w.composed(0)
	w.must("stage")
	plan := func() (pipeline.Step, pipeline.Plan) {
		step := w.step("promote", nil)
		p, err := step.Plan(t.Context(), w.env())
		if err != nil {
			t.Fatal(err)
		}
		return step, p
	}
	one, first := plan()
	two, second := plan()
	var begun atomic.Bool
	s.before(func(r *http.Request) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/production/current") {
			if begun.CompareAndSwap(false, true) {
				if _, err := two.Run(t.Context(), w.env(), second, quiet()); err != nil {
					t.Errorf("the one that was first: %v", err)
				}
			}
		}
	})
	_, err := one.Run(t.Context(), w.env(), first, quiet())
	s.before(nil)
	if !errors.Is(err, storage.ErrConflict) && !errors.Is(err, storage.ErrExists) || !strings.Contains(err.Error(), "another console") {
		t.Errorf("the one that was second: %v", err)
	}
	equal(t, "production", w.objects(onStore), contents(t, w.staging()))
	w.must("verify")
}

// A console whose pointer another one took, while its machine slept, stops before
// clients see anything of it.
func TestBucketTakenOver(t *testing.T) {
	w := newBucketWorld(t, t.TempDir(), newShop(t).URL)
	w.composed(0)
	w.must("stage")
	w.must("promote")
	w.composed(1)
	w.must("stage")
	const repomd = onStore + "BaseOS/x86_64/os/repodata/repomd.xml"
	was := string(w.read(repomd))
	var begun atomic.Bool
	storage.OnReach(func(point string) {
		if point == "tree.placed" && begun.CompareAndSwap(false, true) {
			w.write(".gantry/rocky-9/production/current", `{"sync":"`+w.pointer("production")+`","claim":"of another"}`)
		}
	})
	defer storage.OnReach(nil)
	if _, err := w.run("promote", nil); !errors.Is(err, storage.ErrConflict) || !strings.Contains(err.Error(), "another console") {
		t.Errorf("it says %v", err)
	}
	if got := string(w.read(repomd)); got != was {
		t.Error("clients see the new metadata")
	}
	storage.OnReach(nil)
	w.must("promote")
	equal(t, "production", w.objects(onStore), contents(t, w.staging()))
}

// What a store cannot have is refused in words, before anything is written.
func TestBucketRefuses(t *testing.T) {
	link := func(text, at string) func(w *bucketWorld) {
		return func(w *bucketWorld) {
			if err := os.Symlink(text, w.staging(at)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		make  func(w *bucketWorld)
		words string
	}{
		"dangling link":     {link("nowhere", "isos/x86_64/latest"), "isos/x86_64/latest is a link that leads to no file"},
		"link to directory": {link("isos", "latest"), "latest is a link that leads to no file"},
		"link out":          {link("../../../compose/9/metadata/COMPOSE_ID", "id"), "id is a link that leads to no file"},
		"links in a circle": {link("round", "round"), "round is a link that leads to no file"},
		"closed":            {func(w *bucketWorld) { w.tree().Closed = 0o750 }, "cannot be closed"},
		"no key":            {func(w *bucketWorld) { put(w.t, w.staging("a b"), "x") }, "a b cannot be on a store"},
		"staging":           {func(w *bucketWorld) { w.tree().Staging.Root = productionOnStore }, "staging is on a store"},
		"undo in the tree":  {func(w *bucketWorld) { w.tree().Production.Undo = "pub" }, "lies in a tree"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newBucketWorld(t, t.TempDir(), newShop(t).URL)
			w.composed(0)
			w.must("stage")
			c.make(w)
			_, err := w.step("promote", nil).Plan(t.Context(), w.env())
			if err == nil || !strings.Contains(err.Error(), c.words) || config.HintOf(err) == "" {
				t.Errorf("it says %v (%s)", err, config.HintOf(err))
			}
			if got := w.objects(""); len(got) > 0 {
				t.Errorf("something was written: %v", maps.Keys(got))
			}
		})
	}
}

// An excluded link to a directory is no reason to refuse; excluded objects stay.
func TestBucketExcludes(t *testing.T) {
	w := newBucketWorld(t, t.TempDir(), newShop(t).URL)
	w.tree().Exclude = []string{"latest", "fullfilelist"}
	w.composed(0)
	w.must("stage")
	if err := os.Symlink("isos", w.staging("latest")); err != nil {
		t.Fatal(err)
	}
	w.write(onStore+"fullfilelist", "of the makers of lists")
	if p := w.must("promote"); len(p.Alarms) > 0 {
		t.Errorf("the alarms are %v", p.Alarms)
	}
	want := contents(t, w.compose())
	want["fullfilelist"] = hexSum([]byte("of the makers of lists"))
	equal(t, "production", w.objects(onStore), want)
}
