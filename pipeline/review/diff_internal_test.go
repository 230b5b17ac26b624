package review

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline/repodata"
)

// stock is packages written as name-version-release.arch, with =x for other bytes.
func stock(t *testing.T, text string) packages {
	t.Helper()
	all := packages{}
	for _, word := range strings.Fields(text) {
		word, sum, _ := strings.Cut(word, "=")
		nvr, arch, _ := strings.Cut(word, "@")
		name, evr, _ := strings.Cut(nvr, "/")
		epoch, v, r, err := repodata.ParseEVR(evr)
		if err != nil {
			t.Fatal(err)
		}
		all.add(repodata.PackageRef{NEVRA: repodata.NEVRA{Name: name, Epoch: epoch, Version: v, Release: r, Arch: arch}, SHA256: word + sum})
	}
	return all
}

// told is changes as one text.
func told(c *changes) []string {
	var all []string
	for _, list := range []struct {
		word string
		of   []change
	}{{"added", c.added}, {"upgraded", c.upgraded}, {"downgraded", c.downgraded}, {"removed", c.removed}, {"rebuilt", c.rebuilt}} {
		for _, one := range list.of {
			text := list.word + " " + one.name + "." + one.arch
			if one.from != nil {
				text += " " + one.from.evr
			}
			if one.to != nil {
				text += " > " + one.to.evr
			}
			all = append(all, text)
		}
	}
	return all
}

func TestWhatDiffers(t *testing.T) {
	for _, test := range []struct {
		name, from, to string
		want           []string
	}{
		{"nothing", "a/1-1@x b/1-1@x", "b/1-1@x a/1-1@x", nil},
		{"added", "a/1-1@x", "a/1-1@x b/1-1@x", []string{"added b.x > 1-1"}},
		{"removed", "a/1-1@x b/1-1@x", "a/1-1@x", []string{"removed b.x 1-1"}},
		{"upgraded", "a/1-9@x", "a/1-10@x", []string{"upgraded a.x 1-9 > 1-10"}},
		{"by its epoch", "a/9-1@x", "a/1:1-1@x", []string{"upgraded a.x 9-1 > 1:1-1"}},
		{"downgraded", "a/1-10@x", "a/1-9@x", []string{"downgraded a.x 1-10 > 1-9"}},
		{"rebuilt", "a/1-1@x", "a/1-1@x=other", []string{"rebuilt a.x 1-1 > 1-1"}},
		{"each architecture", "a/1-1@x a/1-1@y", "a/2-1@x a/1-1@y", []string{"upgraded a.x 1-1 > 2-1"}},
		{"beside the older", "a/1-1@x", "a/1-1@x a/2-1@x", []string{"upgraded a.x 1-1 > 2-1"}},
		{"two at once beside the older", "a/1-1@x", "a/1-1@x a/2-1@x a/3-1@x", []string{"added a.x > 2-1", "upgraded a.x 1-1 > 3-1"}},
		{"an older one added", "a/2-1@x", "a/2-1@x a/1-1@x", []string{"added a.x > 1-1"}},
		{"an older one removed", "a/1-1@x a/2-1@x", "a/2-1@x", []string{"removed a.x 1-1"}},
		{"an older one rebuilt", "a/1-1@x a/2-1@x", "a/1-1@x=other a/2-1@x", []string{"rebuilt a.x 1-1 > 1-1"}},
		{"the newest withdrawn", "a/1-1@x a/2-1@x", "a/1-1@x", []string{"downgraded a.x 2-1 > 1-1"}},
		{"upgraded, and an old one gone", "a/1-1@x a/2-1@x", "a/3-1@x", []string{"upgraded a.x 2-1 > 3-1", "removed a.x 1-1"}},
		{"the same for rpm under another name", "a/1.0-1@x", "a/1.00-1@x", []string{"added a.x > 1.00-1", "removed a.x 1.0-1"}},
		{"at two places", "a/1-1@x b/1-1@x", "a/1-1@x a/1-1@x a/2-1@x a/2-1@x b/1-1@x c/1-1@x c/1-1@x", []string{"added c.x > 1-1", "upgraded a.x 1-1 > 2-1"}},
		{"once more with other bytes", "a/1-1@x a/1-1@x=other", "a/1-1@x=other a/1-1@x b/1-1@x", []string{"added b.x > 1-1"}},
		{"a stream of a module", "n/18.1-1.module+el9@x n/20.1-1.module+el9@x", "n/18.2-1.module+el9@x n/20.1-1.module+el9@x",
			[]string{"upgraded n.x 18.1-1.module+el9 > 18.2-1.module+el9"}},
		{"a stream beside its older version", "n/18.1-1.module+el9@x n/20.1-1.module+el9@x", "n/18.1-1.module+el9@x n/18.2-1.module+el9@x n/20.1-1.module+el9@x",
			[]string{"upgraded n.x 18.1-1.module+el9 > 18.2-1.module+el9"}},
		{"both streams", "n/18.1-1.module+el9@x n/20.1-1.module+el9@x", "n/18.2-1.module+el9@x n/20.2-1.module+el9@x",
			[]string{"upgraded n.x 20.1-1.module+el9 > 20.2-1.module+el9", "upgraded n.x 18.1-1.module+el9 > 18.2-1.module+el9"}},
		{"a new stream", "n/18.1-1.module+el9@x", "n/18.1-1.module+el9@x n/20.1-1.module+el9@x", []string{"upgraded n.x 18.1-1.module+el9 > 20.1-1.module+el9"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(test.want, told(diff(stock(t, test.from), stock(t, test.to)))); d != "" {
				t.Error(d)
			}
			if test.from == test.to {
				t.Error("the test compares nothing")
			}
		})
	}
}

func TestFreshEntriesOfChangelog(t *testing.T) {
	e := func(day, second int64, text string) repodata.Change {
		return repodata.Change{Author: "a", Time: day*24*60*60 + 43200 + second, Text: text}
	}
	for _, test := range []struct {
		name     string
		old, log []repodata.Change
		built    int64
		want     string
	}{
		{"one more", []repodata.Change{e(1, 0, "a"), e(2, 0, "b")}, []repodata.Change{e(1, 0, "a"), e(2, 0, "b"), e(3, 0, "c")}, 0, "c"},
		{"two of a day", []repodata.Change{e(1, 0, "a")}, []repodata.Change{e(1, 0, "a"), e(1, 1, "b")}, 0, "b"},
		{"moved by a second", []repodata.Change{e(1, 0, "a")}, []repodata.Change{e(1, 0, "z"), e(1, 1, "a"), e(2, 0, "b")}, 0, "b z"},
		{"the newest first", []repodata.Change{e(1, 0, "a")}, []repodata.Change{e(2, 0, "b"), e(3, 0, "c"), e(3, 1, "d")}, 0, "d c b"},
		{"an old one that is new to it", []repodata.Change{e(5, 0, "a")}, []repodata.Change{e(2, 0, "b"), e(5, 0, "a")}, 0, ""},
		{"of the newest only, built late", []repodata.Change{e(5, 0, "a")}, []repodata.Change{e(6, 0, "b")}, 9 * 24 * 60 * 60, "b"},
		{"no old log", nil, []repodata.Change{e(2, 0, "b"), e(5, 0, "a")}, 3 * 24 * 60 * 60, "a"},
		{"nothing", nil, nil, 0, ""},
	} {
		var got []string
		for _, one := range fresh(test.old, test.log, test.built) {
			got = append(got, one.Text)
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
