package rpm_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/rpmpack"

	"gantry/config"
	"gantry/pipeline/rpm"
)

// dnf asks dnf about a repository, with no other repository and no state.
func dnf(t *testing.T, repo string, args ...string) string {
	t.Helper()
	root := t.TempDir()
	return run(t, "dnf", append([]string{
		"-q", "-y", "--installroot", root, "--releasever=9", "--forcearch=x86_64", "--setopt=cachedir=" + root + "/cache", "--setopt=reposdir=/dev/null",
		"--setopt=varsdir=/dev/null", "--setopt=pluginpath=/dev/null", "--repofrompath=here,file://" + repo, "--repo=here", "--nogpgcheck",
	}, args...)...)
}

// dnf sees in the metadata what it sees in createrepo_c's, in either compression.
func TestDNFReadsTheMetadata(t *testing.T) {
	client(t, "createrepo_c")
	client(t, "dnf")
	theirs := t.TempDir()
	all := append(rich(), recipe{
		meta:    rpmpack.RPMMetaData{Name: "app", Arch: "noarch"},
		depends: map[string][]dependency{"provides": {{"app", equal, "1.0-1"}}, "requires": {{"lib(x)", equal | greater, "1"}, {"/usr/bin/tool", 0, ""}}},
	}, recipe{
		meta:    rpmpack.RPMMetaData{Name: "lib", Arch: "noarch"},
		depends: map[string][]dependency{"provides": {{"lib", equal, "1.0-1"}, {"lib(x)", equal, "1.5"}}},
	}, recipe{
		meta:    rpmpack.RPMMetaData{Name: "tool", Arch: "noarch"},
		depends: map[string][]dependency{"provides": {{"tool", equal, "1.0-1"}}},
		files:   []rpmpack.RPMFile{{Name: "/usr/bin/tool", Mode: 0o100755, Body: []byte("#!/bin/sh\n")}},
	})
	for _, r := range all {
		build(t, theirs, r)
	}
	pkgs := repoOf(t, theirs)
	run(t, "createrepo_c", "-q", "--no-database", theirs)

	questions := [][]string{
		{"repoquery", "--qf", "%{name} %{epoch} %{version} %{release} %{arch} %{size} %{installsize} %{buildtime} %{summary} %{url} %{license} %{vendor} %{description}"},
		{"repoquery", "--requires", "relations"}, {"repoquery", "--provides", "relations"}, {"repoquery", "--conflicts", "relations"},
		{"repoquery", "--obsoletes", "relations"}, {"repoquery", "--recommends", "relations"}, {"repoquery", "--supplements", "relations"},
		{"repoquery", "--requires-pre", "relations"}, {"repoquery", "--list", "relations"}, {"repoquery", "--changelog", "relations"},
		{"repoquery", "--file", "/usr/bin/tool"}, {"repoquery", "--requires", "--resolve", "app"},
	}
	answers := make([]string, len(questions))
	for i, q := range questions {
		if answers[i] = dnf(t, theirs, q...); strings.TrimSpace(answers[i]) == "" {
			t.Errorf("dnf %v says nothing", q)
		}
	}
	for _, c := range []config.Compression{config.Gzip, config.Zstd} {
		t.Run(string(c), func(t *testing.T) {
			ours := t.TempDir()
			run(t, "cp", "-a", theirs+"/.", ours)
			run(t, "rm", "-r", ours+"/repodata")
			write(t, ours, pkgs, rpm.RepodataOptions{Compression: c, Revision: 1780000000})
			for i, q := range questions {
				if diff := cmp.Diff(answers[i], dnf(t, ours, q...)); diff != "" {
					t.Errorf("dnf %v (-theirs +ours):\n%s", q, diff)
				}
			}
			if out := dnf(t, ours, "install", "app"); !strings.Contains(out, "lib") || !strings.Contains(out, "tool") {
				t.Errorf("dnf install app:\n%s", out)
			}
		})
	}
}
