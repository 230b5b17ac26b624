package checklist_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
)

func rocky(t *testing.T) *config.Release {
	t.Helper()
	file := filepath.Join(t.TempDir(), "release.yaml")
	if err := os.WriteFile(file, config.Example(config.Rocky), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// serving are the targets that take a version.
func serving(t *testing.T, r *config.Release, version string) []checklist.TargetRef {
	t.Helper()
	e, err := config.ParseEdition(version)
	if err != nil {
		t.Fatal(err)
	}
	var all []checklist.TargetRef
	for _, target := range r.Targets {
		if target.Tree.Serves(e) {
			all = append(all, checklist.TargetRef{Name: string(target.Name), Format: string(target.Format)})
		}
	}
	return all
}

// What a machine can do, one does; what is left is for people, and says what they
// are to record.
func TestRockyReleases(t *testing.T) {
	r := rocky(t)
	if strays := checklist.Strays(checklist.Builtin(), r); len(strays) != 0 {
		t.Errorf("bound to nothing: %+v", strays)
	}
	byHand := []string{
		"AWS/Azure Images in Marketplace", "Vagrant Images", "Container Images",
		"Ready to Migrate from previous beta release (rltype=beta)", "Boot image install migration from previous beta release",
		"Ready to Migrate from previous release", "Boot image install migration from previous release",
		"Pass image to Testing Team for final validation", "Pass image to Testing Team for validation", "Sync to Europe Mirror if applicable",
		"Updates should be completed in the build system, and verified in staging",
		"Website should be ready (typically with an open PR in github)",
		"Ensure the SIG/Core Checklist is read thoroughly and executed as listed.", "Everything else!",
	}
	titles := map[string][]string{"beta": beta, "rc": rc, "final": final, "release-day": releaseDay, "patch": patchDays}
	for _, tt := range []struct{ kind, version string }{
		{"beta", "9.8-beta"}, {"beta", "8.11-lh"}, {"beta", "10.2-beta"},
		{"rc", "9.7-RC2"}, {"rc", "8.10-RC1"}, {"rc", "10.1-RC1"},
		{"final", "9.7-RC2"}, {"final", "8.10"}, {"final", "10.1"},
		{"patch", "9.7-20251202"}, {"patch", "8.10"}, {"patch", "10.1"},
		{"release-day", "9.7"}, {"release-day", "8.10"}, {"release-day", "10.1"},
	} {
		t.Run(tt.kind+" "+tt.version, func(t *testing.T) {
			targets := serving(t, r, tt.version)
			bound, err := checklist.Bind(find(t, tt.kind), r, tt.kind, targets)
			if err != nil {
				t.Fatal(err)
			}
			list, err := checklist.Resolve(bound, targets)
			if err != nil {
				t.Fatal(err)
			}
			if len(list.Contacts) != 9 || len(list.Channels) != 2 {
				t.Errorf("the people are %v, %v", list.Contacts, list.Channels)
			}
			var seen []string
			for _, section := range list.Sections {
				seen = append(seen, section.Title)
				for _, it := range section.Items {
					for _, target := range targets { // several trees are told apart
						seen = append(seen, strings.TrimSuffix(it.Title, " ("+target.Name+")"))
					}
					if of := strings.TrimSuffix(it.Title, " ("+it.Target+")"); it.Kind == checklist.Manual && !slices.Contains(byHand, of) {
						t.Errorf("%s (%s) is done by hand", it.ID, it.Title)
					}
					for _, need := range it.Needs {
						if _, ok := list.Item(need); !ok {
							t.Errorf("%s needs %s, which is not there", it.ID, need)
						}
					}
				}
			}
			at := 0
			for _, title := range titles[tt.kind] { // word for word, in their order
				i := slices.Index(seen[at:], title)
				if i < 0 {
					t.Fatalf("%q is not there, or not after what comes before it", title)
				}
				at += i
			}
			work(t, list)
		})
	}
}

// work does what Next says until all of a checklist is done.
func work(t *testing.T, list checklist.Checklist) {
	t.Helper()
	s := &story{t: t, release: "patch-1", now: start}
	o := opened("patch-1")
	o.Checklist, o.Due = list, start.Add(72*time.Hour)
	s.write(checklist.ReleaseOpened, o)
	state, told := checklist.State{}, 0
	for range 300 {
		for ; told < len(s.events); told++ {
			state.Apply(s.events[told])
		}
		it, ok := state.View("patch-1", checklist.Observed{Now: s.now}).Next()
		switch {
		case !ok:
			if len(state.Odd) != 0 {
				t.Errorf("odd: %q", state.Odd)
			}
			return
		case it.Status == checklist.StatusWaiting:
			s.now = it.Opens
		case it.Barred != "":
			t.Fatalf("nothing can be done, %s is %s: %s", it.ID, it.Status, it.Because)
		case it.Kind == checklist.Manual:
			s.tick(it.ID, "seen")
		default:
			s.done("run-"+it.ID, it.ID, "")
		}
	}
	t.Error("it is not done after 300 items")
}
