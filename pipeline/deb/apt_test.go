package deb_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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
	server := httptest.NewServer(s.files())
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
	sources := s.sources(files[0].Text, server.URL)
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

// TestSubscriber lets apt in by the files that Clients gives, and nobody else.
func TestSubscriber(t *testing.T) {
	need(t, "apt-get")
	s := newShop(t, ", subscriber: {username: alice, password: env:GANTRY_TEST_KEY}")
	t.Setenv("GANTRY_TEST_KEY", "secret")
	s.stage("agent_1.0_amd64")
	s.release()
	files := http.FileServer(http.Dir(s.archive()))
	var open atomic.Bool
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); !open.Load() && (!ok || user != "alice" || password != "secret") {
			w.Header().Set("WWW-Authenticate", `Basic realm="demo"`)
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.configure(", subscriber: {username: alice, password: env:GANTRY_TEST_KEY}, url: " + server.URL)
	_, ev := s.do("verify", "via=http")
	if ev["address"] != server.URL+"/dists/noble" || ev["strangers"] == "" {
		t.Errorf("verified %v", ev)
	}
	open.Store(true)
	s.refused("SERVED TO ANYBODY", "verify", "via=http")
	open.Store(false)
	given, err := deb.Clients(s.cfg, s.target)
	if err != nil {
		t.Fatal(err)
	}
	if len(given) != 4 {
		t.Fatalf("%d files for clients", len(given))
	}
	sources := strings.Replace(given[0].Text, "/usr/share/keyrings/"+given[3].Name, filepath.Join(s.dir, "keys/public.asc"), 1)
	a := newAptIn(t, t.TempDir(), sources)
	if out, err := a.run("apt-get", "update"); err == nil && !strings.Contains(out, "401") {
		t.Errorf("apt without credentials: %s", out)
	}
	auth := filepath.Join(a.dir, "etc/auth.conf.d")
	if err := os.MkdirAll(auth, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(auth, given[2].Name), []byte(strings.Replace(given[2].Text, "<your key>", "secret", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	a.must("apt-get", "update")
	a.must("apt-get", "download", "agent")

	t.Setenv("GANTRY_TEST_KEY", "wrong")
	s.refused("401", "verify", "via=http")
}

// TestStagingClient lets an apt follow what testers see, with the suite
// SUITE-staging in its sources: it works, and says that Release calls itself by
// the name that it will have in production.
func TestStagingClient(t *testing.T) {
	need(t, "apt-get")
	for name, open := range map[string]func(testing.TB, string) *shop{"links": newShop, "s3": newShopOnS3} {
		t.Run(name, func(t *testing.T) {
			s := open(t, ", policy: replace")
			s.stage("agent_1.0_amd64")
			s.release()
			s.unstage("noble-amd64", "agent_1.0_amd64.deb")
			s.stage("agent_2.0_amd64")
			s.do("build")
			s.do("stage")
			server := httptest.NewServer(s.files())
			t.Cleanup(server.Close)
			files, err := deb.Clients(s.cfg, s.target)
			if err != nil {
				t.Fatal(err)
			}
			sources := strings.Replace(s.sources(files[0].Text, server.URL), "Suites: noble\n", "Suites: noble-staging\n", 1)
			a := newAptIn(t, t.TempDir(), sources)
			out, err := a.run("apt-get", "update")
			if err != nil || strings.Contains(out, "E:") || strings.Count(out, "W:") > 1 || strings.Contains(out, "W:") && !strings.Contains(out, "expected noble-staging but got noble") {
				t.Errorf("apt-get update: %v\n%s", err, out)
			}
			a.must("apt-get", "download", "agent")
			if _, err := os.Stat(a.dir + "/got/agent_2.0_amd64.deb"); err != nil {
				t.Error(err)
			}
		})
	}
}

// sources is the client's file with the archive at that address.
func (s *shop) sources(text, address string) string {
	return strings.Replace(text, deb.Address(s.cfg, s.target), address, 1)
}

// TestHammer lets clients update and download while production is promoted and
// rolled back all the time: none ever fails, and none sees a mix. GANTRY_FLIPS
// says how often.
func TestHammer(t *testing.T) {
	need(t, "apt-get")
	flips := 6
	if n, err := strconv.Atoi(os.Getenv("GANTRY_FLIPS")); err == nil {
		flips = n
	}
	t.Run("links", func(t *testing.T) { hammer(t, flips, 4, newShop) })
	t.Run("objects", func(t *testing.T) { hammer(t, flips, 4, newShopOfObjects) })
	t.Run("s3", func(t *testing.T) { hammer(t, flips, 2, newShopOnS3) })
}

func hammer(t *testing.T, flips, clients int, open func(testing.TB, string) *shop) {
	s := open(t, ", policy: replace")
	server := httptest.NewServer(s.files())
	t.Cleanup(server.Close)
	s.stage("agent_1.0_amd64", "lib_1.0_amd64")
	s.release()
	s.unstage("noble-amd64", "agent_1.0_amd64.deb")
	s.unstage("noble-amd64", "lib_1.0_amd64.deb")
	s.stage("agent_2.0_amd64", "lib_2.0_amd64")
	s.do("build")
	s.do("stage")

	files, err := deb.Clients(s.cfg, s.target)
	if err != nil {
		t.Fatal(err)
	}
	sources := s.sources(files[0].Text, server.URL)
	done := make(chan struct{})
	var wait sync.WaitGroup
	stop := sync.OnceFunc(func() {
		close(done)
		wait.Wait()
	})
	defer stop()
	var rounds atomic.Int64
	for range clients {
		a := newAptIn(t, t.TempDir(), sources)
		wait.Go(func() {
			for more := true; more; {
				select {
				case <-done:
					more = false
				default:
				}
				if err := a.round("agent", "lib"); err != nil {
					t.Error(err)
					return
				}
				rounds.Add(1)
			}
		})
	}
	for i := range flips {
		if i%2 == 0 {
			s.do("promote")
		} else {
			s.do("rollback")
		}
	}
	stop()
	t.Logf("%d flips; %d clients updated and downloaded %d times, and none failed or saw a mix", flips, clients, rounds.Load())
}

// round updates, and downloads packages that must all have one version.
func (a *apt) round(packages ...string) error {
	out, err := a.run("apt-get", "update")
	if err != nil || strings.Contains(out, "W:") || strings.Contains(out, "E:") {
		return fmt.Errorf("apt-get update: %w\n%s", err, out)
	}
	if out, err := a.run("apt-get", append([]string{"download"}, packages...)...); err != nil {
		return fmt.Errorf("apt-get download: %w\n%s", err, out)
	}
	got, err := filepath.Glob(a.dir + "/got/*.deb")
	if err != nil || len(got) != len(packages) {
		return fmt.Errorf("downloaded %q", got)
	}
	versions := map[string]bool{}
	for _, g := range got {
		versions[strings.Split(filepath.Base(g), "_")[1]] = true
		if err := os.Remove(g); err != nil {
			return err
		}
	}
	if len(versions) != 1 {
		return fmt.Errorf("a mix: %q", got)
	}
	return nil
}
