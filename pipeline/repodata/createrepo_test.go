package repodata_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"gantry/pipeline/repodata"
)

// tool is the path of a foreign program; without it the test is skipped, or fails
// where GANTRY_REQUIRE_CLIENTS asks for it.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return path
}

func do(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(tool(t, name), args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func save(t testing.TB, path string, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// built writes a package with a changelog of two entries.
func built(t testing.TB, dir, name, version string) {
	t.Helper()
	p, err := rpmpack.NewRPM(rpmpack.RPMMetaData{Name: name, Version: version, Release: "1.el9", Arch: "noarch"})
	if err != nil {
		t.Fatal(err)
	}
	p.AddCustomTag(1044, rpmpack.EntryString(name+"-"+version+"-1.el9.src.rpm"))
	p.AddCustomTag(1080, rpmpack.EntryUint32([]uint32{1780056000, 1770033600}))
	p.AddCustomTag(1081, rpmpack.EntryStringSlice([]string{"A Packager <a@example.org> - " + version, "A Packager <a@example.org> - 0.1"}))
	p.AddCustomTag(1082, rpmpack.EntryStringSlice([]string{"- new & <better>", "- first"}))
	f, err := os.Create(filepath.Join(dir, name+"-"+version+"-1.el9.noarch.rpm"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Write(f), f.Close()); err != nil {
		t.Fatal(err)
	}
}

const updateinfo = `<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="releng@rockylinux.org" status="final" type="security" version="2">
    <id>RLSA-2025:0001</id><title>Important: core security update</title>
    <issued date="2025-11-20 12:00:00"/><updated date="2025-11-21 12:00:00"/>
    <severity>Important</severity><description>Repairs it.</description>
    <references>
      <reference href="https://example.org/CVE-2025-0001" id="CVE-2025-0001" type="cve" title="x"/>
      <reference href="https://example.org/1" id="1" type="bugzilla" title="x"/>
    </references>
    <pkglist><collection short="core"><name>core</name>
      <package name="core" arch="noarch" version="2" release="1.el9" epoch="0" src="core-2-1.el9.src.rpm">
        <filename>core-2-1.el9.noarch.rpm</filename><sum type="sha256">00</sum>
      </package>
    </collection></pkglist>
  </update>
</updates>
`

// what createrepo_c and modifyrepo_c write, in all the ways that distributions ask
// them for, is read.
func TestRepositoriesOfCreaterepo(t *testing.T) {
	for _, test := range []struct {
		name    string
		args    []string
		packing string // compression of what modifyrepo_c adds
		kinds   []string
	}{
		{"plain", []string{"--no-database"}, "gz", nil},
		{"comps and databases", []string{"--groupfile=COMPS", "--database", "--xz"}, "xz", []string{"group", "group_xz", "primary_db", "filelists_db", "other_db"}},
		{"zchunk", []string{"--zck", "--no-database"}, "bz2", []string{"primary_zck", "filelists_zck", "other_zck"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, extra := t.TempDir(), t.TempDir()
			built(t, dir, "core", "2")
			built(t, dir, "tools", "1")
			save(t, filepath.Join(extra, "comps.xml"), "<?xml version=\"1.0\"?>\n<comps><group><id>core</id></group></comps>\n")
			save(t, filepath.Join(extra, "modules.yaml"), "---\ndocument: modulemd\n")
			save(t, filepath.Join(extra, "updateinfo.xml"), updateinfo)
			for i := range test.args {
				test.args[i] = strings.Replace(test.args[i], "COMPS", filepath.Join(extra, "comps.xml"), 1)
			}
			do(t, extra, "createrepo_c", append(test.args, "--revision=9", "--checksum=sha256", dir)...)
			do(t, extra, "modifyrepo_c", "--mdtype=modules", "--compress-type="+test.packing, "modules.yaml", filepath.Join(dir, "repodata"))
			do(t, extra, "modifyrepo_c", "--mdtype=updateinfo", "--compress-type="+test.packing, "updateinfo.xml", filepath.Join(dir, "repodata"))
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			repo, err := repodata.Scan(t.Context(), root, ".")
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, d := range repo.Documents {
				kinds = append(kinds, d.Type)
			}
			want := append([]string{"primary", "filelists", "other", "modules", "updateinfo"}, test.kinds...)
			slices.Sort(kinds)
			slices.Sort(want)
			if diff := cmp.Diff(want, kinds); diff != "" || repo.Revision != "9" {
				t.Errorf("revision %q, documents (-want +got):\n%s", repo.Revision, diff)
			}
			if err := repo.Verify(t.Context()); err != nil {
				t.Error(err)
			}
			ids := map[string]bool{}
			var names []string
			err = repo.Packages(t.Context(), func(p repodata.PackageRef) error {
				ids[p.SHA256] = true
				names = append(names, p.Href+" of "+p.Source)
				return nil
			})
			slices.Sort(names)
			if diff := cmp.Diff([]string{"core-2-1.el9.noarch.rpm of core-2-1.el9.src.rpm", "tools-1-1.el9.noarch.rpm of tools-1-1.el9.src.rpm"}, names); err != nil || diff != "" {
				t.Errorf("packages: %v\n%s", err, diff)
			}
			entries := 0
			err = repo.Changelogs(t.Context(), ids, func(_ string, log []repodata.Change) error {
				entries += len(log)
				if len(log) != 2 || log[0].Text != "- first" || log[1].Text != "- new & <better>" || log[1].Time/86400 != 1780056000/86400 {
					t.Errorf("changelog %+v", log)
				}
				return nil
			})
			if err != nil || entries != 4 {
				t.Errorf("%d entries, %v", entries, err)
			}
			var got []repodata.Advisory
			has, err := repo.Advisories(t.Context(), func(a repodata.Advisory) error { got = append(got, a); return nil })
			if err != nil || !has || len(got) != 1 {
				t.Fatalf("advisories %v %+v, %v", has, got, err)
			}
			if a := got[0]; a.ID != "RLSA-2025:0001" || a.Severity != "Important" || a.Type != "security" || a.Time.Format("2006-01-02") != "2025-11-21" ||
				!slices.Equal(a.CVEs, []string{"CVE-2025-0001"}) || len(a.Packages) != 1 || a.Packages[0].String() != "core-2-1.el9.noarch" {
				t.Errorf("%+v", a)
			}
		})
	}
}

// published is a small repository in a directory.
func published(t testing.TB, ext string) (dir string, repomd string) {
	t.Helper()
	dir = t.TempDir()
	r, docs := small(t, ext)
	for i, d := range r.Documents() {
		save(t, filepath.Join(dir, "BaseOS", d.Href), string(docs[i]))
	}
	repomd = string(r.Encode())
	save(t, filepath.Join(dir, "BaseOS", repodata.Path), repomd)
	return dir, repomd
}

func scan(ctx context.Context, dir string) (*repodata.Repository, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	repo, err := repodata.Scan(ctx, root, "BaseOS")
	if err == nil {
		err = errors.Join(repo.Verify(ctx), repo.Packages(ctx, func(repodata.PackageRef) error { return nil }))
	}
	return repo, err
}

// What scripts of Rocky strip from repomd.xml before it is signed, since dnf stops
// at it, says nothing and is taken for nothing.
func TestEmptyOpenSizeSaysNothing(t *testing.T) {
	dir, repomd := published(t, ".gz")
	at := filepath.Join(dir, "BaseOS", repodata.Path)
	odd := regexp.MustCompile(`<open-size>\d+</open-size>`).ReplaceAllString(repomd, "<open-size></open-size>")
	save(t, at, odd)
	if _, err := repodata.ReadRepomd(strings.NewReader(odd)); err == nil {
		t.Error("our own repomd.xml may be empty of it too")
	}
	repo, err := scan(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := repo.Document("primary"); d.OpenSize != 0 {
		t.Errorf("it is read as %d", d.OpenSize)
	}
}

func TestRepositoryThatIsNotWholeIsRefused(t *testing.T) {
	for _, test := range []struct {
		name   string
		damage func(t *testing.T, dir, repomd string)
		want   string
	}{
		{"no repomd.xml", func(t *testing.T, dir, _ string) { os.Remove(filepath.Join(dir, repodata.Path)) }, "no such file"},
		{"no primary", func(t *testing.T, dir, _ string) { removeLike(t, dir, "*-primary.xml.gz") }, "no such file"},
		{"no other", func(t *testing.T, dir, _ string) { removeLike(t, dir, "*-other.xml.gz") }, "no such file"},
		{"cut", func(t *testing.T, dir, _ string) { os.Truncate(like(t, dir, "*-other.xml.gz"), 10) }, "has 10 bytes"},
		{"changed", func(t *testing.T, dir, _ string) {
			name := like(t, dir, "*-filelists.xml.gz")
			b, _ := os.ReadFile(name)
			b[20] ^= 1
			save(t, name, string(b))
		}, "its checksum is"},
		{"a directory", func(t *testing.T, dir, _ string) {
			name := like(t, dir, "*-primary.xml.gz")
			os.Remove(name)
			os.Mkdir(name, 0o755)
		}, "it is no file"},
		{"a pipe", func(t *testing.T, dir, _ string) {
			name := like(t, dir, "*-primary.xml.gz")
			os.Remove(name)
			do(t, dir, "mkfifo", name)
		}, "it is no file"},
		{"a link out", func(t *testing.T, dir, _ string) {
			name := like(t, dir, "*-primary.xml.gz")
			other := filepath.Join(t.TempDir(), "primary")
			os.Rename(name, other)
			os.Symlink(other, name)
		}, "escapes"},
		{"another document", func(t *testing.T, dir, repomd string) {
			save(t, filepath.Join(dir, repodata.Path), strings.Replace(repomd, "</repomd>", `<data type="modules"><checksum type="sha256">`+strings.Repeat("0", 64)+
				`</checksum><location href="repodata/modules.yaml.xz"/><size>10</size></data></repomd>`, 1))
		}, "modules.yaml.xz: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir, repomd := published(t, ".gz")
			test.damage(t, filepath.Join(dir, "BaseOS"), repomd)
			if _, err := scan(t.Context(), dir); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
	if _, err := scan(t.Context(), t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory without a repository: %v", err)
	}
	dir, _ := published(t, ".gz")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scan(ctx, dir); !errors.Is(err, context.Canceled) {
		t.Errorf("a reader that was stopped: %v", err)
	}
}

func like(t testing.TB, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "repodata", pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

func removeLike(t testing.TB, dir, pattern string) {
	t.Helper()
	if err := os.Remove(like(t, dir, pattern)); err != nil {
		t.Fatal(err)
	}
}
