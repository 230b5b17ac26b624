package tree_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gantry/config"
	"gantry/pipeline/repodata"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// readRepo reads a repository as a client does: repomd.xml, what it names, and
// every package that primary.xml names, by size and digest.
func readRepo(ctx context.Context, top, at string) (int, error) {
	root, err := os.OpenRoot(top)
	if err != nil {
		return 0, err
	}
	defer root.Close()
	r, err := repodata.Scan(ctx, root, at)
	if err != nil {
		return 0, err
	}
	if err := r.Verify(ctx); err != nil {
		return 0, err
	}
	n := 0
	err = r.Packages(ctx, func(p repodata.PackageRef) error {
		b, err := os.ReadFile(filepath.Join(top, at, filepath.FromSlash(p.Href)))
		if err != nil {
			return err
		}
		if int64(len(b)) != p.Size || hexSum(b) != p.SHA256 {
			return fmt.Errorf("%s is not what its metadata says", p.Href)
		}
		n++
		return nil
	})
	return n, err
}

// A reader that loops over repomd.xml, primary.xml and packages during 50 syncs
// finds all that the metadata names, in production and in staging, whose metadata
// is never taken away before the new one is there. What a sync removes stays for
// the grace, which is as long as one reading may take.
func TestH05PackagesBeforeMetadata(t *testing.T) {
	w := newWorld(t, t.TempDir())
	var mu sync.Mutex
	reading := map[string]*sync.RWMutex{}
	for _, p := range []string{w.staging(), w.production()} {
		reading[p] = &sync.RWMutex{}
	}
	w.composed(0)
	w.must("stage")
	w.must("promote")
	// The reader holds the removals of its place up while it is in the middle.
	at := w.staging()
	storage.OnReach(func(point string) {
		if point == "tree.phase.removing" {
			mu.Lock()
			m := reading[at]
			mu.Unlock()
			m.Lock()
			defer m.Unlock()
		}
	})
	defer storage.OnReach(nil)
	ctx, cancel := context.WithCancel(context.Background())
	var readers sync.WaitGroup
	bad := make(chan error, 4)
	reads := 0
	for top, m := range reading {
		readers.Go(func() {
			for ctx.Err() == nil {
				m.RLock()
				n, err := readRepo(context.Background(), top, "BaseOS/x86_64/os")
				m.RUnlock()
				if err != nil || n == 0 {
					bad <- fmt.Errorf("a reader of %s found %d packages: %w", top, n, err)
					return
				}
				mu.Lock()
				reads++
				mu.Unlock()
			}
		})
	}
	for round := 1; round <= 50; round++ {
		w.composed(round)
		mu.Lock()
		at = w.staging()
		mu.Unlock()
		w.must("stage")
		mu.Lock()
		at = w.production()
		mu.Unlock()
		w.must("promote")
	}
	cancel()
	readers.Wait()
	close(bad)
	for err := range bad {
		t.Error(err)
	}
	if reads < 50 {
		t.Errorf("only %d readings during 50 syncs", reads)
	}
}

func TestH01UnknownEditionGoesNowhere(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(1)
	w.must("stage")
	put(t, filepath.Join(w.at, "production", "pub", "9.6", "file"), "of others")
	before := picture(t, filepath.Join(w.at, "production"))
	for version, words := range map[string]string{
		"": "gantry open", "lookahead": "no version", "9": "no version", "8.10": "no edition", "9.8-beta": "no edition", "9.8-lh": "no edition", "../9.7": "no version",
	} {
		w.version = version
		w.fails("promote", words)
		w.fails("stage", words)
	}
	equal(t, "production", picture(t, filepath.Join(w.at, "production")), before)
}

func TestH02WhatIsRemovedIsSaid(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(1)
	w.must("stage")
	w.must("promote")
	if err := os.RemoveAll(w.compose("AppStream")); err != nil {
		t.Fatal(err)
	}
	kept := *w.tree()
	kept.Keep = true
	w.cfg.Targets[0].Tree = &kept
	before := picture(t, w.staging())
	if p := w.must("stage"); p.Counts.Removed != 0 {
		t.Errorf("a tree that keeps would remove %d", p.Counts.Removed)
	}
	got := picture(t, w.staging())
	got["."] = before["."] // its time is that of the source
	equal(t, "staging that keeps", got, before)
	kept.Keep, kept.Alarm = false, 10
	p := w.must("stage")
	if p.Counts.Removed == 0 || !strings.Contains(p.Phrase(), "!lost-appstream-x86-64-os !removes-many") {
		t.Errorf("the phrase %q does not say what goes", p.Phrase())
	}
	if _, err := os.Stat(w.staging("AppStream")); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// A plan is the dry run: it changes nothing, neither in the trees nor beside them,
// and says what the run then does.
func TestH04PlanChangesNothing(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(1)
	before := picture(t, w.at)
	plan, err := w.step("stage", nil).Plan(t.Context(), w.env())
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "all", picture(t, w.at), before)
	files := 0
	for _, text := range picture(t, w.compose()) {
		if !strings.HasPrefix(text, "d") {
			files++
		}
	}
	parts := 0
	for _, p := range plan.Parts {
		parts += p.Added
	}
	if plan.Counts.Added != files || parts != files || len(plan.Added) == 0 || len(plan.Added) > 200 || plan.Added[0].Size < plan.Added[1].Size {
		t.Errorf("of %d files it counts %+v, by part %d, and names %d", files, plan.Counts, parts, len(plan.Added))
	}
}

func TestH06HalfWrittenSourceIsRefused(t *testing.T) {
	for name, harm := range map[string]func(at string) error{
		"package missing":  func(at string) error { return os.Remove(first(at, "Packages/*/*.rpm")) },
		"package short":    func(at string) error { return os.Truncate(first(at, "Packages/*/*.rpm"), 3) },
		"document missing": func(at string) error { return os.Remove(first(at, "repodata/*-primary.xml.gz")) },
		"document short":   func(at string) error { return os.Truncate(first(at, "repodata/*-other.xml.gz"), 3) },
		"no repomd":        func(at string) error { return os.Remove(filepath.Join(at, "repodata/repomd.xml")) },
		"no signature":     func(at string) error { return os.Remove(filepath.Join(at, "repodata/repomd.xml.asc")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			w.composed(1)
			w.must("stage")
			before := picture(t, w.staging())
			w.composed(2)
			if err := harm(w.compose("BaseOS/x86_64/os")); err != nil {
				t.Fatal(err)
			}
			w.fails("stage", "BaseOS/x86_64/os")
			equal(t, "staging", picture(t, w.staging()), before)
		})
	}
}

func first(at, pattern string) string {
	all, _ := filepath.Glob(filepath.Join(at, pattern))
	if len(all) == 0 {
		return at + "/nothing"
	}
	return all[0]
}

// What was changed after it was signed does not go to production.
func TestH07StaleSignatureIsRefused(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(1)
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(w.compose("BaseOS/x86_64/os/repodata/repomd.xml.asc"), old, old); err != nil {
		t.Fatal(err)
	}
	w.must("stage")
	w.fails("promote", "BaseOS/x86_64/os", "after it was signed", "sign it again")
}

// What was changed after it was signed is found by its signature, whatever the
// times of the files say.
func TestH08OrderIsProvedByTheSignature(t *testing.T) {
	w := newWorld(t, t.TempDir())
	private, public, err := sign.Generate("Rocky", "r@example.org", 2048, 0, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	key, err := sign.Load(private, nil)
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(w.at, "key.asc"), string(public))
	w.cfg.Keys = []config.Key{{Name: "rocky", Public: filepath.Join(w.at, "key.asc")}}
	w.cfg.Targets[0].Key = "rocky"
	repo(t, w.compose("BaseOS/x86_64/os"), packages(1, 3), false)
	xml := w.compose("BaseOS/x86_64/os/repodata/repomd.xml")
	text, err := os.ReadFile(xml)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := key.Detached(text, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	put(t, xml+".asc", string(sig))
	w.must("stage")
	w.must("promote")
	put(t, xml, string(text)+"<!-- errata -->\n")
	put(t, xml+".asc", string(sig)) // newer, and of what was before
	w.must("stage")
	w.fails("promote", "BaseOS/x86_64/os", "does not match", "sign it again")
}

// A sync changes nothing of its source, and one that is asked for again changes
// nothing at all.
func TestH16AskedAgainItChangesNothing(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(1)
	compose := picture(t, w.compose())
	w.must("stage")
	equal(t, "compose", picture(t, w.compose()), compose)
	staging, id := picture(t, w.staging()), w.pointer("staging")
	p := w.must("stage")
	if p.Counts.Added+p.Counts.Changed+p.Counts.Removed != 0 || p.Move.From != p.Move.To {
		t.Errorf("the second plan is %+v", p)
	}
	equal(t, "staging", picture(t, w.staging()), staging)
	if got := w.pointer("staging"); got != id {
		t.Errorf("staging is the result of %s, of %s before", got, id)
	}
	// A directory that is a link is not written through.
	if err := os.Symlink("9.7", w.staging("..", "9.7-RC2")); err != nil {
		t.Fatal(err)
	}
	w.version = "9.7-RC2"
	w.fails("stage", "is a link")
}

// Files at the top, and directories that are gone at any depth, are synced like
// all others.
func TestH20EveryLevelIsSynced(t *testing.T) {
	w := newWorld(t, t.TempDir())
	put(t, w.compose("top"), "1")
	put(t, w.compose("cloud/x86_64/common/Packages/a.rpm"), "1")
	put(t, w.compose("cloud/aarch64/common/Packages/a.rpm"), "1")
	w.must("stage")
	if err := os.RemoveAll(w.compose("cloud/aarch64")); err != nil {
		t.Fatal(err)
	}
	put(t, w.compose("top"), "22")
	w.must("stage")
	equal(t, "staging", picture(t, w.staging()), picture(t, w.compose()))
}

// A file that has other names, in this tree or another one, is replaced under one
// name, and the others keep what they had.
func TestH23OtherNamesKeepWhatTheyHad(t *testing.T) {
	w := newWorld(t, t.TempDir())
	put(t, w.compose("a"), "the same")
	put(t, w.compose("b"), "the same")
	w.must("stage")
	other := filepath.Join(w.at, "staging", "pub", "9.6")
	if err := errors.Join(os.Remove(w.staging("b")), os.Link(w.staging("a"), w.staging("b")), os.MkdirAll(other, 0o755), os.Link(w.staging("a"), filepath.Join(other, "a"))); err != nil {
		t.Fatal(err)
	}
	info, _ := os.Stat(w.compose("b"))
	if err := os.Chtimes(w.staging("a"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	put(t, w.compose("a"), "another one")
	if err := os.Chmod(w.compose("b"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.must("stage")
	for p, want := range map[string]string{w.staging("a"): "another one", w.staging("b"): "the same", filepath.Join(other, "a"): "the same"} {
		if b, err := os.ReadFile(p); err != nil || string(b) != want {
			t.Errorf("%s holds %q, %v; wanted %q", p, b, err, want)
		}
	}
	if info, err := os.Stat(filepath.Join(other, "a")); err != nil || info.Mode().Perm() != 0o644 {
		t.Errorf("the mode of the other name is %v, %v", info.Mode(), err)
	}
}

func TestH24MissingMountIsRefused(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.composed(1)
	root := filepath.Join(w.at, "staging")
	w.tree().Staging.Mount = true
	w.fails("stage", "nothing is mounted at "+root)
	w.tree().Staging.Mount = false
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	w.fails("stage", "there is no directory "+root, "mount it")
	if _, err := os.Stat(root); !os.IsNotExist(err) {
		t.Error("the root was made")
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	w.tree().Compose.Mount = true
	w.fails("stage", "nothing is mounted")
	w.tree().Compose.Mount = false
	if err := os.RemoveAll(w.compose()); err != nil {
		t.Fatal(err)
	}
	w.fails("stage", "has no directory 9")
	if err := os.Mkdir(w.compose(), 0o755); err != nil {
		t.Fatal(err)
	}
	w.fails("stage", "holds no files")
}

// What is not in a tree is refused by name, before anything is done.
func TestOddSourceIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		make  func(at string) error
		words string
	}{
		"newline":   {func(at string) error { return os.WriteFile(filepath.Join(at, "a\nb"), nil, 0o644) }, `"a\nb"`},
		"tab":       {func(at string) error { return os.WriteFile(filepath.Join(at, "a\tb"), nil, 0o644) }, `"a\tb"`},
		"no UTF-8":  {func(at string) error { return os.WriteFile(filepath.Join(at, "a\xffb"), nil, 0o644) }, `"a\xffb"`},
		"pipe":      {func(at string) error { return syscall.Mkfifo(filepath.Join(at, "p"), 0o644) }, "device, socket or pipe"},
		"link text": {func(at string) error { return os.Symlink("a\nb", filepath.Join(at, "l")) }, `"a\nb"`},
		"long path": {func(at string) error { return deep(at) }, "bytes begins with"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, t.TempDir())
			put(t, w.compose("x/file"), "1")
			if err := c.make(w.compose("x")); err != nil {
				t.Skip(err)
			}
			w.fails("stage", c.words)
			if half := w.half(); len(half) > 0 || w.pointer("staging") != "" {
				t.Errorf("something was begun: %q", half)
			}
		})
	}
}

// deep makes a path that is too long, from inside.
func deep(at string) error {
	here, err := os.OpenRoot(at)
	for range 20 {
		if err != nil {
			return err
		}
		name := strings.Repeat("d", 200)
		if err = here.Mkdir(name, 0o755); err == nil {
			next, bad := here.OpenRoot(name)
			here.Close()
			here, err = next, bad
		}
	}
	return err
}

// Links are copied and never followed, whether they lead round in a loop or out.
func TestLinksAreNotFollowed(t *testing.T) {
	w := newWorld(t, t.TempDir())
	put(t, w.compose("file"), "1")
	for name, text := range map[string]string{"loop": "loop", "here": ".", "up": "..", "away": "/etc"} {
		if err := os.Symlink(text, w.compose(name)); err != nil {
			t.Fatal(err)
		}
	}
	p := w.must("stage")
	equal(t, "staging", picture(t, w.staging()), picture(t, w.compose()))
	if !strings.Contains(strings.Join(p.Warnings, "\n"), "2 links lead out of the tree") {
		t.Errorf("the warnings are %q", p.Warnings)
	}
}

// Excluded paths are left alone on both sides, and so are files that others are
// making.
func TestExcludedIsLeftAlone(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.tree().Exclude = []string{"*.part", "private/", "a/fullfilelist"}
	put(t, w.compose("a/file"), "1")
	put(t, w.compose("a/b.part"), "1")
	put(t, w.compose("private/secret"), "1")
	put(t, w.compose("gone/file"), "1")
	w.must("stage")
	for _, p := range []string{"a/fullfilelist", "private/of-staging", "gone/other.part", "a/.x.~tmp~", "a/.nfs0001"} {
		put(t, w.staging(p), "of staging")
	}
	if err := os.RemoveAll(w.compose("gone")); err != nil {
		t.Fatal(err)
	}
	w.must("stage")
	got := picture(t, w.staging())
	for p, there := range map[string]bool{
		"a/file": true, "a/b.part": false, "private/secret": false, "private/of-staging": true,
		"a/fullfilelist": true, "gone/file": false, "gone/other.part": true, "a/.x.~tmp~": true, "a/.nfs0001": true,
	} {
		if _, ok := got[p]; ok != there {
			t.Errorf("%s is there: %t, wanted %t", p, ok, there)
		}
	}
}

// A new production directory is closed until the bitflip, and its files private;
// one that was opened stays so.
func TestClosedUntilTheBitflip(t *testing.T) {
	w := newWorld(t, t.TempDir())
	w.tree().Closed, w.tree().Private = 0o750, true
	w.composed(1)
	w.must("stage")
	w.must("promote")
	mode := func(p string) os.FileMode {
		info, err := os.Lstat(w.production(p))
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if mode(".") != 0o750 || mode("isos/x86_64/CHECKSUM") != 0o640 {
		t.Errorf("closed it has %v, a file %v", mode("."), mode("isos/x86_64/CHECKSUM"))
	}
	if p := w.must("promote"); p.Move.From != p.Move.To {
		t.Errorf("asked again, it would change %+v", p.Counts)
	}
	if err := os.Chmod(w.production(), 0o755); err != nil {
		t.Fatal(err)
	}
	err := filepath.Walk(w.production(), func(p string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			err = os.Chmod(p, info.Mode()|0o004)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if p := w.must("promote"); p.Move.From != p.Move.To {
		t.Errorf("opened, it would change %+v", p.Counts)
	}
	w.composed(2)
	w.must("stage")
	w.must("promote")
	if mode(".") != 0o755 || mode("isos/x86_64/CHECKSUM") != 0o644 {
		t.Errorf("open it has %v, a file %v", mode("."), mode("isos/x86_64/CHECKSUM"))
	}
}
