package rpm_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/pipeline/repository"
	"gantry/pipeline/rpm"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// What changes after the plan, or while it is carried out, is not published:
// neither other bytes under a name, nor with another key.
func TestChangesUnderWay(t *testing.T) {
	staged := func(s *shop) string { return filepath.Join(s.area(), "agent-2.0.x86_64.rpm") }
	other := pack(t, rpmpack.RPMMetaData{Name: "agent", Version: "2.0", Release: "1.el9", Summary: "another one"})
	overwrite := func(t *testing.T, s *shop) { // the inode, size and time stay
		fi, err := os.Stat(staged(s))
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, fi.Size())
		copy(b, other)
		if err := os.WriteFile(staged(s), b, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(staged(s), fi.ModTime(), fi.ModTime()); err != nil {
			t.Fatal(err)
		}
	}
	replace := func(t *testing.T, s *shop) { // file and sidecar, by another pair that fits
		s.put("new.rpm", other)
		if err := os.Rename(filepath.Join(s.dir, "new.rpm"), staged(s)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(staged(s)+".sha256", []byte(sumOf(other)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		point string // when it happens: before the run, where empty
		spoil func(t *testing.T, s *shop)
		want  string
	}{
		"file overwritten before": {"", overwrite, "SHA-256 is"},
		"file overwritten during": {"build.begun", overwrite, "SHA-256 is"},
		"pair replaced before":    {"", replace, "what is staged changed since the plan was made"},
		"pair replaced during":    {"build.begun", replace, "agent-2.0.x86_64.rpm"},
		"link put there during": {"build.begun", func(t *testing.T, s *shop) {
			os.Remove(staged(s))
			link(t, s, "agent-2.0.x86_64.rpm", "/etc/passwd")
		}, "agent-2.0.x86_64.rpm"},
		"sidecar changed before": {"", func(t *testing.T, s *shop) {
			os.WriteFile(staged(s)+".sha256", []byte(sumOf(other)), 0o644)
		}, "what is staged changed since the plan was made"},
		"public key changed before": {"", anotherPublic, "clients are given"},
		"public key changed during": {"build.begun", anotherPublic, "verify the signature of repomd.xml as clients will"},
	} {
		for _, mode := range []string{"header", "both"} {
			t.Run(name+" "+mode, func(t *testing.T) {
				s := newShop(t, ", policy: replace, signatures: "+mode)
				s.stage("lib-1.0.x86_64")
				s.release()
				s.stage("agent-2.0.x86_64")
				step, plan, err := s.plan("build")
				if err != nil {
					t.Fatal(err)
				}
				before := tree(t, s.served.Path())
				if c.point == "" {
					c.spoil(t, s)
				} else {
					storage.OnReach(func(at string) {
						if at == c.point {
							c.spoil(t, s)
						}
					})
				}
				_, err = step.Run(t.Context(), s.env, plan, pipeline.NewProgress(nil))
				storage.OnReach(nil)
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("it says %v, want %q", err, c.want)
				}
				if after := tree(t, s.served.Path()); after != before {
					t.Errorf("it left:\n%s\nbefore:\n%s", after, before)
				}
			})
		}
	}
}

func anotherPublic(t *testing.T, s *shop) {
	t.Helper()
	_, public, err := sign.Generate("Other", "other@example.com", 2048, 0, time.Now().Add(-200*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	s.put("keys/public.asc", public)
}

// A key that expires after the build keeps the snapshot out of production, and
// the key's renewal lets it in.
func TestKeyThatExpiresBeforePromotion(t *testing.T) {
	s := newShop(t, "")
	private, public, err := sign.Generate("Short", "short@example.com", 2048, 120*time.Hour, s.clock.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sign.Load(private, nil); err != nil {
		t.Skip("the key has expired by this machine's clock") // it lasts 19 hours by it
	}
	s.put("keys/private.asc", private)
	s.put("keys/public.asc", public)
	s.stage("agent-1.0.x86_64")
	s.do("build")
	s.do("stage")
	_, plan, err := s.plan("promote")
	if err != nil {
		t.Fatal(err)
	}
	s.clock = s.clock.Add(130 * time.Hour)
	if _, err := s.step("promote").Run(t.Context(), s.env, plan, pipeline.NewProgress(nil)); err == nil || !strings.Contains(err.Error(), "it expired on") || config.HintOf(err) == "" {
		t.Errorf("the plan of yesterday: %v", err)
	}
	if _, _, err := s.try("promote"); err == nil || !strings.Contains(err.Error(), "it expired on") || config.HintOf(err) == "" {
		t.Errorf("a new plan: %v", err)
	}
	if s.at("production") != "" {
		t.Error("it was promoted")
	}
}

// What somebody else puts among the snapshots is told, not taken for one.
func TestForeignSnapshot(t *testing.T) {
	s := newShop(t, ", policy: replace")
	s.stage("agent-1.0.x86_64")
	first := s.release()
	at := filepath.Join(s.served.Path(), "snapshots")
	foreign := filepath.Join(at, "20200101T000000Z")
	for name, make := range map[string]func() error{
		"empty": func() error { return os.Mkdir(foreign, 0o755) },
		"copy":  func() error { return os.CopyFS(foreign, os.DirFS(filepath.Join(at, first.Move.To))) },
		"link":  func() error { return os.Symlink(first.Move.To, foreign) },
	} {
		t.Run(name, func(t *testing.T) {
			if err := make(); err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(foreign)
			_, _, err := s.try("rollback", "to=20200101T000000Z")
			if err == nil || !strings.Contains(err.Error(), "20200101T000000Z") || config.HintOf(err) == "" {
				t.Errorf("rollback says: %v", err)
			}
			if s.at("production") != first.Move.To {
				t.Error("production moved")
			}
			s.do("verify")
		})
	}
}

// A flip or a prune that is cancelled anywhere leaves the pointer on the one
// snapshot or the other, whole, and can be done again.
func TestCancelledAnywhere(t *testing.T) {
	flips := append([]string{"", "flip.checked", "flip.linked", "flip.renamed", "flip.synced"}, repository.Points()...)
	for verb, points := range map[string][]string{
		"promote": flips, "refresh": flips, "rollback": flips, "prune": {"", "remove.renamed", "remove.synced"},
	} {
		for _, point := range points {
			s := newShop(t, ", policy: replace, snapshots: 2")
			for _, v := range []string{"1.0", "2.0", "3.0"} {
				s.stage("agent-" + v + ".x86_64")
				s.release()
				s.clock = s.clock.Add(time.Hour)
			}
			if verb == "promote" {
				s.stage("lib-1.0.x86_64")
				s.do("build")
				s.do("stage")
			} else {
				s.clock = s.clock.Add(73 * time.Hour)
			}
			step, plan, err := s.plan(verb)
			if err != nil {
				t.Fatal(err)
			}
			before := s.at("production")
			ctx, cancel := context.WithCancel(t.Context())
			reached := point == ""
			if reached {
				cancel()
			}
			storage.OnReach(func(at string) {
				if at == point {
					reached = true
					cancel()
				}
			})
			_, err = step.Run(ctx, s.env, plan, pipeline.NewProgress(nil))
			storage.OnReach(nil)
			cancel()
			if !reached {
				t.Fatalf("%s: never reached %s", verb, point)
			}
			at := s.at("production")
			if at != before && (plan.Move == nil || at != plan.Move.To) {
				t.Fatalf("%s cancelled at %s: production names %s", verb, point, at)
			}
			if plan.Move != nil && (at == plan.Move.To) != (err == nil) {
				t.Errorf("%s cancelled at %s: production names %s, and it says %v", verb, point, at, err)
			}
			if err := s.served.Check(t.Context(), at, true, nil); err != nil {
				t.Errorf("%s cancelled at %s: %v", verb, point, err)
			}
			if _, err := s.step(verb).Run(t.Context(), s.env, plan, pipeline.NewProgress(nil)); err != nil {
				t.Errorf("%s cancelled at %s, run again: %v", verb, point, err)
			}
		}
	}
}

// Each flip goes forward, of staging too: the revision rises, with it the time
// of the files that keep their name, second by second, and never beyond now.
func TestEveryFlipGoesForward(t *testing.T) {
	s := newShop(t, ", policy: replace")
	last := map[string]time.Time{}
	see := func(pointer string) {
		t.Helper()
		m, _, err := s.served.Manifest(t.Context(), s.at(pointer))
		if err != nil {
			t.Fatal(err)
		}
		if m.Revision > s.clock.Unix() {
			t.Errorf("%s: revision %d is in the future", pointer, m.Revision)
		}
		for _, name := range []string{"mirrorlist", "repodata/repomd.xml", "repodata/repomd.xml.asc"} {
			fi, err := os.Stat(filepath.Join(s.served.Path(), pointer, name))
			if err != nil {
				t.Fatal(err)
			}
			at := fi.ModTime().Truncate(time.Second)
			if was := last[pointer+name]; !at.After(was) || at.Unix() != m.Revision {
				t.Errorf("%s/%s is of %s (revision %d), after one of %s", pointer, name, at, m.Revision, was)
			}
			last[pointer+name] = at
		}
	}
	s.stage("agent-1.0.x86_64")
	s.release()
	see("staging")
	see("production")
	s.stage("lib-1.0.x86_64")
	s.release()
	see("staging")
	see("production")
	s.do("rollback")
	see("production")
	s.do("promote")
	see("production")
	s.do("refresh")
	see("production")
	s.unstage("lib-1.0.x86_64.rpm")
	s.do("build")
	s.do("stage")
	see("staging")
	s.do("promote")
	see("production")

	s.clock = s.clock.Add(-time.Hour)
	before := s.at("production")
	if _, _, err := s.try("refresh"); err == nil || !strings.Contains(err.Error(), "the clock says") || config.HintOf(err) == "" {
		t.Errorf("with a clock that is behind: %v", err)
	}
	if s.at("production") != before {
		t.Error("production moved")
	}
}

// A list of packages does not hold their headers in memory.
func TestNamesHoldNoHeaders(t *testing.T) {
	long := pack(t, rpmpack.RPMMetaData{Description: strings.Repeat("long ", 200_000)})
	used := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	var names []repodata.NEVRA
	for range 64 {
		h, err := rpm.ReadHeader(bytes.NewReader(long))
		if err != nil {
			t.Fatal(err)
		}
		n, err := h.NEVRA()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, n)
	}
	if after := used(); after > before+8<<20 {
		t.Errorf("%d names hold %d MiB", len(names), (after-before)>>20)
	}
	runtime.KeepAlive(names)
}
