package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/bitflip"
	"gantry/pipeline/check"
	"gantry/pipeline/closure"
	"gantry/pipeline/command"
	"gantry/pipeline/compose"
	"gantry/pipeline/deb"
	"gantry/pipeline/filelist"
	"gantry/pipeline/hardlink"
	"gantry/pipeline/image"
	"gantry/pipeline/job"
	"gantry/pipeline/oci"
	"gantry/pipeline/remote"
	"gantry/pipeline/repodata"
	"gantry/pipeline/review"
	"gantry/pipeline/rpm"
	"gantry/pipeline/torrent"
	"gantry/pipeline/tree"
	"gantry/ui/cli"
)

func trades() cli.Trades {
	return cli.Trades{
		Makers: pipeline.Makers{
			"rpm": rpm.Make, "deb": deb.Make, "oci": oci.Make,
			"check": check.Make, "command": command.Make, "remote": remote.Make, "job": job.Make, "closure": closure.Make,
			"tree": tree.Make, "compose": compose.Make, "image": image.Make, "torrent": torrent.Make,
			"hardlink": hardlink.Make, "filelist": filelist.Make, "bitflip": bitflip.Make,
		},
		Formats: map[config.Format]pipeline.Trade{
			config.FormatRPM: {Face: rpm.Face, Clients: rpm.Clients, Arch: rpm.Arch, Compare: repodata.CompareEVR, Review: review.Snapshots},
			config.FormatDEB: {Tree: deb.Tree, Face: deb.Face, Clients: deb.Clients, Arch: deb.Arch, Expires: deb.Expires, Compare: deb.CompareVersions},
			config.FormatOCI: {Open: oci.Open, Clients: oci.Clients, Arch: oci.Arch, Compare: oci.CompareVersions},

			config.FormatTree: {Open: tree.Open, Review: review.Trees},
		},
	}
}

// quickRace keeps the race detector from waiting a second at the end of every
// program that a test runs.
const quickRace = "atexit_sleep_ms=10"

func TestMain(m *testing.M) {
	os.Setenv("GORACE", quickRace) // of the programs; this one has started
	testscript.Main(m, map[string]func(){
		"gantry": func() { os.Exit(cli.Main(trades(), os.Args[1:])) },
		"doomed": doomed,
	})
}

// TestScripts runs the program as a shell would; each script of
// testdata/script is one session.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GANTRY_ACTOR", "tester")
			env.Setenv("GORACE", quickRace)
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("ESC", "\x1b")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "field": field, "phrase": phrase, "tamper": tamper, "tear": tear,
		},
	})
}

// exits CODE gantry ARG... runs a program that must end with an exit code; its
// output is what stdout and stderr then match.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE program arg...")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	if err != nil {
		if m := regexp.MustCompile(`exit status (\d+)`).FindStringSubmatch(err.Error()); m != nil {
			fmt.Sscan(m[1], &code)
		} else {
			ts.Fatalf("%v", err)
		}
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// field PATH [VALUE] reads a field of the JSON object on stdout, PATH being
// names and indices with dots between, and compares it; with ! it must not be
// there. More than one object on stdout is a failure.
func field(ts *testscript.TestScript, neg bool, args []string) {
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	var v any
	ts.Check(dec.Decode(&v))
	if dec.More() {
		ts.Fatalf("more than one object on stdout")
	}
	for _, name := range strings.Split(args[0], ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			i := -1
			fmt.Sscan(name, &i)
			if i < 0 || i >= len(at) {
				v = nil
			} else {
				v = at[i]
			}
		default:
			v = nil
		}
	}
	switch {
	case neg && v != nil:
		ts.Fatalf("%s is %v, want none", args[0], v)
	case !neg && v == nil:
		ts.Fatalf("no field %s", args[0])
	case len(args) > 1 && fmt.Sprint(v) != args[1]:
		ts.Fatalf("%s is %v, want %s", args[0], v, args[1])
	}
}

// phrase VAR puts the phrase that the last output asks for into a variable.
func phrase(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile(`--confirm "([^"]+)"`).FindStringSubmatch(ts.ReadFile("stdout"))
	if m == nil {
		ts.Fatalf("no phrase on stdout")
	}
	ts.Setenv(args[0], m[1])
}

// tamper FILE OLD NEW changes the first OLD of a file to NEW.
func tamper(ts *testscript.TestScript, neg bool, args []string) {
	found, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(found) == 0 {
		ts.Fatalf("no %s", args[0])
	}
	data, err := os.ReadFile(found[0])
	ts.Check(err)
	after := bytes.Replace(data, []byte(args[1]), []byte(args[2]), 1)
	if bytes.Equal(data, after) {
		ts.Fatalf("%s does not hold %q", found[0], args[1])
	}
	ts.Check(os.Chmod(found[0], 0o644))
	ts.Check(os.WriteFile(found[0], after, 0o644))
}

// tear DIR writes the half of an event after the last one of a journal.
func tear(ts *testscript.TestScript, neg bool, args []string) {
	found, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "0*.json"))
	ts.Check(err)
	last, err := os.ReadFile(found[len(found)-1])
	ts.Check(err)
	next := filepath.Join(ts.MkAbs(args[0]), fmt.Sprintf("%020d.json", len(found)+1))
	ts.Check(os.WriteFile(next, last[:len(last)/2], 0o644))
}
