package cli_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline"
	"gantry/storage/storagetest"
)

// away is the environment of programs that use a server of the tests.
func away(t *testing.T) []string {
	return append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+storagetest.Access, "AWS_SECRET_ACCESS_KEY="+storagetest.Secret,
		"XDG_CACHE_HOME="+t.TempDir(), "AWS_EC2_METADATA_DISABLED=true")
}

// The whole release is played on real servers: journal, staging and all that is
// served live in a bucket, images in a registry.
func TestDemoOnS3(t *testing.T) {
	t.Parallel()
	server := storagetest.NewS3(t)
	registry, _ := storagetest.Registry(t)
	dir := filepath.Join(t.TempDir(), "demo")
	play := exec.Command("gantry", "demo", "packyard", "--dir", dir, "--s3", server.Endpoint(), "--bucket", storagetest.Bucket,
		"--registry", registry, "--headless")
	play.Env = away(t)
	out, err := play.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"state", "staging", "served"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is a directory of the demo, not of the server", name)
		}
	}
	served(t, dir, away(t))
	for _, args := range [][]string{{"history", "--verify"}, {"verify", "core-el9"}, {"verify", "core-noble"}, {"verify", "core-image"}} {
		cmd := exec.Command("gantry", append([]string{"-C", filepath.Join(dir, "release.yaml")}, args...)...)
		cmd.Env = away(t)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// The server is killed again and again while a release is worked, item by item.
// What fails says so; it is asked for again when the server is back, and in the
// end all of it is done, and the journal whole.
func TestServerKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	server := storagetest.NewS3(t)
	dir := filepath.Join(t.TempDir(), "demo")
	env := away(t)
	gantry := func(args ...string) (string, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "gantry", args...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := gantry("demo", "packyard", "--dir", dir, "--s3", server.Endpoint(), "--bucket", storagetest.Bucket, "--headless"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	with := func(args ...string) (string, error) {
		return gantry(append([]string{"-C", filepath.Join(dir, "release.yaml")}, args...)...)
	}
	// confirmed asks for a phrase and gives it.
	confirmed := func(args ...string) (string, error) {
		out, err := with(args...)
		_, phrase, asked := strings.Cut(out, "--confirm ")
		if !asked {
			return out, err
		}
		phrase, _, _ = strings.Cut(phrase, "\n")
		return with(append(args, "--confirm", strings.Trim(phrase, `"`))...)
	}

	over := make(chan struct{})
	var killer sync.WaitGroup
	kills := 0
	killer.Go(func() {
		for n := 0; ; n++ {
			select {
			case <-over:
				return
			case <-time.After(time.Duration(700+n*173%900) * time.Millisecond):
			}
			server.Stop()
			kills++
			select { // every fourth time for longer than anybody waits for an answer
			case <-over:
			case <-time.After([]time.Duration{300 * time.Millisecond, time.Second, 300 * time.Millisecond, 9 * time.Second}[n%4]):
			}
			server.Start()
		}
	})
	failed := 0
	for round := range 2 {
		for _, job := range [][][2]string{{{"promote", "core-el9"}, {"rollback", "core-noble"}}, {{"rollback", "core-el9"}, {"promote", "core-noble"}}}[round] {
			verb, target := job[0], job[1]
			for try := 0; ; try++ {
				out, err := confirmed(verb, target)
				if err == nil || try > 0 && strings.Contains(out, "nothing to promote") {
					break // an earlier try got there, and could not be told so
				}
				if failed++; try == 20 {
					t.Fatalf("round %d: %s %s: %v\n%s", round, verb, target, err, out)
				}
			}
		}
	}
	close(over)
	killer.Wait()
	served(t, dir, env)
	for _, args := range [][]string{{"history", "--verify"}, {"verify", "core-el9"}, {"verify", "core-noble"}, {"status"}} {
		if out, err := with(args...); err != nil || strings.Contains(out, "DRIFT") {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	t.Logf("killed %d times, %d calls failed and were asked again", kills, failed)
	if kills == 0 {
		t.Error("the server was never killed")
	}
}

// Two consoles confirm the same plan on a server at the same moment, a hundred
// times: one wins each time, and the other is told who did.
func TestDuelOnS3(t *testing.T) {
	t.Parallel()
	server := storagetest.NewS3(t)
	rounds := 10
	if os.Getenv("GANTRY_REQUIRE_CLIENTS") == "1" {
		rounds = 100
	}
	dir := filepath.Join(t.TempDir(), "demo")
	play := exec.Command("gantry", "demo", "packyard", "--dir", dir, "--s3", server.Endpoint(), "--bucket", storagetest.Bucket, "--headless")
	play.Env = away(t)
	if out, err := play.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cfg := loaded(t, dir)
	var consoles [2]*pipeline.Engine
	for i := range consoles {
		var err error
		consoles[i], err = pipeline.Open(t.Context(), pipeline.Options{
			Config: cfg, Makers: trades().Makers, Trades: trades().Formats,
			Actor: fmt.Sprintf("operator%d", i+1),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer consoles[i].Close()
	}
	wins := [2]int{}
	for round := range rounds {
		job := pipeline.Job{Verb: []string{"promote", "rollback"}[round%2], Target: "core-el9"}
		plan, err := consoles[round/2%2].Plan(t.Context(), job)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		var errs [2]error
		var ready, done sync.WaitGroup
		ready.Add(2)
		for i, e := range consoles {
			done.Go(func() {
				ready.Done()
				ready.Wait()
				run, err := e.Start(t.Context(), plan, plan.Phrase())
				if err == nil {
					err = run.Wait()
				}
				errs[i] = err
			})
		}
		done.Wait()
		winner := -1
		for i, err := range errs {
			var conflict *pipeline.ConflictError
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("round %d: both won", round)
			case err == nil:
				winner = i
				wins[i]++
			case !errors.As(err, &conflict):
				t.Fatalf("round %d: the loser was told: %v", round, err)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won: %v", round, errs)
		}
	}
	for _, e := range consoles {
		if report, err := e.VerifyHistory(t.Context()); err != nil || len(report.Damage) > 0 {
			t.Errorf("journal: %v %v", report.Damage, err)
		}
	}
	t.Logf("%d duels, won %v", rounds, wins)
}

// served lets a demo be served as long as the test runs: clients, and whoever
// reads as they do, find it at the address that its release.yaml names.
func served(t *testing.T, dir string, env []string) {
	t.Helper()
	cmd := exec.Command("gantry", "demo", "--dir", dir, "--serve", "127.0.0.1:0")
	cmd.Env = env
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reader sync.WaitGroup
	t.Cleanup(func() {
		cmd.Process.Kill()
		reader.Wait()
		cmd.Wait()
	})
	up := make(chan bool, 1)
	reader.Go(func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "http://") {
				select {
				case up <- true:
				default:
				}
			}
		}
		close(up)
	})
	select {
	case ok := <-up:
		if !ok {
			t.Fatalf("the demo is not served: %s", said.String())
		}
	case <-time.After(time.Minute):
		t.Fatal("the demo is not served after a minute")
	}
}

// loaded is the configuration of a demo on a server of the tests, whose
// credentials this process is given.
func loaded(t *testing.T, dir string) *config.Release {
	t.Helper()
	path := filepath.Join(dir, "release.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": storagetest.Access, "AWS_SECRET_ACCESS_KEY": storagetest.Secret} {
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		b = []byte(strings.ReplaceAll(string(b), "env:"+name, "file:"+file))
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
