package cli_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	production := "http://" + d.address + "/rpm/core/2025/el9-x86_64/production/"
	based := d.dnfClient(t, "dnf by baseurl", "baseurl="+production, true)
	based.measured = true
	clients := []*client{
		d.aptClient(t, "apt with its lists", false), d.aptClient(t, "apt with its lists", false),
		d.aptClient(t, "apt without lists", true), d.aptClient(t, "apt without lists", true),
		d.dnfClient(t, "dnf by mirrorlist", "mirrorlist="+production+"mirrorlist", false),
		d.dnfClient(t, "dnf by mirrorlist", "mirrorlist="+production+"mirrorlist", true),
		based,
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
				if err := c.once(); err != nil && c.measured {
					t.Logf("%s: %v", c.kind, err)
				} else if err != nil {
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
}

// once lets a client look for news and download every package, and judges what it
// holds then. Where nothing flips meanwhile that must be what production names;
// where something does, nothing older than what production named at the
// beginning, and so nothing older than what the client had.
func (c *client) once() error {
	c.runs++
	into := filepath.Join(c.home, "got")
	for _, dir := range append([]string{"got"}, c.forgets...) {
		if err := empty(filepath.Join(c.home, dir)); err != nil {
			return err
		}
	}
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

// empty makes a directory, without what was in it.
func empty(dir string) error {
	return errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755))
}
