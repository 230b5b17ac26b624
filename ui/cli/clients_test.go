package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// python is the system's, which has the module of createrepo_c.
const python = "/usr/bin/python3"

// need skips a test whose foreign programs are missing, unless they must be there.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
				t.Fatalf("%s is missing", p)
			}
			t.Skipf("%s is missing", p)
		}
	}
}

// sh runs a program and returns what it prints; it must succeed.
func sh(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// session is a demo that was played, driven by the real program.
type session struct {
	t   *testing.T
	dir string
}

func play(t *testing.T) *session {
	t.Helper()
	s := &session{t: t, dir: filepath.Join(t.TempDir(), "a demo")}
	t.Log("\n" + sh(t, "gantry", "demo", "packyard", "--dir", s.dir, "--headless"))
	return s
}

func (s *session) gantry(args ...string) string {
	s.t.Helper()
	return sh(s.t, "gantry", append([]string{"-C", filepath.Join(s.dir, "release.yaml")}, args...)...)
}

// confirm runs a verb with the phrase that it asks for.
func (s *session) confirm(args ...string) {
	s.t.Helper()
	all := append([]string{"-C", filepath.Join(s.dir, "release.yaml"), "--json"}, args...)
	out, err := exec.Command("gantry", all...).Output()
	var asked struct {
		Phrase string
		Code   int
	}
	if err == nil || json.Unmarshal(out, &asked) != nil || asked.Code != 3 || asked.Phrase == "" {
		s.t.Fatalf("%v asked for no phrase: %v\n%s", args, err, out)
	}
	s.gantry(append(args, "--confirm", asked.Phrase)...)
}

// served is the directory that production of a target names.
func (s *session) served(os string) string {
	s.t.Helper()
	at, err := filepath.EvalSymlinks(filepath.Join(s.dir, "served/rpm/core/2025", os, "production"))
	if err != nil {
		s.t.Fatal(err)
	}
	return at
}

// packages are the packages that production's own metadata names, as
// createrepo_c reads them.
func (s *session) packages(os string) []string {
	s.t.Helper()
	return lines(sh(s.t, python, "testdata/facts.py", "names", s.served(os)))
}

var revisionForm = regexp.MustCompile(`<revision>(\d+)</revision>`)

// revision is what clients compare, and the file's time in Unix seconds.
func (s *session) revision(os_ string) (revision, mtime int64) {
	s.t.Helper()
	at := filepath.Join(s.served(os_), "repodata/repomd.xml")
	data, err := os.ReadFile(at)
	if err != nil {
		s.t.Fatal(err)
	}
	m := revisionForm.FindSubmatch(data)
	if m == nil {
		s.t.Fatalf("no revision in %s", at)
	}
	revision, _ = strconv.ParseInt(string(m[1]), 10, 64)
	info, err := os.Stat(at)
	if err != nil {
		s.t.Fatal(err)
	}
	return revision, info.ModTime().Unix()
}

// dnf sees a target as its clients do; all calls share one cache.
func (s *session) dnf(target, arch string, args ...string) []string {
	s.t.Helper()
	all := []string{"-y", "-q", "-c", filepath.Join(s.dir, "client", target+".conf"),
		"--installroot=" + filepath.Join(s.dir, "client/root-"+target), "--releasever=9", "--forcearch=" + arch, "--refresh"}
	return lines(sh(s.t, "dnf", append(all, args...)...))
}

func lines(s string) []string {
	var all []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	slices.Sort(all)
	return all
}

// TestClientsAgree plays the demo, and then asks rpm, gpgv, createrepo_c and
// dnf, which share no code with the writer, what they make of it: after the
// rollback that ends the demo, after promoting the second version once more, and
// after rolling back again.
func TestClientsAgree(t *testing.T) {
	need(t, "rpm", "rpmkeys", "gpg", "gpgv", "dnf", "createrepo_c", python)
	s := play(t)

	t.Run("rpm -K", s.signed)
	t.Run("gpgv", s.repomd)
	t.Run("createrepo_c", s.facts)

	v1 := []string{"packyard-core-2025.1-1.el9.x86_64", "packyard-minion-2025.1-1.el9.x86_64", "packyard-sentinel-2025.1-1.el9.x86_64", "packyard-tools-2025.1-1.el9.noarch"}
	v2 := append(slices.Clone(v1), "packyard-minion-2025.2-1.el9.x86_64")
	slices.Sort(v2)
	query := []string{"repoquery", "--available", "--qf", "%{name}-%{version}-%{release}.%{arch}"}
	last, lastTime := int64(0), int64(0)
	see := func(what string, want []string) {
		t.Helper()
		if diff := cmp.Diff(want, s.packages("el9-x86_64")); diff != "" {
			t.Errorf("%s: production names (-want +got):\n%s", what, diff)
		}
		if diff := cmp.Diff(want, s.dnf("core-el9", "x86_64", query...)); diff != "" {
			t.Errorf("%s: dnf sees (-want +got):\n%s", what, diff)
		}
		revision, mtime := s.revision("el9-x86_64")
		if revision <= last || mtime < lastTime || mtime <= 0 {
			t.Errorf("%s: revision %d after %d, file time %d after %d: they must rise", what, revision, last, mtime, lastTime)
		}
		last, lastTime = revision, mtime
	}
	s.dnf("core-el9", "x86_64", "makecache") // imports the key, and says so
	s.dnf("core-el9-arm", "aarch64", "makecache")
	see("after the rollback", v1)
	s.confirm("promote", "core-el9")
	see("after promoting version 2 once more", v2)

	into := t.TempDir()
	s.dnf("core-el9", "x86_64", "install", "--downloadonly", "--downloaddir", into, "packyard-sentinel")
	got, _ := filepath.Glob(filepath.Join(into, "*.rpm"))
	for i, path := range got {
		same(t, path, filepath.Join(s.served("el9-x86_64"), "Packages/p", filepath.Base(path)))
		got[i] = strings.TrimSuffix(filepath.Base(path), ".rpm")
	}
	// sentinel needs core and minion, of which dnf takes the newest, and tools
	// where core is.
	if diff := cmp.Diff(slices.DeleteFunc(slices.Clone(v2), func(p string) bool { return strings.Contains(p, "minion-2025.1") }), got); diff != "" {
		t.Errorf("dnf downloaded (-want +got):\n%s", diff)
	}
	s.confirm("rollback", "core-el9")
	see("after rolling back again", v1)

	arm := []string{"packyard-core-2025.1-1.el9.aarch64", "packyard-minion-2025.2-1.el9.aarch64", "packyard-sentinel-2025.1-1.el9.aarch64", "packyard-tools-2025.1-1.el9.noarch"}
	if diff := cmp.Diff(arm, s.dnf("core-el9-arm", "aarch64", query...)); diff != "" {
		t.Errorf("dnf sees of the other target (-want +got):\n%s", diff)
	}
}

// same compares two files.
func same(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

// signed asks rpm, with the demo's key alone, whether every served package is
// whole and signed.
func (s *session) signed(t *testing.T) {
	db := t.TempDir()
	sh(t, "rpmkeys", "--dbpath", db, "--import", filepath.Join(s.dir, "keys/public.asc"))
	var all []string
	err := filepath.WalkDir(filepath.Join(s.dir, "served"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.HasSuffix(path, ".rpm") {
			all = append(all, path)
		}
		return err
	})
	if err != nil || len(all) < 8 {
		t.Fatalf("%d packages are served: %v", len(all), err)
	}
	out := sh(t, "rpmkeys", append([]string{"--dbpath", db, "-K"}, all...)...)
	for _, line := range lines(out) {
		if !strings.HasSuffix(line, "digests signatures OK") {
			t.Error(line)
		}
	}
}

// repomd asks gpgv about the metadata of every snapshot.
func (s *session) repomd(t *testing.T) {
	ring := filepath.Join(t.TempDir(), "ring.gpg")
	sh(t, "gpg", "--homedir", t.TempDir(), "--batch", "--yes", "-o", ring, "--dearmor", filepath.Join(s.dir, "keys/public.asc"))
	all, _ := filepath.Glob(filepath.Join(s.dir, "served/rpm/core/2025/*/snapshots/2*/repodata/repomd.xml"))
	if len(all) < 5 {
		t.Fatalf("only %d snapshots", len(all))
	}
	for _, one := range all {
		sh(t, "gpgv", "--keyring", ring, one+".asc", one)
	}
}

// facts compares what createrepo_c reads from the metadata with what it would
// write itself about the same packages.
func (s *session) facts(t *testing.T) {
	for _, os := range []string{"el9-x86_64", "el9-aarch64"} {
		served := s.served(os)
		own := t.TempDir()
		for _, href := range lines(sh(t, python, "testdata/facts.py", "hrefs", served)) {
			sh(t, "install", "-Dp", filepath.Join(served, href), filepath.Join(own, href))
		}
		sh(t, "createrepo_c", "-q", own)
		want := sh(t, python, "testdata/facts.py", "facts", own)
		got := sh(t, python, "testdata/facts.py", "facts", served)
		if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
			t.Errorf("%s (-createrepo_c +gantry):\n%s", os, diff)
		}
		if len(lines(want)) < 4 {
			t.Errorf("%s: nothing to compare:\n%s", os, want)
		}
	}
}
