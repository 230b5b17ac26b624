package checklist_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
)

// The lines of the SIG/Core checklists, word for word and in their order.
var (
	core = []string{
		"Compose Completed",
		"Repoclosure must be checked and pass",
		"Lorax Run",
		"ISO's are built",
		"Cloud Images built",
		"Live Images built",
		"Compose Synced to Staging",
		"AWS/Azure Images in Marketplace",
		"Vagrant Images",
		"Container Images",
		"Mirror Manager",
	}
	beta = slices.Concat(core, []string{
		"Ready to Migrate from previous beta release (rltype=beta)",
		"Boot image install migration from previous beta release",
		"Pass image to Testing Team for final validation",
	})
	rc = slices.Concat(core, []string{
		"Ready to Migrate from previous release",
		"Boot image install migration from previous release",
		"Pass image to Testing Team for validation",
	})
	final = slices.Concat(core, []string{
		"Ready to Migrate from previous release",
		"Boot image install migration from previous release",
		"Pass image to Testing Team for final validation",
		"Sync to Production",
		"Sync to Europe Mirror if applicable",
		"Hardlink Run",
		"Bitflip after 24-48 Hours",
	})
	releaseDay = []string{
		"Notes about Release Day",
		"Torrents should be setup",
		"Website should be ready (typically with an open PR in github)",
		"Enough mirrors should be setup",
		"Prior to Release Day notes",
		"Ensure the SIG/Core Checklist is read thoroughly and executed as listed.",
		"Priorities",
		"Website",
		"Torrent",
		"Release Notes & Documentation",
		"Wiki",
		"Everything else!",
	}
	patchDays = []string{
		"Notes about Patch Days",
		"Updates should be completed in the build system, and verified in staging",
		"Updates should be sent to production and file lists updated to allow mirrors to sync",
	}
)

func find(t *testing.T, name string) *checklist.Template {
	t.Helper()
	tpl, ok := checklist.Find(name)
	if !ok || tpl.Name != name {
		t.Fatalf("there is no template %q", name)
	}
	return tpl
}

func TestTemplatesSayWhatTheProceduresSay(t *testing.T) {
	// Sections that the procedures do not have: pauses in their long lists.
	pauses := []string{"Compose", "Images", "Staging", "Validation", "Production"}
	// Items that the other procedures ask for, and these lists leave out.
	others := []string{"File lists updated to allow mirrors to sync", "File lists updated after the bitflip"}
	for name, want := range map[string][]string{
		"beta": beta, "rc": rc, "final": final, "release-day": releaseDay,
	} {
		var got []string
		for _, section := range find(t, name).Sections {
			if !slices.Contains(pauses, section.Title) {
				got = append(got, section.Title)
			}
			for _, it := range section.Items {
				if !slices.Contains(others, it.Title) {
					got = append(got, it.Title)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-procedures +template):\n%s", name, diff)
		}
	}
	section := find(t, "patch").Sections[0]
	got := []string{section.Title}
	for _, it := range section.Items {
		got = append(got, it.Title)
	}
	if diff := cmp.Diff(patchDays, got); diff != "" {
		t.Errorf("patch (-procedures +template):\n%s", diff)
	}
}

func TestHelpCarriesTheTextsOfTheProcedures(t *testing.T) {
	texts := map[string][]string{
		"release-day": {
			"Torrents should be setup. All files can be synced with the seed box(es) but not yet published. The data should be verified using sha256sum and compared to the CHECKSUM files provided with the files.",
			"Website should be ready (typically with an open PR in github). The content should be verified that the design and content are correct and finalized.",
			"Enough mirrors should be setup. This essentially means that all content for a release should be synced to our primary mirror with the executable bit turned off, and the content should also be hard linked. In theory, mirror manager can be queried to verify if mirrors are or appear to be in sync.",
			"Website - The primary website and user landing at rockylinux.org should allow the user to efficiently click through to a download link of an ISO, image, or torrent. It must be kept up.",
			"Torrent - The seed box(es) should be primed and ready to go for users downloading via torrent.",
			"Release Notes & Documentation - The release notes are often on the same website as the documentation. The main website and where applicable in the docs should refer to the Release Notes of Rocky Linux.",
			"Wiki - If applicable, the necessary changes and resources should be available for a release. In particular, if a major release has new repos, changed repo names, this should be documented.",
			"Within a minimum of two (2) days, the following should be true:",
			"During release day, these should be verified/completed in order:",
		},
		"patch": {
			"Within a minimum of one (1) to two (2) days, the following should be true:",
			"Updates should be completed in the build system, and verified in staging.",
			"Updates should be sent to production and file lists updated to allow mirrors to sync.",
		},
	}
	for name, want := range texts {
		var all []string
		for _, section := range find(t, name).Sections {
			all = append(all, section.Note)
			for _, it := range section.Items {
				all = append(all, it.Help)
			}
		}
		whole := strings.Join(all, "\n")
		for _, text := range want {
			if !strings.Contains(whole, text) {
				t.Errorf("%s lacks: %s", name, text)
			}
		}
	}
}

func TestTemplatesNameWhomToAsk(t *testing.T) {
	want := []string{
		"infrastructure@rockylinux.org", "releng@rockylinux.org",
		"@label", "@neil", "@tgo", "@skip77", "@mustafa", "@sherif", "@pgreco",
	}
	for _, name := range []string{"beta", "rc", "final", "patch", "release-day"} {
		tpl := find(t, name)
		var got []string
		for _, c := range tpl.Contacts {
			got = append(got, c.Address)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: contacts (-want +got):\n%s", name, diff)
		}
		if tpl.Owner != "SIG/Core (Release Engineering & Infrastructure)" || !slices.Equal(tpl.Channels, []string{"~Infrastructure"}) {
			t.Errorf("%s: owner %q, channels %q", name, tpl.Owner, tpl.Channels)
		}
	}
}

func TestTemplatesAreWhole(t *testing.T) {
	targets := []checklist.TargetRef{{Name: "core-el8", Format: "rpm"}, {Name: "core-el9", Format: "rpm"}}
	var names []string
	for _, tpl := range checklist.Builtin() {
		names = append(names, tpl.Name)
		if !tpl.Serves(tpl.Name) {
			t.Errorf("%s does not serve releases of its name", tpl.Name)
		}
		list, err := checklist.Resolve(tpl, targets)
		if err != nil {
			t.Errorf("%s: %v", tpl.Name, err)
		}
		for _, section := range list.Sections {
			for _, it := range section.Items {
				if it.Help == "" {
					t.Errorf("%s: %s has no help", tpl.Name, it.ID)
				}
				if it.Kind == checklist.Manual && it.Asks == "" {
					t.Errorf("%s: %s does not say what to record", tpl.Name, it.ID)
				}
				if strings.Contains(it.Title+it.Asks+it.Help, "{target}") {
					t.Errorf("%s: %s still says {target}", tpl.Name, it.ID)
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"beta", "dispatch", "final", "patch", "promote", "rc", "release-day"}, names); diff != "" {
		t.Errorf("templates (-want +got):\n%s", diff)
	}
	if _, ok := checklist.Find("nightly"); ok {
		t.Error("there is a template for nightly")
	}
}

// Every builtin checklist can be worked to its end by doing what Next says.
func TestTemplatesCanBeWorked(t *testing.T) {
	for _, tpl := range checklist.Builtin() {
		list, err := checklist.Resolve(tpl, []checklist.TargetRef{{Name: "core-el8"}, {Name: "core-el9"}})
		if err != nil {
			t.Fatal(err)
		}
		s := &story{t: t, release: "patch-1", now: start}
		o := opened("patch-1")
		o.Checklist, o.Due = list, start.Add(72*time.Hour)
		s.write(checklist.ReleaseOpened, o)
		var waited time.Duration
		for range 100 {
			it, ok := s.fold().View("patch-1", checklist.Observed{Now: s.now}).Next()
			if !ok {
				break
			}
			switch {
			case it.Status == checklist.StatusWaiting:
				waited += it.Opens.Sub(s.now)
				s.now = it.Opens
			case it.Barred != "":
				t.Fatalf("%s: nothing can be done, %s is %s: %s", tpl.Name, it.ID, it.Status, it.Because)
			case it.Kind == checklist.Manual:
				s.tick(it.ID, "seen")
			default:
				s.done("run-"+it.ID, it.ID, "")
			}
		}
		state := s.fold()
		if v := state.View("patch-1", checklist.Observed{Now: s.now}); v.Done != v.Total || v.Total == 0 {
			t.Errorf("%s: %d of %d items are done", tpl.Name, v.Done, v.Total)
		}
		if len(state.Odd) != 0 {
			t.Errorf("%s: odd: %q", tpl.Name, state.Odd)
		}
		if tpl.Name == "final" && (waited <= 23*time.Hour || waited > 24*time.Hour) {
			t.Errorf("the bitflip opened after %s", waited)
		}
	}
}

func TestPromotionIsVerifiedBeforeAndAfter(t *testing.T) {
	for _, name := range []string{"promote", "patch"} {
		list, err := checklist.Resolve(find(t, name), []checklist.TargetRef{{Name: "el9", Format: "rpm"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []struct {
			id, uses, pointer string
			need              string
			risk              checklist.Risk
		}{
			{"staged:el9", "check.staged", "", "", checklist.Safe},
			{"build:el9", "build", "", "staged:el9", checklist.Staging},
			{"stage:el9", "stage", "", "build:el9", checklist.Staging},
			{"verify-staging:el9", "verify", "staging", "stage:el9", checklist.Safe},
			{"promote:el9", "promote", "", "verify-staging:el9", checklist.Production},
			{"verify-production:el9", "verify", "production", "promote:el9", checklist.Safe},
		} {
			it, ok := list.Item(want.id)
			if !ok {
				t.Errorf("%s: no item %s", name, want.id)
				continue
			}
			if it.Uses != want.uses || it.With["pointer"] != want.pointer || it.Target != "el9" || it.Risk != want.risk {
				t.Errorf("%s: %s is %+v", name, want.id, it)
			}
			if want.need != "" && !slices.Contains(it.Needs, want.need) {
				t.Errorf("%s: %s needs %q, not %s", name, want.id, it.Needs, want.need)
			}
		}
		if it, _ := list.Item("promote:el9"); !it.Killer {
			t.Errorf("%s: the promotion may be waived", name)
		}
	}
}

func TestKillersAndWindows(t *testing.T) {
	list, err := checklist.Resolve(find(t, "final"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var killers []string
	for _, section := range list.Sections {
		for _, it := range section.Items {
			if it.Killer {
				killers = append(killers, it.Title)
			}
		}
	}
	want := []string{"Repoclosure must be checked and pass", "Pass image to Testing Team for final validation", "Sync to Production", "Bitflip after 24-48 Hours"}
	if diff := cmp.Diff(want, killers); diff != "" {
		t.Errorf("killers (-want +got):\n%s", diff)
	}
	flip, _ := list.Item("bitflip")
	if diff := cmp.Diff(&checklist.Window{After: "hardlink-run", Opens: 24 * time.Hour, Closes: 48 * time.Hour}, flip.Window); diff != "" {
		t.Errorf("bitflip (-want +got):\n%s", diff)
	}
	for name, closes := range map[string]time.Duration{"release-day": 48 * time.Hour, "patch": 24 * time.Hour} {
		for _, it := range find(t, name).Sections[0].Items {
			if it.Window == nil || it.Window.Before != "due" || it.Window.Opens != 0 || time.Duration(it.Window.Closes) != closes {
				t.Errorf("%s: the window of %s is %+v", name, it.ID, it.Window)
			}
		}
	}
}

// The embedded files are those of the folder: none was forgotten.
func TestEveryTemplateFileIsEmbedded(t *testing.T) {
	entries, err := os.ReadDir("templates")
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		files = append(files, strings.TrimSuffix(e.Name(), ".yaml"))
	}
	var names []string
	for _, tpl := range checklist.Builtin() {
		names = append(names, tpl.Name)
	}
	if diff := cmp.Diff(files, names); diff != "" {
		t.Errorf("files and templates differ:\n%s", diff)
	}
}
