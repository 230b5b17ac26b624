package torrent_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/torrent"
)

// A torrent is laid out as the seed box has it, and held back.
func TestMake(t *testing.T) {
	w := newWorld(t)
	plan, ev := w.must("torrent.make")
	if n := plan.Count(); n.Added != 2 || n.Changed != 0 {
		t.Errorf("plan %+v", plan)
	}
	m, info := w.load("held/" + dvd + ".torrent")
	if ev["made"] != "2" || ev[dvd] != m.HashInfoBytes().HexString() {
		t.Errorf("evidence %v", ev)
	}
	var files []string
	for _, f := range info.Files {
		files = append(files, strings.Join(f.Path, "/"))
	}
	if diff := cmp.Diff([]string{"CHECKSUM", dvd + ".iso", dvd + ".iso.CHECKSUM"}, files); diff != "" {
		t.Error(diff)
	}
	if info.Name != dvd || info.PieceLength != 256<<10 || info.NumPieces() != 3 || info.Private != nil {
		t.Errorf("%s: %d pieces of %d, private %v", info.Name, info.NumPieces(), info.PieceLength, info.Private)
	}
	if diff := cmp.Diff([][]string{{"udp://a.example:1337/announce"}, {"udp://b.example:80/announce"}}, [][]string(m.AnnounceList)); diff != "" || m.Announce != m.AnnounceList[0][0] {
		t.Errorf("%s %s", m.Announce, diff)
	}
	if m.Comment != "https://docs.example/9_7/" || m.CreationDate != w.now.Unix() || m.CreatedBy != "gantry" {
		t.Errorf("%+v", m)
	}
	if got := w.files("data/" + dvd); got != "CHECKSUM CHECKSUM.asc "+dvd+".iso "+dvd+".iso.CHECKSUM" {
		t.Error(got)
	}
	if to, err := os.Readlink(w.at("data/" + dvd + "/" + dvd + ".iso")); err != nil || to != w.at("production/9.7/isos/x86_64/"+dvd+".iso") {
		t.Errorf("%s %v", to, err)
	}
	// what the library makes of that directory, without the signature, has the same pieces
	if err := os.Remove(w.at("data/" + dvd + "/CHECKSUM.asc")); err != nil {
		t.Fatal(err)
	}
	theirs := info
	theirs.Pieces = nil
	if err := theirs.BuildFromFilePath(w.at("data/" + dvd)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(theirs.Pieces, info.Pieces); diff != "" {
		t.Error(diff)
	}
}

// A torrent whose image changed is made anew, one of an image that is not what its
// checksum says is not made, and making publishes nothing.
func TestH22StaleTorrents(t *testing.T) {
	w := newWorld(t)
	w.must("torrent.make")
	before, other := w.read("held/"+dvd+".torrent"), w.read("held/"+boot+".torrent")
	w.now = w.now.Add(time.Hour)
	if plan, ev := w.must("torrent.make"); ev["made"] != "0" || plan.Count() != (pipeline.Counts{}) {
		t.Errorf("made %s, %+v", ev["made"], plan.Count())
	}
	if w.read("held/"+dvd+".torrent") != before {
		t.Error("one that is right was written again")
	}

	// of the same size and with the old time
	text := "DVD" + w.read("production/9.7/isos/x86_64/" + dvd + ".iso")[3:]
	w.image("production/9.7", "x86_64", dvd, text)
	for _, name := range []string{dvd + ".iso", dvd + ".iso.CHECKSUM", "CHECKSUM"} {
		if err := os.Chtimes(w.at("production/9.7/isos/x86_64/"+name), w.now, w.now); err != nil {
			t.Fatal(err)
		}
	}
	if _, ev := w.must("torrent.make"); ev["made"] != "1" {
		t.Errorf("made %s", ev["made"])
	}
	if w.read("held/"+dvd+".torrent") == before || w.read("held/"+boot+".torrent") != other {
		t.Error("another torrent was made than that of the changed image")
	}

	// of another size: the plan sees it
	w.image("production/9.7", "x86_64", dvd, text+text)
	if plan, _ := w.must("torrent.make"); plan.Count() != (pipeline.Counts{Changed: 1}) {
		t.Errorf("%+v", plan.Count())
	}

	// of other bytes than its checksum says
	w.write("production/9.7/isos/x86_64/"+dvd+".iso", "X"+(text + text)[1:])
	held := w.read("held/" + dvd + ".torrent")
	_, _, err := w.run("torrent.make")
	wants(t, err, "its checksum is")
	if w.read("held/"+dvd+".torrent") != held {
		t.Error("a torrent of an image that is not verified")
	}
	if got := w.files("watch/start"); got != "" {
		t.Errorf("making published %s", got)
	}
}

func TestMakeRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*world)
		words string
	}{
		"no checksum": {func(w *world) { os.Remove(w.at("production/9.7/isos/x86_64/CHECKSUM")) }, "dvd x86_64: NO CHECKSUM"},
		"twice the name": {func(w *world) {
			w.images = strings.Replace(isos, "-{arch}-{variant}", "-{variant}", 1)
			for _, arch := range []string{"x86_64", "aarch64"} {
				w.image("production/9.7", arch, "Rocky-9.7-boot", "boot")
				w.image("production/9.7", arch, "Rocky-9.7-dvd", "dvd")
			}
			w.images = strings.Replace(w.images, ", except: [x86_64/boot, aarch64/dvd]", "", 1)
			w.images = strings.Replace(w.images, "boot, dvd", "dvd", 1)
		}, "dvd aarch64: another image is called Rocky-9.7-dvd.iso too"},
		"missing image": {func(w *world) { os.Remove(w.at("production/9.7/isos/x86_64/" + dvd + ".iso")) }, "dvd x86_64: MISSING"},
		"a file for a link": {func(w *world) {
			w.write("data/"+dvd+"/"+dvd+".iso", "downloaded")
		}, "something else is there that is no link"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			tc.spoil(w)
			_, _, err := w.run("torrent.make")
			wants(t, err, tc.words)
		})
	}
}

func TestMakeConfiguration(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*config.Torrents)
		words  string
	}{
		"held where it is watched": {func(t *config.Torrents) { t.Held = "watch/start" }, "held is "},
		"held below":               {func(t *config.Torrents) { t.Held = "watch/start/held" }, "held is "},
		"held through a link":      {func(t *config.Torrents) { t.Held = "link/held" }, "held is "},
		"data below":               {func(t *config.Torrents) { t.Data = "watch/start/d" }, "data is "},
		"beside":                   {func(t *config.Torrents) { t.Held = "watch/started" }, ""},
		"no tracker":               {func(t *config.Torrents) { t.Trackers = nil }, "there is no tracker"},
		"odd piece":                {func(t *config.Torrents) { t.Piece = "3MiB" }, "no size of a piece"},
		"small piece":              {func(t *config.Torrents) { t.Piece = "8KiB" }, "no size of a piece"},
		"large piece":              {func(t *config.Torrents) { t.Piece = "128MiB" }, "no size of a piece"},
		"bytes":                    {func(t *config.Torrents) { t.Piece = "1048576" }, "no size of a piece"},
		"piece":                    {func(t *config.Torrents) { t.Piece = "4MiB" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if err := os.Symlink("watch/start", w.at("link")); err != nil {
				t.Fatal(err)
			}
			_, env, err := w.make("torrent.make")
			if err != nil {
				t.Fatal(err)
			}
			tc.change(&env.Config.Torrents[0])
			_, err = torrent.Make(env.Config, checklist.Item{Uses: "torrent.make", Target: "rocky-9", With: map[string]string{"name": "T"}})
			wants(t, err, tc.words)
		})
	}
	w := newWorld(t)
	_, env, _ := w.make("torrent.make")
	for words, item := range map[string]checklist.Item{
		"no option":         {Uses: "torrent.make", Target: "rocky-9", With: map[string]string{"name": "T", "x": "y"}},
		"torrents has no":   {Uses: "torrent.make", Target: "rocky-9", With: map[string]string{"name": "U"}},
		"about no tree":     {Uses: "torrent.make", With: map[string]string{"name": "T"}},
		"nothing to do wit": {Uses: "torrent.burn", Target: "rocky-9", With: map[string]string{"name": "T"}},
	} {
		_, err := torrent.Make(env.Config, item)
		wants(t, err, words)
	}
}

// Links to what is not there any more go; a run that is cancelled ends.
func TestMakeAgain(t *testing.T) {
	w := newWorld(t)
	w.write("production/9.7/isos/x86_64/"+dvd+".iso.manifest", "a list")
	w.must("torrent.make")
	if err := os.Remove(w.at("production/9.7/isos/x86_64/" + dvd + ".iso.manifest")); err != nil {
		t.Fatal(err)
	}
	w.must("torrent.make")
	if got := w.files("data/" + dvd); strings.Contains(got, "manifest") {
		t.Error(got)
	}
	step, env, _ := w.make("torrent.make")
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := step.Run(ctx, env, pipeline.Plan{}, pipeline.NewProgress(nil)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Other clients read what is made.
func TestMakeForClients(t *testing.T) {
	if _, err := exec.LookPath("transmission-show"); err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	w := newWorld(t)
	w.must("torrent.make")
	out, err := exec.Command("transmission-show", w.at("held/"+dvd+".torrent")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	m, _ := w.load("held/" + dvd + ".torrent")
	for _, words := range []string{
		"Name: " + dvd, "Hash: " + m.HashInfoBytes().HexString(), "Created by: gantry", "Comment: https://docs.example/9_7/",
		"Piece Count: 3", "Piece Size: 256.0 KiB", "Privacy: Public torrent",
		"Tier #1\n  udp://a.example:1337/announce", "Tier #2\n  udp://b.example:80/announce",
		"  " + dvd + "/" + dvd + ".iso (600.0 kB)", dvd + "/CHECKSUM (", dvd + "/" + dvd + ".iso.CHECKSUM (",
	} {
		if !strings.Contains(string(out), words) {
			t.Errorf("it does not say %q:\n%s", words, out)
		}
	}
	if strings.Contains(string(out), "CHECKSUM.asc") {
		t.Error("the signature is in the torrent")
	}
}
