package channel_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/pipeline/channel"
)

func TestPrerelease(t *testing.T) {
	for _, tc := range []struct {
		format  config.Format
		version string
		mark    string // empty for a release
	}{
		{"rpm", "1.0-1.el9", ""},
		{"rpm", "1.0-0.el9", ""},
		{"rpm", "36.0.1-1", ""},
		{"rpm", "2:1.0~rc1-1.el9", "~rc1"},
		{"rpm", "1.0~beta.2-1", "~beta.2"},
		{"rpm", "1.0~anything-1", "~anything"},
		{"rpm", "1.0-0.3.el9", "release 0.3.el9"},
		{"rpm", "1.0-0.rc1.el9", "rc1"},
		{"rpm", "1.0^20230101git1a2b3c4-1", "20230101git1a2b3c4"},
		{"rpm", "1.0-1.20230101git.el9", "20230101git"},
		{"rpm", "1.0-1.el9_2.alma.1", ""},
		{"rpm", "2025.1.0-0.20250101.onmssnapshot.4", "release 0.20250101.onmssnapshot.4"},
		{"rpm", "5.14.0-611.el9", ""},
		{"rpm", "1.0rc2-1", "0rc2"},
		{"rpm", "1.1.1k-7.el8", ""},
		{"deb", "1.2.3-1", ""},
		{"deb", "1:1.2.3-1+deb12u2", ""},
		{"deb", "1.2.3-1~bpo12+1", ""},
		{"deb", "1.2.3-1ubuntu1~22.04.1", ""},
		{"deb", "1.2.3-1~noble", ""},
		{"deb", "1.2.3~rc1-1", "rc1"},
		{"deb", "1.2.3~RC1-1", "rc1"},
		{"deb", "1.2.3+git20230101.1a2b3c4-1", "git20230101"},
		{"deb", "1.2.3-5-g1a2b3c4", "g1a2b3c4"},
		{"deb", "1.2~exp1", "exp1"},
		{"deb", "2.0+dfsg-1", ""},
		{"deb", "20230311", ""},
		{"oci", "core-2025.1.0-SNAPSHOT", "snapshot"},
		{"oci", "core-2025.1.0", ""},
		{"oci", "core-v1.0.0-alpha.1", "alpha"},
		{"oci", "developer-tools-1.0", ""},
		{"oci", "", ""},
	} {
		mark, pre := channel.Prerelease(tc.format, tc.version)
		if mark != tc.mark || pre != (tc.mark != "") {
			t.Errorf("%s %s: %q, %v; want %q", tc.format, tc.version, mark, pre, tc.mark)
		}
	}
}

func TestFinal(t *testing.T) {
	for _, tc := range []struct {
		kind, version string
		want          bool
	}{
		{"final", "9.7", true}, {"promote", "2025.4.1", true}, {"patch", "9.7-2", true}, {"anything", "1", true},
		{"beta", "9.7", false}, {"rc", "9.7", false}, {"promote", "2025.4.1-RC2", false}, {"promote", "2025.4.1~beta", false},
	} {
		if got := channel.Final(tc.kind, tc.version); got != tc.want {
			t.Errorf("%s %s: %v", tc.kind, tc.version, got)
		}
	}
}

func TestSplit(t *testing.T) {
	for _, tc := range []struct {
		format config.Format
		file   string
		want   channel.Package
		ok     bool
	}{
		{"rpm", "opennms-core-36.0.1-1.el9.noarch.rpm", channel.Package{Name: "opennms-core", Version: "36.0.1-1.el9", Arch: "noarch"}, true},
		{"rpm", "a-1~rc1-0.1.x86_64.rpm", channel.Package{Name: "a", Version: "1~rc1-0.1", Arch: "x86_64"}, true},
		{"rpm", "a.rpm", channel.Package{}, false},
		{"rpm", "a-1.x86_64.rpm", channel.Package{}, false},
		{"rpm", "a-1-1.x86_64.deb", channel.Package{}, false},
		{"deb", "libc6_2.36-9+deb12u10_amd64.deb", channel.Package{Name: "libc6", Version: "2.36-9+deb12u10", Arch: "amd64"}, true},
		{"deb", "a1_1%3a2.0_all.deb", channel.Package{Name: "a1", Version: "1:2.0", Arch: "all"}, true},
		{"deb", "a_1.deb", channel.Package{}, false},
		{"deb", "../x_1_all.deb", channel.Package{}, false},
		{"oci", "core-1.0.tar.gz", channel.Package{Version: "core-1.0"}, true},
		{"oci", "core-1.0.zip", channel.Package{}, false},
		{"oci", ".tar", channel.Package{}, false},
		{"none", "a", channel.Package{}, false},
	} {
		got, ok := channel.Split(tc.format, tc.file)
		tc.want.File = tc.file
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s: %+v, %v", tc.file, got, ok)
		}
	}
}

func TestFindings(t *testing.T) {
	staged := []channel.Package{
		{File: "new", Name: "a", Version: "3", Arch: "x", Digest: "1"},
		{File: "old", Name: "b", Version: "1", Arch: "x", Digest: "1"},
		{File: "other", Name: "c", Version: "2", Arch: "x", Digest: "1"},
		{File: "same", Name: "d", Version: "2", Arch: "x", Digest: "1"},
		{File: "elsewhere", Name: "b", Version: "1", Arch: "y", Digest: "1"},
		{File: "between", Name: "e", Version: "2", Arch: "x", Digest: "1"},
		{File: "unknown", Name: "f", Version: "2", Arch: "x", Digest: "1"},
	}
	production := []channel.Package{
		{Name: "a", Version: "2", Arch: "x", Digest: "9"},
		{Name: "b", Version: "2\x1b", Arch: "x", Digest: "9"},
		{Name: "c", Version: "2", Arch: "x", Digest: "9"},
		{Name: "d", Version: "2", Arch: "x", Digest: "1"},
		{Name: "e", Version: "3", Arch: "x", Digest: "9"}, {Name: "e", Version: "2", Arch: "x", Digest: "9"}, {Name: "e", Version: "1", Arch: "x"},
		{Name: "f", Version: "2", Arch: "x"},
	}
	want := []channel.Finding{
		{"old", `lower than production's 2\x1b`},
		{"other", "production has c 2 with other bytes"},
		{"between", "production has e 2 with other bytes"},
		{"between", "lower than production's 3"},
	}
	if diff := cmp.Diff(want, channel.Against(staged, production, strings.Compare)); diff != "" {
		t.Error(diff)
	}
	got := channel.Early("rpm", []channel.Package{{File: "a", Version: "1~\x1b[m-1"}, {File: "b", Version: "1-1"}})
	if diff := cmp.Diff([]channel.Finding{{"a", `a pre-release: ~\x1b[m`}}, got); diff != "" {
		t.Error(diff)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("a-1-1.noarch.rpm")
	f.Add("a_1%3a2_all.deb")
	f.Fuzz(func(t *testing.T, file string) {
		for _, format := range []config.Format{"rpm", "deb", "oci"} {
			p, ok := channel.Split(format, file)
			if ok && p.Version == "" {
				t.Errorf("%s %q: no version", format, file)
			}
			channel.Prerelease(format, p.Version)
		}
	})
}
