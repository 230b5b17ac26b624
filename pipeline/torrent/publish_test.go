package torrent_test

import (
	"os"
	"strings"
	"testing"

	"gantry/pipeline"
)

// What is held is published, whole and at once, and taken back again.
func TestPublish(t *testing.T) {
	w := newWorld(t)
	w.write("watch/start/other.torrent", "of somebody else")
	w.must("torrent.make")
	plan, ev := w.must("torrent.publish")
	m, _ := w.load("held/" + dvd + ".torrent")
	if n := plan.Count(); n.Added != 2 || plan.Added[1].Name != dvd || plan.Added[1].To != m.HashInfoBytes().HexString() || ev["published"] != "2" {
		t.Errorf("%+v, %v", plan, ev)
	}
	if got := w.files("watch/start"); got != boot+".torrent "+dvd+".torrent other.torrent" {
		t.Error(got)
	}
	if w.read("watch/start/"+dvd+".torrent") != w.read("held/"+dvd+".torrent") {
		t.Error("another torrent was published than the one that is held")
	}
	if to, err := os.Readlink(w.at("data/" + dvd + "/" + dvd + ".iso")); err != nil || to != w.at("production/9.7/isos/x86_64/"+dvd+".iso") {
		t.Errorf("%s %v", to, err)
	}
	if plan, _ := w.must("torrent.publish"); plan.Count() != (pipeline.Counts{}) {
		t.Errorf("published again: %+v", plan)
	}

	w.write("watch/start/"+boot+".torrent", "of somebody else")
	plan, ev = w.must("undo torrent.publish")
	if plan.Count() != (pipeline.Counts{Removed: 1}) || len(plan.Warnings) != 1 || ev["withdrawn"] != "1" {
		t.Errorf("%+v, %v", plan, ev)
	}
	if got := w.files("watch/start"); got != boot+".torrent other.torrent" {
		t.Error(got)
	}
	if plan, _ := w.must("undo torrent.publish"); plan.Count() != (pipeline.Counts{}) {
		t.Errorf("%+v", plan)
	}
}

// What production serves decides: a torrent of anything else is not published.
func TestPublishRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*world)
		words string
	}{
		"not made":  {func(w *world) { os.Remove(w.at("held/" + dvd + ".torrent")) }, "no torrent of " + dvd + " is held"},
		"no watch":  {func(w *world) { os.RemoveAll(w.at("watch")) }, "open what the seed box watches"},
		"no image":  {func(w *world) { os.Remove(w.at("production/9.7/isos/x86_64/" + dvd + ".iso")) }, "dvd x86_64: MISSING"},
		"shorter":   {func(w *world) { w.image("production/9.7", "x86_64", dvd, "dvd") }, "it names other files or sizes"},
		"unsummed":  {func(w *world) { os.Remove(w.at("production/9.7/isos/x86_64/CHECKSUM")) }, "NO CHECKSUM"},
		"no longer": {func(w *world) { w.write("held/"+dvd+".torrent", "d4:infod") }, "cut short"},
		"other image": {func(w *world) {
			w.image("production/9.7", "x86_64", dvd, strings.Repeat("DVD of x86_64. ", 40_000))
		}, "CHECKSUM, or the image beside it, has other bytes"},
		"one byte in the middle, with its checksum": {func(w *world) {
			b := []byte(strings.Repeat("dvd of x86_64. ", 40_000))
			b[300_000] = 'X' // in a piece that holds nothing but the image
			w.image("production/9.7", "x86_64", dvd, string(b))
		}, "CHECKSUM, or the image beside it, has other bytes"},
		"signed since": {func(w *world) {
			w.write("production/9.7/isos/x86_64/"+dvd+".iso.manifest", "new")
		}, "it names other files or sizes"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must("torrent.make")
			tc.spoil(w)
			_, _, err := w.run("torrent.publish")
			wants(t, err, tc.words)
			if entries, _ := os.ReadDir(w.at("watch/start")); len(entries) > 0 {
				t.Errorf("published %v", entries)
			}
		})
	}
}

// Making goes stale with the images, publishing with the torrents too, and neither
// by what it does itself.
func TestInputs(t *testing.T) {
	w := newWorld(t)
	inputs := func(uses string) string {
		step, env, err := w.make(uses)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := step.(pipeline.Observer).Inputs(t.Context(), env)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	made := inputs("torrent.make")
	plan, _ := w.must("torrent.make")
	if inputs("torrent.make") != made || plan.Inputs != made {
		t.Error("making makes itself stale")
	}
	published := inputs("torrent.publish")
	w.must("torrent.publish")
	if inputs("torrent.publish") != published {
		t.Error("publishing makes itself stale")
	}
	w.image("production/9.7", "x86_64", dvd, "another")
	if inputs("torrent.make") == made {
		t.Error("a changed image is not seen")
	}
	w.must("torrent.make")
	if inputs("torrent.publish") == published {
		t.Error("a changed torrent is not seen")
	}
}
