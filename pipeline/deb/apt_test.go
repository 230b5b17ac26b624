package deb_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline/deb"
)

// apt is an apt with lists, cache and sources of its own.
type apt struct {
	t   testing.TB
	dir string
}

func newAptIn(t testing.TB, dir, sources string) *apt {
	t.Helper()
	a := &apt{t, dir}
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "etc/sources.list.d", "etc/preferences.d", "etc/trusted.gpg.d", "got"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"etc/sources.list.d/demo.sources": sources, "state/status": "", "etc/none": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return a
}

// run runs a program of apt, as it is by default: development machines turn the
// checks of times off.
func (a *apt) run(name string, args ...string) (string, error) {
	all := []string{
		"-o", "Dir::State=" + a.dir + "/state", "-o", "Dir::State::status=" + a.dir + "/state/status", "-o", "Dir::Cache=" + a.dir + "/cache",
		"-o", "Dir::Etc=" + a.dir + "/etc", "-o", "Dir::Etc::sourcelist=" + a.dir + "/etc/none", "-o", "Dir::Etc::sourceparts=" + a.dir + "/etc/sources.list.d",
		"-o", "Acquire::Check-Date=true", "-o", "Acquire::Check-Valid-Until=true", "-o", "Acquire::Languages=none", "-o", "APT::Architecture=amd64",
		"-o", "APT::Architectures::=amd64", "-o", "APT::Architectures::=arm64", "-o", "APT::Sandbox::User=", "-o", "Acquire::http::Proxy=false",
	}
	c := exec.Command(name, append(all, args...)...)
	c.Env = append(os.Environ(), "LC_ALL=C")
	c.Dir = a.dir + "/got"
	out, err := c.CombinedOutput()
	return string(out), err
}

func (a *apt) must(name string, args ...string) string {
	a.t.Helper()
	out, err := a.run(name, args...)
	if err != nil {
		a.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	if strings.Contains(out, "W:") || strings.Contains(out, "E:") {
		a.t.Errorf("%s %q complains:\n%s", name, args, out)
	}
	return out
}

// newApt returns what apt and gpgv have to see after each flip; apt keeps its
// lists. What is not installed is not asked.
func newApt(t *testing.T, s *shop) func(packages []string) {
	for _, name := range []string{"apt-get", "apt-cache", "gpg", "gpgv"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
				t.Fatal(err)
			}
			t.Logf("without clients: %v", err)
			return func([]string) {}
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(s.archive())))
	t.Cleanup(server.Close)
	home := t.TempDir()
	ring := home + "/ring.gpg"
	if out, err := exec.Command("gpg", "--homedir", home, "--batch", "--yes", "-o", ring, "--dearmor", filepath.Join(s.dir, "keys/public.asc")).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := deb.Clients(s.cfg, s.target)
	if err != nil {
		t.Fatal(err)
	}
	sources := strings.Replace(files[0].Text, "file://"+s.archive(), server.URL, 1)
	a := newAptIn(t, home+"/apt", sources)
	return func(packages []string) {
		t.Helper()
		dists := filepath.Join(s.archive(), "dists/noble")
		for _, args := range [][]string{{dists + "/InRelease"}, {dists + "/Release.gpg", dists + "/Release"}} {
			if out, err := exec.Command("gpgv", append([]string{"--homedir", home, "--keyring", ring}, args...)...).CombinedOutput(); err != nil {
				t.Errorf("gpgv %q: %v\n%s", args, err, out)
			}
		}
		a.must("apt-get", "update")
		var got []string
		for _, file := range strings.Fields(a.must("apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages")) {
			index := a.must("/usr/lib/apt/apt-helper", "cat-file", file)
			if err := deb.ReadIndex(strings.NewReader(index), func(r deb.Ref) error {
				got = append(got, r.Name+"_"+r.Version+"_"+r.Arch)
				return nil
			}); err != nil {
				t.Error(err)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(slices.Compact(got), packages); diff != "" {
			t.Errorf("apt sees (-got +want):\n%s", diff)
		}
		newest := ""
		for _, p := range packages {
			if strings.HasPrefix(p, "agent_") && strings.HasSuffix(p, "_amd64") {
				newest = p
			}
		}
		a.must("apt-get", "download", "agent:amd64")
		is, err := os.ReadFile(filepath.Join(a.dir, "got", newest+".deb"))
		if err != nil {
			t.Fatal(err)
		}
		if want := s.read("pool/noble/core/a/agent/" + newest + ".deb"); !bytes.Equal(is, []byte(want)) {
			t.Errorf("apt downloaded other bytes of %s", newest)
		}
	}
}
