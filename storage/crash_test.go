package storage_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gantry/storage"
)

// release does once what a promotion does: journals, builds upon what is in
// production, flips, journals, and removes the oldest snapshot.
func release(ctx context.Context, dir string) error {
	d, err := storage.OpenDir(dir + "/state")
	if err != nil {
		return err
	}
	defer d.Close()
	j, err := storage.OpenJournal(ctx, d, "journal")
	if err != nil {
		return err
	}
	s, err := storage.OpenServed(dir+"/served", storage.Face{})
	if err != nil {
		return err
	}
	defer s.Close()
	if err := s.Sweep(ctx); err != nil {
		return err
	}
	from, err := s.Pointer(ctx, "production")
	if err != nil {
		return err
	}
	ids, err := s.Snapshots(ctx)
	if err != nil {
		return err
	}
	at := noon
	if len(ids) > 0 {
		at = clock(ids[len(ids)-1])
	}
	b, err := s.Begin(ctx, at, 0)
	if err != nil {
		return err
	}
	defer b.Abort()
	if from != "" {
		m, _, err := s.Manifest(ctx, from)
		if err != nil {
			return err
		}
		for _, f := range m.Files {
			if strings.HasPrefix(f.Path, "Packages/") {
				if _, err := b.Link(ctx, from, f); err != nil {
					return err
				}
			}
		}
	}
	for _, path := range []string{"Packages/a/a-" + b.ID() + ".rpm", "repodata/repomd.xml"} {
		e, err := b.Create(ctx, path)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(e, b.ID()); err != nil {
			return err
		}
		if _, err := e.Commit(); err != nil {
			return err
		}
	}
	if _, err := b.Commit(ctx, storage.Manifest{Target: "t", Base: from}, nil); err != nil {
		return err
	}
	if _, err := j.Append(ctx, storage.Envelope{Type: "intent"}); err != nil {
		return err
	}
	if err := s.Flip(ctx, "production", from, b.ID()); err != nil {
		return err
	}
	if _, err := j.Append(ctx, storage.Envelope{Type: "done"}); err != nil {
		return err
	}
	if len(ids) > 0 && ids[0] != from {
		return s.Remove(ctx, ids[0])
	}
	return nil
}

// whole looks at a release as a stranger would, with nothing of the package:
// production names a snapshot whose files are those of its manifest, and every
// entry of the journal carries the hash of the one before.
func whole(dir string) (production string, err error) {
	to, err := os.Readlink(dir + "/served/production")
	if err != nil {
		return "", err
	}
	for _, id := range append(names(dir+"/served/snapshots"), strings.TrimPrefix(to, "snapshots/")) {
		if strings.HasPrefix(id, ".tmp-") {
			continue
		}
		if err := wholeSnapshot(dir + "/served/snapshots/" + id); err != nil {
			return "", fmt.Errorf("%s: %w", id, err)
		}
	}
	prev := ""
	for i, name := range names(dir + "/state/journal") {
		if strings.HasPrefix(name, ".tmp-") || strings.HasPrefix(name, "probe-") {
			continue
		}
		b, err := os.ReadFile(dir + "/state/journal/" + name)
		if err != nil {
			return "", err
		}
		var e struct{ Prev string }
		if err := json.Unmarshal(b, &e); err != nil || e.Prev != prev {
			return "", fmt.Errorf("entry %d, %s: %v, prev %s", i, name, err, e.Prev)
		}
		h := sha256.Sum256(b)
		prev = hex.EncodeToString(h[:])
	}
	return to, nil
}

func names(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func wholeSnapshot(dir string) error {
	b, err := os.ReadFile(dir + "/manifest.json")
	if err != nil {
		return err
	}
	var m struct {
		ID    string
		Files []struct{ Path, SHA256 string }
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return err
	}
	if m.ID != filepath.Base(dir) {
		return fmt.Errorf("the manifest is that of %s", m.ID)
	}
	var have, want []string
	for _, f := range m.Files {
		b, err := os.ReadFile(dir + "/" + f.Path)
		if err != nil {
			return err
		}
		if h := sha256.Sum256(b); hex.EncodeToString(h[:]) != f.SHA256 {
			return fmt.Errorf("%s is not what the manifest says", f.Path)
		}
		want = append(want, f.Path)
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); err == nil && !e.IsDir() && rel != "manifest.json" {
			have = append(have, filepath.ToSlash(rel))
		}
		return err
	})
	slices.Sort(have)
	slices.Sort(want)
	if err == nil && !slices.Equal(have, want) {
		err = fmt.Errorf("there are %q, the manifest has %q", have, want)
	}
	return err
}

func TestKillAtEveryPoint(t *testing.T) {
	points := storage.Points()
	if len(points) == 0 {
		t.Fatal("no failpoints")
	}
	for _, point := range points {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for range 3 {
				ok(t, release(t.Context(), dir))
			}
			before := must(whole(dir))(t)

			c := exec.Command(os.Args[0])
			c.Env = append(os.Environ(), helperEnv+"=crash "+point+" "+dir)
			out, err := c.CombinedOutput()
			var died *exec.ExitError
			if !errors.As(err, &died) || died.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("it did not die there: %v %s", err, out)
			}
			after, err := whole(dir)
			if err != nil {
				t.Fatalf("after the kill: %v", err)
			}
			flipped := slices.Contains(points[slices.Index(points, "flip.renamed"):], point)
			if (after != before) != flipped {
				t.Errorf("production went from %s to %s", before, after)
			}

			ok(t, release(t.Context(), dir))
			if again := must(whole(dir))(t); again == after {
				t.Errorf("afterwards production stays at %s", again)
			}
			if left := leftovers(t, dir+"/served"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestPointsAreAllReached(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]bool{}
	storage.OnReach(func(p string) {
		mu.Lock()
		seen[p] = true
		mu.Unlock()
	})
	defer storage.OnReach(nil)
	dir := t.TempDir()
	for range 3 {
		ok(t, release(t.Context(), dir))
	}
	mu.Lock()
	defer mu.Unlock()
	for _, p := range storage.Points() {
		if !seen[p] {
			t.Errorf("%s is never reached", p)
		}
	}
	for p := range seen {
		if !slices.Contains(storage.Points(), p) {
			t.Errorf("%s is not among the points", p)
		}
	}
}

func TestReadersNeverMeetABrokenFlip(t *testing.T) {
	dir := t.TempDir()
	s, one := served(t, dir)
	two := snapshot(t, s, map[string]string{"mirrorlist": "two"})
	ok(t, s.Flip(t.Context(), "production", "", one))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var reader sync.WaitGroup
	reader.Go(func() {
		for ctx.Err() == nil {
			if _, err := os.ReadFile(dir + "/production/mirrorlist"); err != nil {
				t.Error(err)
				return
			}
		}
	})
	from, to := one, two
	for ctx.Err() == nil {
		if err := s.Flip(ctx, "production", from, to); err == nil {
			from, to = to, from
		} else if ctx.Err() == nil {
			t.Error(err)
		}
	}
	reader.Wait()
}
