package ui

import (
	"fmt"
	"strings"
	"testing"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/x/ansi"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/storage/tunnel"
)

// names that break layouts which count bytes or trust their input.
var names = map[string]string{
	"ascii":   "kernel",
	"long":    strings.Repeat("a-very-long-name-", 20),
	"cjk":     strings.Repeat("漢字かな交じり文", 12),
	"emoji":   strings.Repeat("👩‍🚀🇩🇪⚠️ ", 20),
	"hostile": "\x1b[2J\x1b]0;x\x07\r\n\t\u202e\u200b\x9b31m\xff\xfe",
	"empty":   "",
}

// rename puts a name wherever the world has foreign text.
func rename(f *fake, name string) {
	v := &f.view
	v.Product, v.Actor = name, name
	v.Trouble = []string{name, name}
	v.Hold = &checklist.Hold{Actor: name, Time: noon, Reason: name}
	v.Checklist.Release.Version, v.Checklist.Release.Kind = name, name
	v.Checklist.Release.Checklist.Owner = name
	for i := range v.Checklist.Sections {
		v.Checklist.Sections[i].Title = name
		for j := range v.Checklist.Sections[i].Views {
			it := &v.Checklist.Sections[i].Views[j]
			it.Title, it.Help, it.Because, it.Who, it.Asks = name, name, name, name, name
		}
	}
	for i := range v.Targets {
		v.Targets[i].Name, v.Targets[i].Path, v.Targets[i].URL, v.Targets[i].Drift = name, name, name, name
		v.Targets[i].Unseen = name
	}
	for i := range v.Runs {
		r := &v.Runs[i]
		r.Title, r.Actor, r.Host = name, name, name
		r.Status.Current, r.Status.Phase = name, name
		if r.Ended != nil {
			r.Ended = &checklist.Ended{Outcome: checklist.Failed, Error: name, Hint: name, Evidence: map[string]string{name: name}}
		}
	}
	for i := range f.staged {
		f.staged[i].File, f.staged[i].Detail, f.staged[i].OS, f.staged[i].Digest = name, name, name, name
	}
	inPart(f, name == "")
	f.view.Group.Verb, f.view.Group.Actor, f.view.Group.Host, f.view.Group.Status.Phase = name, name, name, name
	f.view.Group.Targets = []string{name}
	if f.view.Group.Ended != nil {
		f.view.Group.Ended.Error = name
	}
	v.Tunnels = []tunnel.State{{Name: config.Name(name), Word: tunnel.Up}, {Name: config.Name(name), Word: tunnel.Down, Reason: name}, {Name: "vm", Word: tunnel.Off}}
	f.findings = map[string][]string{}
	for _, a := range f.staged {
		f.findings[a.Key()] = []string{name}
	}
	f.plan.Title, f.plan.Target = name, name
	f.plan.Warnings = []string{name}
	f.plan.Added = []pipeline.Change{{Name: name, To: name}}
	f.plan.Changed = []pipeline.Change{{Name: name, From: name, To: name, Down: true}}
	f.plan.Removed = []pipeline.Change{{Name: name, From: name}}
	f.plan.Facts = map[string]string{name: name}
	f.plan.Alarms = []pipeline.Alarm{{Word: "removes-many", Text: name}}
	f.plan.Parts = []pipeline.Part{{Name: name}}
	for i := range v.Targets {
		t := &v.Targets[i]
		t.Apart, t.Warnings = []string{name}, []string{name}
		for j := range t.Snapshots {
			t.Snapshots[j].Label = name
		}
	}
	v.Days = []checklist.View{v.Checklist, v.Checklist}
	v.Open = []*checklist.ReleaseState{v.Checklist.Release, v.Checklist.Release}
	v.Watched = []pipeline.Watched{{Name: name, URL: name, Words: name, At: noon, Since: noon}, {Name: name, URL: name, Words: name}}
	f.review = &pipeline.Review{Notes: []string{name}, Repos: []pipeline.ReviewedRepo{{
		Name: name, Arch: name, Error: name, Notes: []string{name}, Advisories: []pipeline.Advisory{{ID: name, Severity: name, Title: name, CVEs: []string{name}}},
		Removed:  []pipeline.ReviewedPackage{{Name: name, Arch: name, From: name}},
		Upgraded: []pipeline.ReviewedPackage{{Name: name, Arch: name, From: name, To: name, Source: name, Advisories: []string{name}, Changelog: []pipeline.LogEntry{{Author: name, Text: name}}}},
	}}}
	for i := range f.events {
		f.events[i].Actor, f.events[i].Type, f.events[i].Data = name, name, []byte(name)
	}
}

// No screen is wider or higher than the terminal, whatever it shows.
func TestEveryScreenFits(t *testing.T) {
	keys := [][]string{
		{"1"}, {"1", "tab"}, {"2"}, {"2", "tab"}, {"3"}, {"3", "tab"}, {"4"}, {"4", "tab"}, {"5"}, {"5", "tab"},
		{"1", "?"}, {"3", "p"}, {"3", "r"}, {"3", "d"}, {"3", "a"}, {"1", " "}, {"1", "w"}, {"4", "c"}, {"q"}, {"1", "/", "x"}, {"3", " ", " ", "p"}, {"3", " "}, {"3", "U"}, {"3", "o"}, {"1", "tab", "right"},
		{"3", "w"}, {"3", "w", "tab"}, {"6"}, {"7"}, {"7", "tab"}, {"7", "up", "up", "up"}, {"7", "O"}, {"1", "down", "U"}, {"1", "E"},
	}
	var sizes [][2]int
	for _, w := range []int{1, 2, 5, 20, 59} {
		for _, h := range []int{1, 5, 60} {
			sizes = append(sizes, [2]int{w, h})
		}
	}
	for i, w := range []int{60, 61, 80, 99, 100, 123, 124, 139, 140, 200} {
		sizes = append(sizes, [2]int{w, 20}, [2]int{w, 19 + 4*i})
	}
	for kind, name := range names {
		for _, ks := range keys {
			f := newFake(t)
			rename(f, name)
			d := drive(t, f, 120, 40, Options{})
			d.press(ks...)
			for _, size := range sizes {
				d.send(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				if err := fits(d.m.View(), size[0], size[1]); err != nil {
					t.Fatalf("%s names, keys %q: %v", kind, ks, err)
				}
			}
		}
	}
}

// fits checks a frame: at most h lines of at most w cells, full ones where the
// console is drawn at all, and no sequences but SGR.
func fits(frame string, w, h int) error {
	lines := strings.Split(frame, "\n")
	if len(lines) > h {
		return fmt.Errorf("%dx%d: %d lines", w, h, len(lines))
	}
	for i, l := range lines {
		lw := ansi.StringWidth(l)
		if lw > w || w >= minWidth && h >= minHeight && lw != w {
			return fmt.Errorf("%dx%d: line %d is %d wide: %q", w, h, i, lw, l)
		}
		rest := l
		for {
			_, after, found := strings.Cut(rest, "\x1b")
			if !found {
				break
			}
			end := strings.IndexFunc(after[1:], func(r rune) bool { return r >= '@' && r <= '~' })
			if after[0] != '[' || end < 0 || after[end+1] != 'm' {
				return fmt.Errorf("%dx%d: line %d holds a sequence that is not SGR: %q", w, h, i, l)
			}
			rest = after
		}
		if strings.ContainsAny(l, "\r\t\a\b\x7f\u202e\u200b") {
			return fmt.Errorf("%dx%d: line %d holds a control character: %q", w, h, i, l)
		}
	}
	if w >= minWidth && h >= minHeight && len(lines) != h {
		return fmt.Errorf("%dx%d: %d lines", w, h, len(lines))
	}
	return nil
}

func TestTooSmallSaysSo(t *testing.T) {
	d := drive(t, newFake(t), 20, 5, Options{})
	text := strings.Join(strings.Fields(plainText(d.m.View())), " ")
	for _, want := range []string{"20x5", "60x20", "gantry status"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	d.press("3", "p")
	if len(d.fake.asked) > 0 {
		t.Errorf("acted unseen: %q", d.fake.asked)
	}
	d.press("H")
	if !d.fake.did("hold") {
		t.Error("cannot hold in a small terminal")
	}
	d.press("ctrl+c")
	d.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	d.sees("Quit while 1 run is live?")
}
