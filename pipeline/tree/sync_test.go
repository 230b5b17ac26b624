package tree_test

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func sum(b []byte) []byte { s := sha256.Sum256(b); return s[:6] }

// grow makes or changes a tree at random: files of all sizes, modes and times,
// hard links, symbolic links, holes, empty directories, kinds that change.
func grow(t testing.TB, rng *rand.Rand, at string, steps int) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.MkdirAll(at, 0o755))
	names := []string{"BaseOS", "x86_64", "os", "Packages", "a", "b", "repodata", "primary.xml.gz", "kernel-5.14.rpm", "ü ö.rpm", "-x", ".treeinfo", "CHECKSUM", "9.7-latest.iso"}
	pick := func() string {
		p := at
		for range 1 + rng.IntN(4) {
			p = filepath.Join(p, names[rng.IntN(len(names))])
			if info, err := os.Lstat(p); err == nil && !info.IsDir() {
				break
			}
		}
		return p
	}
	some := func() (string, os.FileInfo) {
		var all []string
		filepath.Walk(at, func(p string, info os.FileInfo, err error) error {
			if p != at {
				all = append(all, p)
			}
			return err
		})
		if len(all) == 0 {
			return "", nil
		}
		p := all[rng.IntN(len(all))]
		info, err := os.Lstat(p)
		check(err)
		return p, info
	}
	for range steps {
		switch rng.IntN(12) {
		case 0, 1, 2, 3, 4:
			p := pick()
			if os.MkdirAll(filepath.Dir(p), 0o755) != nil {
				continue
			}
			if info, err := os.Lstat(p); err == nil && info.IsDir() {
				continue
			}
			b := make([]byte, []int{0, 1, 100, 5000, 300000}[rng.IntN(5)])
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			os.Remove(p)
			check(os.WriteFile(p, b, 0o644))
			check(os.Chmod(p, []os.FileMode{0o644, 0o600, 0o755, 0o444, 0o664}[rng.IntN(5)]))
			when := time.Unix(1700000000+rng.Int64N(1e6), rng.Int64N(1e9))
			check(os.Chtimes(p, when, when))
		case 5:
			p, info := some()
			to := pick()
			if p == "" || !info.Mode().IsRegular() || os.MkdirAll(filepath.Dir(to), 0o755) != nil {
				continue
			}
			os.Link(p, to)
		case 6:
			to := pick()
			if os.MkdirAll(filepath.Dir(to), 0o755) == nil {
				os.Symlink([]string{"a", "../b", ".", "no/where", "Packages"}[rng.IntN(5)], to)
			}
		case 7:
			if p, info := some(); p != "" && (!info.IsDir() || rng.IntN(4) == 0) {
				check(os.RemoveAll(p))
			}
		case 8:
			if p, info := some(); p != "" && info.Mode()&os.ModeSymlink == 0 {
				check(os.Chmod(p, []os.FileMode{0o755, 0o700, 0o750}[rng.IntN(3)]))
			}
		case 9:
			p := pick()
			if os.MkdirAll(filepath.Dir(p), 0o755) != nil {
				continue
			}
			if f, err := os.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644); err == nil {
				_, err = f.WriteAt([]byte("end"), 700000)
				check(err)
				check(f.Close())
			}
		case 10:
			os.MkdirAll(pick(), 0o755)
		case 11: // a file where a directory was, or the reverse
			if p, info := some(); p != "" {
				check(os.RemoveAll(p))
				if info.IsDir() {
					check(os.WriteFile(p, []byte("now a file"), 0o644))
				} else {
					check(os.MkdirAll(filepath.Join(p, "now"), 0o755))
				}
			}
		}
	}
	check(os.RemoveAll(filepath.Join(at, "COMPOSE_ID")))
	check(os.WriteFile(filepath.Join(at, "COMPOSE_ID"), []byte("x"), 0o644))
	// Metadata of repositories is looked at by other tests.
	filepath.Walk(at, func(p string, info os.FileInfo, err error) error {
		if err == nil && filepath.Base(p) == "repodata" {
			os.RemoveAll(p)
			if info.IsDir() {
				return filepath.SkipDir
			}
		}
		return nil
	})
}

// TestSyncEqualsRsync lets rsync judge: what a sync makes of a tree is what
// rsync -aH --delete makes of it, and an undo brings back what was there.
func TestSyncEqualsRsync(t *testing.T) {
	needs(t, "rsync")
	seeds := uint64(20)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 4))
			w := newWorld(t, t.TempDir())
			judge := filepath.Join(w.at, "judge")
			var before []map[string]string
			for round := range 4 {
				grow(t, rng, w.compose(), 60)
				if round > 0 {
					grow(t, rng, w.compose(), 10)
				}
				before = append(before, picture(t, w.production()))
				w.must("stage")
				equal(t, "staging", picture(t, w.staging()), picture(t, w.compose()))
				w.must("promote")
				rsync(t, w.compose()+"/", judge)
				equal(t, "production", picture(t, w.production()), picture(t, judge))
				if half := w.half(); len(half) > 0 {
					t.Fatalf("half done: %q", half)
				}
			}
			for _, want := range slices.Backward(before) {
				w.must("rollback")
				equal(t, "production after the undo", picture(t, w.production()), want)
			}
			if id := w.pointer("production"); id != "" {
				t.Errorf("production is the result of %q, of nothing wanted", id)
			}
			if _, err := os.Lstat(filepath.Join(w.at, "production", "pub")); !os.IsNotExist(err) {
				t.Errorf("the undo of the first sync left a directory: %v", err)
			}
		})
	}
}

func rsync(t testing.TB, from, to string) {
	t.Helper()
	if out, err := exec.Command("rsync", "-aH", "--delete", "--modify-window=-1", "--exclude=*.~tmp~", from, to).CombinedOutput(); err != nil {
		t.Fatalf("rsync: %v\n%s", err, out)
	}
}

func needs(t testing.TB, client string) {
	t.Helper()
	if _, err := exec.LookPath(client); err != nil {
		if os.Getenv("GANTRY_REQUIRE_CLIENTS") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}
