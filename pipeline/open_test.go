package pipeline_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
)

const treesYAML = `product: distribution
targets:
  - name: rocky-9
    format: tree
    tree: {major: 9, compose: {root: c, path: "{major}/stable"}, staging: {root: s, path: "rocky/{revision}{suffix}"}, production: {root: p, path: "rocky/{revision}"}}
  - name: sig-9
    format: tree
    tree: {major: 9, compose: {root: c, path: "{major}/sig"}, staging: {root: s, path: "sig/{major}"}, production: {root: p, path: "sig/{major}"}}
  - name: rocky-9-beta
    format: tree
    tree: {major: 9, stream: beta, suffix: -BETA, compose: {root: c, path: "{major}/beta"}, staging: {root: s, path: "rocky/{revision}{suffix}"}}
items:
  - {item: production-sync, uses: promote}
people: {owner: Us}
`

const packagesYAML = `keys: [{name: k, private: "file:k", public: k.asc}]
`

// loaded is a configuration with more targets, some of which may be none.
func loaded(t *testing.T, text string) *config.Release {
	t.Helper()
	file := filepath.Join(t.TempDir(), "release.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func mixed() string {
	return packagesYAML + strings.Replace(treesYAML, "items:", "  - {name: el9, format: rpm, component: core, series: \"2025\", os: el9-x86_64, key: k}\nitems:", 1)
}

func TestAReleaseIsAboutTheTreesThatTakeItsVersion(t *testing.T) {
	for _, tt := range []struct {
		kind, version, about string
		mixed                bool
		want                 string // targets, or what the refusal says
		refused              bool
	}{
		{"final", "9.7-RC2", "", false, "rocky-9 sig-9", false},
		{"patch", "9.7-20251202", "", false, "rocky-9 sig-9", false},
		{"patch", "9.7", "rocky-9", false, "rocky-9", false},
		{"promote", "9.7", "", true, "el9 rocky-9 sig-9", false},
		{"promote", "2025.4.1", "el9", true, "el9", false},
		{"promote", "9.8-beta", "", false, "is not of beta 9.8", true},
		{"final", "9.7", "rocky-9-beta", false, "rocky-9-beta is not of 9.7; it takes beta 9.N", true},
		{"patch", "2025.4.1", "", true, "name them with --target", true},
		{"final", "10.1", "", false, "no tree is of 10.1; there are rocky-9 (9, stable), sig-9 (9, stable), rocky-9-beta (9, beta)", true},
		{"beta", "9.8-lookahead", "", false, "no tree is of 9.8-lookahead", true},
		{"patch", "10.1", "", true, "no tree is of 10.1", true},
		{"final", "9.8-beta", "", false, "is not of beta 9.8", true},
		{"rc", "9.7", "", false, "a release candidate, such as 9.7-RC2", true},
		{"beta", "9.7", "", false, "a beta or lookahead", true},
		{"final", "9", "", false, "known are MAJOR.MINOR", true},
		{"final", "9.7-RC", "", false, "known are MAJOR.MINOR", true},
		{"final", "../9.7", "", false, "is not a version", true},
		{"final", "", "", false, "is not a version", true},
		{"final", "lookahead", "", false, "is not a version", true},
	} {
		t.Run(tt.kind+" "+tt.version, func(t *testing.T) {
			text := treesYAML
			if tt.mixed {
				text = mixed()
			}
			e := open(t, loaded(t, text), pipeline.Options{})
			_, err := e.OpenRelease(t.Context(), tt.kind, tt.version, time.Time{}, strings.Fields(tt.about)...)
			if tt.refused {
				var refused *pipeline.RefusedError
				if !errors.As(err, &refused) {
					t.Fatalf("opened, or no refusal: %v", err)
				}
				if words := refused.Reason + "; " + refused.Hint; !strings.Contains(words, tt.want) {
					t.Errorf("it says %q", words)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, section := range e.View().Checklist.Sections {
				for _, it := range section.Views {
					if it.Target != "" && !slices.Contains(got, it.Target) {
						got = append(got, it.Target)
					}
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("it is about %q", got)
			}
			if tt.kind == "final" {
				it, ok := e.View().Checklist.Item("production-sync:rocky-9")
				if owner := e.View().Checklist.Release.Checklist.Owner; !ok || it.Uses != "promote" || it.Risk != checklist.Production || owner != "Us" {
					t.Errorf("bound as %+v, owner %q", it.Item, owner)
				}
			}
		})
	}
}

// A binding to nothing stops a release from being opened: what it was to do would
// not be done.
func TestABindingToNothingOpensNoRelease(t *testing.T) {
	e := open(t, loaded(t, strings.Replace(treesYAML, "item: production-sync", "item: production-snc", 1)), pipeline.Options{})
	_, err := e.OpenRelease(t.Context(), "final", "9.7", time.Time{})
	if err == nil || !strings.Contains(err.Error(), "item production-snc: no checklist has such an item") || config.HintOf(err) == "" {
		t.Errorf("%v, hint %q", err, config.HintOf(err))
	}
}

const windowed = `name: test
title: Test
kinds: [test]
sections:
  - id: all
    title: All
    items:
      - {id: link, title: Hardlink Run, kind: manual, asks: digest, wants: digest}
      - {id: flip, title: Bitflip, kind: manual, asks: mode, window: {after: link, opens: 24h}}
`

func TestEarly(t *testing.T) {
	cfg := setup(t)
	if err := os.WriteFile(filepath.Join(cfg.Dir(), "checklists", "test.yaml"), []byte(windowed), 0o644); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	e := open(t, cfg, pipeline.Options{Now: func() time.Time { return now }})
	if _, err := e.OpenRelease(t.Context(), "test", "1.0", time.Time{}); err != nil {
		t.Fatal(err)
	}
	refused := func(err error, words string) {
		t.Helper()
		var r *pipeline.RefusedError
		if !errors.As(err, &r) || !strings.Contains(r.Reason+"; "+r.Hint, words) {
			t.Errorf("not refused with %q: %v", words, err)
		}
	}
	refused(e.Early(t.Context(), "flip", "agreed"), "only what waits for its window")
	refused(e.Tick(t.Context(), "link", "12 GiB saved"), "lacks a SHA-256 digest")
	if err := e.Tick(t.Context(), "link", strings.Repeat("0a", 32)); err != nil {
		t.Fatal(err)
	}
	refused(e.Tick(t.Context(), "flip", "0755"), "is waiting")
	now = now.Add(-48 * time.Hour) // somebody sets the clock back
	refused(e.Tick(t.Context(), "flip", "0755"), "the clock is behind the journal")
	now = now.Add(60 * time.Hour)
	refused(e.Tick(t.Context(), "flip", "0755"), "is waiting")
	refused(e.Early(t.Context(), "flip", " "), "needs a reason")
	refused(e.Early(t.Context(), "link", "x"), "only what waits")
	if err := e.Early(t.Context(), "flip", "agreed in ~Infrastructure"); err != nil {
		t.Fatal(err)
	}
	if it := status(t, e, "flip"); it.Status != checklist.StatusReady || !strings.Contains(it.Because, "agreed in ~Infrastructure") {
		t.Errorf("%s, %q", it.Status, it.Because)
	}
	if err := e.Clear(t.Context(), "flip", ""); err != nil {
		t.Fatal(err)
	}
	refused(e.Tick(t.Context(), "flip", "0755"), "is waiting")
	if err := e.Early(t.Context(), "flip", "agreed after all"); err != nil {
		t.Fatal(err)
	}
	if err := e.Tick(t.Context(), "flip", "0755"); err != nil {
		t.Fatal(err)
	}
}
