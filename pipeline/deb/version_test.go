package deb_test

import (
	"math/rand/v2"
	"os/exec"
	"testing"

	"gantry/pipeline/deb"
)

// versions in rising order; those of one line are equal.
var versions = [][]string{
	{"0~~"}, {"0~~a"}, {"0~"}, {"0", "0-0", "00"}, {"0.1~rc1"}, {"0.1"}, {"0.1-1~bpo12+1"}, {"0.1-1"}, {"0.1-1ubuntu1"}, {"0.1-1+b1"},
	{"0.1-1.1"}, {"0.9"}, {"0.10"}, {"1.0~beta2"}, {"1.0~rc1-1"}, {"1.0-1"}, {"1.0-01.2", "1.0-1.2"}, {"1.0a"}, {"1.0+dfsg"}, {"1.0.0"}, {"1.2.3-4-5"},
	{"20241231"}, {"1:0.1"}, {"2:0"},
}

func TestCompareVersions(t *testing.T) {
	for i, as := range versions {
		for j, bs := range versions {
			for _, a := range as {
				for _, b := range bs {
					want := 0
					if i < j {
						want = -1
					} else if i > j {
						want = 1
					}
					if got := deb.CompareVersions(a, b); got != want {
						t.Errorf("%s and %s: got %d, want %d", a, b, got, want)
					}
				}
			}
		}
	}
}

// TestCompareVersionsWithDpkg asks dpkg of random versions.
func TestCompareVersionsWithDpkg(t *testing.T) {
	need(t, "dpkg")
	random := rand.New(rand.NewPCG(1, 2))
	const letters = "0019.~+-aZ"
	version := func() string {
		b := []byte{'0' + byte(random.IntN(3))}
		for range random.IntN(7) {
			b = append(b, letters[random.IntN(len(letters))])
		}
		if b[len(b)-1] == '-' {
			b = append(b, '1')
		}
		if random.IntN(6) == 0 {
			return "1:" + string(b)
		}
		return string(b)
	}
	for range 600 {
		a, b := version(), version()
		operator := map[int]string{-1: "lt", 0: "eq", 1: "gt"}[deb.CompareVersions(a, b)]
		if out, err := exec.Command("dpkg", "--compare-versions", a, operator, b).CombinedOutput(); err != nil {
			t.Errorf("dpkg does not hold that %s %s %s: %v %s", a, operator, b, err, out)
		}
	}
}
