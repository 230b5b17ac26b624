package cli_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline"
)

// TestHammer flips production of an APT and of an RPM target as fast as snapshots
// can be made, while real clients read both over HTTP again and again. None of
// apt and none of dnf through the mirrorlist may fail, hold parts of two
// snapshots, or one that is not the newest. How often dnf through the base
// address fails, which two requests for repomd.xml and its signature leave open,
// is counted beside it.
func TestHammer(t *testing.T) {
	t.Parallel()
	need(t, "apt-get", "dnf")
	flips := 20
	if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
		flips = 200
	}
	s := play(t)
	d := s.serve()
	clients := []*client{
		d.apt(t, "apt with its lists", false), d.apt(t, "apt with its lists", false),
		d.apt(t, "apt without lists", true), d.apt(t, "apt without lists", true),
		d.mirrored(t, "dnf by mirrorlist", false), d.mirrored(t, "dnf by mirrorlist", true),
		d.based(t, "dnf by baseurl"),
	}
	still := func(when string) {
		for _, c := range clients {
			if err := c.once(); err != nil {
				t.Fatalf("%s: %s: %v", when, c.kind, err)
			}
			c.tally = tally{}
		}
	}
	still("before")
	cfg, err := config.Load(filepath.Join(s.dir, "release.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := pipeline.Open(t.Context(), pipeline.Options{Config: cfg, Makers: trades().Makers, Trades: trades().Formats, Actor: "operator"})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()

	began := time.Now()
	var flippers, readers sync.WaitGroup
	var over atomic.Bool
	for target, verbs := range map[string][2]string{"core-noble": {"rollback", "promote"}, "core-el9": {"promote", "rollback"}} {
		flippers.Go(func() {
			for n := range flips / 2 {
				job := pipeline.Job{Verb: verbs[n%2], Target: target}
				plan, err := e.Plan(t.Context(), job)
				var run *pipeline.Active
				if err == nil {
					run, err = e.Start(t.Context(), plan, plan.Phrase())
				}
				if err == nil {
					err = run.Wait()
				}
				if err != nil {
					t.Errorf("flip %d: %s %s: %v", n, job.Verb, target, err)
					return
				}
			}
		})
	}
	for _, c := range clients {
		readers.Go(func() {
			for c.runs < 2 || !over.Load() {
				if err := c.once(); err != nil && !c.measured {
					t.Errorf("%s: %v", c.kind, err)
				}
			}
		})
	}
	flippers.Wait()
	took := time.Since(began)
	over.Store(true)
	readers.Wait()

	var order []string
	counts := map[string]*tally{}
	for _, c := range clients {
		if counts[c.kind] == nil {
			order, counts[c.kind] = append(order, c.kind), &tally{}
		}
		counts[c.kind].add(c.tally)
		if c.measured && c.last != nil {
			t.Logf("%s failed, the last time with: %v", c.kind, c.last)
		}
	}
	text := fmt.Sprintf("%d flips in %.0fs", flips, took.Seconds())
	for _, kind := range order {
		text += fmt.Sprintf("; %s: %v", kind, counts[kind])
	}
	t.Log(text)
	still("after")
	if report, err := e.VerifyHistory(t.Context()); err != nil || len(report.Damage) > 0 {
		t.Errorf("journal: %v %v", report.Damage, err)
	}
}

// tally counts the runs of a client.
type tally struct {
	runs    int
	flipped int // production flipped during the run
	failed  int // the client says so
	mixed   int // what it holds is not of one snapshot
	stale   int // of one that production did not name during the run
}

func (t *tally) add(o tally) {
	t.runs += o.runs
	t.flipped += o.flipped
	t.failed += o.failed
	t.mixed += o.mixed
	t.stale += o.stale
}

func (t *tally) String() string {
	return fmt.Sprintf("%d runs, production flipped during %d, %d failed, %d mixed, %d stale", t.runs, t.flipped, t.failed, t.mixed, t.stale)
}

// client is a foreign program with settings, lists and a cache of its own.
type client struct {
	kind     string // by which it is counted
	tree     string // directory of snapshots and production of its target
	home     string
	forgets  []string // directories of home that are emptied before each run
	measured bool     // it may fail
	read     func(into string) error
	held     func(into string) (snapshot string, err error) // of which all that it has now is

	tally
	last error
}

// once lets a client look for news and download every package, and judges what it
// holds then. Where nothing flips meanwhile that must be what production names;
// where something does, nothing older than what production named at the
// beginning, and so nothing older than what the client had.
func (c *client) once() error {
	c.last = c.attempt()
	return c.last
}

func (c *client) attempt() error {
	into := filepath.Join(c.home, "got")
	for _, dir := range append([]string{"got"}, c.forgets...) {
		if err := empty(filepath.Join(c.home, dir)); err != nil {
			return err
		}
	}
	c.runs++
	before, err := os.Readlink(filepath.Join(c.tree, "production"))
	if err != nil {
		return err
	}
	readErr := c.read(into)
	after, err := os.Readlink(filepath.Join(c.tree, "production"))
	if err != nil {
		return err
	}
	if before != after {
		c.flipped++
	}
	if readErr != nil {
		c.failed++
		return readErr
	}
	id, err := c.held(into)
	if err != nil {
		c.mixed++
		return err
	}
	if at := "snapshots/" + id; at < before || at > after {
		c.stale++
		return fmt.Errorf("it holds snapshot %s; production named %s before and %s after", id, before, after)
	}
	return nil
}

// snapshot makes sure that a client holds a file as a snapshot has it.
func (c *client) snapshot(id, path string, held []byte) error {
	is, err := os.ReadFile(filepath.Join(c.tree, "snapshots", id, path))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no snapshot has the %s that it holds, of %s", path, id)
	}
	if err == nil && !bytes.Equal(is, held) {
		err = fmt.Errorf("it holds another %s than that of snapshot %s", path, id)
	}
	return err
}

// packages makes sure that an index names all the files in a directory by their
// digests, and that there are as many as wanted.
func packages(dir, pattern string, index []byte, want int) error {
	got, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(got) != want {
		return fmt.Errorf("%d packages were downloaded, not %d: %v %v", len(got), want, got, err)
	}
	for _, name := range got {
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if !bytes.Contains(index, []byte(digestOf(b))) {
			return fmt.Errorf("%s is not as the index has it", filepath.Base(name))
		}
	}
	return nil
}

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// only reads the one file that a pattern finds.
func only(pattern string) ([]byte, error) {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("%d files are %s: %v %v", len(found), pattern, found, err)
	}
	return os.ReadFile(found[0])
}

// empty makes a directory, without what was in it.
func empty(dir string) error {
	return errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
}

// write writes the settings of a client.
func (c *client) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		at := filepath.Join(c.home, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// run runs a program of a client; what it prints is in the error.
func (c *client) run(t *testing.T, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "no_proxy=127.0.0.1", "APT_CONFIG="+filepath.Join(c.home, "apt.conf"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return string(out), err
}

var (
	complaint   = regexp.MustCompile(`(?m)^[WE]: `)
	dateForm    = regexp.MustCompile(`(?m)^Date: (.+)$`)
	packageForm = regexp.MustCompile(`(?m)^Package: (.+)$`)
	versionForm = regexp.MustCompile(`(?m)^Version: (.+)$`)
)

// apt is a client of core-noble. It is as apt is by default, which development
// machines' own settings are not, but for one thing: what fails is not tried
// again.
func (d *servedDemo) apt(t *testing.T, kind string, forgets bool) *client {
	t.Helper()
	base := "http://" + d.address
	c := &client{kind: kind, tree: filepath.Join(d.dir, "served/deb/core/2025/suites/noble"), home: t.TempDir()}
	if forgets {
		c.forgets = []string{"lists", "lists/partial"}
	}
	key, err := os.ReadFile(filepath.Join(d.dir, "keys/public.asc"))
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, map[string]string{
		"status": "", "lists/partial/none": "", "archives/partial/none": "", "key.asc": string(key),
		"auth":         "machine " + base + " login subscriber password " + d.key + "\n",
		"sources.list": fmt.Sprintf("deb [signed-by=%s/key.asc arch=amd64] %s/deb/core/2025 noble core\n", c.home, base),
		"apt.conf": fmt.Sprintf(`Dir::Etc::Main "/dev/null"; Dir::Etc::Parts "/dev/null"; Dir::Etc::SourceList "%[1]s/sources.list"; Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null"; Dir::Etc::PreferencesParts "/dev/null"; Dir::Etc::Trusted "/dev/null"; Dir::Etc::TrustedParts "/dev/null";
Dir::Etc::Netrc "%[1]s/auth"; Dir::Etc::NetrcParts "/dev/null"; Dir::State "%[1]s"; Dir::State::Lists "%[1]s/lists"; Dir::State::Status "%[1]s/status";
Dir::Cache "%[1]s"; Dir::Cache::Archives "%[1]s/archives"; APT::Architecture "amd64"; APT::Architectures { "amd64"; }; APT::Sandbox::User "root";
Acquire::Languages "none"; Acquire::GzipIndexes "false"; Acquire::Check-Date "true"; Acquire::Check-Valid-Until "true"; Acquire::Retries "0"; APT::Update::Error-Mode "any";`, c.home),
	})
	get := func(dir string, args ...string) error {
		out, err := c.run(t, dir, "apt-get", args...)
		if err == nil && complaint.MatchString(out) {
			err = fmt.Errorf("apt-get complains:\n%s", out)
		}
		return err
	}
	stanzas := func() (index []byte, all []string, err error) {
		index, err = only(filepath.Join(c.home, "lists/*_dists_noble_core_binary-amd64_Packages"))
		for stanza := range strings.SplitSeq(strings.TrimSpace(string(index)), "\n\n") {
			name, version := packageForm.FindStringSubmatch(stanza), versionForm.FindStringSubmatch(stanza)
			if err == nil && (name == nil || version == nil) {
				err = fmt.Errorf("the index has a stanza %q", stanza)
			}
			if err == nil {
				all = append(all, name[1]+"="+version[1])
			}
		}
		return index, all, err
	}
	c.read = func(into string) error {
		if err := get(into, "update"); err != nil {
			return err
		}
		_, all, err := stanzas()
		if err != nil {
			return err
		}
		return get(into, append([]string{"download"}, all...)...)
	}
	c.held = func(into string) (string, error) {
		release, err := only(filepath.Join(c.home, "lists/*_dists_noble_InRelease"))
		if err != nil {
			return "", err
		}
		index, all, err := stanzas()
		if err != nil {
			return "", err
		}
		date := dateForm.FindSubmatch(release)
		if date == nil {
			return "", errors.New("InRelease has no date")
		}
		at, err := time.Parse(time.RFC1123, string(date[1]))
		if err != nil {
			return "", err
		}
		id := at.UTC().Format("20060102T150405Z")
		named := fmt.Sprintf(" %s %d core/binary-amd64/Packages ", digestOf(index), len(index))
		if !strings.Contains(strings.Join(strings.Fields(string(release)), " "), named) {
			return "", fmt.Errorf("InRelease of %s does not name the index that it holds", id)
		}
		return id, errors.Join(c.snapshot(id, "InRelease", release), packages(into, "*.deb", index, len(all)))
	}
	return c
}

// mirrored is a client of core-el9 as its clients are.
func (d *servedDemo) mirrored(t *testing.T, kind string, forgets bool) *client {
	t.Helper()
	return d.dnfClient(t, kind, forgets, "mirrorlist=http://"+d.address+"/rpm/core/2025/el9-x86_64/production/mirrorlist")
}

// based is one that reads through the pointer itself.
func (d *servedDemo) based(t *testing.T, kind string) *client {
	t.Helper()
	c := d.dnfClient(t, kind, true, "baseurl=http://"+d.address+"/rpm/core/2025/el9-x86_64/production/")
	c.measured = true
	return c
}

func (d *servedDemo) dnfClient(t *testing.T, kind string, forgets bool, where string) *client {
	t.Helper()
	c := &client{kind: kind, tree: filepath.Join(d.dir, "served/rpm/core/2025/el9-x86_64"), home: t.TempDir()}
	if forgets {
		c.forgets = []string{"root"}
	}
	c.write(t, map[string]string{"dnf.conf": fmt.Sprintf(`[main]
reposdir=/dev/null
varsdir=/dev/null
pluginpath=/dev/null
cachedir=%[1]s/cache
persistdir=%[1]s/persist
logdir=%[1]s

[core]
name=core
%[2]s
gpgcheck=1
repo_gpgcheck=1
gpgkey=http://%[3]s/gpg/public.asc
username=subscriber
password=%[4]s
skip_if_unavailable=0
`, c.home, where, d.address, d.key)})
	wanted := []string{"packyard-core", "packyard-minion", "packyard-sentinel", "packyard-tools"}
	c.read = func(into string) error {
		args := []string{"-y", "-q", "-c", filepath.Join(c.home, "dnf.conf"), "--installroot=" + filepath.Join(c.home, "root"), "--releasever=9",
			"--forcearch=x86_64", "--refresh", "install", "--downloadonly", "--downloaddir", into}
		_, err := c.run(t, into, "dnf", append(args, wanted...)...)
		return err
	}
	c.held = func(into string) (string, error) {
		repodata := filepath.Join(c.home, "root", c.home, "cache/core-*/repodata") // dnf puts its root before it
		repomd, err := only(filepath.Join(repodata, "repomd.xml"))
		if err != nil {
			return "", err
		}
		signature, err := only(filepath.Join(repodata, "repomd.xml.asc"))
		if err != nil {
			return "", err
		}
		primary, err := only(filepath.Join(repodata, "*-primary.xml.gz"))
		if err != nil {
			return "", err
		}
		revision := revisionForm.FindSubmatch(repomd)
		if revision == nil {
			return "", errors.New("repomd.xml has no revision")
		}
		at, err := strconv.ParseInt(string(revision[1]), 10, 64)
		if err != nil {
			return "", err
		}
		id := time.Unix(at, 0).UTC().Format("20060102T150405Z")
		if !bytes.Contains(repomd, []byte(digestOf(primary))) {
			return "", fmt.Errorf("repomd.xml of %s does not name the primary.xml that it holds", id)
		}
		z, err := gzip.NewReader(bytes.NewReader(primary))
		if err != nil {
			return "", err
		}
		index, err := io.ReadAll(z)
		if err != nil {
			return "", err
		}
		return id, errors.Join(c.snapshot(id, "repodata/repomd.xml", repomd), c.snapshot(id, "repodata/repomd.xml.asc", signature),
			packages(into, "*.rpm", index, len(wanted)))
	}
	return c
}
