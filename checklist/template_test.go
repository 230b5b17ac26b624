package checklist_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
	"gantry/config"
)

const own = `name: own
title: Our own
kinds: [patch, final]
owner: Us
contacts: [{name: Mail, address: us@example.org}]
channels: ["#ops"]
sections:
  - id: one
    title: One
    note: |
      Two
      lines
    items:
      - {id: plan, title: Plan, kind: manual, asks: link}
      - id: build
        title: Build {target}
        kind: step
        uses: build
        with: {speed: fast}
        risk: staging
        each: target
        needs: [plan]
        help: Builds {target}.
      - {id: look, title: "Look at {target}", kind: check, uses: check.look, each: target, needs: [build]}
  - id: two
    title: Two
    items:
      - id: flip
        title: Flip {target}
        kind: step
        uses: promote
        risk: production
        killer: true
        each: target
        window: {after: look, opens: 24h, closes: 2d}
      - {id: tell, title: Tell, kind: manual, needs: [flip, plan], window: {before: due, closes: 1d}}
`

func TestResolve(t *testing.T) {
	tpl, err := checklist.Parse("own.yaml", []byte(own))
	if err != nil {
		t.Fatal(err)
	}
	got, err := checklist.Resolve(tpl, []checklist.TargetRef{{Name: "el8", Format: "rpm"}, {Name: "el9", Format: "rpm"}})
	if err != nil {
		t.Fatal(err)
	}
	build := func(target string) checklist.Item {
		return checklist.Item{ID: "build:" + target, Title: "Build " + target, Kind: checklist.Step, Uses: "build",
			Target: target, With: map[string]string{"speed": "fast"}, Needs: []string{"plan"},
			Risk: checklist.Staging, Help: "Builds " + target + "."}
	}
	look := func(target string) checklist.Item {
		return checklist.Item{ID: "look:" + target, Title: "Look at " + target, Kind: checklist.Check, Uses: "check.look",
			Target: target, Needs: []string{"build:" + target}, Risk: checklist.Safe}
	}
	flip := func(target string) checklist.Item {
		return checklist.Item{ID: "flip:" + target, Title: "Flip " + target, Kind: checklist.Step, Uses: "promote",
			Target: target, Risk: checklist.Production, Killer: true,
			Window: &checklist.Window{After: "look:" + target, Opens: 24 * time.Hour, Closes: 48 * time.Hour}}
	}
	want := checklist.Checklist{
		Template: "own", Title: "Our own", Owner: "Us",
		Contacts: []checklist.Contact{{Name: "Mail", Address: "us@example.org"}}, Channels: []string{"#ops"},
		Sections: []checklist.Section{
			{ID: "one", Title: "One", Note: "Two lines", Items: []checklist.Item{
				{ID: "plan", Title: "Plan", Kind: checklist.Manual, Risk: checklist.Safe, Asks: "link"},
				build("el8"), build("el9"), look("el8"), look("el9"),
			}},
			{ID: "two", Title: "Two", Items: []checklist.Item{
				flip("el8"), flip("el9"),
				{ID: "tell", Title: "Tell", Kind: checklist.Manual, Risk: checklist.Safe,
					Needs:  []string{"flip:el8", "flip:el9", "plan"},
					Window: &checklist.Window{Before: "due", Closes: 24 * time.Hour}},
			}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checklist (-want +got):\n%s", diff)
	}
	if !tpl.Serves("final") || tpl.Serves("beta") {
		t.Errorf("it serves %v", tpl.Kinds)
	}
}

func TestResolveRefuses(t *testing.T) {
	tpl, err := checklist.Parse("own.yaml", []byte(own))
	if err != nil {
		t.Fatal(err)
	}
	for name, targets := range map[string][]checklist.TargetRef{
		"no targets":      nil,
		"a nameless one":  {{Format: "rpm"}},
		"the same twice":  {{Name: "a"}, {Name: "a"}},
		"an empty folder": {},
	} {
		if list, err := checklist.Resolve(tpl, targets); err == nil {
			t.Errorf("%s: resolved to %+v", name, list)
		}
	}
}

func TestResolveWithoutTargetsWhereNoneAreNeeded(t *testing.T) {
	tpl, ok := checklist.Find("final")
	if !ok {
		t.Fatal("no template for final releases")
	}
	if _, err := checklist.Resolve(tpl, nil); err != nil {
		t.Error(err)
	}
}

func TestParseFindsMistakesAndWhereTheyAre(t *testing.T) {
	head := "name: own\ntitle: Own\nkinds: [patch]\nsections:\n  - id: s\n    title: S\n    items:\n"
	tests := map[string]struct {
		yaml string
		want []string // one for each error, in the file's order
	}{
		"empty":       {"", []string{"1:1: the file is empty"}},
		"nothing":     {"{}", []string{`1:1: name: "" is not a name`, "1:1: the checklist has no title", "serves no kind", "has no sections"}},
		"unknown key": {head + "      - {id: a, title: A, kind: manual, kller: true}\n", []string{`8:41: unknown key "kller", did you mean killer?`}},
		"names":       {"name: ../own\ntitle: Own\nkinds: [patch, '']\nsections: []\n", []string{`1:7: name: "../own" is not a name`, `3:16: kind: "" is not a name`, "4:11: the checklist has no sections"}},
		"sections":    {"name: own\ntitle: Own\nkinds: [patch]\nsections:\n  - {id: S, title: A, items: [{id: a, title: A, kind: manual}]}\n  - {id: s, items: []}\n  - {id: s, title: S}\n", []string{`5:10: "S" is not the id of a section`, "6:5: the section has no title", "6:20: the section has no items", "7:5: the section has no items", `7:10: another section has the id "s"`}},
		"item forms":  {head + "      - {id: A b, kind: sung, risk: high, each: day}\n", []string{"8:9: the item has no title", `8:14: "A b" is not the id`, `8:25: "sung" is not a kind`, `8:37: "high" is not a risk`, `8:49: an item cannot be for each "day"`}},
		"manual":      {head + "      - {id: a, title: A, kind: manual, uses: build, with: {x: y}}\n", []string{"8:47: a manual item is done by a person"}},
		"with":        {head + "      - {id: a, title: A, kind: manual, with: {x: y}}\n", []string{"8:47: these are options of what the item uses"}},
		"step":        {head + "      - {id: a, title: A, kind: step, asks: what}\n", []string{"8:9: the step does not say what makes it", "8:9: the step does not say its risk", "8:45: a step asks nobody"}},
		"check":       {head + "      - {id: a, title: A, kind: check, uses: Check.Key, risk: production}\n", []string{"8:46: the check does not say what makes it", "8:63: a check changes nothing"}},
		"target":      {head + "      - {id: a, title: 'A {target}', kind: manual}\n", []string{"8:9: the item speaks of {target}"}},
		"same id":     {head + "      - {id: a, title: A, kind: manual}\n      - {id: a, title: A, kind: manual}\n", []string{`9:14: another item has the id "a"`}},
		"needs":       {head + "      - {id: a, title: A, kind: manual}\n      - {id: b, title: B, kind: manual, needs: [a, c, a]}\n", []string{`9:52: there is no item "c"`, `9:55: "a" is needed twice`}},
		"itself":      {head + "      - {id: a, title: A, kind: manual, needs: [a]}\n", []string{"8:48: the item needs itself: a needs a"}},
		"circle":      {head + "      - {id: a, title: A, kind: manual, needs: [b]}\n      - {id: b, title: B, kind: manual, window: {after: a, opens: 1h}}\n", []string{"8:48: the item needs itself: a needs b needs a"}},
		"window none": {head + "      - {id: a, title: A, kind: manual, window: {opens: 1h}}\n", []string{"8:49: a window counts from one thing"}},
		"window both": {head + "      - {id: a, title: A, kind: manual}\n      - {id: b, title: B, kind: manual, window: {after: a, before: due}}\n", []string{"9:49: a window counts from one thing"}},
		"window day":  {head + "      - {id: a, title: A, kind: manual, window: {before: noon}}\n", []string{`8:58: a window cannot count back from "noon"`}},
		"window item": {head + "      - {id: a, title: A, kind: manual, window: {after: z, opens: 1h}}\n", []string{`8:57: there is no item "z"`}},
		"window each": {head + "      - {id: a, title: A, kind: manual, each: target}\n      - {id: b, title: B, kind: manual, window: {after: a, opens: 1h}}\n", []string{`9:57: "a" is done once for each target`}},
		"window idle": {head + "      - {id: a, title: A, kind: manual}\n      - {id: b, title: B, kind: manual, window: {after: a}}\n", []string{"9:49: the window neither opens nor closes"}},
		"window shut": {head + "      - {id: a, title: A, kind: manual, window: {before: due, opens: 1d, closes: 2d}}\n", []string{"8:49: the window closes before it opens"}},
		"window late": {head + "      - {id: a, title: A, kind: manual}\n      - {id: b, title: B, kind: manual, window: {after: a, opens: 48h, closes: 1d}}\n", []string{"9:49: the window closes before it opens"}},
		"wants":       {head + "      - {id: a, title: A, kind: manual, asks: x, wants: photo}\n      - {id: b, title: B, kind: manual, wants: url}\n", []string{`8:57: "photo" is not a form of evidence`, "9:48: the item wants a form and asks for nothing"}},
		"formats":     {head + "      - {id: a, title: A, kind: manual, formats: [rpm]}\n      - {id: b, title: B, kind: manual, each: target, formats: [rpm, zip]}\n", []string{"8:50: the item is not for each target", `9:70: "zip" is not a format`}},
		"window part": {head + "      - {id: a, title: A, kind: manual, each: target, formats: [rpm]}\n      - {id: b, title: B, kind: manual, each: target, window: {after: a, opens: 1h}}\n", []string{`9:71: "a" is not done for all targets that this item is for`}},
		"bad span":    {head + "      - {id: a, title: A, kind: manual, window: {before: due, opens: soon}}\n", []string{`8:70: "soon" is not a time span`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tpl, err := checklist.Parse("own.yaml", []byte(tt.yaml))
			if err == nil {
				t.Fatalf("it parsed: %+v", tpl)
			}
			var all config.Errors
			if !errors.As(err, &all) {
				t.Fatalf("the error is a %T: %v", err, err)
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(tt.want) {
				t.Fatalf("%d errors, want %d:\n%v", len(got), len(tt.want), err)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(got[i], "own.yaml:") || !strings.Contains(got[i], want) {
					t.Errorf("error %d is\n%s\nwant\n%s", i, got[i], want)
				}
			}
		})
	}
}
