package compose_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gantry/pipeline"
)

// repos are what a walk must find, in the places where a release has them.
var repos = []string{"BaseOS/x86_64/os", "BaseOS/x86_64/kickstart", "BaseOS/x86_64/debug/tree", "BaseOS/source/tree", "extras/aarch64/os"}

func (w *world) repos() {
	for _, r := range repos {
		w.repo(staged+r, strings.HasPrefix(r, "BaseOS"))
	}
	w.symlink("BaseOS", staged+"baseos") // another name of what is there
	w.write(staged+"BaseOS/x86_64/os/Packages/repodata/repomd.xml", "what lies among packages is none")
}

// verified asks another program about every signature.
func (w *world) verified() {
	w.t.Helper()
	need(w.t, "gpg", "gpgv")
	w.command("gpg", "--batch", "--yes", "--dearmor", "-o", w.path("k.gpg"), w.path("k.asc"))
	for _, r := range repos {
		at := w.path(staged + r + "/repodata/repomd.xml")
		w.command("gpgv", "--keyring", w.path("k.gpg"), at+".asc", at)
		if strings.Contains(w.read(staged+r+"/repodata/repomd.xml"), "<open-size></open-size>") {
			w.t.Errorf("%s still has an empty open-size", r)
		}
	}
}

func TestSign(t *testing.T) {
	w := newWorld(t)
	w.repos()
	s := w.step("compose.sign", nil)
	plan, ev := w.run(s)
	if n := plan.Count(); n != (pipeline.Counts{Added: 5}) || ev["signed"] != "5" || ev["repositories"] != "5" || plan.Facts["empty open-size"] == "" {
		t.Errorf("planned %+v %v, did %v", n, plan.Facts, ev)
	}
	w.verified()

	before := w.files(staged)
	again, ev := w.run(s)
	if n := again.Count(); n != (pipeline.Counts{}) || ev["signed"] != "0" || again.Inputs != plan.Inputs {
		t.Errorf("the second time planned %+v, did %v", n, ev)
	}
	for name, text := range w.files(staged) {
		if before[name] != text {
			t.Errorf("the second time changed %s", name)
		}
	}

	// A run that was killed left some undone, and what it was at.
	for _, r := range repos[:2] {
		w.must(os.Remove(w.path(staged + r + "/repodata/repomd.xml.asc")))
		w.write(staged+r+"/repodata/.repomd.xml.asc.gantry.~tmp~", "half")
	}
	seen, err := s.(pipeline.Looker).Look(t.Context(), &w.env, plan)
	if err != nil || seen.Done || !strings.Contains(seen.Failed, "2 of 5") {
		t.Errorf("looking finds %+v, %v", seen, err)
	}
	if _, err := s.Run(t.Context(), &w.env, plan, pipeline.NewProgress(nil)); err != nil {
		t.Errorf("going on with the first plan: %v", err)
	}
	w.verified()
	for name := range w.files(staged) {
		if strings.Contains(name, "~tmp~") {
			t.Errorf("left %s behind", name)
		}
	}
}

func TestSignInCompose(t *testing.T) {
	w := newWorld(t)
	w.repo("c/9/Rocky-9.7-20251121.101500/compose/BaseOS/source/tree", false)
	w.symlink(w.path("c/9/Rocky-9.7-20251121.101500"), "c/9/latest-Rocky-9") // a whole path, as others write it
	if plan, _ := w.run(w.step("compose.sign", map[string]string{"in": "compose"})); len(plan.Added) != 1 {
		t.Errorf("planned %+v", plan)
	}
}

// Errata are written into repositories after createrepo, and change repomd.xml:
// what was signed before that is not signed any more, and its item not done.
func TestH08ErrataAfterSigningMakeItStale(t *testing.T) {
	w := newWorld(t)
	w.repos()
	s := w.step("compose.sign", nil)
	first, _ := w.run(s)
	at := staged + repos[4] + "/repodata/repomd.xml"
	w.write(at, strings.Replace(w.read(at), "</repomd>", fmt.Sprintf("<data type=\"updateinfo\"><checksum type=\"sha256\">%x</checksum><location href=\"repodata/primary.xml\"/><size>%d</size></data></repomd>",
		sha256.Sum256([]byte(staged+repos[4])), len(staged+repos[4])), 1))
	later := time.Now().Add(time.Minute)
	w.must(os.Chtimes(w.path(at), later, later))
	if w.inputs(s) == first.Inputs {
		t.Error("signing still counts as done")
	}
	if seen, err := s.(pipeline.Looker).Look(t.Context(), &w.env, first); err != nil || seen.Done {
		t.Errorf("looking finds %+v, %v", seen, err)
	}
	if _, err := s.Run(t.Context(), &w.env, first, pipeline.NewProgress(nil)); !errors.As(err, new(*pipeline.ConflictError)) {
		t.Errorf("the plan from before the errata ran: %v", err)
	}
	plan := w.plan(s)
	if len(plan.Changed) != 1 || plan.Changed[0].Name != repos[4] || plan.Changed[0].From != "changed since it was signed" {
		t.Errorf("planned %+v", plan.Changed)
	}
	w.run(s)
	w.verified()
}

// Nothing is skipped because something is missing, and kickstart is signed like
// all others after its open-size is mended.
func TestH07SigningIsNeverSkipped(t *testing.T) {
	w := newWorld(t)
	w.refused(w.step("compose.sign", nil), "there is no repository")
	w.repos()
	s := w.step("compose.sign", nil)
	w.run(s)

	w.write(staged+repos[1]+"/repodata/repomd.xml.asc", w.read(staged+repos[0]+"/repodata/repomd.xml.asc"))
	if plan := w.plan(s); len(plan.Changed) != 1 || plan.Changed[0].Name != repos[1] {
		t.Errorf("another repository's signature counts as one: %+v", plan)
	}
	w.write(staged+repos[1]+"/repodata/repomd.xml.asc", "no signature")
	w.run(s)
	w.verified()

	w.must(os.Remove(w.path("k.key")))
	w.refused(s, "k.key")
	w.must(os.Remove(w.path("k.asc")))
	w.refused(s, "k.asc")
	w.tree = "url: \"https://example.org\""
	if _, err := w.make("compose.sign", nil); err == nil || !strings.Contains(err.Error(), "no key") {
		t.Errorf("without a key: %v", err)
	}
}

// Metadata is never taken away here, and what an interrupted createrepo left is
// not signed, so that it cannot be promoted.
func TestH06InterruptedMetadataIsNotSigned(t *testing.T) {
	at := staged + "BaseOS/x86_64/os/repodata/"
	for name, tc := range map[string]struct {
		harm  func(*world)
		words string
	}{
		"no repomd.xml":      {func(w *world) { w.must(os.Remove(w.path(at + "repomd.xml"))) }, "metadata of BaseOS/x86_64/os"},
		"half of it":         {func(w *world) { w.write(at+"repomd.xml", w.read(at + "repomd.xml")[:150]) }, "no well-formed XML"},
		"nothing in it":      {func(w *world) { w.write(at+"repomd.xml", "") }, "names no document"},
		"a document is gone": {func(w *world) { w.must(os.Remove(w.path(at + "primary.xml"))) }, "repodata/primary.xml"},
		"a document is half": {func(w *world) { w.write(at+"primary.xml", "x") }, "not the file of"},
		"createrepo is at it": {func(w *world) { w.mkdir(staged + "BaseOS/x86_64/os/.repodata") },
			"createrepo is at BaseOS/x86_64/os"},
		"a link out": {func(w *world) {
			w.must(os.Remove(w.path(at + "repomd.xml")))
			w.symlink("/etc/passwd", at+"repomd.xml")
		}, "not a regular file"},
		"a document elsewhere": {func(w *world) {
			w.write(at+"repomd.xml", strings.Replace(w.read(at+"repomd.xml"), "repodata/primary.xml", "../../../../../../k.key", 1))
		}, "no file below the repository"},
		"a document at another address": {func(w *world) {
			w.write(at+"repomd.xml", strings.Replace(w.read(at+"repomd.xml"), "<location ", `<location xml:base="http://evil.example/" `, 1))
		}, "below another address"},
		"a signature that is huge": {func(w *world) { w.write(at+"repomd.xml.asc", strings.Repeat("x", 1<<17)) }, "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.repos()
			tc.harm(w)
			before := w.files(staged)
			w.refused(w.step("compose.sign", nil), tc.words)
			for name, text := range w.files(staged) {
				if before[name] != text {
					t.Errorf("changed %s", name)
				}
			}
		})
	}
}

// The same file under another name, in an older release or in production, stays
// as it is.
func TestH23SigningLeavesOtherLinksAlone(t *testing.T) {
	w := newWorld(t)
	w.repos()
	at := staged + repos[0] + "/repodata/repomd.xml"
	w.write(at+".asc", "old signature")
	w.must(os.Link(w.path(at), w.path("p/pub/9.7/repomd.xml")))
	w.must(os.Link(w.path(at+".asc"), w.path("p/pub/9.7/repomd.xml.asc")))
	was := w.read(at)
	w.run(w.step("compose.sign", nil))
	if w.read(at) == was {
		t.Error("the empty open-size is still there")
	}
	if w.read("p/pub/9.7/repomd.xml") != was || w.read("p/pub/9.7/repomd.xml.asc") != "old signature" {
		t.Error("production was written to through a hard link")
	}
}

func TestSignStops(t *testing.T) {
	w := newWorld(t)
	w.repos()
	s := w.step("compose.sign", nil)
	plan := w.plan(s)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := s.Run(ctx, &w.env, plan, pipeline.NewProgress(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped, it says %v", err)
	}
}

func TestMake(t *testing.T) {
	for name, tc := range map[string]struct {
		uses  string
		with  map[string]string
		words string
	}{
		"unknown":       {"compose.metadata", nil, "nothing that is done to a compose"},
		"production":    {"compose.sign", map[string]string{"in": "production"}, `does not work in "production"`},
		"nowhere":       {"compose.sign", map[string]string{"in": ""}, `does not work in ""`},
		"an option":     {"compose.sign", map[string]string{"if": "x"}, `no option "if"`},
		"layout":        {"compose.layout", map[string]string{"in": "compose"}, `no option "in"`},
		"all dropped":   {"compose.layout", map[string]string{"drop": "*"}, "no directory below"},
		"above dropped": {"compose.layout", map[string]string{"drop": "BaseOS/../.."}, "no directory below"},
		"itself":        {"compose.layout", map[string]string{"drop": "."}, "no directory below"},
		"empty word":    {"compose.layout", map[string]string{"drop": "Minimal,"}, "no directory below"},
		"half a link":   {"compose.layout", map[string]string{"link": "NFV"}, `link has "NFV"`},
		"a far link":    {"compose.layout", map[string]string{"link": "NFV=../nfv"}, "link has"},
		"no link":       {"compose.latest", map[string]string{"to": "x"}, "needs link"},
		"leads nowhere": {"compose.latest", map[string]string{"link": "x"}, "needs to"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newWorld(t).make(tc.uses, tc.with)
			if err == nil || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("got %v, want %q", err, tc.words)
			}
		})
	}
}

func TestPlaces(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*world)
		words  string
	}{
		"another major":       {func(w *world) { w.env.Version = "8.10" }, "does not take stable 8.10"},
		"a beta":              {func(w *world) { w.env.Version = "9.8-beta" }, "does not take beta 9.8"},
		"no version":          {func(w *world) { w.env.Version = "" }, "no version of a distribution"},
		"not synced":          {func(w *world) { w.env.Version = "9.7-RC3" }, "holds no pub/9.7-RC3"},
		"a link of a version": {func(w *world) { w.symlink("9.7-RC2", "s/pub/9.7"); w.env.Version = "9.7" }, "is a link to 9.7-RC2"},
		"a link on the way": {func(w *world) {
			w.must(os.Rename(w.path("s/pub"), w.path("s/vault")))
			w.symlink("vault", "s/pub")
		}, "pub is a link, which is never followed"},
		"a file":                {func(w *world) { w.write("s/pub/9.7", ""); w.env.Version = "9.7" }, "open staging"},
		"not mounted":           {func(w *world) { w.mount = ", mount: true" }, "is not mounted"},
		"the root is not there": {func(w *world) { w.must(os.RemoveAll(w.path("s"))) }, "staging of rocky-9"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.repos()
			tc.change(w)
			w.refused(w.step("compose.sign", nil), tc.words)
		})
	}
}

// A document of other bytes, of the very size that repomd.xml names, is not vouched
// for.
func TestH06WhatIsSignedIsRead(t *testing.T) {
	w := newWorld(t)
	w.repos()
	at := staged + repos[0] + "/repodata/"
	w.write(at+"primary.xml", strings.Repeat("x", len(w.read(at+"primary.xml"))))
	s := w.step("compose.sign", nil)
	if _, err := s.Run(t.Context(), &w.env, w.plan(s), pipeline.NewProgress(nil)); err == nil || !strings.Contains(err.Error(), "primary.xml") {
		t.Errorf("signed: %v", err)
	}
	if _, err := os.Lstat(w.path(at + "repomd.xml.asc")); err == nil {
		t.Error("it has a signature")
	}
}
