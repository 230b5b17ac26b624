package torrent_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

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
		"other trackers by now": {func(w *world) {
			w.torrents = strings.Replace(defaults, "b.example", "c.example", 1)
		}, "is not as release.yaml has it by now"},
		"a seed of its own": {func(w *world) {
			at := "held/" + dvd + ".torrent"
			text := w.read(at)
			w.write(at, text[:len(text)-1]+"8:url-list19:http://evil.examplee")
		}, "is not as release.yaml has it by now"},
		"a pipe": {func(w *world) {
			at := w.at("held/" + dvd + ".torrent")
			os.Remove(at)
			if err := unix.Mkfifo(at, 0o600); err != nil {
				w.t.Fatal(err)
			}
		}, "not a regular file"},
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

// A console that died between the record and the torrent itself lost nothing: what
// was published before can be taken back still, and only that.
func TestH22WithdrawAfterACrash(t *testing.T) {
	w := newWorld(t)
	w.must("torrent.make")
	w.must("torrent.publish")
	w.image("production/9.7", "x86_64", dvd, strings.Repeat("new dvd, x86_64", 40_000))
	w.must("torrent.make")
	step, env, err := w.make("torrent.publish")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := step.Plan(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	if n := plan.Count(); n.Changed != 1 {
		t.Fatalf("%+v", plan)
	}
	w.mkdir("watch/start/." + dvd + ".torrent.gantry.~tmp~/in-the-way") // the torrent cannot be written, the record can
	if _, err := step.Run(t.Context(), env, plan, pipeline.NewProgress(nil)); err == nil {
		t.Fatal("it was to fail")
	}
	plan, ev := w.must("undo torrent.publish")
	if len(plan.Warnings) > 0 || plan.Count().Removed != 2 || ev["withdrawn"] != "2" {
		t.Errorf("%+v, %v", plan, ev)
	}
}

// What was not planned is neither published nor withdrawn.
func TestPublishIsOfThePlan(t *testing.T) {
	w := newWorld(t)
	w.must("torrent.make")
	step, env, err := w.make("torrent.publish")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := step.Plan(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	w.image("production/9.7", "x86_64", dvd, "another one")
	w.must("torrent.make")
	var conflict *pipeline.ConflictError
	if _, err := step.Run(t.Context(), env, plan, pipeline.NewProgress(nil)); !errors.As(err, &conflict) {
		t.Errorf("%v", err)
	}
	if got := w.files("watch/start"); strings.Contains(got, dvd) {
		t.Errorf("published %s", got)
	}
}
