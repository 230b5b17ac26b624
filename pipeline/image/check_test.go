package image_test

import (
	"os"
	"strings"
	"testing"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline/image"
)

// What is missing, empty, unread or not what its checksum says is never a pass.
func TestH19ImagesAgainstChecksums(t *testing.T) {
	const dvd = "x86_64/Rocky-9.7-x86_64-dvd.iso"
	for name, tc := range map[string]struct {
		spoil func(*world)
		words string
		row   string // of the dvd
	}{
		"whole": {func(*world) {}, "", "x86_64 verified, aarch64 none wanted"},
		"without own files": {func(w *world) {
			w.remove(dvd + ".CHECKSUM")
		}, "", "x86_64 verified, aarch64 none wanted"},
		"missing":          {func(w *world) { w.remove(dvd) }, "dvd x86_64: no Rocky-9.7-x86_64-dvd.iso", "x86_64 MISSING"},
		"directory":        {func(w *world) { os.RemoveAll(w.at("aarch64")) }, "isos/aarch64 is not there", "x86_64 verified"},
		"empty":            {func(w *world) { w.write(dvd, "") }, "dvd.iso is empty", "x86_64 EMPTY"},
		"shorter":          {func(w *world) { w.write(dvd, "dvd") }, "dvd.iso has 3 bytes, CHECKSUM says 13", "x86_64 MISMATCH"},
		"other bytes":      {func(w *world) { w.write(dvd, "dvd of x86_65") }, "has the SHA-256 " + digest("dvd of x86_65"), "x86_64 MISMATCH"},
		"page of an error": {func(w *world) { w.write("x86_64/CHECKSUM", "<html>404</html>\n") }, "CHECKSUM: line 1", "x86_64 UNREADABLE"},
		"no checksums":     {func(w *world) { w.remove("x86_64/CHECKSUM") }, "x86_64: no CHECKSUM", "x86_64 NO CHECKSUM"},
		"empty checksums":  {func(w *world) { w.write("x86_64/CHECKSUM", "") }, "x86_64: no CHECKSUM", "x86_64 NO CHECKSUM"},
		"not named": {func(w *world) {
			w.write("x86_64/CHECKSUM", pair("Rocky-9.7-x86_64-boot.iso", "boot of x86_64"))
		}, "CHECKSUM does not name Rocky-9.7-x86_64-dvd.iso", "x86_64 NO CHECKSUM"},
		"named and gone": {func(w *world) {
			w.write("x86_64/CHECKSUM", w.read("x86_64/CHECKSUM")+pair("gone.iso", "gone"))
		}, "CHECKSUM names gone.iso, which is not there", "x86_64 verified"},
		"there and not named": {func(w *world) { w.write("x86_64/new.iso", "new") }, "CHECKSUM does not name new.iso", "x86_64 verified"},
		"own file differs": {func(w *world) {
			w.write(dvd+".CHECKSUM", pair("Rocky-9.7-x86_64-dvd.iso", "dvd of x86_65"))
		}, "do not agree", "x86_64 verified"},
		"link to nowhere": {func(w *world) {
			w.remove("x86_64/Rocky-9-latest-x86_64-dvd.iso")
			if err := os.Symlink("../..", w.at("x86_64/Rocky-9-latest-x86_64-dvd.iso")); err != nil {
				w.t.Fatal(err)
			}
		}, "is a link that leads to no file beside it", "x86_64 verified"},
		"a directory as file": {func(w *world) {
			w.remove("x86_64/CHECKSUM")
			w.write("x86_64/CHECKSUM/x", "x")
		}, "no CHECKSUM", "x86_64 NO CHECKSUM"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.fill()
			if _, _, err := w.run("image.checksum"); err != nil {
				t.Fatal(err)
			}
			tc.spoil(w)
			_, ev, err := w.run("image.check")
			wants(t, err, tc.words)
			if !strings.Contains(ev["ISOS dvd"], tc.row) {
				t.Errorf("evidence %v", ev)
			}
			if err == nil && (ev["verified"] != "3" || ev["images"] != "3") {
				t.Errorf("evidence %v", ev)
			}
		})
	}
}

// A date in a name may be any; two of them are a finding that names both.
func TestCheckDates(t *testing.T) {
	w := newWorld(t)
	w.images = `{name: ISOS, target: rocky-9, dir: "isos/{arch}", file: "Rocky-{major}-Cloud-{variant}-{revision}-*.{arch}.qcow2", variants: [Base], architectures: [x86_64]}`
	const name = "Rocky-9-Cloud-Base-9.7-20251121.0.x86_64.qcow2"
	w.write("x86_64/"+name, "cloud")
	if _, _, err := w.run("image.checksum"); err != nil {
		t.Fatal(err)
	}
	if got := w.read("x86_64/CHECKSUM"); got != pair(name, "cloud") {
		t.Error(got)
	}
	if _, ev, err := w.run("image.check"); err != nil || ev["ISOS Base"] != "x86_64 verified" {
		t.Errorf("%v %v", ev, err)
	}
	const other = "Rocky-9-Cloud-Base-9.7-20251123.2.x86_64.qcow2"
	w.write("x86_64/"+other, "cloud")
	_, _, err := w.run("image.check")
	wants(t, err, "Base x86_64: "+name+", "+other+" could each be Rocky-9-Cloud-Base-9.7-*.x86_64.qcow2")
	w.remove("x86_64/" + name)
	w.remove("x86_64/" + other)
	w.write("x86_64/Rocky-9-Cloud-Base-9.7-latest.x86_64.qcow2", "cloud")
	_, _, err = w.run("image.check")
	wants(t, err, "Base x86_64: no Rocky-9-Cloud")
}

// A check goes stale when something there changes.
func TestCheckInputs(t *testing.T) {
	w := newWorld(t)
	w.fill()
	was := w.inputs("image.check")
	if w.inputs("image.check") != was {
		t.Error("it changes on its own")
	}
	w.write("x86_64/CHECKSUM", "x")
	if w.inputs("image.check") == was {
		t.Error("a new file is not seen")
	}
	os.RemoveAll(w.at("."))
	w.inputs("image.check") // it can be told though nothing is there
}

func TestMakeRefuses(t *testing.T) {
	w := newWorld(t)
	_, env := w.make("image.check")
	for words, item := range map[string]checklist.Item{
		"no option":              {Uses: "image.check", Target: "rocky-9", With: map[string]string{"name": "ISOS", "nmae": "x"}},
		"no matrix":              {Uses: "image.check", Target: "rocky-9", With: map[string]string{"name": "other"}},
		"about no tree":          {Uses: "image.check", With: map[string]string{"name": "ISOS"}},
		"nothing to do with ima": {Uses: "image.other", Target: "rocky-9", With: map[string]string{"name": "ISOS"}},
	} {
		_, err := image.Make(env.Config, item)
		wants(t, err, words)
	}
	env.Config.Images[0].In = "production"
	_, err := image.Make(env.Config, checklist.Item{Uses: "image.checksum", Target: "rocky-9", With: map[string]string{"name": "ISOS"}})
	wants(t, err, "would write into production")
	if config.HintOf(err) == "" {
		t.Error("no hint")
	}
	step, env := w.make("image.check")
	env.Version = "nine"
	_, err = step.Plan(t.Context(), env)
	wants(t, err, "no version")
}
