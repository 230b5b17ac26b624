package review_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/review"
	"gantry/storage"
)

// run runs a foreign program; without it the test is skipped, or fails where
// GANTRY_REQUIRE_CLIENTS asks for it.
func run(t testing.TB, name string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil && os.Getenv("GANTRY_REQUIRE_CLIENTS") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// made is a package as it is to be built: name, version, when (Unix seconds), and
// the texts of its changelog, the newest first and each a day older.
type made struct {
	name, version string
	built         uint32
	log           []string
}

const today, oneDay = 1763985600, 86400 // 2025-11-24 12:00 UTC

// repo makes a repository by createrepo_c, with errata where there are any.
func repo(t testing.TB, dir, updateinfo string, packages ...made) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, m := range packages {
		p, err := rpmpack.NewRPM(rpmpack.RPMMetaData{Name: m.name, Version: m.version, Release: "1.el9", Arch: "noarch"})
		if err != nil {
			t.Fatal(err)
		}
		var times []uint32
		var authors []string
		for i := range m.log {
			times = append(times, m.built-uint32(i)*oneDay)
			authors = append(authors, "A Packager <a@example.org>")
		}
		p.AddCustomTag(1006, rpmpack.EntryUint32([]uint32{m.built}))
		p.AddCustomTag(1044, rpmpack.EntryString("set-"+m.version+"-1.el9.src.rpm"))
		if len(times) > 0 {
			p.AddCustomTag(1080, rpmpack.EntryUint32(times))
			p.AddCustomTag(1081, rpmpack.EntryStringSlice(authors))
			p.AddCustomTag(1082, rpmpack.EntryStringSlice(m.log))
		}
		f, err := os.Create(filepath.Join(dir, m.name+"-"+m.version+".rpm"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(p.Write(f), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "createrepo_c", "--revision=9", dir)
	if updateinfo != "" {
		file := filepath.Join(t.TempDir(), "updateinfo.xml")
		if err := os.WriteFile(file, []byte(updateinfo), 0o644); err != nil {
			t.Fatal(err)
		}
		run(t, "modifyrepo_c", "--mdtype=updateinfo", "--compress-type=xz", file, filepath.Join(dir, "repodata"))
	}
}

// errata is an updateinfo.xml of advisories: id, date, name and version.
func errata(all ...[4]string) string {
	var b strings.Builder
	b.WriteString("<updates>\n")
	for _, a := range all {
		b.WriteString(`<update type="security"><id>` + a[0] + `</id><title>` + a[2] + ` is repaired &#x9b;31m</title><severity>Important</severity><issued date="` + a[1] + `"/>
<references><reference id="CVE-2025-` + a[3] + `" type="cve" href="x"/></references>
<pkglist><collection><package name="` + a[2] + `" version="` + a[3] + `" release="1.el9" arch="noarch"/></collection></pkglist></update>` + "\n")
	}
	b.WriteString("</updates>\n")
	return b.String()
}

// world is a staging and a production tree, and what a step would be given.
func world(t testing.TB) (staging, production string, env *pipeline.Env, target *config.Target) {
	t.Helper()
	top := t.TempDir()
	staging, production = filepath.Join(top, "staging/pub/9.7-RC2"), filepath.Join(top, "production/pub/9.7")
	if err := errors.Join(os.MkdirAll(staging, 0o755), os.MkdirAll(production, 0o755)); err != nil {
		t.Fatal(err)
	}
	target = &config.Target{Name: "rocky-9", Format: config.FormatTree, Tree: &config.Tree{
		Major: 9, Stream: config.Stable, Arch: []config.Arch{"x86_64", "aarch64"},
		Staging:    config.Area{Root: filepath.Join(top, "staging"), Path: "pub/{revision}{suffix}"},
		Production: config.Area{Root: filepath.Join(top, "production"), Path: "pub/{revision}"},
	}}
	env = &pipeline.Env{
		Config: &config.Release{}, Version: "9.7-RC2",
		History: func(string) checklist.Pointers { return checklist.Pointers{} },
	}
	return staging, production, env, target
}

var update = flag.Bool("update", false, "write testdata anew")

func TestPatchDayOfTree(t *testing.T) {
	staging, production, env, target := world(t)
	old := made{"core", "1", today - 10*oneDay, []string{"- first"}}
	next := made{"core", "2", today, []string{"- second\n- \u009b31mred", "- between", "- first"}}
	repo(t, production+"/BaseOS/x86_64/os", errata([4]string{"RLSA-1", "2025-11-10", "core", "1"}), old, made{name: "gone", version: "1", built: today})
	repo(t, staging+"/BaseOS/x86_64/os", errata([4]string{"RLSA-1", "2025-11-10", "core", "1"}, [4]string{"RLSA-2", "2025-11-24", "core", "2"}), next, made{name: "new", version: "1", built: today})
	repo(t, production+"/AppStream/aarch64/os", errata([4]string{"RLSA-1", "2025-11-10", "core", "1"}), made{name: "tool", version: "2", built: today})
	repo(t, staging+"/AppStream/aarch64/os", "", made{name: "tool", version: "1", built: today})
	repo(t, production+"/AppStream/aarch64/debug/tree", "", made{name: "tool-debuginfo", version: "1", built: today})
	repo(t, staging+"/CRB/source/tree", errata([4]string{"RLSA-0", "2025-01-01", "core", "1"}), made{name: "late", version: "1", built: today})
	for _, same := range []string{"Extras/x86_64/os", "Extras/x86_64/kickstart"} {
		repo(t, production+"/"+same, "", old)
		if err := os.MkdirAll(filepath.Dir(staging+"/"+same), 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, "cp", "-a", production+"/"+same, staging+"/"+same)
	}

	r, err := review.Trees(t.Context(), env, target)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Repos {
		for _, list := range [][]pipeline.ReviewedPackage{r.Repos[i].Added, r.Repos[i].Upgraded, r.Repos[i].Downgraded, r.Repos[i].Removed} {
			for j := range list {
				list[j].Size = 0
			}
		}
	}
	got, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/patchday.json")
	if *update {
		err, want = os.WriteFile("testdata/patchday.json", append(got, '\n'), 0o644), append(got, '\n')
	}
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Error(diff)
	}
}

func TestReviewThatCannotBe(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(staging, production string, env *pipeline.Env, target *config.Target)
		want   string
	}{
		{"nothing staged", func(_, _ string, _ *pipeline.Env, _ *config.Target) {}, "has no repository"},
		{"staging is not mounted", func(_, _ string, _ *pipeline.Env, target *config.Target) { target.Tree.Staging.Root += "x" }, "no such file"},
		{"production is not mounted", func(_, _ string, _ *pipeline.Env, target *config.Target) { target.Tree.Production.Root += "x" }, "no such file"},
		{"production is no mount point", func(_, _ string, _ *pipeline.Env, target *config.Target) { target.Tree.Production.Mount = true }, "mount"},
		{"no production", func(_, _ string, _ *pipeline.Env, target *config.Target) { target.Tree.Production = config.Area{} }, "never goes to production"},
		{"another major version", func(_, _ string, env *pipeline.Env, _ *config.Target) { env.Version = "10.1" }, "which edition"},
		{"a version that is none", func(_, _ string, env *pipeline.Env, _ *config.Target) { env.Version = "../9" }, "which edition"},
		{"no release", func(_, _ string, env *pipeline.Env, _ *config.Target) { env.Version = "" }, "which edition"},
		{"a way out", func(_, _ string, _ *pipeline.Env, target *config.Target) { target.Tree.Staging.Path = "../{revision}" }, "no directory below"},
	} {
		t.Run(test.name, func(t *testing.T) {
			staging, production, env, target := world(t)
			test.change(staging, production, env, target)
			if r, err := review.Trees(t.Context(), env, target); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %+v, %v, want an error with %q", r, err, test.want)
			}
		})
	}
}

// synced is a tree whose staging was synced to an edition, as pipeline/tree records
// it.
type synced struct {
	storage.Served
	edition string
}

func (s synced) Pointer(context.Context, string) (string, error) { return "20251124T120000Z", nil }

func (s synced) Head(context.Context, string) (*storage.Manifest, error) {
	return &storage.Manifest{Extra: map[string]json.RawMessage{"sync": json.RawMessage(`{"edition":"` + s.edition + `","to":"pub"}`)}}, nil
}

// Outside of a release of the tree it is its last sync that tells the edition.
func TestEditionOfTheLastSync(t *testing.T) {
	for _, version := range []string{"", "10.1"} {
		staging, production, env, target := world(t)
		repo(t, production, "", made{name: "core", version: "1", built: today})
		repo(t, staging, "", made{name: "core", version: "2", built: today})
		env.Version = version
		env.Served = func(*config.Target) (storage.Served, error) { return synced{edition: "9.7-RC2"}, nil }
		if r, err := review.Trees(t.Context(), env, target); err != nil || r.To != "pub/9.7-RC2" || len(r.Repos[0].Upgraded) != 1 {
			t.Errorf("%+v, %v", r, err)
		}
		env.Served = func(*config.Target) (storage.Served, error) { return synced{edition: "8.10"}, nil }
		if r, err := review.Trees(t.Context(), env, target); err == nil {
			t.Errorf("a sync of another tree: %+v", r)
		}
	}
}

// A place may be in a store, too.
func TestTreeInStore(t *testing.T) {
	staging, production, env, target := world(t)
	repo(t, production+"/BaseOS/x86_64/os", "", made{name: "core", version: "1", built: today})
	repo(t, staging+"/BaseOS/x86_64/os", "", made{name: "core", version: "2", built: today})
	root := target.Tree.Production.Root
	target.Tree.Production.Root = "store:far/trees"
	env.Area = func(_ context.Context, _, place string) (storage.Store, error) {
		if place != "store:far/trees" {
			t.Errorf("asked for %q", place)
		}
		return storage.ViewDir(root)
	}
	env.Config = &config.Release{Stores: []config.Store{{Name: "far"}}}
	r, err := review.Trees(t.Context(), env, target)
	if err != nil || len(r.Repos) != 1 || len(r.Repos[0].Upgraded) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

// One repository that is damaged says so, and hides none of the others.
func TestDamagedRepositoryIsTold(t *testing.T) {
	staging, production, env, target := world(t)
	for _, name := range []string{"AppStream", "BaseOS"} {
		repo(t, production+"/"+name+"/x86_64/os", "", made{name: "core", version: "1", built: today})
		repo(t, staging+"/"+name+"/x86_64/os", "", made{name: "core", version: "2", built: today})
	}
	damaged, err := filepath.Glob(staging + "/AppStream/x86_64/os/repodata/*-primary.xml.*")
	if err != nil || len(damaged) != 1 {
		t.Fatal(damaged, err)
	}
	if err := os.WriteFile(damaged[0], []byte("not what repomd.xml says"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := review.Trees(t.Context(), env, target)
	if err != nil || len(r.Repos) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	if bad := r.Repos[0]; !strings.Contains(bad.Error, "staging: ") || len(bad.Upgraded) > 0 || bad.Name != "AppStream" {
		t.Errorf("%+v", bad)
	}
	if good := r.Repos[1]; good.Error != "" || len(good.Upgraded) != 1 {
		t.Errorf("%+v", good)
	}
}
