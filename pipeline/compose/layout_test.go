package compose_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline"
)

var minor = map[string]string{
	"drop":   "Minimal,Cloud,BaseOS/*/iso",
	"link":   "NFV=nfv",
	"beside": "latest-{major},{revision},{revision}{suffix}",
}

const info = `[header]
type = productmd.treeinfo
version = 1.2

[release]
name = Rocky Linux
short = Rocky
version = 9.7

[tree]
arch = x86_64
build_timestamp = 1763719200
platforms = x86_64,xen
variants = BaseOS

[variant-BaseOS]
id = BaseOS
name = BaseOS
packages = Packages
repository = .
type = variant
uid = BaseOS
`

// minor is a compose as it comes to staging.
func (w *world) minor() {
	w.repo(staged+"BaseOS/x86_64/os", true)
	w.repo(staged+"AppStream/x86_64/os", true)
	w.repo(staged+"NFV/x86_64/os", true)
	w.repo(staged+"extras/x86_64/os", false)
	w.repo(staged+"BaseOS/x86_64/debug/tree", false)
	w.repo(staged+"Minimal/x86_64/os", true)
	w.write(staged+"BaseOS/x86_64/os/.treeinfo", info)
	w.write(staged+"BaseOS/x86_64/os/images/boot.iso", "boots")
	w.symlink("bash-5.rpm", staged+"BaseOS/x86_64/os/Packages/b/latest.rpm")
	w.write(staged+"BaseOS/x86_64/iso/Rocky-9.7-x86_64-dvd.iso", "dvd")
	w.write(staged+"BaseOS/x86_64/iso/Rocky-9.7-x86_64-dvd.iso.manifest", "files")
	w.write(staged+"BaseOS/x86_64/iso/Rocky-9.7-x86_64-boot.iso", "boot")
	w.write(staged+"Minimal/x86_64/iso/Rocky-9.7-x86_64-minimal.iso", "minimal")
	w.write(staged+"Cloud/x86_64/readme", "cloud")
}

func TestLayout(t *testing.T) {
	w := newWorld(t)
	w.minor()
	w.compose("Rocky-9.7-20251121.101500")
	w.must(os.Chtimes(w.path(staged+"BaseOS/x86_64/os/Packages"), time.Unix(1e9, 0), time.Unix(1e9, 0)))
	compose := w.files("c")
	s := w.step("compose.layout", minor)
	plan, ev := w.run(s)
	names := map[string][]string{}
	for list, all := range map[string][]pipeline.Change{"added": plan.Added, "changed": plan.Changed, "removed": plan.Removed} {
		for _, c := range all {
			names[list] = append(names[list], c.Name)
		}
	}
	if diff := cmp.Diff(map[string][]string{
		"added": {
			"isos/x86_64/Rocky-9.7-x86_64-boot.iso", "isos/x86_64/Rocky-9.7-x86_64-dvd.iso", "isos/x86_64/Rocky-9.7-x86_64-dvd.iso.manifest",
			"isos/x86_64/Rocky-9.7-x86_64-minimal.iso", "isos/x86_64/Rocky-9-latest-x86_64-boot.iso", "isos/x86_64/Rocky-9-latest-x86_64-dvd.iso",
			"isos/x86_64/Rocky-9-latest-x86_64-minimal.iso",
			"AppStream/x86_64/kickstart", "BaseOS/x86_64/kickstart", "NFV/x86_64/kickstart",
			"BaseOS/x86_64/os/.treeinfo-pristine", "nfv", "../latest-9", "../9.7",
		},
		"changed": {"BaseOS/x86_64/os/.treeinfo"},
		"removed": {"Minimal", "Cloud", "BaseOS/x86_64/iso"},
	}, names); diff != "" {
		t.Error(diff)
	}
	if len(plan.Alarms) > 0 || ev["done"] != "18" || plan.Bytes == 0 || !strings.Contains(plan.Removed[0].To, "(") {
		t.Errorf("alarms %v, did %v, %+v", plan.Alarms, ev, plan.Removed)
	}
	for name, to := range map[string]string{
		staged + "isos/x86_64/Rocky-9-latest-x86_64-minimal.iso": "Rocky-9.7-x86_64-minimal.iso",
		staged + "nfv":   "NFV",
		"s/pub/latest-9": "9.7-RC2",
		"s/pub/9.7":      "9.7-RC2",
		staged + "BaseOS/x86_64/kickstart/Packages/b/latest.rpm": "bash-5.rpm",
	} {
		if is := w.leads(name); is != to {
			t.Errorf("%s leads to %s, not to %s", name, is, to)
		}
	}
	after := w.files(staged)
	for _, gone := range []string{"Minimal/x86_64/iso/Rocky-9.7-x86_64-minimal.iso", "Cloud/x86_64/readme", "BaseOS/x86_64/iso/Rocky-9.7-x86_64-dvd.iso"} {
		if _, there := after[gone]; there {
			t.Errorf("%s is still there", gone)
		}
	}
	for name := range after {
		if strings.Contains(name, "~tmp~") {
			t.Errorf("left %s behind", name)
		}
	}
	for _, kind := range []string{"os", "kickstart"} {
		text := after["BaseOS/x86_64/"+kind+"/.treeinfo"]
		if !strings.Contains(text, "\nvariants = BaseOS,AppStream\n") || !strings.Contains(text, "\nrepository = ../../../AppStream/x86_64/"+kind+"/\n") ||
			after["BaseOS/x86_64/"+kind+"/.treeinfo-pristine"] != text {
			t.Errorf("%s/.treeinfo is:\n%s", kind, text)
		}
	}
	if diff := cmp.Diff(compose, w.files("c")); diff != "" {
		t.Errorf("the compose was written to: %s", diff)
	}
	for name, linked := range map[string]bool{"Packages/b/bash-5.rpm": true, "images/boot.iso": true, "repodata/repomd.xml": false, "repodata/primary.xml": false, ".treeinfo": false} {
		if same(w, "BaseOS/x86_64/os/"+name, "BaseOS/x86_64/kickstart/"+name) != linked {
			t.Errorf("%s of kickstart is the file of os: %t", name, !linked)
		}
	}
	for _, name := range []string{"Packages", "repodata/repomd.xml", "repodata"} {
		of, err := os.Stat(w.path(staged + "BaseOS/x86_64/os/" + name))
		w.must(err)
		is, err := os.Stat(w.path(staged + "BaseOS/x86_64/kickstart/" + name))
		w.must(err)
		if !is.ModTime().Equal(of.ModTime()) || is.Mode() != of.Mode() {
			t.Errorf("%s of kickstart is of %s, %s", name, is.ModTime(), is.Mode())
		}
	}

	again, ev := w.run(s)
	if again.Count() != (pipeline.Counts{}) || ev["done"] != "0" {
		t.Errorf("the second time planned %+v, did %v", again, ev)
	}
	if diff := cmp.Diff(after, w.files(staged)); diff != "" {
		t.Errorf("the second time changed: %s", diff)
	}
}

func same(w *world, a, b string) bool {
	is, err := os.Stat(w.path(staged + a))
	w.must(err)
	of, err := os.Stat(w.path(staged + b))
	w.must(err)
	return os.SameFile(is, of)
}

// Twice, and again after each place where a run can die: no link inside the
// release, nothing twice, and the compose as it was.
func TestH16LayoutAgainAndAgain(t *testing.T) {
	want := newWorld(t)
	want.minor()
	want.run(want.step("compose.layout", minor))
	for stop := range 19 {
		w := newWorld(t)
		w.minor()
		s := w.step("compose.layout", minor)
		plan := w.plan(s)
		ctx := &dying{t.Context(), 2 * stop}
		if _, err := s.Run(ctx, &w.env, plan, pipeline.NewProgress(nil)); err == nil && stop < 18 {
			t.Fatalf("did not die at %d", stop)
		}
		if _, err := s.Run(t.Context(), &w.env, plan, pipeline.NewProgress(nil)); err != nil {
			t.Fatalf("going on after it died at %d: %v", stop, err)
		}
		w.run(s)
		if diff := cmp.Diff(want.files("s"), w.files("s")); diff != "" {
			t.Fatalf("after it died at %d: %s", stop, diff)
		}
		if _, err := os.Lstat(w.path(staged + "9.7-RC2")); err == nil {
			t.Fatal("the release holds a link to itself")
		}
	}
}

// dying is a context that ends when it was asked so often.
type dying struct {
	context.Context
	left int
}

func (d *dying) Err() error {
	if d.left--; d.left < 0 {
		return context.Canceled
	}
	return nil
}

func TestLayoutOfAFinalVersion(t *testing.T) {
	w := newWorld(t)
	w.env.Version = "9.7"
	w.mkdir("s/pub/9.7")
	s := w.step("compose.layout", map[string]string{"beside": "{revision},latest-{major}"})
	if plan, _ := w.run(s); len(plan.Added) != 1 || plan.Added[0].Name != "../latest-9" {
		t.Errorf("planned %+v", plan.Added)
	}
}

func TestH18LatestLinksOfTwoDigitMinors(t *testing.T) {
	w := newWorld(t)
	w.env.Version = "9.10"
	w.write("s/pub/9.10/isos/x86_64/Rocky-9.10-x86_64-dvd1.iso", "dvd")
	w.write("s/pub/9.10/isos/x86_64/Rocky-9.10-20261101.0-x86_64-boot.iso", "of a day, which nobody names")
	s := w.step("compose.layout", nil)
	w.run(s)
	if diff := cmp.Diff(map[string]string{
		"Rocky-9-latest-x86_64-dvd.iso":         "-> Rocky-9.10-x86_64-dvd1.iso",
		"Rocky-9.10-x86_64-dvd1.iso":            "dvd",
		"Rocky-9.10-20261101.0-x86_64-boot.iso": "of a day, which nobody names",
	}, w.files("s/pub/9.10/isos/x86_64")); diff != "" {
		t.Error(diff)
	}
	w.write("s/pub/9.10/isos/x86_64/Rocky-9.1-x86_64-minimal.iso", "of another version")
	w.refused(s, "is an image of 9.1, and the release is of 9.10")
}

// Images that were published stay as they are unless an operator says so in the
// phrase.
func TestH11PublishedImagesAreNotReplacedSilently(t *testing.T) {
	w := newWorld(t)
	w.minor()
	const name = "isos/x86_64/Rocky-9.7-x86_64-dvd.iso"
	w.write(staged+name, "published")
	w.must(os.Link(w.path(staged+name), w.path("p/pub/9.7/dvd.iso")))
	s := w.step("compose.layout", nil)
	plan := w.plan(s)
	if len(plan.Alarms) != 1 || plan.Alarms[0].Word != "replaces-images" || plan.Alarms[0].Text == "" || !plan.Guarded() {
		t.Fatalf("alarms %+v", plan.Alarms)
	}
	quiet := plan
	quiet.Alarms = nil
	if _, err := s.Run(t.Context(), &w.env, quiet, pipeline.NewProgress(nil)); !errors.As(err, new(*pipeline.ConflictError)) {
		t.Errorf("without the alarm it ran: %v", err)
	}
	if w.read(staged+name) != "published" {
		t.Fatal("it was replaced")
	}
	w.run(s)
	if w.read(staged+name) != "dvd" || w.read("p/pub/9.7/dvd.iso") != "published" {
		t.Errorf("staging has %q, production %q", w.read(staged+name), w.read("p/pub/9.7/dvd.iso"))
	}
}

func TestKickstartIsGolden(t *testing.T) {
	w := newWorld(t)
	w.minor()
	s := w.step("compose.layout", minor)
	w.run(s)
	w.repo(staged+"BaseOS/x86_64/os", false)
	w.write(staged+"BaseOS/x86_64/os/Packages/k/kernel-6.rpm", "update")
	golden := w.files(staged + "BaseOS/x86_64/kickstart")
	if plan := w.plan(s); plan.Count() != (pipeline.Counts{}) {
		t.Errorf("planned %+v", plan)
	}
	if diff := cmp.Diff(golden, w.files(staged+"BaseOS/x86_64/kickstart")); diff != "" {
		t.Error(diff)
	}
	w.must(os.RemoveAll(w.path(staged + "NFV/x86_64/kickstart")))
	w.env.Kind = "patch"
	if plan := w.plan(s); len(plan.Alarms) != 1 || plan.Alarms[0].Word != "late-kickstart" {
		t.Errorf("on a patch day: %+v", plan.Alarms)
	}
}

func TestLayoutThatIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*world)
		words  string
	}{
		"a kickstart that is a file": {func(w *world) { w.write(staged+"NFV/x86_64/kickstart", "") }, "is no directory"},
		"a repository without link":  {func(w *world) { w.must(os.RemoveAll(w.path(staged + "NFV"))) }, "where nfv is to lead"},
		"a directory for a link":     {func(w *world) { w.mkdir(staged + "nfv") }, "nfv is there and is no link"},
		"a directory beside":         {func(w *world) { w.mkdir("s/pub/9.7") }, "9.7 is there and is no link"},
		"an image twice":             {func(w *world) { w.write(staged+"Minimal/x86_64/iso/Rocky-9.7-x86_64-dvd.iso", "x") }, "is in BaseOS/x86_64/iso too"},
		"two kinds of dvd":           {func(w *world) { w.write(staged+"BaseOS/x86_64/iso/Rocky-9.7-x86_64-dvd1.iso", "x") }, "could lead to"},
		"treeinfo of another": {func(w *world) {
			w.write(staged+"BaseOS/x86_64/os/.treeinfo", strings.Replace(info, "arch = x86_64", "arch = aarch64", 1))
		}, `of architecture "aarch64"`},
		"treeinfo that is none":       {func(w *world) { w.write(staged+"BaseOS/x86_64/os/.treeinfo", "x") }, "no key of a section"},
		"metadata that is half there": {func(w *world) { w.must(os.Remove(w.path(staged + "NFV/x86_64/os/repodata/comps.xml"))) }, "repodata/comps.xml"},
		"a directory for an image":    {func(w *world) { w.mkdir(staged + "isos/x86_64/Rocky-9.7-x86_64-dvd.iso") }, "no regular file"},
		"dropping a link": {func(w *world) {
			w.must(os.RemoveAll(w.path(staged + "Cloud")))
			w.symlink("../../../p", staged+"Cloud")
		}, "is no directory"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.minor()
			w.mkdir("p/pub/9.7/keep")
			tc.change(w)
			before := w.files("s")
			w.refused(w.step("compose.layout", minor), tc.words)
			if diff := cmp.Diff(before, w.files("s")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A plan is for what was there: what came since is left for the next one.
func TestLayoutDoesWhatIsPlannedAlone(t *testing.T) {
	w := newWorld(t)
	w.minor()
	s := w.step("compose.layout", minor)
	plan := w.plan(s)
	w.repo(staged+"CRB/x86_64/os", true)
	if _, err := s.Run(t.Context(), &w.env, plan, pipeline.NewProgress(nil)); !errors.As(err, new(*pipeline.ConflictError)) {
		t.Errorf("it ran: %v", err)
	}
	if _, err := os.Lstat(w.path(staged + "CRB/x86_64/kickstart")); err == nil {
		t.Error("what was not planned was done")
	}
}

// A slip in a pattern does not drop what a release is made of.
func TestH11NoRepositoryIsDropped(t *testing.T) {
	w := newWorld(t)
	w.more = ", repos: [BaseOS, AppStream]"
	if _, err := w.make("compose.layout", map[string]string{"drop": "Minimal,AppStream"}); err == nil || !strings.Contains(err.Error(), "drop has AppStream") {
		t.Errorf("%v", err)
	}
	if _, err := w.make("compose.layout", minor); err != nil {
		t.Error(err)
	}
}
