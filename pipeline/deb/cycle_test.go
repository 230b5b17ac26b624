package deb_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline"
	"gantry/pipeline/deb"
)

// A suite goes from version 1 to 2, back, forward again and is published anew:
// each time clients see the right packages under a newer Date. An apt that keeps
// its lists follows each time.
func TestCycle(t *testing.T) {
	for name, c := range map[string]struct {
		more string
		shop func(testing.TB, string) *shop
	}{
		"replace":            {", policy: replace", newShop},
		"accumulate":         {", policy: accumulate, keep: 2, compress: zstd, valid_for: 9d", newShop},
		"accumulate objects": {", policy: accumulate, keep: 2", newShopOfObjects},
		"accumulate s3":      {", policy: accumulate, keep: 2", newShopOnS3},
	} {
		t.Run(name, func(t *testing.T) {
			s := c.shop(t, c.more)
			see := newApt(t, s)
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
				see(want)
			}
			s.stage("agent_1.0_amd64", "agent_1.0_arm64", "docs_1.0_all", "lib_1:1.0~rc1_amd64")
			v1 := s.release()
			if len(v1.Added) != 4 || v1.Move.From != "" {
				t.Errorf("first plan: %+v", v1)
			}
			first := []string{"agent_1.0_amd64", "agent_1.0_arm64", "docs_1.0_all", "lib_1:1.0~rc1_amd64"}
			step("promote 1", v1, first...)

			s.unstage("noble-amd64", "agent_1.0_amd64.deb")
			s.stage("agent_2.0_amd64")
			second := []string{"agent_1.0_arm64", "agent_2.0_amd64", "docs_1.0_all", "lib_1:1.0~rc1_amd64"}
			if name != "replace" {
				second = slices.Insert(second, 0, "agent_1.0_amd64")
			}
			built, ev := s.do("build")
			if ev["new"] != "1" || built.Facts["to sign"] != "1" {
				t.Errorf("build 2 has %s new packages, planned were %s", ev["new"], built.Facts["to sign"])
			}
			s.do("stage")
			s.do("verify", "pointer=staging")
			v2, _ := s.do("promote")
			if d := cmp.Diff([]pipeline.Change{{Name: "agent.amd64", From: "1.0", To: "2.0"}}, v2.Changed, ignoreSizes); d != "" {
				t.Errorf("plan of 2 (-want +got):\n%s", d)
			}
			step("promote 2", v2, second...)

			back, _ := s.do("rollback")
			if name == "replace" && (len(back.Changed) != 1 || !back.Changed[0].Down || len(back.Warnings) == 0) {
				t.Errorf("rollback plan: %+v", back)
			}
			if back.Facts["twin_of"] != v1.Move.To {
				t.Errorf("rollback goes to a twin of %q, want %s", back.Facts["twin_of"], v1.Move.To)
			}
			step("rollback", back, first...)

			if _, ev := s.do("build"); ev["snapshot"] != v2.Move.To {
				t.Errorf("a build of the same files is %s, there was %s", ev["snapshot"], v2.Move.To)
			}
			again, _ := s.do("promote")
			if again.Facts["twin_of"] != v2.Move.To {
				t.Errorf("promoted again is a twin of %q, want %s", again.Facts["twin_of"], v2.Move.To)
			}
			step("promote 2 again", again, second...)

			anew, _ := s.do("refresh")
			step("refresh", anew, second...)
			for _, id := range []string{v1.Move.To, v2.Move.To, back.Move.To, again.Move.To, anew.Move.To} {
				if err := s.served.Check(t.Context(), id, true, nil); err != nil {
					t.Error(err)
				}
			}
			// What the first clients were told to fetch is there under every name.
			was := filepath.Join("suites/noble/snapshots", v1.Move.To, "core/binary-amd64/by-hash/SHA256")
			names, err := os.ReadDir(filepath.Join(s.archive(), was))
			if err != nil || len(names) != 3 {
				t.Fatalf("%d indexes of the first snapshot, %v", len(names), err)
			}
			for _, n := range names {
				if s.read("dists/noble/core/binary-amd64/by-hash/SHA256/"+n.Name()) != s.read(filepath.Join(was, n.Name())) {
					t.Errorf("%s is another one", n.Name())
				}
			}
			var files int
			filepath.WalkDir(filepath.Join(s.archive(), "pool"), func(path string, d os.DirEntry, err error) error {
				if err == nil && !d.IsDir() {
					files++
				}
				return err
			})
			if files != 5 {
				t.Errorf("the pool has %d files", files)
			}
		})
	}
}

var ignoreSizes = cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Size" }, cmp.Ignore())

// TestRelease looks at what clients fetch first.
func TestRelease(t *testing.T) {
	s := newShop(t, ", origin: Example, label: Example Core, valid_for: 6d")
	s.stage("agent_1.0_amd64", "docs_1.0_all")
	plan := s.release()
	at := time.Unix(plan.Move.Revision, 0).UTC()
	const form = "Mon, 02 Jan 2006 15:04:05 UTC"
	text := s.read("dists/noble/Release")
	for _, want := range []string{
		"Origin: Example\n", "Label: Example Core\n", "Suite: noble\n", "Codename: noble\n", "Date: " + at.Format(form) + "\n",
		"Valid-Until: " + at.Add(6*24*time.Hour).Format(form) + "\n", "Acquire-By-Hash: yes\n", "Architectures: amd64 arm64\n", "Components: core\n",
		" core/binary-amd64/Packages\n", " core/binary-arm64/Packages.gz\n", " core/binary-arm64/Packages.xz\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("Release has no %q:\n%s", want, text)
		}
	}
	index := s.read("dists/noble/core/binary-arm64/Packages")
	if !strings.Contains(index, "Package: docs\n") || strings.Contains(index, "Package: agent\n") {
		t.Errorf("the index of arm64 is %s", index)
	}
	if !strings.Contains(s.read("dists/noble-staging/InRelease"), text) {
		t.Error("staging serves something else")
	}
	st, err := os.Stat(filepath.Join(s.archive(), "dists/noble/InRelease"))
	if err != nil || !st.ModTime().Equal(at) {
		t.Errorf("InRelease is of %v, %v; want %v", st.ModTime(), err, at)
	}
}

// TestValidUntil lets the time run out for which clients accept a Release.
func TestValidUntil(t *testing.T) {
	s := newShop(t, ", valid_for: 3d")
	s.stage("agent_1.0_amd64")
	v1 := s.release()
	s.pass(50 * time.Hour)
	_, ev := s.do("verify", "pointer=production")
	if !strings.Contains(ev["warning"], "gantry refresh core-noble") {
		t.Errorf("verify a day before the end says %v", ev)
	}
	s.stage("lib_1.0_amd64")
	build, _ := s.do("build")
	if !slices.ContainsFunc(build.Warnings, func(w string) bool { return strings.Contains(w, "only until") }) {
		t.Errorf("build says %q", build.Warnings)
	}
	anew, _ := s.do("refresh")
	if anew.Facts["twin_of"] != v1.Move.To {
		t.Errorf("refresh: %+v", anew)
	}
	if _, ev := s.do("verify", "pointer=production"); ev["warning"] != "" {
		t.Errorf("verify after the refresh says %v", ev)
	}
	// What was built long ago is not promoted as it is.
	s.do("stage")
	s.pass(60 * time.Hour)
	promote, _ := s.do("promote")
	if promote.Facts["twin_of"] == "" {
		t.Errorf("promoted after long: %+v", promote)
	}
	s.pass(80 * time.Hour)
	s.refused("refuse it since", "verify", "pointer=production")
}

func TestRefused(t *testing.T) {
	s := newShop(t, "")
	s.refused("nothing is staged", "build")
	s.stage("agent_1.0_amd64")
	s.release()

	s.stageFile("noble-arm64", "stray_1.0_amd64.deb", pkg(t, "stray", "1.0", "amd64"))
	s.refused("built for amd64, and it is staged in noble-arm64", "build")
	s.unstage("noble-arm64", "stray_1.0_amd64.deb")

	s.stageFile("noble-amd64", "x_1.0_amd64.dsc", []byte("x"))
	s.refused("not named as a .deb", "build")
	s.unstage("noble-amd64", "x_1.0_amd64.dsc")

	s.stageFile("noble-amd64", "x_1.0_amd64.deb", []byte("not a package"))
	s.refused("x_1.0_amd64.deb cannot be released", "build")
	s.unstage("noble-amd64", "x_1.0_amd64.deb")

	whole := pkg(t, "cut", "1.0", "amd64")
	s.stageFile("noble-amd64", "cut_1.0_amd64.deb", whole[:len(whole)-40])
	s.refused("cut short", "build")
	s.unstage("noble-amd64", "cut_1.0_amd64.deb")

	for _, place := range []string{"noble-amd64", "noble-arm64"} {
		s.stageFile(place, "same_1.0_all.deb", pkg(t, "same", "1.0", "all"))
	}
	s.do("build")
	s.unstage("noble-arm64", "same_1.0_all.deb")
	s.stageFile("noble-arm64", "same_1.0_all.deb", debOf(t, ".gz", "Package: same\nVersion: 1.0\nArchitecture: all\nMaintainer: x\nDescription: other\n"))
	s.refused("staged twice with other bytes", "build")
	s.unstage("noble-arm64", "same_1.0_all.deb")
	s.unstage("noble-amd64", "same_1.0_all.deb")

	s.unstage("noble-amd64", "agent_1.0_amd64.deb")
	other := debOf(t, ".gz", "Package: agent\nVersion: 1.0\nArchitecture: amd64\nMaintainer: x\nDescription: other\n")
	s.stageFile("noble-amd64", "agent_1.0_amd64.deb", other)
	s.refused("with other bytes", "build")
	s.unstage("noble-amd64", "agent_1.0_amd64.deb")
	s.stage("agent_1:1.0_amd64")
	s.refused("differ in the epoch alone", "build")
}

// TestDamage changes what is served behind gantry's back.
func TestDamage(t *testing.T) {
	s := newShop(t, "")
	s.stage("agent_1.0_amd64", "docs_1.0_all")
	s.release()
	production := filepath.Join(s.archive(), "suites/noble/snapshots", s.at("production"))
	swap := func(path string, change func([]byte) []byte) (undo func()) {
		t.Helper()
		was, err := os.ReadFile(path)
		if err == nil {
			err = os.Remove(path)
		}
		if err == nil {
			err = os.WriteFile(path, change(slices.Clone(was)), 0o444)
		}
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, was, 0o444); err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	paths := []string{"InRelease", "Release", "Release.gpg", "core/binary-amd64/Packages", "core/binary-arm64/Packages.gz"}
	hashed, err := filepath.Glob(production + "/core/binary-amd64/by-hash/SHA256/*")
	if err != nil || len(hashed) != 3 {
		t.Fatal(hashed, err)
	}
	pool, err := filepath.Glob(s.archive() + "/pool/noble/core/*/*/*.deb")
	if err != nil || len(pool) != 2 {
		t.Fatal(pool, err)
	}
	for i, p := range paths {
		paths[i] = filepath.Join(production, p)
	}
	for _, p := range slices.Concat(paths, hashed, pool) {
		undo := swap(p, flip)
		if _, _, err := s.try("verify"); err == nil {
			t.Errorf("verify does not see that %s was changed", p)
		}
		undo()
	}
	unsigned := swap(filepath.Join(production, "InRelease"), func(b []byte) []byte { return append([]byte("Suite: evil\n\n"), b...) })
	if _, _, err := s.try("verify", "packages=sample:1"); err == nil || !strings.Contains(err.Error(), "nothing else") {
		t.Errorf("text before InRelease: %v", err)
	}
	unsigned()
	s.do("verify", "packages=sample:1")
	if err := os.Remove(pool[0]); err != nil {
		t.Fatal(err)
	}
	s.refused("agent", "verify", "packages=sample:1")
	s.do("build") // finds the one that is there
	s.stage("lib_1.0_amd64")
	s.do("build") // puts back what is staged
	s.do("stage")
	s.do("promote")
	s.do("verify")
}

// TestPrune removes packages with the last snapshot that names them.
func TestPrune(t *testing.T) {
	t.Run("links", func(t *testing.T) { pruned(t, newShop) })
	t.Run("s3", func(t *testing.T) { pruned(t, newShopOnS3) })
}

func pruned(t *testing.T, open func(testing.TB, string) *shop) {
	s := open(t, ", policy: replace, snapshots: 2")
	for _, version := range []string{"1.0", "2.0", "3.0"} {
		s.stage("agent_" + version + "_amd64")
		s.release()
		s.unstage("noble-amd64", "agent_"+version+"_amd64.deb")
	}
	s.refused("nothing to prune", "prune")
	s.pass(4 * 24 * time.Hour)
	s.do("prune")
	pool, err := filepath.Glob(s.archive() + "/pool/noble/core/a/agent/*.deb")
	if err != nil || len(pool) != 2 || !strings.HasSuffix(pool[0], "/agent_2.0_amd64.deb") {
		t.Errorf("the pool has %q, %v", pool, err)
	}
	s.do("verify")
	s.do("rollback")
}

// TestSuitesApart promotes one of two suites that share an archive: nothing of
// the other changes, and each has its own build of a version.
func TestSuitesApart(t *testing.T) {
	noble := newShop(t, "")
	noble.stage("agent_1.0_amd64")
	noble.release()
	before := tree(t, noble.archive())

	bookworm := newShopIn(t, noble.dir, "bookworm", "", false)
	bookworm.stageFile("bookworm-amd64", "agent_1.0_amd64.deb", debOf(t, ".gz", strings.Replace(controlText, "Package: toy", "Package: agent", 1)))
	bookworm.release()
	bookworm.do("verify")
	for line := range strings.Lines(before) {
		if !strings.Contains(tree(t, noble.archive()), line) {
			t.Errorf("changed: %s", line)
		}
	}
	noble.do("verify")
}

// tree is every file and link below a directory.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		to, _ := os.Readlink(path)
		fmt.Fprintf(&b, "%s %v %d %v %s\n", strings.TrimPrefix(path, dir), fi.Mode(), fi.Size(), fi.ModTime(), to)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestArch reads what a package is staged for.
func TestArch(t *testing.T) {
	for arch, want := range map[string]string{"amd64": "amd64", "all": ""} {
		name := filepath.Join(t.TempDir(), "x.deb")
		if err := os.WriteFile(name, pkg(t, "x1", "1.0", arch), 0o644); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if is, err := deb.Arch(f); err != nil || is != want {
			t.Errorf("the architecture of one for %s is %q, %v", arch, is, err)
		}
		f.Close()
	}
}

// TestExpires reads from a snapshot when clients stop to accept it.
func TestExpires(t *testing.T) {
	for name, open := range map[string]func(testing.TB, string) *shop{"links": newShop, "objects": newShopOfObjects} {
		for valid, want := range map[string]time.Duration{"": 0, ", valid_for: 6d": 6 * 24 * time.Hour} {
			s := open(t, valid)
			s.stage("agent_1.0_amd64")
			plan := s.release()
			until, err := deb.Expires(t.Context(), s.served, plan.Move.To)
			if err != nil {
				t.Fatal(err)
			}
			if want == 0 && !until.IsZero() || want > 0 && until.Sub(time.Unix(plan.Move.Revision, 0)) != want {
				t.Errorf("%s%s: it is accepted until %v", name, valid, until)
			}
		}
	}
}
