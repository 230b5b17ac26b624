package check_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/check"
	"gantry/storage"
)

const suite = `{name: d, format: deb, component: core, series: "1", suite: noble, architectures: [amd64, arm64], key: k, expect: [core]}`

// put stages a file with its checksum.
func (b *bench) put(at, text string) {
	b.t.Helper()
	b.write("staging/core/1/"+at, text)
	b.write("staging/core/1/"+at+".sha256", digest(text)+"\n")
}

func TestStagedTargets(t *testing.T) {
	whole := []string{
		"rpm/el9-x86_64/core-1-1.noarch.rpm",
		"deb/noble-amd64/core_1_amd64.deb", "deb/noble-arm64/core_1_arm64.deb",
		"oci/x86_64/core.tar", "oci/arm64/core.tar",
	}
	for name, tc := range map[string]struct {
		without string
		with    string
		words   string
	}{
		"whole":                  {"", "", ""},
		"for every architecture": {"deb", "deb/noble-amd64/core_1_all.deb", ""},
		"one architecture":       {"deb/noble-arm64", "", "nothing is staged for d (deb noble-arm64)"},
		"another package":        {"deb/noble-arm64", "deb/noble-arm64/other_1_arm64.deb", "no package core for d (deb noble-arm64)"},
		"sources alone":          {"rpm", "rpm/el9-x86_64/core-1-1.src.rpm", ""}, // nothing is expected there
		"no image":               {"oci/arm64", "", "nothing is staged instead of one archive for i (oci arm64)"},
		"two images":             {"", "oci/arm64/other.tar", "2 files are staged instead of one archive for i (oci arm64)"},
		"nothing":                {"rpm", "", "nothing is staged for a (rpm el9-x86_64)"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			withImage(b)
			b.targets += "\n" + suite
			for _, at := range whole {
				if tc.without == "" || !strings.HasPrefix(at, tc.without) {
					b.put(at, at)
				}
			}
			if tc.with != "" {
				b.put(tc.with, tc.with)
			}
			ev, err := b.run("check.staged", nil)
			wants(t, err, tc.words)
			if err == nil && (ev["staged core 1 rpm el9-x86_64"] != "1 verified" || strings.Contains(b.log, "0 verified")) {
				t.Errorf("evidence %v", ev)
			}
			if !strings.Contains(b.log, "core 1\nrpm el9-x86_64  ") {
				t.Errorf("log:%s", b.log)
			}
		})
	}
}

// A final release holds no pre-release, other releases may.
func TestStagedChannel(t *testing.T) {
	for release, words := range map[string]string{
		"promote 1.0":     `core-1~\x1brc1-1.noarch.rpm: a pre-release: ~\x1brc1`,
		"rc 1.0":          "",
		"promote 1.0-RC1": "",
		" ":               "", // none
	} {
		kind, version, _ := strings.Cut(release, " ")
		b := newBench(t)
		b.put("rpm/el9-x86_64/core-1-1.noarch.rpm", "x")
		b.put("rpm/el9-x86_64/core-1~rc1-1.noarch.rpm", "y")
		b.change = func(env *pipeline.Env) {
			if kind != "" {
				env.Release, env.Version = kind+"-"+version, version
			}
		}
		_, err := b.run("check.staged", nil)
		wants(t, err, strings.ReplaceAll(words, `\x1b`, ""))
	}
}

func TestMatrix(t *testing.T) {
	targets := []*config.Target{
		{Name: "a9", Format: "rpm", Component: "core", Series: "1", OS: "el9-x86_64"},
		{Name: "b9", Format: "rpm", Component: "minion", Series: "1", OS: "el9-x86_64"},
		{Name: "a8", Format: "rpm", Component: "core", Series: "1", OS: "el8-x86_64"},
		{Name: "i", Format: "oci", Component: "minion", Series: "1", Architectures: []config.Arch{"x86_64", "arm64"}},
	}
	at := func(component, format, os string) storage.Place {
		return storage.Place{Component: component, Series: "1", Format: format, OS: os}
	}
	m := check.NewMatrix(targets, []storage.Artifact{
		{Place: at("core", "rpm", "el9-x86_64"), File: "a", Size: 1, Verdict: storage.Verified},
		{Place: at("core", "rpm", "el9-x86_64"), File: "b", Size: 2, Verdict: storage.Verified},
		{Place: at("minion", "rpm", "el9-x86_64"), File: "a", Verdict: storage.Verified},
		{Place: at("minion", "rpm", "el9-x86_64"), File: "b", Verdict: storage.Mismatch},
		{Place: at("minion", "rpm", "el9-x86_64"), File: "c", Verdict: storage.OrphanSidecar},
		{Place: at("minion", "oci", "x86_64"), File: "c", Verdict: storage.Unverified},
		{Place: at("minion", "oci", "arm64"), File: "c", Verdict: storage.Unverified},
		{Place: at("minion", "oci", "arm64"), File: "d", Verdict: storage.Unverified},
		{Place: at("else", "rpm", "el9-x86_64"), File: "a"},
	})
	want := `
                core 1      minion 1
rpm el9-x86_64  2 verified  3, 2 BAD: mismatch
rpm el8-x86_64  MISSING     -
oci x86_64      -           1 unverified
oci arm64       -           2, 2 files are staged instead of one archive
`
	if diff := cmp.Diff(want, "\n"+m.String()); diff != "" {
		t.Error(diff)
	}
	if c := m.Rows[0].Cells[0]; c.Files != 2 || c.Bytes != 3 || c.Verified != 2 || len(c.Targets) != 1 {
		t.Errorf("cell %+v", c)
	}
	lacking := []string{"nothing is staged for a8 (rpm el8-x86_64)", "2 files are staged instead of one archive for i (oci arm64)"}
	if diff := cmp.Diff(lacking, m.Lacking); diff != "" {
		t.Error(diff)
	}
}

func TestStaging(t *testing.T) {
	b := newBench(t)
	reach := func(all ...pipeline.Reached) {
		b.change = func(env *pipeline.Env) {
			env.Reach = func(context.Context) []pipeline.Reached { return all }
		}
	}
	reach(pipeline.Reached{Name: "state", Address: "/s"}, pipeline.Reached{Name: "staging area", Address: "http://h/b\x1b"})
	ev, err := b.run("check.staging", nil)
	wants(t, err, "")
	if diff := cmp.Diff(pipeline.Evidence{"state": "/s", "staging area": `http://h/b\x1b`}, ev); diff != "" {
		t.Error(diff)
	}
	reach(pipeline.Reached{Name: "state", Address: "/s"},
		pipeline.Reached{Name: "staging area", Address: "s3", Err: config.Hint(errors.New("the tunnel died: \x1b"), "start it")},
		pipeline.Reached{Name: "served tree", Address: "/t", Err: os.ErrNotExist})
	ev, err = b.run("check.staging", nil)
	wants(t, err, `cannot be reached: staging area (s3): the tunnel died: \x1b; served tree (/t): file does not exist`)
	if config.HintOf(err) != "start it" || ev["state"] != "/s" || !strings.Contains(b.log, "\nFAIL  staging area          s3: ") {
		t.Errorf("hint %q, evidence %v, log:%s", config.HintOf(err), ev, b.log)
	}
	reach()
	_, err = b.run("check.staging", nil)
	wants(t, err, "no place to look for")
}

// Registries are looked at as well, where a target is an image.
func TestStagingOfImages(t *testing.T) {
	b := newBench(t)
	withImage(b)
	var served storage.Served
	var refused error
	b.change = func(env *pipeline.Env) {
		env.Reach = func(context.Context) []pipeline.Reached { return []pipeline.Reached{{Name: "state", Address: "/s"}} }
		env.Served = func(*config.Target) (storage.Served, error) { return served, refused }
	}
	served = registry{at: "localhost:5000/core"}
	ev, err := b.run("check.staging", nil)
	wants(t, err, "")
	if ev["image i"] != "localhost:5000/core" {
		t.Errorf("evidence %v", ev)
	}
	served = registry{at: "localhost:5000/core", err: errors.New("401")}
	_, err = b.run("check.staging", nil)
	wants(t, err, "image i (localhost:5000/core): 401")
	refused = errors.New("no such target")
	_, err = b.run("check.staging", nil)
	wants(t, err, "no such target")
}

// registry is where an image is served.
type registry struct {
	storage.Served
	at  string
	err error
}

func (r registry) Path() string                                    { return r.at }
func (r registry) Pointer(context.Context, string) (string, error) { return "", r.err }

func TestSpaceOfManyPlaces(t *testing.T) {
	b := newBench(t)
	b.targets += "\n" + suite
	for _, at := range []string{"rpm/el9-x86_64/a-1-1.noarch.rpm", "deb/noble-amd64/core_1_amd64.deb", "deb/noble-arm64/core_1_arm64.deb"} {
		b.put(at, strings.Repeat("x", 100<<10))
	}
	if err := os.MkdirAll(filepath.Join(b.dir, "served"), 0o755); err != nil {
		t.Fatal(err)
	}
	ev, err := b.run("check.space", nil)
	wants(t, err, "")
	if ev["served and state needs"] != "67477504" { // 64 MiB and 300 KiB with a fifth more
		t.Errorf("evidence %v", ev)
	}
}
