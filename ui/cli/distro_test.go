package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The demo of a release walks the Final checklist to its end, and what it leaves
// is what mirrors, seed boxes and clients want.
func TestDemoOfADistribution(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	out := said(t, "demo", "rocky", "--dir", dir, "--headless")
	for _, want := range []string{
		"REFUSED  file-lists: ", "patch-10.1", // one release has not synced yet
		"REFUSED  bitflip:rocky-9: ", "the clock is set forward", "done  bitflip:rocky-9", "closed", "chain whole",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
	pub := filepath.Join(dir, "mnt", "repos-production", "mirror", "pub", "rocky")
	if info, err := os.Stat(filepath.Join(pub, "9.7")); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("after the bitflip 9.7 is %v, %v", info.Mode(), err)
	}
	torrents, _ := filepath.Glob(filepath.Join(dir, "torrents", "watch", "*.torrent"))
	if len(torrents) != 6 {
		t.Errorf("%d torrents are published, want 6: %v", len(torrents), torrents)
	}
	listed(t, pub)
	accepted(t, dir, pub)
	if out := said(t, "-C", filepath.Join(dir, "release.yaml"), "history", "--verify"); !strings.Contains(out, "whole") {
		t.Errorf("history --verify says %s", out)
	}
}

// said runs the program and returns what it says.
func said(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("gantry", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("gantry %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// listed compares the list for mirrors with what is there: every path that the
// group may read, and nothing else.
func listed(t *testing.T, pub string) {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(pub, "fullfiletimelist-rocky"))
	if err != nil {
		t.Fatal(err)
	}
	var has []string
	for line := range strings.Lines(string(list)) {
		if fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(fields) == 4 {
			has = append(has, fields[3])
		}
	}
	var want []string
	err = filepath.WalkDir(pub, func(path string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(pub, path)
		if err != nil || rel == "." || !strings.Contains(rel, "/") && strings.HasPrefix(rel, "fullfile") {
			return err
		}
		want = append(want, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	has = slices.DeleteFunc(has, func(p string) bool { return strings.HasPrefix(p, "fullfile") })
	slices.Sort(has)
	slices.Sort(want)
	if !slices.Equal(has, want) {
		t.Errorf("the list has %d paths, there are %d", len(has), len(want))
	}
}

// accepted lets real clients judge: checksums, signatures, torrents.
func accepted(t *testing.T, dir, pub string) {
	t.Helper()
	judge := func(in, name string, args ...string) {
		t.Helper()
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
				t.Errorf("%s is missing", name)
			}
			return
		}
		cmd := exec.Command(name, args...)
		cmd.Dir = in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	for _, arch := range []string{"x86_64", "aarch64"} {
		judge(filepath.Join(pub, "9.7", "isos", arch), "sha256sum", "--check", "--strict", "--quiet", "CHECKSUM")
		for _, repo := range []string{"BaseOS", "AppStream"} {
			repodata := filepath.Join(pub, "9.7", repo, arch, "os", "repodata")
			armored, err := os.ReadFile(filepath.Join(dir, "keys", "public.asc"))
			if err != nil || !bytes.Contains(armored, []byte("PUBLIC KEY")) {
				t.Fatal("the demo has no public key", err)
			}
			ring := filepath.Join(t.TempDir(), "ring.gpg")
			judge(dir, "gpg", "--batch", "--quiet", "--yes", "--output", ring, "--dearmor", "keys/public.asc")
			judge(dir, "gpgv", "--keyring", ring, filepath.Join(repodata, "repomd.xml.asc"), filepath.Join(repodata, "repomd.xml"))
		}
	}
	torrents, _ := filepath.Glob(filepath.Join(dir, "torrents", "watch", "*.torrent"))
	for _, file := range torrents {
		judge(dir, "transmission-show", file)
	}
}

// traced makes sure of what the scripts that were run before never had.
func traced(t *testing.T, at string) {
	t.Helper()
	// Nothing is written for an edition that is none, however it is spelled.
	t.Run("TestH03WrongEditionIsRefused", func(t *testing.T) {
		for _, version := range []string{"RLVER=9", "9", "9.7-RC", "lookahead", "11.0", "9.8-beta"} {
			cmd := exec.Command("gantry", "-C", at, "open", "patch", version)
			if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() == 1 {
				t.Errorf("patch %s: %v\n%s", version, err, out)
			}
		}
	})
	// Of everything that reached production the journal has who did it, the plan,
	// and the phrase that was typed.
	t.Run("TestH04NothingWithoutPlanPhraseAndTrace", func(t *testing.T) {
		var answer struct {
			Events []struct {
				Type, Actor string
				Data        struct{ Risk, Plan, Phrase string }
			}
		}
		out := said(t, "-C", at, "history", "--json")
		if err := json.Unmarshal([]byte(out), &answer); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		production := 0
		for _, e := range answer.Events {
			if e.Type != "run.intent" || e.Data.Risk != "production" {
				continue
			}
			production++
			if e.Actor == "" || len(e.Data.Plan) != 64 || !strings.Contains(e.Data.Phrase, " +") {
				t.Errorf("%+v leaves no trace", e)
			}
		}
		if production < 4 {
			t.Errorf("the journal has %d changes of production, want two syncs and two lists at least", production)
		}
	})
}

// The demo of a patch day reviews, promotes and lists two releases; production is
// rolled back from its record alone, to the byte.
func TestDemoOfAPatchDay(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	out := said(t, "demo", "patch-day", "--dir", dir, "--headless")
	for _, want := range []string{"RLSA-2025:21248", "DOWNGRADED", "REMOVED    toolbox", "ALARM removes-many", "chain whole"} {
		if !strings.Contains(out, want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
	at := filepath.Join(dir, "release.yaml")
	toolbox := filepath.Join(dir, "mnt/repos-production/mirror/pub/rocky/9.7/AppStream/x86_64/os/Packages/toolbox-0.1.1-3.el9.x86_64.rpm")
	if _, err := os.Stat(toolbox); err == nil {
		t.Error("what the patch day removed is in production")
	}
	cmd := exec.Command("gantry", "-C", at, "rollback", "rocky-9")
	plan, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 {
		t.Fatalf("a rollback without a phrase: %v\n%s", err, plan)
	}
	_, phrase, ok := bytes.Cut(plan, []byte("--confirm "))
	if !ok {
		t.Fatalf("the plan names no phrase:\n%s", plan)
	}
	phrase, _, _ = bytes.Cut(phrase, []byte("\n"))
	said(t, "-C", at, "rollback", "rocky-9", "--confirm", strings.Trim(string(phrase), `'"`))
	if _, err := os.Stat(toolbox); err != nil {
		t.Errorf("the rollback did not bring it back: %v", err)
	}
	said(t, "-C", at, "verify", "rocky-10")
	traced(t, at)
}
