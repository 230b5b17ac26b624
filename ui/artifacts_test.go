package ui

import (
	"errors"
	"strings"
	"testing"

	"gantry/storage"
)

func TestArtifacts(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 140, 40, Options{})
	d.press("2")
	d.sees("packyard-plugin-00003", "mismatch", "verified", "unverified", "el9-x86_64")
	d.press("down", "down", "down")
	d.sees("its sidecar says 20bf")
	d.press("v")
	if !f.did("verify 1") {
		t.Errorf("asked %q", f.asked)
	}
	d.sees("verified 1 artifact")
	d.press("V")
	if !f.did("verify 12") {
		t.Errorf("asked %q", f.asked)
	}
	d.hides("unverified", "mismatch")
}

func TestVerifyGoesPortionByPortion(t *testing.T) {
	f := newFake(t)
	f.staged = artifacts(portion*2 + 3)
	d := drive(t, f, 100, 30, Options{})
	d.press("2")
	cmd := d.m.screens[1].(*artifactScreen).verify(d.m.artifacts().shown)
	d.sees("verifying 0 of 131")
	msg := cmd().(verifiedMsg)
	cmd = d.m.artifacts().verified(msg)
	d.sees("verifying 64 of 131")
	d.press("c")
	d.hides("verifying")
	d.run(cmd) // what was on its way when it was stopped
	d.hides("verified 131")
	if n := len(f.asked); n != 2 {
		t.Errorf("asked %q", f.asked)
	}
}

func TestArtifactFilter(t *testing.T) {
	f := newFake(t)
	f.staged = artifacts(5000)
	d := drive(t, f, 100, 30, Options{})
	d.press("2", "/").typed("plugin-0012", 0)
	d.sees("10 of 5 000", "plugin-00123")
	d.press("backspace")
	d.sees("100 of 5 000")
	d.typed("x", 0)
	d.sees("0 of 5 000", "Nothing matches")
	d.press("esc")
	d.sees("5 000")

	// An answer to an earlier filter comes late.
	s := d.m.artifacts()
	late := s.seek("plugin-00")
	d.run(s.seek("plugin-00123"))
	d.run(late)
	if len(s.shown) != 1 {
		t.Errorf("%d shown", len(s.shown))
	}
}

// oddity flags two artifacts.
func oddity(f *fake) {
	f.findings = map[string][]string{
		f.staged[1].Key(): {"a pre-release in a final release"},
		f.staged[2].Key(): {"production has the later 2025.5.0-1", "other bytes than production's"},
	}
}

func TestArtifactFindings(t *testing.T) {
	f := newFake(t)
	oddity(f)
	f.view.Targets[0].Places = []storage.Place{f.staged[0].Place}
	f.view.Targets[1].Places = []storage.Place{f.staged[0].Place}
	d := drive(t, f, 140, 40, Options{})
	d.press("2")
	d.sees("! 2 odd", "core-el9, core-…", "○ ! packyard-plugin-00001", "target   core-el9, core-el8")
	d.hides("a pre-release")
	d.press("down", "down")
	d.sees("! production has the later 2025.5.0-1", "! other bytes than production's")
	for text, n := range map[string]string{"pre-release": "1 of 12", "other bytes": "1 of 12", "odd": "2 of 12", "mismatch": "1 of 12", "core-el8": "12 of 12", "core-el8x": "0 of 12"} {
		d.press("/").typed(text, 0)
		d.sees(n)
		d.press("esc")
	}
	f.findErr = errors.New("production cannot be read")
	d.press("r")
	d.sees("not examined", "is not known:", "production cannot be read")
}

// What is filtered by a verdict follows the verification.
func TestFilterFollowsVerdicts(t *testing.T) {
	d := drive(t, newFake(t), 100, 30, Options{})
	d.press("2", "/").typed("unverified", 0).press("enter")
	d.sees("10 of 12")
	d.press("V")
	d.sees("0 of 12")
}

// Letters that are typed faster than the filter works narrow what they should.
func TestFilterNarrowsWhatItFound(t *testing.T) {
	f := newFake(t)
	f.staged = artifacts(200)
	d := drive(t, f, 100, 30, Options{})
	d.press("2")
	s := d.m.artifacts()
	d.run(s.seek("0012"))
	s.seek("001")         // its answer has not come when the next letter does
	d.run(s.seek("0013")) // so what was found of 0012 says nothing
	if len(s.shown) != 11 {
		t.Errorf("%d shown", len(s.shown))
	}
}

// A frame between a shorter listing and its filter has only rows that are there.
func TestShorterListing(t *testing.T) {
	f := newFake(t)
	d := drive(t, f, 100, 30, Options{})
	d.press("2", "end")
	_ = d.m.artifacts().loaded(artifactsMsg{gen: d.m.artifacts().gen, all: f.staged[:3]})
	d.sees("packyard-plugin-00002")
	d.hides("packyard-plugin-00003")
}

func TestEveryVerdictHasItsWord(t *testing.T) {
	f := newFake(t)
	verdicts := []storage.Verdict{"unverified", "verified", "mismatch", "missing-sidecar", "orphan-sidecar", "malformed-sidecar", "bad-name", "symlink"}
	f.staged = artifacts(len(verdicts))
	for i, v := range verdicts {
		f.staged[i].Verdict = v
	}
	for _, w := range []int{60, 80, 120} {
		d := drive(t, f, w, 40, Options{})
		d.press("2")
		for _, v := range verdicts {
			d.sees(string(v))
		}
	}
}

// hundredThousand is the artifact view on a hundred thousand rows.
func hundredThousand(b *testing.B) *driver {
	f := newFake(b)
	f.staged = artifacts(100_000)
	d := drive(b, f, 140, 40, Options{})
	d.press("2")
	return d
}

// BenchmarkArtifacts100k is one key and the frame that follows it; it must stay
// under 5 ms.
func BenchmarkArtifacts100k(b *testing.B) {
	d := hundredThousand(b)
	keys := []string{"down", "pgdown", "end", "pgup", "up", "home"}
	for i := 0; b.Loop(); i++ {
		d.press(keys[i%len(keys)])
		if !strings.Contains(d.m.View(), "packyard-plugin") {
			b.Fatal("no rows")
		}
	}
}

// BenchmarkArtifactsFilter is what a letter typed costs the event loop, and then
// in the background.
func BenchmarkArtifactsFilter(b *testing.B) {
	b.Run("loop", func(b *testing.B) {
		d := hundredThousand(b)
		for b.Loop() {
			_ = d.m.artifacts().seek("plugin-0001")
		}
	})
	b.Run("background", func(b *testing.B) {
		d := hundredThousand(b)
		for b.Loop() {
			d.m.artifacts().seek("plugin-0001")()
		}
	})
}

func BenchmarkChecklistView(b *testing.B) {
	d := drive(b, newFake(b), 140, 40, Options{})
	for b.Loop() {
		_ = d.m.View()
	}
}
