package repodata_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gantry/pipeline/repodata"
)

// versions are pairs from rpm's tests/rpmvercmp.at: < or = between them.
const versions = `
1.0 = 1.0
1.0 < 2.0
2.0.1 = 2.0.1
2.0 < 2.0.1
2.0.1a = 2.0.1a
2.0.1 < 2.0.1a
5.5p1 = 5.5p1
5.5p1 < 5.5p2
5.5p10 = 5.5p10
5.5p1 < 5.5p10
10xyz < 10.1xyz
xyz10 = xyz10
xyz10 < xyz10.1
xyz.4 = xyz.4
xyz.4 < 8
xyz.4 < 2
5.5p2 < 5.6p1
5.6p1 < 6.5p1
6.0 < 6.0.rc1
10a1 < 10b2
10a2 < 10b2
1.0aa = 1.0aa
1.0a < 1.0aa
10.0001 = 10.0001
10.0001 = 10.1
10.0001 < 10.0039
4.999.9 < 5.0
20101121 = 20101121
20101121 < 20101122
2_0 = 2_0
2.0 = 2_0
a = a
a+ = a+
a+ = a_
+a = +a
+a = _a
+_ = +_
_+ = +_
+ = _
1.0~rc1 = 1.0~rc1
1.0~rc1 < 1.0
1.0~rc1 < 1.0~rc2
1.0~rc1~git123 = 1.0~rc1~git123
1.0~rc1~git123 < 1.0~rc1
1.0^ = 1.0^
1.0 < 1.0^
1.0^git1 = 1.0^git1
1.0 < 1.0^git1
1.0^git1 < 1.0^git2
1.0^git1 < 1.01
1.0^20160101 = 1.0^20160101
1.0^20160101 < 1.0.1
1.0^20160101^git1 = 1.0^20160101^git1
1.0^20160101^git1 < 1.0^20160102
1.0~rc1^git1 = 1.0~rc1^git1
1.0~rc1 < 1.0~rc1^git1
1.0^git1~pre = 1.0^git1~pre
1.0^git1~pre < 1.0^git1
1b.fc17 = 1b.fc17
1b.fc17 < 1.fc17
1.fc17 < 1g.fc17
1.1.α = 1.1.β
1.1.αα = 1.1.α
`

func TestVersionsCompareAsInRPM(t *testing.T) {
	for line := range strings.Lines(strings.TrimSpace(versions)) {
		f := strings.Fields(line)
		want := map[string]int{"=": 0, "<": -1}[f[1]]
		for _, whole := range []string{"%", "0:%-1", "3:1-%", "%-1.el9"} {
			a, b := strings.Replace(whole, "%", f[0], 1), strings.Replace(whole, "%", f[2], 1)
			if got := repodata.CompareEVR(a, b); got != want {
				t.Errorf("CompareEVR(%q, %q) = %d, want %d", a, b, got, want)
			}
			if got := repodata.CompareEVR(b, a); got != -want {
				t.Errorf("CompareEVR(%q, %q) = %d, want %d", b, a, got, -want)
			}
		}
	}
}

func TestCompareEVR(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"1.0-1", "0:1.0-1", 0},
		{"00:1.0-1", "1.0-1", 0},
		{"1:0.1-1", "9.9-9", 1},
		{"2:1-1", "10:1-1", -1},
		{"1.0-2", "1.0-10", -1},
		{"1.0", "1.0-1", -1},
		{"", "0", -1},
		{"", "", 0},
		{"x:1-1", "1-1", -1},
	} {
		if got := repodata.CompareEVR(tt.a, tt.b); got != tt.want {
			t.Errorf("CompareEVR(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestCompareEVRIsAnOrder(t *testing.T) {
	text := rapid.StringMatching(`([0-9]{1,2}:)?[01a~^._+]{0,6}(-[01a~^.]{0,4})?`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := text.Draw(t, "a"), text.Draw(t, "b"), text.Draw(t, "c")
		if repodata.CompareEVR(a, a) != 0 {
			t.Fatalf("%q differs from itself", a)
		}
		if repodata.CompareEVR(a, b) != -repodata.CompareEVR(b, a) {
			t.Fatalf("%q and %q have no order", a, b)
		}
		if repodata.CompareEVR(a, b) <= 0 && repodata.CompareEVR(b, c) <= 0 && repodata.CompareEVR(a, c) > 0 {
			t.Fatalf("%q, %q, %q have no order", a, b, c)
		}
	})
}

func FuzzCompareEVR(f *testing.F) {
	f.Add("1:1.0~rc1-1.el9", "1.0^git1-2")
	f.Fuzz(func(t *testing.T, a, b string) {
		if got := repodata.CompareEVR(a, b); got < -1 || got > 1 || got != -repodata.CompareEVR(b, a) {
			t.Errorf("CompareEVR(%q, %q) = %d", a, b, got)
		}
		if epoch, version, release, err := repodata.ParseEVR(a); err == nil {
			n := repodata.NEVRA{Epoch: epoch, Version: version, Release: release}
			if repodata.CompareEVR(n.EVR(), a) != 0 {
				t.Errorf("%q became %q", a, n.EVR())
			}
		}
	})
}

func TestParseEVR(t *testing.T) {
	for _, evr := range []string{"1.0-1", "3:1.0~rc1^2-1.el9_4.2"} {
		epoch, version, release, err := repodata.ParseEVR(evr)
		if got := (repodata.NEVRA{Epoch: epoch, Version: version, Release: release}).EVR(); err != nil || got != evr {
			t.Errorf("%q became %q, %v", evr, got, err)
		}
	}
	for _, evr := range []string{"", "1.0", "-1", "1.0-", "a:1-1", ":1-1", "1:2:3-1", "1-2-3", "1/2-1", "9999999999:1-1", "99999999999999999999:1-1", "1.0-1\n"} {
		if _, _, _, err := repodata.ParseEVR(evr); err == nil {
			t.Errorf("%q is accepted", evr)
		}
	}
}

func TestNamesOfPackages(t *testing.T) {
	n := repodata.NEVRA{Name: "core", Epoch: 2, Version: "2025.1", Release: "1.el9", Arch: "x86_64"}
	if n.EVR() != "2:2025.1-1.el9" || n.Filename() != "core-2025.1-1.el9.x86_64.rpm" || n.String() != "core-2:2025.1-1.el9.x86_64" {
		t.Errorf("%s, %s, %s", n.EVR(), n.Filename(), n)
	}
}
