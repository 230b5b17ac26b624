package checklist_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
	"gantry/config"
)

var (
	nine  = checklist.TargetRef{Name: "rocky-9", Format: "tree"}
	cloud = checklist.TargetRef{Name: "sig-9-cloud", Format: "tree"}
	rpms  = checklist.TargetRef{Name: "core-el9", Format: "rpm"}
)

// resolved is the checklist of a release of a kind with some bindings.
func resolved(t *testing.T, name string, bindings []config.Binding, targets ...checklist.TargetRef) checklist.Checklist {
	t.Helper()
	tpl, err := checklist.Bind(find(t, name), &config.Release{Items: bindings}, name, targets)
	if err != nil {
		t.Fatal(err)
	}
	list, err := checklist.Resolve(tpl, targets)
	if err != nil {
		t.Fatal(err)
	}
	for _, section := range list.Sections {
		for _, it := range section.Items {
			for _, need := range it.Needs {
				if _, ok := list.Item(need); !ok {
					t.Errorf("%s needs %s, which is not there", it.ID, need)
				}
			}
		}
	}
	return list
}

func item(t *testing.T, list checklist.Checklist, id string) checklist.Item {
	t.Helper()
	it, ok := list.Item(id)
	if !ok {
		t.Fatalf("no item %s", id)
	}
	return it
}

func TestBindKeepsWhatTheTemplateSays(t *testing.T) {
	before := find(t, "final")
	list := resolved(t, "final", []config.Binding{
		{Item: "compose-completed", Uses: "command", With: map[string]string{"command": "sync"}},
		{Item: "repoclosure", Uses: "closure", With: map[string]string{"name": "all"}},
		{Item: "production-sync", Uses: "promote"},
		{Item: "file-lists", Uses: "filelist", With: map[string]string{"name": "all"}},
	}, nine)
	for _, want := range []struct {
		id, title, uses, target string
		kind                    checklist.Kind
		risk                    checklist.Risk
		killer                  bool
	}{
		{"compose-completed", "Compose Completed", "command", "", checklist.Step, checklist.Staging, false},
		{"repoclosure", "Repoclosure must be checked and pass", "closure", "", checklist.Check, checklist.Safe, true},
		{"production-sync:rocky-9", "Sync to Production", "promote", "rocky-9", checklist.Step, checklist.Production, true},
		{"file-lists", "File lists updated to allow mirrors to sync", "filelist", "", checklist.Step, checklist.Production, false},
		{"container-images", "Container Images", "", "", checklist.Manual, checklist.Production, false},
	} {
		it := item(t, list, want.id)
		if it.Title != want.title || it.Uses != want.uses || it.Target != want.target || it.Kind != want.kind || it.Risk != want.risk || it.Killer != want.killer {
			t.Errorf("%s is %+v", want.id, it)
		}
		if it.Help == "" || (it.Asks == "") != (it.Kind != checklist.Manual) || (it.Wants == "") != (it.Kind != checklist.Manual) {
			t.Errorf("%s: help %q, asks %q, wants %q", want.id, it.Help, it.Asks, it.Wants)
		}
	}
	if got := item(t, list, "europe-sync").Needs; !slices.Equal(got, []string{"production-sync:rocky-9"}) {
		t.Errorf("the Europe mirror needs %q", got)
	}
	if diff := cmp.Diff(before, find(t, "final"), cmp.AllowUnexported(checklist.TemplateItem{})); diff != "" {
		t.Errorf("the template itself changed:\n%s", diff)
	}
}

func TestBindMakesAnItemForEachTree(t *testing.T) {
	list := resolved(t, "final", []config.Binding{
		{Item: "production-sync", Uses: "promote"},
		{Item: "hardlink-run", Uses: "hardlink"},
		{Item: "isos", Uses: "image.check", With: map[string]string{"name": "isos"}, Targets: []config.Name{"rocky-9"}},
		{Item: "staging-sync", Uses: "stage"},
	}, nine, rpms, cloud)
	var got []string
	for _, section := range list.Sections {
		for _, it := range section.Items {
			if it.Target != "" {
				got = append(got, it.ID+" | "+it.Title+" | "+strings.Join(it.Needs, " "))
			}
		}
	}
	want := []string{
		"isos:rocky-9 | ISO's are built | lorax-run",
		"staging-sync:rocky-9 | Compose Synced to Staging (rocky-9) | repoclosure isos:rocky-9 cloud-images live-images",
		"staging-sync:sig-9-cloud | Compose Synced to Staging (sig-9-cloud) | repoclosure lorax-run cloud-images live-images",
		"production-sync:rocky-9 | Sync to Production (rocky-9) | testing-team mirror-manager-ready",
		"production-sync:sig-9-cloud | Sync to Production (sig-9-cloud) | testing-team mirror-manager-ready",
		"hardlink-run:rocky-9 | Hardlink Run (rocky-9) | production-sync:rocky-9 europe-sync",
		"hardlink-run:sig-9-cloud | Hardlink Run (sig-9-cloud) | production-sync:sig-9-cloud europe-sync",
		"bitflip:rocky-9 | Bitflip after 24-48 Hours (rocky-9) | boot-image-migration file-lists",
		"bitflip:sig-9-cloud | Bitflip after 24-48 Hours (sig-9-cloud) | boot-image-migration file-lists",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	flip := item(t, list, "bitflip:sig-9-cloud")
	if diff := cmp.Diff(&checklist.Window{After: "hardlink-run:sig-9-cloud", Opens: 24 * time.Hour, Closes: 48 * time.Hour}, flip.Window); diff != "" || flip.Kind != checklist.Manual {
		t.Errorf("the bitflip is %+v\n%s", flip, diff)
	}
	if got := item(t, list, "file-lists").Needs; !slices.Equal(got, []string{"hardlink-run:rocky-9", "hardlink-run:sig-9-cloud"}) {
		t.Errorf("the file lists need %q", got)
	}
	// Without a tree it stays what a person does.
	alone := resolved(t, "final", []config.Binding{{Item: "production-sync", Uses: "promote"}}, rpms)
	if it := item(t, alone, "production-sync"); it.Kind != checklist.Manual || it.Asks == "" {
		t.Errorf("without a tree it is %+v", it)
	}
}

// Trees may be synced by different bindings: mirrors are called once all are.
func TestH10FileListsNeedEverySyncOfAChain(t *testing.T) {
	eight := checklist.TargetRef{Name: "rocky-8", Format: "tree"}
	for name, tc := range map[string]struct {
		bindings []config.Binding
		want     []string
	}{
		"one binding for each tree": {[]config.Binding{
			{Item: "production-sync", Uses: "promote", Targets: []config.Name{"rocky-8"}},
			{Item: "production-sync", Uses: "promote", Targets: []config.Name{"rocky-9"}},
		}, []string{"production-sync:rocky-9", "production-sync.1:rocky-8"}},
		"one of them does more": {[]config.Binding{
			{Item: "production-sync", Uses: "promote"},
			{Item: "production-sync", Uses: "hardlink", Targets: []config.Name{"rocky-8"}},
		}, []string{"production-sync:rocky-8", "production-sync.1:rocky-9"}},
	} {
		t.Run(name, func(t *testing.T) {
			list := resolved(t, "final", tc.bindings, eight, nine)
			if got := item(t, list, "europe-sync").Needs; !slices.Equal(got, tc.want) {
				t.Errorf("what comes after the syncs needs %q", got)
			}
		})
	}
}

func TestBindChains(t *testing.T) {
	bindings := []config.Binding{
		{Item: "isos", Uses: "command", With: map[string]string{"command": "pull-unpack-tree"}},
		{Item: "isos", Uses: "command", With: map[string]string{"command": "legacy"}, Targets: []config.Name{"rocky-8"}},
		{Item: "isos", Uses: "command", With: map[string]string{"command": "build-iso-extra"}, Kinds: []string{"rc", "final"}},
		{Item: "isos", Uses: "image.check", With: map[string]string{"name": "isos"}},
	}
	list := resolved(t, "rc", bindings, nine)
	var got []string
	for _, section := range list.Sections {
		for _, it := range section.Items {
			if strings.HasPrefix(it.ID, "isos") {
				got = append(got, it.ID+" | "+it.Title+" | "+it.Uses+" | "+strings.Join(it.Needs, " "))
			}
		}
	}
	if diff := cmp.Diff([]string{
		"isos.1 | pull-unpack-tree: ISO's are built | command | lorax-run",
		"isos.2 | build-iso-extra: ISO's are built | command | lorax-run isos.1",
		"isos:rocky-9 | ISO's are built | image.check | lorax-run isos.2",
	}, got); diff != "" {
		t.Error(diff)
	}
	if got := item(t, list, "testing-team").Needs; !slices.Contains(got, "isos:rocky-9") || slices.Contains(got, "isos.1") {
		t.Errorf("the testing team needs %q", got)
	}
}

func TestBindRefuses(t *testing.T) {
	_, err := checklist.Bind(find(t, "final"), &config.Release{Items: []config.Binding{{Item: "bitflop", Uses: "bitflip", Kinds: []string{"final"}}}}, "final", []checklist.TargetRef{nine})
	if err == nil || !strings.Contains(err.Error(), `no item "bitflop"`) || !strings.Contains(config.HintOf(err), "bitflip") {
		t.Errorf("%v, hint %q", err, config.HintOf(err))
	}
	found := checklist.Strays(checklist.Builtin(), &config.Release{Items: []config.Binding{
		{Item: "bitflip"}, {Item: "bitflip", Kinds: []string{"final", "rc"}}, {Item: "nothing"}, {Item: "website", Kinds: []string{"nightly"}},
	}})
	var got []string
	for _, f := range found {
		got = append(got, f.Where+": "+f.What)
		if f.Hint == "" {
			t.Errorf("no hint: %+v", f)
		}
	}
	if diff := cmp.Diff([]string{
		"item bitflip: no checklist of releases of kind rc has such an item",
		"item nothing: no checklist has such an item",
		"item website: no checklist of releases of kind nightly has such an item",
	}, got); diff != "" {
		t.Error(diff)
	}
	// One to count from is done for another tree only.
	tpl, err := checklist.Bind(find(t, "final"), &config.Release{Items: []config.Binding{
		{Item: "hardlink-run", Uses: "hardlink", Targets: []config.Name{"rocky-9"}}, {Item: "bitflip", Uses: "bitflip"},
	}}, "final", []checklist.TargetRef{nine, cloud})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checklist.Resolve(tpl, []checklist.TargetRef{nine, cloud}); err == nil || !strings.Contains(err.Error(), "not done for sig-9-cloud") {
		t.Errorf("a window of nothing: %v", err)
	}
}

func TestBindNamesThePeople(t *testing.T) {
	people := config.People{Owner: "Us", Contacts: []config.Contact{{Name: "Chat", Address: "@us"}}, Channels: []string{"~here"}}
	tpl, err := checklist.Bind(find(t, "final"), &config.Release{People: people}, "final", nil)
	if err != nil || tpl.Owner != "Us" || !slices.Equal(tpl.Contacts, people.Contacts) || !slices.Equal(tpl.Channels, people.Channels) {
		t.Errorf("%v: %q, %v, %q", err, tpl.Owner, tpl.Contacts, tpl.Channels)
	}
	tpl, _ = checklist.Bind(find(t, "final"), &config.Release{}, "final", nil)
	if tpl.Owner == "" || len(tpl.Contacts) != 9 || len(tpl.Channels) != 1 {
		t.Errorf("without people: %q, %v, %q", tpl.Owner, tpl.Contacts, tpl.Channels)
	}
}

// Trees are neither staged file by file nor built; packages are not composed.
func TestItemsAreForTheirFormats(t *testing.T) {
	ids := func(list checklist.Checklist) (all []string) {
		for _, section := range list.Sections {
			for _, it := range section.Items {
				all = append(all, it.ID)
			}
		}
		return all
	}
	list := resolved(t, "patch", nil, nine)
	if diff := cmp.Diff([]string{
		"updates-verified", "updates-sent", "compose:rocky-9", "stage:rocky-9", "errata:rocky-9", "verify-staging:rocky-9", "promote:rocky-9", "verify-production:rocky-9",
	}, ids(list)); diff != "" {
		t.Errorf("of a tree: %s", diff)
	}
	if got := item(t, list, "stage:rocky-9").Needs; !slices.Equal(got, []string{"compose:rocky-9"}) {
		t.Errorf("staging a tree needs %q", got)
	}
	both := resolved(t, "patch", nil, nine, rpms)
	for id, want := range map[string][]string{
		"stage:core-el9":          {"build:core-el9"},
		"stage:rocky-9":           {"compose:rocky-9"},
		"verify-staging:core-el9": {"stage:core-el9"},
		"verify-staging:rocky-9":  {"stage:rocky-9", "errata:rocky-9"},
		"updates-sent":            {"updates-verified", "verify-production:rocky-9", "verify-production:core-el9"},
	} {
		if got := item(t, both, id).Needs; !slices.Equal(got, want) {
			t.Errorf("%s needs %q, want %q", id, got, want)
		}
	}
	promotion := resolved(t, "promote", nil, nine)
	if slices.ContainsFunc(ids(promotion), func(id string) bool { return strings.HasPrefix(id, "build") || strings.HasPrefix(id, "staged") }) {
		t.Errorf("a tree is built: %q", ids(promotion))
	}
	if got := item(t, promotion, "stage:rocky-9").Needs; !slices.Equal(got, []string{"gpg-key", "cosign-key", "secrets", "space"}) {
		t.Errorf("staging a tree needs %q", got)
	}
	tpl, err := checklist.Parse("own.yaml", []byte("name: a\ntitle: A\nkinds: [a]\nsections: [{id: s, title: S, items: [{id: a, title: A, kind: manual, asks: x, each: target, formats: [tree]}]}]"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := checklist.Resolve(tpl, []checklist.TargetRef{rpms}); err == nil || !strings.Contains(err.Error(), "none of its items") {
		t.Errorf("a release of nothing to do: %v", err)
	}
}

// What stands in the place of items that there are none of is looked for once,
// however many ways lead there.
func TestNeedsOfManyWays(t *testing.T) {
	text := "name: a\ntitle: A\nkinds: [a]\nsections:\n- id: s\n  title: S\n  items:\n  - {id: a0, title: A, kind: manual, asks: x}\n  - {id: b0, title: B, kind: manual, asks: x}\n"
	for n := range 40 {
		for _, id := range []string{"a", "b"} {
			text += fmt.Sprintf("  - {id: %s%d, title: T, kind: manual, asks: x, each: target, formats: [oci], needs: [a%d, b%d]}\n", id, n+1, n, n)
		}
	}
	text += "  - {id: last, title: L, kind: manual, asks: x, needs: [a40, b40]}\n"
	tpl, err := checklist.Parse("own.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	list, err := checklist.Resolve(tpl, []checklist.TargetRef{nine})
	if err != nil {
		t.Fatal(err)
	}
	if got := item(t, list, "last").Needs; !slices.Equal(got, []string{"a0", "b0"}) {
		t.Errorf("it needs %q", got)
	}
}

// A target that no binding is for keeps the item as it was.
func TestBindLeavesNoTargetOut(t *testing.T) {
	list := resolved(t, "patch", []config.Binding{
		{Item: "stage", Uses: "stage"},
		{Item: "compose", Uses: "command", With: map[string]string{"name": "updates"}, Targets: []config.Name{"rocky-9"}},
	}, nine, cloud, rpms)
	for _, want := range []struct {
		id, uses string
		kind     checklist.Kind
		needs    []string
	}{
		{"compose:rocky-9", "command", checklist.Step, nil},
		{"compose.0:sig-9-cloud", "", checklist.Manual, nil},
		{"stage:rocky-9", "stage", checklist.Step, []string{"compose:rocky-9"}},
		{"stage:sig-9-cloud", "stage", checklist.Step, []string{"compose.0:sig-9-cloud"}},
		{"stage.0:core-el9", "stage", checklist.Step, []string{"build:core-el9"}},
		{"verify-staging:core-el9", "verify", checklist.Check, []string{"build:core-el9", "stage.0:core-el9"}},
		{"verify-staging:rocky-9", "verify", checklist.Check, []string{"stage:rocky-9", "errata:rocky-9"}},
	} {
		it := item(t, list, want.id)
		if it.Uses != want.uses || it.Kind != want.kind || !slices.Equal(it.Needs, want.needs) {
			t.Errorf("%s is %+v", want.id, it)
		}
	}
	for _, gone := range []string{"compose:sig-9-cloud", "stage:core-el9", "compose.0:core-el9", "compose.0:rocky-9"} {
		if it, ok := list.Item(gone); ok {
			t.Errorf("there is %+v", it)
		}
	}
}
