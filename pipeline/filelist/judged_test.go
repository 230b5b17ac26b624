package filelist_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/filelist"
)

// refuses makes sure that planning is refused in words.
func refuses(t *testing.T, b *bench, words ...string) {
	t.Helper()
	_, err := b.plan()
	var refused *pipeline.RefusedError
	if !errors.As(err, &refused) || refused.Hint == "" {
		t.Fatalf("not refused: %v", err)
	}
	for _, word := range words {
		if !strings.Contains(refused.Reason, word) {
			t.Errorf("%q does not say %q", refused.Reason, word)
		}
	}
}

// promoting is an open release with a sync to production of a tree.
func promoting(kind, version, target string, status checklist.Status) checklist.View {
	item := checklist.Item{ID: "sync", Title: "Sync to Production", Uses: "promote", Target: target}
	return checklist.View{
		Release:  &checklist.ReleaseState{Opened: checklist.Opened{ID: kind + "-" + version, Kind: kind, Version: version}},
		Sections: []checklist.SectionView{{Views: []checklist.ItemView{{Item: item, Status: status}}}},
	}
}

// All releases that are worked on must have come to the end of their syncs, and
// none may be in the middle of one, before mirrors are told to come.
func TestH10ListsWaitForEveryRelease(t *testing.T) {
	for status, complete := range map[checklist.Status]bool{
		checklist.StatusBlocked: false, checklist.StatusReady: false, checklist.StatusRunning: false, checklist.StatusFailed: false,
		checklist.StatusUnknown: false, checklist.StatusStale: false, checklist.StatusDone: true, checklist.StatusWaived: true,
	} {
		b := newBench(t)
		b.open = []checklist.View{promoting("final", "9.7", "rocky-9", checklist.StatusDone), promoting("patch", "8.10", "rocky-8", status)}
		if complete {
			b.must()
			continue
		}
		refuses(t, b, "patch-8.10", "Sync to Production", string(status))
	}
	t.Run("of another tree", func(t *testing.T) {
		b := newBench(t)
		b.cfg.FileLists[0].After = []config.Name{"rocky-9"}
		b.open = []checklist.View{promoting("patch", "8.10", "rocky-8", checklist.StatusReady)}
		b.busy = []string{"rocky-8"}
		b.must()
	})
	t.Run("busy", func(t *testing.T) {
		b := newBench(t)
		b.busy = []string{"rocky-8"}
		refuses(t, b, "rocky-8", "in the middle")
	})
	t.Run("interrupted", func(t *testing.T) {
		b := newBench(t)
		b.away = []string{"12 files of 9.7 are not there yet"}
		refuses(t, b, "rocky-9", "12 files")
	})
	t.Run("begun since the plan", func(t *testing.T) {
		b := newBench(t)
		plan, err := b.plan()
		if err != nil {
			t.Fatal(err)
		}
		b.busy = []string{"rocky-9"}
		_, err = b.step().Run(t.Context(), b.env(), plan, pipeline.NewProgress(nil))
		if !errors.As(err, new(*pipeline.RefusedError)) {
			t.Errorf("it ran: %v", err)
		}
		if _, err := os.Stat(filepath.Join(b.root, "fullfilelist")); err == nil {
			t.Error("a list was written")
		}
	})
}

// TestOtherUser is run as a user who may read less than mirrors do.
func TestOtherUser(t *testing.T) {
	root := os.Getenv("GANTRY_FILELIST_OTHER")
	if root == "" {
		t.Skip("only run by another test")
	}
	b := benchAt(t, root)
	refuses(t, b, `"mirror/vault/group"`, "cannot be read")
}

// A directory that mirrors can read and we cannot would be missing in the lists.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root becomes another user")
	}
	b := newBench(t)
	b.write("mirror/vault/group/file", "x")
	b.write("mirror/vault/nobody/file", "x")                        // not offered to mirrors, so no matter
	program := filepath.Join(filepath.Dir(b.root), "filelist.test") // where everybody gets at it
	if out, err := exec.Command("cp", os.Args[0], program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for at, mode := range map[string]os.FileMode{b.root: 0o755, filepath.Dir(b.root): 0o755,
		filepath.Join(b.root, "mirror/vault/group"): 0o750, filepath.Join(b.root, "mirror/vault/nobody"): 0o700} {
		if err := os.Chmod(at, mode); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-test.run=^TestOtherUser$")
	cmd.Dir, cmd.Env = "/", append(os.Environ(), "GANTRY_FILELIST_OTHER="+b.root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestShrinking(t *testing.T) {
	b := newBench(t)
	for i := range 50 {
		b.write(fmt.Sprintf("mirror/pub/rocky/9.7/p%d.rpm", i), "x")
	}
	b.must()
	for i := range 20 {
		if err := os.Remove(filepath.Join(b.root, fmt.Sprintf("mirror/pub/rocky/9.7/p%d.rpm", i))); err != nil {
			t.Fatal(err)
		}
	}
	plan, err := b.plan()
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, a := range plan.Alarms {
		words = append(words, a.Word)
	}
	if diff := cmp.Diff([]string{"shrinks-mirror-pub-rocky", "shrinks-root"}, words); diff != "" {
		t.Error(diff)
	}
	if plan.Counts.Removed != 20 || !strings.Contains(plan.Phrase(), " -20 !shrinks-mirror-pub-rocky !shrinks-root ") {
		t.Errorf("the phrase is %q", plan.Phrase())
	}
	careless := plan
	careless.Alarms = nil
	if _, err := b.step().Run(t.Context(), b.env(), careless, pipeline.NewProgress(nil)); !errors.As(err, new(*pipeline.ConflictError)) {
		t.Errorf("without the alarm it ran: %v", err)
	}
	if _, err := b.step().Run(t.Context(), b.env(), plan, pipeline.NewProgress(nil)); err != nil {
		t.Error(err)
	}
}

func TestEmptyIsRefused(t *testing.T) {
	b := newBench(t)
	b.must()
	if err := os.RemoveAll(filepath.Join(b.root, "mirror/pub/sig/9")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fullfiletimelist-sig", "fullfiletimelist", "fullfilelist"} {
		if err := os.Remove(filepath.Join(b.root, "mirror/pub/sig", name)); err != nil {
			t.Fatal(err)
		}
	}
	refuses(t, b, "mirror/pub/sig", "empty")
	if err := os.RemoveAll(filepath.Join(b.root, "mirror/pub/sig")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.plan(); err == nil || !strings.Contains(err.Error(), "mirror/pub/sig") {
		t.Errorf("without the directory: %v", err)
	}
}

func TestDirectoryInPlaceOfAList(t *testing.T) {
	b := newBench(t)
	b.write("mirror/pub/sig/fullfilelist/file", "x")
	refuses(t, b, "fullfilelist", "is a directory")
}

// The root of a list that must be a mount point, and is none, is the disk of the
// machine.
func TestH24UnmountedRoot(t *testing.T) {
	b := newBench(t)
	b.cfg.FileLists[0].Mount = true
	if _, err := b.plan(); err == nil || !strings.Contains(err.Error(), "is not mounted") {
		t.Errorf("not refused: %v", err)
	}
}

func TestPlan(t *testing.T) {
	b := newBench(t)
	b.must()
	same, err := b.plan()
	if err != nil {
		t.Fatal(err)
	}
	if n := same.Count(); n != (pipeline.Counts{}) || len(same.Alarms) > 0 {
		t.Errorf("nothing changed, and the plan says %+v %v", n, same.Alarms)
	}
	again, err := b.plan()
	if err != nil || same.Digest() != again.Digest() {
		t.Errorf("the same twice are two plans: %v", err)
	}
	b.write("mirror/pub/rocky/9.7/new.rpm", "12345")
	b.write("mirror/pub/rocky/9.7/BaseOS/x86_64/os/Packages/k/kernel-5.rpm", "another size")
	if err := os.Remove(filepath.Join(b.root, "mirror/vault/old.rpm")); err != nil {
		t.Fatal(err)
	}
	plan, err := b.plan()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(pipeline.Counts{Added: 1, Changed: 1, Removed: 1}, plan.Count()); diff != "" {
		t.Error(diff)
	}
	if plan.Bytes != 5+12 || len(plan.Parts) != 3 {
		t.Errorf("%d bytes in %d parts", plan.Bytes, len(plan.Parts))
	}
	if _, err := b.step().Run(t.Context(), b.env(), same, pipeline.NewProgress(nil)); !errors.As(err, new(*pipeline.ConflictError)) {
		t.Errorf("the plan from before ran: %v", err)
	}
	b.write("mirror/pub/rocky/fullfiletimelist-rocky", "[Version]\n2\n\n[Files]\ncut o")
	plan, err = b.plan()
	if err != nil || len(plan.Alarms) != 1 || plan.Alarms[0].Word != "unread-mirror-pub-rocky" || !strings.Contains(plan.Alarms[0].Text, "cannot be compared") {
		t.Errorf("a list that is cut off: %v %v", plan.Alarms, err)
	}
	b.must()
}

func TestInputs(t *testing.T) {
	b := newBench(t)
	o := b.step().(pipeline.Observer)
	first, err := o.Inputs(t.Context(), b.env())
	if err != nil || first == "" {
		t.Fatal(err)
	}
	b.at = "two"
	if second, err := o.Inputs(t.Context(), b.env()); err != nil || second == first {
		t.Errorf("another sync is the same: %v", err)
	}
}

func TestMake(t *testing.T) {
	for name, tc := range map[string]struct {
		with   map[string]string
		change func(*config.FileLists)
		words  string
	}{
		"no lists":       {map[string]string{"name": "other"}, nil, "does not have"},
		"another option": {map[string]string{"name": "all", "force": "yes"}, nil, "no option"},
		"a store":        {nil, func(l *config.FileLists) { l.Root = "store:s/x" }, "no directory"},
		"outside":        {nil, func(l *config.FileLists) { l.Scopes[0].Dir = "../x" }, "no directory"},
		"absolute":       {nil, func(l *config.FileLists) { l.Scopes[0].Dir = "/etc" }, "no directory"},
		"twice":          {nil, func(l *config.FileLists) { l.Scopes[1].Dir = "./" }, "twice"},
		"a path as name": {nil, func(l *config.FileLists) { l.Scopes[0].Full = "a/b" }, "no name"},
		"up":             {nil, func(l *config.FileLists) { l.Scopes[0].Full = ".." }, "no name"},
		"the same name":  {nil, func(l *config.FileLists) { l.Scopes[0].Full = "fullfiletimelist-root-old" }, "twice"},
		"no list":        {nil, func(l *config.FileLists) { l.Scopes[0].Full, l.Scopes[0].Times = "", nil }, "has no list"},
		"no scope":       {nil, func(l *config.FileLists) { l.Scopes = nil }, "no scopes"},
		"after nothing":  {nil, func(l *config.FileLists) { l.After = []config.Name{"x"} }, "is no tree that"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			if tc.change != nil {
				tc.change(&b.cfg.FileLists[0])
			}
			with := tc.with
			if with == nil {
				with = map[string]string{"name": "all"}
			}
			_, err := filelist.Make(b.cfg, checklist.Item{ID: "file-lists", With: with})
			if err == nil || !strings.Contains(err.Error(), tc.words) {
				t.Errorf("%v does not say %q", err, tc.words)
			}
		})
	}
}
