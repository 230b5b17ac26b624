package deb_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gantry/pipeline/deb"
)

// TestReleasesDebian promotes real packages: apt-ftparchive makes the same of the
// pool, and apt downloads each of them.
func TestReleasesDebian(t *testing.T) {
	dir := debianPackages(t)
	s := newShop(t, "")
	packages, err := filepath.Glob(dir + "/*.deb")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		s.stageFile("noble-amd64", filepath.Base(p), b)
	}
	plan := s.release()
	if len(plan.Added) != len(packages) {
		t.Errorf("%d packages of %d", len(plan.Added), len(packages))
	}
	s.do("verify")
	n := same(t, s.archive(), "pool/noble", s.read("dists/noble/core/binary-amd64/Packages"))
	if n != len(packages) {
		t.Errorf("apt-ftparchive sees %d packages of %d", n, len(packages))
	}
	files, err := deb.Clients(s.cfg, s.target)
	if err != nil {
		t.Fatal(err)
	}
	a := newAptIn(t, t.TempDir(), strings.Replace(files[0].Text, " arm64", "", 1))
	a.must("apt-get", "update")
	download := []string{"download"}
	for _, c := range plan.Added {
		name, arch, _ := strings.Cut(c.Name, ".")
		if i := strings.LastIndexByte(c.Name, '.'); i >= 0 {
			name, arch = c.Name[:i], c.Name[i+1:]
		}
		if arch == "amd64" {
			name += ":amd64"
		}
		download = append(download, name)
	}
	a.must("apt-get", download...)
	got, err := filepath.Glob(a.dir + "/got/*.deb")
	if err != nil || len(got) != len(packages) {
		t.Errorf("apt downloaded %d packages of %d", len(got), len(packages))
	}
	t.Logf("promoted %d packages", n)
}

// known is what apt knows of a package.
type known struct {
	name   string
	size   int64
	traits []string // what makes it unlike others
}

// debianPackages is a directory with some 200 packages of Debian, or of what apt
// knows here. They are downloaded once into the user's cache, where
// GANTRY_REQUIRE_CLIENTS asks for it; without them the test is skipped.
func debianPackages(t *testing.T) string {
	t.Helper()
	need(t, "apt-get", "apt-cache", "apt-ftparchive")
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir() // there may be no home
	}
	const want, least = 200, 150
	dir := filepath.Join(cache, "gantry-test", "debian-of-all-kinds")
	count := func() int {
		there, _ := filepath.Glob(dir + "/*.deb")
		return len(there)
	}
	if count() >= least {
		return dir
	}
	if os.Getenv("GANTRY_REQUIRE_CLIENTS") != "1" {
		t.Skipf("no packages of Debian in %s; GANTRY_REQUIRE_CLIENTS=1 downloads them", dir)
	}
	lists := filepath.Join(cache, "gantry-test", "lists")
	for _, d := range []string{dir, lists + "/partial"} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var own []string
	all := kinds(t, own)
	if len(all) < want { // images of containers come without
		own = []string{"-o", "Dir::State::Lists=" + lists, "-o", "APT::Sandbox::User="}
		if out, err := exec.Command("apt-get", append(own, "update", "-q")...).CombinedOutput(); err != nil {
			t.Fatalf("apt-get update: %v\n%s", err, out)
		}
		all = kinds(t, own)
	}
	names, size := choose(all, want)
	c := exec.Command("apt-get", slices.Concat(own, []string{"download", "-q", "-o", "APT::Sandbox::User="}, names)...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	// apt escapes the colon of an epoch.
	there, _ := filepath.Glob(dir + "/*%3a*.deb")
	for _, was := range there {
		name, version, _ := strings.Cut(filepath.Base(was), "_")
		_, version, _ = strings.Cut(version, "%3a")
		if err := os.Rename(was, filepath.Join(dir, name+"_"+version)); err != nil {
			t.Fatal(err)
		}
	}
	if err != nil || count() < least {
		t.Fatalf("apt-get download has %d of %d packages, %d bytes: %v\n%s", count(), len(names), size, err, out)
	}
	return dir
}

// kinds lists the packages that apt knows, with what makes them unlike others:
// their fields, section and priority, their architecture, an epoch, a character
// of their names and versions.
func kinds(t *testing.T, options []string) (all []known) {
	t.Helper()
	out, err := exec.Command("apt-cache", append(slices.Clone(options), "dumpavail")...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for stanza := range strings.SplitSeq(string(out), "\n\n") {
		var p known
		for line := range strings.Lines(stanza) {
			field, value, ok := strings.Cut(strings.TrimRight(line, "\n"), ":")
			if !ok || strings.HasPrefix(field, " ") {
				continue
			}
			value = strings.TrimSpace(value)
			p.traits = append(p.traits, field)
			switch field {
			case "Package":
				p.name = value
				p.traits = append(p.traits, "named "+value[:1], fmt.Sprint("plus in name ", strings.Contains(value, "+")))
			case "Version":
				for _, c := range ":~+-" {
					p.traits = append(p.traits, fmt.Sprintf("version with %c %v", c, strings.ContainsRune(value, c)))
				}
			case "Source":
				p.traits = append(p.traits, fmt.Sprint("source has version ", strings.Contains(value, "(")))
			case "Section", "Priority", "Architecture", "Multi-Arch":
				p.traits = append(p.traits, field+" "+value)
			case "Size":
				p.size, _ = strconv.ParseInt(value, 10, 64)
			}
		}
		if p.name != "" && p.size > 0 {
			all = append(all, p)
		}
	}
	return all
}

// choose takes small packages so that every trait is there, and then some of any
// size.
func choose(all []known, want int) (names []string, size int64) {
	const most = 100 << 20 // bytes
	slices.SortStableFunc(all, func(a, b known) int { return cmp.Compare(a.size, b.size) })
	seen := map[string]int{}
	chosen := map[string]bool{}
	for _, enough := range []int{1, 3, 1 << 30} {
		step := 1
		if enough > 3 {
			all = slices.DeleteFunc(all, func(p known) bool { return p.size > 4<<20 })
			step = max(1, len(all)/max(1, want-len(names)))
		}
		for i := 0; i < len(all); i += step {
			p := all[i]
			if len(names) >= want || size+p.size > most || p.size > 4<<20 {
				break
			}
			if chosen[p.name] || !slices.ContainsFunc(p.traits, func(k string) bool { return seen[k] < enough }) {
				continue
			}
			for _, k := range p.traits {
				seen[k]++
			}
			chosen[p.name] = true
			names = append(names, p.name)
			size += p.size
		}
	}
	return names, size
}
