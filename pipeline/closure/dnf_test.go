package closure_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/rpmpack"
)

// pack makes a package that requires others.
func pack(t *testing.T, dir, name string, needs ...string) {
	t.Helper()
	meta := rpmpack.RPMMetaData{Name: name, Version: "1", Release: "1", Arch: "noarch", Summary: "s", Licence: "MIT"}
	for _, n := range needs {
		if err := meta.Requires.Set(n); err != nil {
			t.Fatal(err)
		}
	}
	r, err := rpmpack.NewRPM(meta)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, name+"-1-1.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestDNF asks dnf itself, of repositories that createrepo_c made.
func TestDNF(t *testing.T) {
	missing := t.Skipf
	if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
		missing = t.Fatalf
	}
	for _, tool := range []string{"dnf", "createrepo_c"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing("%v", err)
		}
	}
	if out, err := exec.Command("dnf", "--releasever=9", "repoclosure", "--help").CombinedOutput(); err != nil {
		missing("dnf has no repoclosure: %s", out)
	}
	b := bench{t, t.TempDir()}
	for _, arch := range []string{"x86_64", "aarch64"} {
		at := func(repo string) string { return filepath.Join(b.dir, arch, repo) }
		pack(t, at("BaseOS"), "lib")
		pack(t, at("AppStream"), "tool", "lib")
		if arch == "aarch64" {
			pack(t, at("AppStream"), "broken", "missing-lib >= 2", "lib")
		}
		for _, repo := range []string{"BaseOS", "AppStream"} {
			if out, err := exec.Command("createrepo_c", "-q", at(repo)).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	argv := "[dnf, repoclosure, --refresh, '--releasever={major}', '--forcearch={arch}', '--setopt=reposdir=/nonexistent', '--setopt=cachedir=" + b.dir + "/cache-{repo}-{arch}', " +
		"'--repofrompath=BaseOS," + b.dir + "/{arch}/BaseOS', '--repofrompath=AppStream," + b.dir + "/{arch}/AppStream', '--repo={repo}', '--check={repo}', '{requires}']"
	ev, log, err := b.run(t.Context(), argv, "[{name: BaseOS}, {name: AppStream, requires: [BaseOS]}]")
	if err == nil || !strings.Contains(err.Error(), "1 of 4 repositories are not closed: AppStream/aarch64 (1 unresolved in 1 packages)") {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"BaseOS/x86_64", "BaseOS/aarch64", "AppStream/x86_64"} {
		if ev[name] != "closed" {
			t.Errorf("%s: %s", name, ev[name])
		}
	}
	if ev["AppStream/aarch64 lacks"] != "broken-1-1.noarch needs missing-lib >= 2" {
		t.Errorf("%v", ev)
	}
	ev, _, err = b.run(t.Context(), argv, "[{name: AppStream}]")
	if err == nil || !strings.Contains(ev["AppStream/x86_64 lacks"], "tool-1-1.noarch needs lib") {
		t.Errorf("without what it requires: %v, %v", ev, err)
	}
	// What dnf keeps may be that of the compose before.
	hour := time.Now().Add(-time.Hour)
	if err := filepath.WalkDir(filepath.Join(b.dir, "cache-BaseOS-x86_64"), func(at string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			err = os.Chtimes(at, hour, hour)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	ev, _, err = b.run(t.Context(), strings.Replace(argv, " --refresh,", "", 1), "[{name: BaseOS}]")
	if err == nil || !strings.Contains(ev["BaseOS/x86_64"], "let argv have --refresh") {
		t.Errorf("from a cache: %v, %v", ev, err)
	}
	ev, _, err = b.run(t.Context(), argv, "[{name: BaseOS}]")
	if err != nil || ev["BaseOS/x86_64"] != "closed" {
		t.Errorf("read anew: %v, %v", ev, err)
	}
	// A repository that is not there, or is torn: nobody knows.
	if err := os.RemoveAll(filepath.Join(b.dir, "x86_64/BaseOS/repodata")); err != nil {
		t.Fatal(err)
	}
	b.write("aarch64/BaseOS/repodata/repomd.xml", "<repomd")
	if err := os.RemoveAll(filepath.Join(b.dir, "cache-BaseOS-aarch64")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(b.dir, "cache-BaseOS-x86_64")); err != nil {
		t.Fatal(err)
	}
	ev, more, err := b.run(t.Context(), argv, "[{name: BaseOS}]")
	if err == nil || !strings.Contains(err.Error(), "2 of 2 could not be checked") {
		t.Errorf("not there: %v, %v\n%s", ev, err, more)
	}
	if t.Failed() {
		t.Log(log)
	}
}
