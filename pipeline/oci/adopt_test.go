package oci_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/oci"
	"gantry/storage"
	"gantry/storage/storagetest"
)

// older pushes images for both architectures and an index of them, unsigned, as
// older tools do, and returns the digests of index, amd64 and arm64.
func (s *shop) older(version string) (digests [3]string) {
	s.t.Helper()
	var images []*oci.Image
	for n, arch := range []config.Arch{"x86_64", "arm64"} {
		made := imageOf(s.t, map[config.Arch]string{"x86_64": "amd64", "arm64": "arm64"}[arch], version)
		i, err := oci.OpenArchive(s.t.Context(), bytes.NewReader(made.layout(s.t)), "", arch, nil)
		if err != nil {
			s.t.Fatal(err)
		}
		defer i.Close()
		images, digests[n+1] = append(images, i), i.Digest.String()
	}
	if err := oci.Push(s.t.Context(), s.host, "core", images, pipeline.NewProgress(nil)); err != nil {
		s.t.Fatal(err)
	}
	digests[0] = s.digestAt("1")
	return digests
}

// engine opens an engine on the shop.
func (s *shop) engine() *pipeline.Engine {
	s.t.Helper()
	e, err := pipeline.Open(s.t.Context(), pipeline.Options{
		Config: s.cfg, Makers: pipeline.Makers{"oci": oci.Make}, Actor: "tester", Host: "here",
		Now:    s.tick,
		Trades: map[config.Format]pipeline.Trade{config.FormatOCI: {Open: oci.Open}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { e.Close() })
	return e
}

// tick is a clock that goes two seconds at each look.
func (s *shop) tick() time.Time {
	ticking.Lock()
	defer ticking.Unlock()
	s.clock = s.clock.Add(2 * time.Second)
	return s.clock
}

var ticking sync.Mutex

// run does a verb on the target, confirmed.
func (s *shop) run(e *pipeline.Engine, verb string) (pipeline.Plan, pipeline.Evidence) {
	s.t.Helper()
	plan, err := e.Plan(s.t.Context(), pipeline.Job{Verb: verb, Target: "core-image"})
	if err != nil {
		s.t.Fatalf("plan %s: %v (%s)", verb, err, config.HintOf(err))
	}
	a, err := e.Start(s.t.Context(), plan, plan.Phrase())
	if err == nil {
		err = a.Wait()
	}
	if err != nil {
		s.t.Fatalf("%s: %v (%s)", verb, err, config.HintOf(err))
	}
	for _, r := range e.View().Runs {
		if r.Intent.Run == a.ID() {
			return plan, pipeline.Evidence(r.Ended.Evidence)
		}
	}
	s.t.Fatalf("%s left no run", verb)
	return plan, nil
}

// adopted adopts what is served and returns the plan that was shown before.
func (s *shop) adopted(e *pipeline.Engine) pipeline.Plan {
	s.t.Helper()
	err := e.Adopt(s.t.Context(), "core-image", "")
	ask := (*pipeline.ConfirmError)(nil)
	if !errors.As(err, &ask) {
		s.t.Fatalf("adopt does not ask: %v (%s)", err, config.HintOf(err))
	}
	if err := e.Adopt(s.t.Context(), "core-image", ask.Phrase); err != nil {
		s.t.Fatalf("adopt: %v (%s)", err, config.HintOf(err))
	}
	return ask.Plan
}

// TestAdopt takes over what older tools tagged, promotes over it, and goes back.
func TestAdopt(t *testing.T) {
	registries := map[string]func(t *testing.T) string{
		"in process":      func(t *testing.T) string { return inProcess(t, false, nil) },
		"docker-registry": func(t *testing.T) string { host, _ := storagetest.Registry(t); return host },
	}
	for where, start := range registries {
		for what, test := range map[string]struct {
			tags  map[string]int // digest of older by tag
			drift string
			words string
		}{
			"index":        {map[string]int{"2025": 0}, "", "2025, sha256:"},
			"index, tags":  {map[string]int{"2025": 0, "2025-x86_64": 1, "2025-arm64": 2}, "", "for linux/amd64 and linux/arm64"},
			"single image": {map[string]int{"2025": 1, "2025-x86_64": 1}, "", "it has no image for arm64"},
			"images":       {map[string]int{"2025": 1, "2025-x86_64": 1, "2025-arm64": 2}, "", "for linux/amd64 and linux/arm64"},
			"no series":    {map[string]int{"2025-x86_64": 1, "2025-arm64": 2}, " as 2025-arm64", "the tags of the architectures alone"},
			"both":         {map[string]int{"2025": 0, "2025-staging": 0}, "", "staging: IT IS NOT SIGNED"},
		} {
			if where == "docker-registry" && what != "index, tags" && what != "no series" {
				continue
			}
			t.Run(where+"/"+what, func(t *testing.T) {
				hasty(t)
				s := newShop(t, start(t), ", snapshots: 2")
				old := s.older("0.9")
				for tag, n := range test.tags {
					s.point(tag, old[n])
				}
				s.stageVersion("1.0")
				e := s.engine()
				if err := e.Refresh(t.Context()); err != nil {
					t.Fatal(err)
				}
				drift := e.View().Targets[0].Drift
				if !strings.Contains(drift, "serves sha256:") || !strings.HasSuffix(drift, test.drift+", which gantry did not publish") {
					t.Errorf("drift: %q", drift)
				}
				refused := (*pipeline.RefusedError)(nil)
				if _, err := e.Plan(t.Context(), pipeline.Job{Verb: "build", Target: "core-image"}); !errors.As(err, &refused) || !strings.Contains(refused.Hint, "gantry adopt core-image") {
					t.Errorf("build beside a stray tag: %v", err)
				}
				shown := s.adopted(e)
				text := shown.Title + strings.Join(shown.Warnings, "\n")
				if !strings.Contains(text, test.words) || !strings.Contains(text, "IT IS NOT SIGNED") || !strings.Contains(text, "did not publish") {
					t.Errorf("the plan does not say %q: %s", test.words, text)
				}
				for tag, n := range test.tags {
					if s.digestAt(tag) != old[n] {
						t.Errorf("adopting moved %s", tag)
					}
				}
				v := e.View().Targets[0]
				if v.Drift != "" || v.Production == "" {
					t.Fatalf("after adopting: %q, %s", v.Drift, v.Production)
				}
				taken := v.Production
				if what == "both" && v.Staging != taken {
					t.Errorf("staging is %s, production %s", v.Staging, taken)
				}

				s.run(e, "build")
				s.run(e, "stage")
				plan, ev := s.run(e, "promote")
				if plan.Move.From != taken || len(plan.Changed)+len(plan.Added) != 2 {
					t.Errorf("promoted from %s: %+v", plan.Move.From, plan)
				}
				for _, tag := range []string{"2025", "2025-x86_64", "2025-arm64"} {
					want := "nothing"
					if n, ok := test.tags[tag]; ok {
						want = old[n]
					}
					if ev["replaced "+tag] != want {
						t.Errorf("replaced %s: %s, not %s", tag, ev["replaced "+tag], want)
					}
				}
				plan, _ = s.run(e, "rollback")
				if plan.Facts["twin_of"] != taken || !strings.Contains(strings.Join(plan.Warnings, "\n"), "is not signed as clients verify it") {
					t.Errorf("rolled back without a word: %+v", plan)
				}
				if s.digestAt("2025-x86_64") != old[1] {
					t.Error("rolled back to another image")
				}
				s.run(e, "verify")
				s.run(e, "promote")
				s.run(e, "verify")
			})
		}
	}
}

// TestAdoptSigns signs what was taken over, by publishing it anew.
func TestAdoptSigns(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	old := s.older("0.9")
	s.point("2025", old[0])
	e := s.engine()
	s.adopted(e)
	if _, err := e.Plan(t.Context(), pipeline.Job{Verb: "verify", Target: "core-image"}); err != nil {
		t.Fatal(err)
	}
	s.run(e, "refresh")
	s.run(e, "verify")
	if s.digestAt("2025-arm64") != old[2] {
		t.Error("the image is another one")
	}
	if left, err := e.Plan(t.Context(), pipeline.Job{Verb: "refresh", Target: "core-image"}); err != nil || left.Facts["key"] == "" {
		t.Errorf("%+v %v", left, err)
	}
}

// TestAdoptStray takes over what somebody tagged over gantry's own.
func TestAdoptStray(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	e := s.engine()
	s.stageVersion("1.0")
	s.run(e, "build")
	s.run(e, "stage")
	s.run(e, "promote")
	first, index := s.at("production"), s.digestAt("2025")
	old := s.older("0.9")
	s.point("2025-arm64", old[2])
	s.clock = s.clock.Add(time.Minute) // what was seen lately may be shown a while
	if err := e.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d := e.View().Targets[0].Drift; !strings.Contains(d, "as 2025-arm64") {
		t.Errorf("a tag of an architecture that moved is no drift: %q", d)
	}
	plan := s.adopted(e)
	if text := strings.Join(plan.Warnings, "\n"); !strings.Contains(text, "2025-arm64 names "+old[2]) || strings.Contains(text, "NOT SIGNED") {
		t.Errorf("%s", text)
	}
	if at := s.at("production"); at == first || s.digestAt("2025") != index {
		t.Errorf("production is %s", at)
	}
	s.stageVersion("1.1")
	s.run(e, "build")
	s.run(e, "stage")
	_, ev := s.run(e, "promote")
	if ev["replaced 2025-arm64"] != old[2] {
		t.Errorf("%v", ev)
	}
	s.run(e, "verify")
	s.run(e, "rollback")
	s.run(e, "verify")
	if s.digestAt("2025-arm64") == old[2] {
		t.Error("rolled back to what somebody had put there")
	}
}

// TestAdoptVoid moves the tag once more after the phrase was shown, and shows
// what cannot be taken over.
func TestAdoptVoid(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	old := s.older("0.8")
	s.point("2025", old[0])
	e := s.engine()
	ask := (*pipeline.ConfirmError)(nil)
	if err := e.Adopt(t.Context(), "core-image", ""); !errors.As(err, &ask) {
		t.Fatal(err)
	}
	newer := s.older("0.9")
	s.point("2025", newer[0])
	if err := e.Adopt(t.Context(), "core-image", ask.Phrase); !errors.As(err, new(*pipeline.ConfirmError)) {
		t.Errorf("adopted with the phrase of another: %v", err)
	}
	taker := s.served.(storage.Taker)
	found, err := taker.Find(t.Context(), "production")
	if err != nil {
		t.Fatal(err)
	}
	s.point("2025", old[0])
	if _, err := taker.Take(t.Context(), "production", found.Digest, s.clock, 0); !errors.Is(err, storage.ErrConflict) {
		t.Errorf("took what was not shown: %v", err)
	}
	if ids, err := s.served.Snapshots(t.Context()); err != nil || len(ids) != 0 {
		t.Errorf("%v %v", ids, err)
	}

	// an image whose layer is gone is not taken, and stays drift
	s.drop(old[1])
	if err := e.Adopt(t.Context(), "core-image", ""); err == nil || errors.As(err, new(*pipeline.ConfirmError)) || !strings.Contains(config.HintOf(err), "crane delete") {
		t.Errorf("an image that is not there: %v (%s)", err, config.HintOf(err))
	}
}

// drop deletes a manifest by other means.
func (s *shop) drop(digest string) {
	s.t.Helper()
	ref, err := name.ParseReference(s.ref(digest), name.Insecure)
	if err == nil {
		err = remote.Delete(ref)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestAdoptKeeps prunes all that came after: what others pushed stays, with the
// tags that they gave it.
func TestAdoptKeeps(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), ", snapshots: 2")
	old := s.older("0.9") // and the tag 1
	s.point("2025", old[0])
	e := s.engine()
	s.adopted(e)
	s.run(e, "refresh")
	for _, v := range []string{"1.0", "1.1", "1.2", "1.3"} {
		s.stageVersion(v)
		s.run(e, "build")
		s.run(e, "stage")
		s.run(e, "promote")
		s.clock = s.clock.Add(10 * 24 * time.Hour)
	}
	s.run(e, "prune")
	if left, err := s.served.Snapshots(t.Context()); err != nil || len(left) > 2 {
		t.Fatalf("%v %v", left, err)
	}
	if s.digestAt("1") != old[0] || s.digestAt(old[1]) != old[1] || s.digestAt(old[2]) != old[2] {
		t.Error("others' images are gone")
	}
}

// TestMovedMeanwhile lets somebody take the tag while a promotion is at it: the
// run ends, and says who serves what.
func TestMovedMeanwhile(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	e := s.engine()
	s.stageVersion("1.0")
	s.run(e, "build")
	s.run(e, "stage")
	old := s.older("0.9")
	plan, err := e.Plan(t.Context(), pipeline.Job{Verb: "promote", Target: "core-image"})
	if err != nil {
		t.Fatal(err)
	}
	storage.OnReach(func(p string) {
		if p == "oci.flip.arch.all" {
			s.point("2025", old[0])
		}
	})
	defer storage.OnReach(nil)
	a, err := e.Start(t.Context(), plan, plan.Phrase())
	if err != nil {
		t.Fatal(err)
	}
	err = a.Wait()
	if s.digestAt("2025") == old[0] && err == nil {
		t.Error("promoted over nothing")
	}
	runs := e.View().Runs
	at := slices.IndexFunc(runs, func(r pipeline.RunView) bool { return r.Intent.Run == a.ID() })
	if at < 0 || runs[at].Ended == nil {
		t.Fatalf("nobody knows how it ended: %v", err)
	}
}

// TestAdoptCrash ends an adoption at its failpoints: it is drift still, what is
// served is what it was, and adopting again comes to its end.
func TestAdoptCrash(t *testing.T) {
	for _, point := range []string{"oci.take.tagged", "oci.take.recorded"} {
		t.Run(point, func(t *testing.T) {
			s := newShop(t, inProcess(t, true, nil), "")
			old := s.older("0.9")
			s.point("2025", old[0])
			taker := s.served.(storage.Taker)
			found, err := taker.Find(t.Context(), "production")
			if err != nil {
				t.Fatal(err)
			}
			if !crashes(point, func() { taker.Take(t.Context(), "production", found.Digest, s.clock, 0) }) {
				t.Fatal("never passed")
			}
			s.configure("")
			e := s.engine()
			if err := e.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if e.View().Targets[0].Drift == "" {
				t.Error("no drift")
			}
			s.adopted(e)
			if v := e.View().Targets[0]; v.Drift != "" || s.digestAt("2025") != old[0] || len(v.Snapshots) != 1 {
				t.Errorf("%+v", v)
			}
		})
	}
}

// TestHalfMoved kills a promotion between two tags: that is told, and promoting
// again comes to its end.
func TestHalfMoved(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	s.stageVersion("1.0")
	s.release()
	s.stageVersion("1.1")
	s.do("build")
	s.do("stage")
	step, plan, err := s.plan("promote")
	if err != nil {
		t.Fatal(err)
	}
	if !crashes("oci.flip.moved", func() { step.Run(t.Context(), s.env, plan, pipeline.NewProgress(nil)) }) {
		t.Fatal("never passed")
	}
	if at := s.at("production"); at != plan.Move.From {
		t.Errorf("production is %s", at)
	}
	apart := s.served.(storage.Parted).Apart()
	if len(apart) != 1 || !strings.Contains(apart[0], "2025-x86_64 names sha256:") {
		t.Errorf("%q", apart)
	}
	seen, err := step.(pipeline.Looker).Look(t.Context(), s.env, plan)
	if err != nil || seen.Done || !strings.Contains(seen.Failed, "2025-x86_64") {
		t.Errorf("%+v, %v", seen, err)
	}
	s.do("promote")
	if s.at("production"); len(s.served.(storage.Parted).Apart()) != 0 {
		t.Errorf("still apart: %q", s.served.(storage.Parted).Apart())
	}
	// what another tool set back to an older image of ours is told, too
	s.point("2025-arm64", "sha256:"+s.image(plan.Move.From, "arm64"))
	if s.at("production"); len(s.served.(storage.Parted).Apart()) != 1 {
		t.Error("a tag that was set back is not told")
	}
}

// image is the digest of the image of a snapshot, in hex.
func (s *shop) image(id, arch string) string {
	s.t.Helper()
	m, _, err := s.served.Manifest(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range m.Files {
		if f.Arch == arch {
			return f.SHA256
		}
	}
	s.t.Fatalf("%s has no image for %s", id, arch)
	return ""
}

// TestTwoConsoles lets two consoles promote one image at once: one wins, and the
// other is told that it lost.
func TestTwoConsoles(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), ", snapshots: 2")
	consoles := []*pipeline.Engine{s.engine(), s.engine()}
	s.clock = time.Now().Add(-time.Hour)
	for n := range 10 {
		s.stageVersion(fmt.Sprint("1.", n))
		s.run(consoles[0], "build")
		s.run(consoles[0], "stage")
		var plans [2]pipeline.Plan
		for i, e := range consoles {
			plan, err := e.Plan(t.Context(), pipeline.Job{Verb: "promote", Target: "core-image"})
			if err != nil {
				t.Fatal(err)
			}
			plans[i] = plan
		}
		var errs [2]error
		var both sync.WaitGroup
		for i, e := range consoles {
			both.Go(func() {
				var a *pipeline.Active
				if a, errs[i] = e.Start(t.Context(), plans[i], plans[i].Phrase()); errs[i] == nil {
					errs[i] = a.Wait()
				}
			})
		}
		both.Wait()
		lost := (*pipeline.ConflictError)(nil)
		if (errs[0] == nil) == (errs[1] == nil) || !errors.As(errors.Join(errs[:]...), &lost) {
			t.Fatalf("round %d: %v; %v", n, errs[0], errs[1])
		}
		if s.at("production") != plans[0].Move.To {
			t.Fatal("production is elsewhere")
		}
	}
	s.run(consoles[1], "verify")
}
