package rpm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline"
	"gantry/pipeline/repodata"
	"gantry/pipeline/rpm"
)

// A repository goes from version 1 to 2, back, and forward again: each time
// production names the right packages, newer metadata, and all is verified.
func TestCycle(t *testing.T) {
	for name, more := range map[string]string{
		"replace":    ", policy: replace",
		"accumulate": ", policy: accumulate, keep: 2, compress: zstd, signatures: both",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, more)
			see := clients(t, s)
			revision := int64(0)
			step := func(verb string, plan pipeline.Plan, want ...string) {
				t.Helper()
				if plan.Move.Revision <= revision {
					t.Errorf("%s: revision %d is not above %d", verb, plan.Move.Revision, revision)
				}
				revision = plan.Move.Revision
				if plan.Move.To != s.at("production") {
					t.Errorf("%s: production names %s, planned was %s", verb, s.at("production"), plan.Move.To)
				}
				if diff := cmp.Diff(want, s.serves(plan.Move.To)); diff != "" {
					t.Errorf("%s: packages (-want +got):\n%s", verb, diff)
				}
				s.do("verify", "pointer=production")
				see(revision, want)
			}
			s.stage("agent-1.0.x86_64", "lib-1.0.x86_64", "docs-1.0.noarch")
			v1 := s.release()
			if len(v1.Added) != 3 || v1.Move.From != "" {
				t.Errorf("first plan: %+v", v1)
			}
			first := []string{"agent-1.0-1.el9", "docs-1.0-1.el9", "lib-1.0-1.el9"}
			step("promote 1", v1, first...)

			s.unstage("agent-1.0.x86_64.rpm")
			s.stage("agent-2.0.x86_64")
			second := []string{"agent-2.0-1.el9", "docs-1.0-1.el9", "lib-1.0-1.el9"}
			if name == "accumulate" {
				second = slices.Insert(second, 0, "agent-1.0-1.el9")
			}
			built, ev := s.do("build")
			if ev["new"] != "1" || built.Facts["to sign"] != "1" {
				t.Errorf("build 2 signed %s packages, planned were %s", ev["new"], built.Facts["to sign"])
			}
			s.do("stage")
			s.do("verify", "pointer=staging")
			v2, _ := s.do("promote")
			if d := cmp.Diff([]pipeline.Change{{Name: "agent.x86_64", From: "1.0-1.el9", To: "2.0-1.el9"}}, v2.Changed, ignoreSizes); d != "" {
				t.Errorf("plan of 2 (-want +got):\n%s", d)
			}
			step("promote 2", v2, second...)
			sameFile(t, s, v1.Move.To, v2.Move.To, "Packages/l/lib-1.0-1.el9.x86_64.rpm")

			back, _ := s.do("rollback")
			if name == "replace" && (len(back.Changed) != 1 || !back.Changed[0].Down || len(back.Warnings) == 0) {
				t.Errorf("rollback plan: %+v", back)
			}
			if back.Facts["twin_of"] != v1.Move.To {
				t.Errorf("rollback goes to a twin of %q, want %s", back.Facts["twin_of"], v1.Move.To)
			}
			step("rollback", back, first...)
			sameFile(t, s, v1.Move.To, back.Move.To, "Packages/a/agent-1.0-1.el9.x86_64.rpm")

			if _, ev := s.do("build"); ev["snapshot"] != v2.Move.To {
				t.Errorf("a build of the same files is %s, there was %s", ev["snapshot"], v2.Move.To)
			}
			again, _ := s.do("promote")
			if again.Facts["twin_of"] != v2.Move.To {
				t.Errorf("promoted again is a twin of %q, want %s", again.Facts["twin_of"], v2.Move.To)
			}
			step("promote 2 again", again, second...)
			for _, id := range []string{v1.Move.To, v2.Move.To, back.Move.To, again.Move.To} {
				if err := s.served.Check(t.Context(), id, true, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

var ignoreSizes = cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Size" }, cmp.Ignore())

// sameFile fails unless a file of two snapshots is one file.
func sameFile(t testing.TB, s *shop, a, b, path string) {
	t.Helper()
	x, err := os.Stat(filepath.Join(s.served.Path(), "snapshots", a, path))
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.Stat(filepath.Join(s.served.Path(), "snapshots", b, path))
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(x, y) || x.Sys().(*syscall.Stat_t).Nlink < 2 {
		t.Errorf("%s is copied from %s to %s", path, a, b)
	}
}

// clients returns what rpm, gpgv and dnf have to see after each flip; dnf keeps
// one cache for each way to reach the repository. What is not installed is not
// asked.
func clients(t *testing.T, s *shop) func(revision int64, packages []string) {
	for _, name := range []string{"rpmkeys", "gpg", "gpgv", "dnf"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
				t.Fatal(err)
			}
			t.Logf("without clients: %v", err)
			return func(int64, []string) {}
		}
	}
	public := filepath.Join(s.dir, "keys/public.asc")
	home := t.TempDir()
	run(t, "rpmkeys", "--dbpath", home+"/db", "--import", public)
	ring := home + "/ring.gpg"
	run(t, "gpg", "--homedir", home, "--batch", "--yes", "-o", ring, "--dearmor", public)
	repos := home + "/repos"
	if err := os.Mkdir(repos, 0o755); err != nil {
		t.Fatal(err)
	}
	files, err := rpm.Clients(s.cfg, s.target)
	if err != nil {
		t.Fatal(err)
	}
	files = files[:2] // the key was imported above
	return func(revision int64, packages []string) {
		t.Helper()
		production := filepath.Join(s.served.Path(), "production")
		run(t, "gpgv", "--homedir", home, "--keyring", ring, production+"/repodata/repomd.xml.asc", production+"/repodata/repomd.xml")
		for _, p := range packages {
			found, err := filepath.Glob(production + "/Packages/*/" + p + "*.rpm")
			if err != nil || len(found) != 1 {
				t.Fatalf("package %s: %v, %v", p, found, err)
			}
			if out := run(t, "rpmkeys", "--dbpath", home+"/db", "-K", found[0]); !strings.Contains(out, "digests signatures OK") {
				t.Errorf("rpm -K %s: %s", p, out)
			}
		}
		for _, f := range files {
			if err := os.WriteFile(repos+"/"+f.Name, []byte(f.Text), 0o600); err != nil {
				t.Fatal(err)
			}
			root := home + "/" + f.Name
			ask := func(args ...string) string {
				t.Helper()
				return run(t, "dnf", append([]string{
					"-q", "-y", "--refresh", "--installroot", root, "--releasever=9", "--forcearch=x86_64", "--setopt=cachedir=" + root + "/cache",
					"--setopt=reposdir=" + repos, "--setopt=varsdir=/dev/null", "--setopt=pluginpath=/dev/null",
				}, args...)...)
			}
			var got []string // among what it says of the key it imports
			for line := range strings.Lines(ask("repoquery", "--qf", "sees %{name}-%{version}-%{release}")) {
				if p, ok := strings.CutPrefix(strings.TrimSpace(line), "sees "); ok {
					got = append(got, p)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(packages, got); diff != "" {
				t.Errorf("dnf by %s sees (-want +got):\n%s", f.Name, diff)
			}
			into := home + "/" + f.Name + "-got"
			ask("install", "--downloadonly", "--downloaddir", into, "agent")
			newest := packages[0]
			for _, p := range packages {
				if strings.HasPrefix(p, "agent-") {
					newest = p
				}
			}
			want, err := os.ReadFile(production + "/Packages/a/" + newest + ".x86_64.rpm")
			if err != nil {
				t.Fatal(err)
			}
			if is, err := os.ReadFile(into + "/" + newest + ".x86_64.rpm"); err != nil || !bytes.Equal(is, want) {
				t.Errorf("dnf by %s downloaded other bytes of %s: %v", f.Name, newest, err)
			}
		}
		md, err := os.Open(production + "/repodata/repomd.xml")
		if err != nil {
			t.Fatal(err)
		}
		defer md.Close()
		is, err := repodata.ReadRepomd(md)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range is.Documents() {
			if is.Revision != revision || d.Timestamp != revision {
				t.Errorf("revision %d, timestamp of %s %d, want %d", is.Revision, d.Href, d.Timestamp, revision)
			}
		}
	}
}
