package tree_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage"
)

// The directory of a release candidate goes to production as that of the release;
// what is half done of one is gone on with from the next, and taken back outside
// of any release.
func TestCandidatesGoToOneProduction(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.version = "9.7-RC1"
	w.composed(0)
	w.must("stage")
	w.must("promote")
	old := picture(t, w.production())
	w.composed(1)
	w.must("stage")
	if !w.child("promote", 30) {
		t.Fatal("nobody was killed")
	}
	half := w.half()
	w.version = "9.7-RC2"
	w.composed(2)
	w.must("stage")
	p := w.must("promote")
	if len(half) != 1 || !strings.Contains(half[0], p.Move.To) || !strings.Contains(strings.Join(p.Warnings, "\n"), "from another source") {
		t.Errorf("half done was %q, it went on as %+v: %q", half, p.Move, p.Warnings)
	}
	equal(t, "production", picture(t, w.production()), picture(t, filepath.Join(w.at, "staging/pub/9.7-RC2")))
	w.version = ""
	w.must("rollback")
	equal(t, "production after the undo", picture(t, w.production()), old)
}

// What others wrote since the sync wants a word of its own in the phrase, and is
// kept aside.
func TestUndoKeepsWhatOthersWrote(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(0)
	w.must("stage")
	w.must("promote")
	old := picture(t, w.production())
	w.composed(1)
	w.must("stage")
	id := w.must("promote").Move.To
	put(t, w.production("metadata/COMPOSE_ID"), "by hand, and longer")
	p := w.must("rollback")
	if !strings.Contains(p.Phrase(), " !changed-1 ") || !strings.Contains(p.Alarms[0].Text, "metadata/COMPOSE_ID") {
		t.Errorf("the phrase is %q, the alarms %+v", p.Phrase(), p.Alarms)
	}
	equal(t, "production", picture(t, w.production()), old)
	b, err := os.ReadFile(filepath.Join(w.at, "production/.gantry/rocky-9/production", id, "aside/metadata/COMPOSE_ID"))
	if err != nil || string(b) != "by hand, and longer" {
		t.Errorf("aside is %q, %v", b, err)
	}
}

// An undo to an older sync takes all in between back.
func TestUndoOfSeveral(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var ids []string
	var was []map[string]string
	for round := range 4 {
		w.composed(round)
		w.must("stage")
		ids = append(ids, w.must("promote").Move.To)
		was = append(was, picture(t, w.production()))
	}
	if !slices.IsSorted(ids) || len(slices.Compact(slices.Clone(ids))) != 4 {
		t.Errorf("the ids are %q", ids)
	}
	if _, err := w.run("rollback", map[string]string{"to": ids[1]}); err != nil {
		t.Fatal(err)
	}
	equal(t, "production", picture(t, w.production()), was[1])
	if got := w.pointer("production"); got != ids[1] {
		t.Errorf("production is the result of %s, wanted %s", got, ids[1])
	}
	if _, err := w.run("rollback", map[string]string{"to": ids[3]}); err == nil {
		t.Error("went back to what was taken back")
	}
	if id := w.must("promote").Move.To; id <= ids[3] {
		t.Errorf("after %s came %s", ids[3], id)
	}
	equal(t, "production", picture(t, w.production()), was[3])
}

// While nobody may need it any more, the old stays; a sync that is stopped there
// goes on with the rest of the wait.
func TestGraceIsWaitedOnce(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(0)
	w.must("stage")
	w.must("promote")
	w.composed(4)
	w.must("stage")
	w.tree().Grace = config.Delay(time.Hour)
	clock := time.Now()
	w.now = func() time.Time { return clock }
	ctx, cancel := context.WithCancelCause(t.Context())
	storage.OnReach(func(point string) {
		if point == "tree.waiting" {
			cancel(errors.New("stopped by an operator"))
		}
	})
	defer storage.OnReach(nil)
	before := picture(t, w.production())
	s := w.step("promote", nil)
	plan, err := s.Plan(ctx, w.env())
	if err != nil {
		t.Fatal(err)
	}
	if _, err = s.Run(ctx, w.env(), plan, quiet()); err == nil || !strings.Contains(err.Error(), "stopped by an operator") {
		t.Fatalf("the run ended with %v", err)
	}
	now := picture(t, w.production())
	for p := range before {
		if _, ok := now[p]; !ok {
			t.Errorf("%s is gone already", p)
		}
	}
	seen, err := w.step("promote", nil).(pipeline.Looker).Look(t.Context(), w.env(), plan)
	if err != nil || seen.Done || !strings.Contains(seen.Failed, "half done") {
		t.Errorf("looking finds %+v, %v", seen, err)
	}
	if half := w.half(); len(half) != 1 || !strings.Contains(half[0], "what it removes is still there") {
		t.Errorf("half done is %q", half)
	}
	storage.OnReach(func(point string) {
		if point == "tree.waiting" {
			t.Error("it waits again, when the hour is over")
		}
	})
	clock = clock.Add(61 * time.Minute)
	p := w.must("promote")
	if p.Move.To != plan.Move.To || p.Facts["resumes"] != plan.Move.To {
		t.Errorf("it went on as %+v", p.Move)
	}
	equal(t, "production", picture(t, w.production()), picture(t, w.staging()))
	if r, err := w.step("promote", nil).(pipeline.Looker).Look(t.Context(), w.env(), plan); err != nil || !r.Done || r.Evidence["removed"] == "0" {
		t.Errorf("looking finds %+v, %v", r, err)
	}
}

// What changes between plan and copy stops the sync by its name, and what was
// done stays done.
func TestSourceThatChangesStopsTheSync(t *testing.T) {
	for name, change := range map[string]func(p string) error{
		"gone":      os.Remove,
		"replaced":  func(p string) error { return errors.Join(os.Remove(p), os.WriteFile(p, []byte("new"), 0o644)) },
		"is a link": func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/etc/passwd", p)) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			put(t, w.compose("a/first"), "1")
			put(t, w.compose("b/second"), "2")
			s := w.step("stage", nil)
			plan, err := s.Plan(t.Context(), w.env())
			if err != nil {
				t.Fatal(err)
			}
			if err := change(w.compose("b/second")); err != nil {
				t.Fatal(err)
			}
			if _, err = s.Run(t.Context(), w.env(), plan, quiet()); err == nil || !strings.Contains(err.Error(), "b/second") {
				t.Fatalf("the run ended with %v", err)
			}
			if w.pointer("staging") != "" || len(w.half()) != 1 {
				t.Errorf("staging is the result of %q, half done %q", w.pointer("staging"), w.half())
			}
			w.fails("promote", "half done")
		})
	}
}

// A package whose bytes are not what its repository says is found while it is
// copied.
func TestBytesAreVerifiedWhileCopying(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(0)
	p := first(w.compose("BaseOS/x86_64/os"), "Packages/*/*.rpm")
	b, err := os.ReadFile(p)
	if err != nil {
		t.Fatal(err)
	}
	b[3] ^= 1
	put(t, p, string(b))
	w.fails("stage", filepath.Base(p), "another SHA-256")
	if _, err := os.Stat(w.staging("BaseOS/x86_64/os/repodata/repomd.xml")); !os.IsNotExist(err) {
		t.Errorf("its metadata is there: %v", err)
	}
}

// What is half done in staging does not go to production.
func TestHalfDoneStagingIsNotPromoted(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(0)
	w.must("stage")
	w.composed(1)
	if !w.child("stage", 20) {
		t.Fatal("nobody was killed")
	}
	w.fails("promote", "half done", "gantry run")
	w.must("stage")
	w.must("promote")
}

func TestVerifyFindsWhatOthersDid(t *testing.T) {
	for name, c := range map[string]struct {
		harm  func(w *world) error
		words string
	}{
		"nothing": {func(*world) error { return nil }, ""},
		"added":   {func(w *world) error { return os.WriteFile(w.production("new"), nil, 0o644) }, "new was not there"},
		"removed": {func(w *world) error { return os.Remove(w.production("metadata/COMPOSE_ID")) }, "metadata/COMPOSE_ID is missing"},
		"mode":    {func(w *world) error { return os.Chmod(w.production("metadata/COMPOSE_ID"), 0o600) }, "metadata/COMPOSE_ID differs"},
		"names": {func(w *world) error {
			p := w.production("metadata/README")
			info, err := os.Stat(p)
			b, bad := os.ReadFile(p)
			return errors.Join(err, bad, os.Remove(p), os.WriteFile(p, b, 0o644), os.Chtimes(p, info.ModTime(), info.ModTime()))
		}, "metadata/README is not one file with metadata/COMPOSE_ID"},
		"bytes": {func(w *world) error {
			p := first(w.production("BaseOS/x86_64/os"), "Packages/*/*.rpm")
			info, err := os.Stat(p)
			b, bad := os.ReadFile(p)
			b[0] ^= 1
			return errors.Join(err, bad, os.WriteFile(p, b, 0o644), os.Chtimes(p, info.ModTime(), info.ModTime()))
		}, "another SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			w.composed(0)
			w.must("stage")
			w.must("promote")
			if err := c.harm(w); err != nil {
				t.Fatal(err)
			}
			id := w.pointer("production")
			full := w.served().Check(t.Context(), id, true, nil)
			if c.words == "" {
				w.must("verify")
				if full != nil {
					t.Error(full)
				}
				return
			}
			w.fails("verify", c.words)
			if full == nil {
				t.Error("Check found nothing")
			}
		})
	}
}

// Prune keeps the newest syncs, and what was taken back goes.
func TestPruneKeepsTheNewest(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.cfg.Targets[0].Snapshots = 2
	var ids []string
	for round := range 5 {
		w.composed(round)
		w.must("stage")
		ids = append(ids, w.must("promote").Move.To)
	}
	w.must("rollback")
	before := picture(t, w.production())
	p := w.must("prune")
	if p.Counts != nil && p.Counts.Removed == 0 || len(p.Removed) < 4 {
		t.Errorf("it removes %+v", p.Removed)
	}
	got, err := w.served().Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(got, ids[3]) || !slices.Contains(got, ids[2]) || slices.Contains(got, ids[1]) {
		t.Errorf("of %q there are %q", ids, got)
	}
	equal(t, "production", picture(t, w.production()), before)
	w.must("rollback")
	w.fails("rollback", "pruned")
	w.must("prune")
	w.fails("prune", "nothing to prune")
}
