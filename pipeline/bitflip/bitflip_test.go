package bitflip_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/bitflip"
	"gantry/storage"
)

// bench is a tree in production, 9.7 of which is closed.
type bench struct {
	t    *testing.T
	dir  string
	top  string // of the edition
	yaml string
	cfg  *config.Release
	step pipeline.Step
	env  *pipeline.Env

	busy  []string
	apart []string
}

// shelf is where the tree is served, as far as a flip asks.
type shelf struct {
	storage.Served
	b *bench
}

func (s shelf) Pointer(context.Context, string) (string, error) { return "20261121T120000Z", nil }
func (s shelf) Apart() []string                                 { return s.b.apart }

var files = map[string]string{
	"BaseOS/x86_64/os/repodata/repomd.xml":  "<repomd/>",
	"BaseOS/x86_64/os/Packages/b/bash.rpm":  "bash",
	"AppStream/aarch64/os/Packages/n/n.rpm": "nginx",
	"COMPOSE_ID":                            "Rocky-9.7",
}

func newBench(t *testing.T, tree string, more ...string) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	b.top = filepath.Join(b.dir, "prod/pub/rocky/9.7")
	b.yaml = "product: rocky\n" + strings.Join(more, "\n") + `
targets:
- name: rocky-9
  format: tree
  URL
  tree:
    major: 9
    compose: {root: compose, path: "{major}"}
    staging: {root: stage, path: "pub/rocky/{revision}{suffix}"}
    production: {root: prod, path: "pub/rocky/{revision}"}
` + strings.ReplaceAll("    "+tree, "; ", "\n    ") + "\n"
	for path, text := range files {
		b.write(b.top, path, text)
	}
	b.mode(".", 0o750)
	b.load("")
	return b
}

// load reads the configuration, with clients at a URL.
func (b *bench) load(url string) {
	b.t.Helper()
	path := filepath.Join(b.dir, "release.yaml")
	if url != "" {
		url = "url: " + url + "/pub/rocky"
	}
	b.write(b.dir, "release.yaml", strings.Replace(b.yaml, "URL", url, 1))
	var err error
	if b.cfg, err = config.Load(path); err != nil {
		b.t.Fatal(err)
	}
	if b.step, err = bitflip.Make(b.cfg, checklist.Item{ID: "bitflip", Uses: "bitflip", Target: "rocky-9"}); err != nil {
		b.t.Fatal(err)
	}
	b.env = &pipeline.Env{
		Config: b.cfg, Version: "9.7-RC2", Kind: "final",
		Now:     func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) },
		Busy:    func() []string { return b.busy },
		Served:  func(*config.Target) (storage.Served, error) { return shelf{b: b}, nil },
		Targets: func() []*config.Target { return []*config.Target{&b.cfg.Targets[0]} },
	}
}

func (b *bench) write(dir, name, text string) {
	b.t.Helper()
	at := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// mode sets the mode of a path of the edition, setuid and its like as the system
// calls have them.
func (b *bench) mode(path string, mode uint32) {
	b.t.Helper()
	if err := unix.Chmod(filepath.Join(b.top, path), mode); err != nil {
		b.t.Fatal(err)
	}
}

// private takes the world bits of everything below the edition, as a sync does.
func (b *bench) private() {
	b.each(func(path string, mode uint32) { b.mode(path, mode&^0o7) })
}

func (b *bench) each(do func(path string, mode uint32)) {
	b.t.Helper()
	err := filepath.WalkDir(b.top, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Type()&fs.ModeSymlink != 0 {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		rel, err := filepath.Rel(b.top, path)
		if err == nil {
			do(rel, uint32(st.Mode)&0o7777)
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// modes are those of all paths.
func (b *bench) modes() map[string]string {
	all := map[string]string{}
	b.each(func(path string, mode uint32) { all[path] = fmt.Sprintf("%04o", mode) })
	return all
}

// do plans a step and runs it.
func (b *bench) do(step pipeline.Step) (pipeline.Plan, pipeline.Evidence, error) {
	b.t.Helper()
	plan, err := step.Plan(b.t.Context(), b.env)
	if err != nil {
		return plan, nil, err
	}
	ev, err := step.Run(b.t.Context(), b.env, plan, pipeline.NewProgress(nil))
	return plan, ev, err
}

func (b *bench) refused(step pipeline.Step, words string) *pipeline.RefusedError {
	b.t.Helper()
	_, err := step.Plan(b.t.Context(), b.env)
	var refused *pipeline.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Reason, words) {
		b.t.Fatalf("got %v, want a refusal with %q", err, words)
	}
	return refused
}

func TestFlip(t *testing.T) {
	b := newBench(t, `closed: "0750"`)
	if in, err := b.step.(pipeline.Observer).Inputs(t.Context(), b.env); in != "0750" || err != nil {
		t.Errorf("it rests on %q, %v", in, err)
	}
	before := b.modes()
	plan, ev, err := b.do(b.step)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Title != "Open 9.7 of rocky-9 to everyone: 15 paths become public" || plan.Bytes != 27 || len(plan.Warnings) > 0 {
		t.Errorf("plan %q, %d bytes, warnings %q", plan.Title, plan.Bytes, plan.Warnings)
	}
	if d := cmp.Diff(pipeline.Counts{Added: 15, Changed: 1}, plan.Count()); d != "" {
		t.Error(d)
	}
	var parts []string
	for _, p := range plan.Parts {
		parts = append(parts, fmt.Sprintf("%s +%d %d", p.Name, p.Added, p.Bytes))
	}
	if got := strings.Join(parts, ", "); got != ". +5 9, AppStream/aarch64 +4 5, BaseOS/x86_64 +6 13" {
		t.Errorf("parts %s", got)
	}
	if plan.Facts["mode before"] != "0750" || plan.Facts["mode after"] != "0755" || plan.Facts["last sync"] != "20261121T120000Z" {
		t.Errorf("facts %v", plan.Facts)
	}
	if ev["mode before"] != "0750" || ev["mode after"] != "0755" || ev["time"] != "2026-11-21T12:00:00Z" || ev["paths"] != "15" {
		t.Errorf("evidence %v", ev)
	}
	before["."] = "0755"
	if d := cmp.Diff(before, b.modes()); d != "" {
		t.Errorf("more than the directory changed: %s", d)
	}
	if in, err := b.step.(pipeline.Observer).Inputs(t.Context(), b.env); in != plan.Inputs || err != nil {
		t.Errorf("the item is stale at once: %q, %v", in, err)
	}
	seen, err := b.step.(pipeline.Looker).Look(t.Context(), b.env, plan)
	if err != nil || !seen.Done || seen.Evidence["mode before"] != "0750" {
		t.Errorf("looking found %+v, %v", seen, err)
	}
	if r := b.refused(b.step, "9.7 of rocky-9 is open already, at mode 0755"); !r.Idle {
		t.Error("to open it again is not idle")
	}
	if ev, err = b.step.Run(t.Context(), b.env, plan, pipeline.NewProgress(nil)); err != nil { // resumed after the end
		t.Errorf("%v, %v", ev, err)
	}

	back := b.step.(pipeline.Reverser).Reverse()
	plan, ev, err = b.do(back)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(pipeline.Counts{Removed: 15, Changed: 1}, plan.Count()); d != "" {
		t.Error(d)
	}
	if ev["mode before"] != "0755" || ev["mode after"] != "0750" || !strings.Contains(strings.Join(plan.Warnings, ""), "stays fetched") {
		t.Errorf("evidence %v, warnings %q", ev, plan.Warnings)
	}
	b.refused(back, "is closed already")
	seen, err = b.step.(pipeline.Looker).Look(t.Context(), b.env, plan)
	if err != nil || seen.Done || seen.Failed == "" {
		t.Errorf("looking found %+v, %v", seen, err)
	}
	if again, _, err := b.do(back.(pipeline.Reverser).Reverse()); err != nil || again.Facts["mode after"] != "0755" {
		t.Errorf("opened again: %v, %v", again.Facts, err)
	}
}

func TestFlipPrivate(t *testing.T) {
	b := newBench(t, `closed: "0750"; private: true`)
	b.write(b.top, "tools/run", "x")
	b.mode("tools/run", 0o6755)
	b.mode("tools", 0o2755)
	b.write(b.top, "tools/shared", "y")
	b.mode("tools/shared", 0o664)
	if err := os.Symlink("../COMPOSE_ID", filepath.Join(b.top, "tools/link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(b.top, "COMPOSE_ID"), filepath.Join(b.top, "tools/twin")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(b.top, "tools/pipe"), 0o640); err != nil {
		t.Fatal(err)
	}
	public := b.modes()
	b.private()
	secret := b.modes()
	public["."], secret["."] = "0755", "0750"
	public["tools/pipe"], secret["tools/pipe"] = "0640", "0640"

	first := ""
	storage.OnReach(func(point string) {
		if point == "bitflip.top" && first == "" {
			first = b.modes()["tools/run"]
		}
	})
	defer storage.OnReach(nil)
	plan, ev, err := b.do(b.step)
	if err != nil {
		t.Fatal(err)
	}
	if first != "6755" {
		t.Errorf("the directory was opened while a file in it was at %s", first)
	}
	if d := cmp.Diff(public, b.modes()); d != "" {
		t.Errorf("opened: %s", d)
	}
	if n := len(public) - 2; ev["modes changed"] != fmt.Sprint(n) || plan.Count().Changed != n+1 { // all but the pipe and the directory
		t.Errorf("%s modes changed, %d planned, of %d paths", ev["modes changed"], plan.Count().Changed, n)
	}
	first = ""
	b.refused(b.step, "is open already")
	if _, _, err := b.do(b.step.(pipeline.Reverser).Reverse()); err != nil {
		t.Fatal(err)
	}
	if first != "6755" {
		t.Errorf("a file was closed before the directory: %s", first)
	}
	if d := cmp.Diff(secret, b.modes()); d != "" {
		t.Errorf("closed again: %s", d)
	}

	// Interrupted: some files are done. It is planned and run to the end.
	b.mode("COMPOSE_ID", 0o644)
	if _, _, err = b.do(b.step); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(public, b.modes()); d != "" {
		t.Errorf("resumed: %s", d)
	}
	// A later sync brought files without world bits: the directory is open.
	b.mode("COMPOSE_ID", 0o640)
	if plan, _, err = b.do(b.step); err != nil || plan.Count() != (pipeline.Counts{Added: 2, Changed: 2}) {
		t.Errorf("%+v, %v", plan.Count(), err)
	}

	b.mode("COMPOSE_ID", 0o604) // which nothing but a person does
	plan, err = b.step.(pipeline.Reverser).Reverse().Plan(t.Context(), b.env)
	if err != nil || !strings.Contains(strings.Join(plan.Warnings, "\n"), "2 paths have world bits that opening again will not give back, such as COMPOSE_ID (0604), tools/twin (0604)") {
		t.Errorf("warnings %q, %v", plan.Warnings, err)
	}
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		tree   string
		change func(*bench)
		words  string
	}{
		"absent":        {`closed: "0750"`, func(b *bench) { os.RemoveAll(b.top) }, "is not there"},
		"a symlink":     {`closed: "0750"`, (*bench).swap, "is no directory"},
		"a file":        {`closed: "0750"`, func(b *bench) { os.RemoveAll(b.top); b.write(b.top, "", "") }, "is no directory"},
		"beta":          {`closed: "0750"`, func(b *bench) { b.env.Version = "9.8-beta" }, "is in no production"},
		"another major": {`closed: "0750"`, func(b *bench) { b.env.Version = "8.10" }, "is in no production"},
		"busy":          {`closed: "0750"`, func(b *bench) { b.busy = []string{"rocky-9"} }, "is being worked on"},
		"half synced":   {`closed: "0750"`, func(b *bench) { b.apart = []string{"metadata is behind"} }, "in the middle of a sync: metadata is behind"},
		"half copied":   {`closed: "0750"`, func(b *bench) { b.write(b.top, "BaseOS/.\x1b.~tmp~", "") }, `BaseOS/.\x1b.~tmp~ is there`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tc.tree)
			b.private()
			tc.change(b)
			b.refused(b.step, tc.words)
		})
	}
	b := newBench(t, "keep: true")
	b.mode(".", 0o755)
	b.refused(b.step.(pipeline.Reverser).Reverse(), "has no mode for a closed directory")
}

// swap puts a link in the place of the directory.
func (b *bench) swap() {
	if err := errors.Join(os.Rename(b.top, b.top+".real"), os.Symlink("9.7.real", b.top)); err != nil {
		b.t.Fatal(err)
	}
}

// A mode belongs to the file, whatever its names: no name outside of the edition
// may become public with it.
func TestH23NoLinkLeavesTheEdition(t *testing.T) {
	b := newBench(t, `closed: "0750"; private: true`)
	b.private()
	if err := os.Link(filepath.Join(b.top, "COMPOSE_ID"), filepath.Join(b.dir, "prod/COMPOSE_ID")); err != nil {
		t.Fatal(err)
	}
	b.refused(b.step, "COMPOSE_ID is also linked from outside of 9.7")
}

// What is not mounted is the machine's own disk.
func TestH24ProductionMustBeMounted(t *testing.T) {
	b := newBench(t, `closed: "0750"`)
	b.yaml = strings.Replace(b.yaml, "root: prod,", "root: prod, mount: true,", 1)
	b.load("")
	if _, err := b.step.Plan(t.Context(), b.env); err == nil || !strings.Contains(err.Error(), "is not mounted") {
		t.Errorf("got %v", err)
	}
}

// What a sync keeps for undo is served to nobody: it may share a file.
func TestLinksOfUndo(t *testing.T) {
	b := newBench(t, `closed: "0750"; private: true`)
	b.private()
	b.write(b.dir, "prod/.gantry/20261120T120000Z/other", "")
	if err := os.Link(filepath.Join(b.top, "COMPOSE_ID"), filepath.Join(b.dir, "prod/.gantry/20261120T120000Z/COMPOSE_ID")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.do(b.step); err != nil {
		t.Error(err)
	}
}

func TestStore(t *testing.T) {
	b := newBench(t, "alarm: 10", `stores: [{name: s, bucket: rocky, endpoint: "http://127.0.0.1:1"}]`)
	b.yaml = strings.Replace(b.yaml, "root: prod,", `root: "store:s/prod",`, 1)
	b.load("")
	b.refused(b.step, "is on a store, which has no directory to open")
}

func TestMake(t *testing.T) {
	b := newBench(t, `closed: "0750"`)
	for _, item := range []checklist.Item{{Target: "rocky-10"}, {}, {Target: "rocky-9", With: map[string]string{"mode": "0777"}}} {
		if _, err := bitflip.Make(b.cfg, item); err == nil {
			t.Errorf("%+v was taken", item)
		}
	}
}

// Two flips at a time end as one does.
func TestConcurrently(t *testing.T) {
	b := newBench(t, `closed: "0750"; private: true`)
	for i := range 200 {
		b.write(b.top, fmt.Sprintf("AppStream/x86_64/os/Packages/%d.rpm", i), "x")
	}
	public := b.modes()
	public["."] = "0755"
	b.private()
	plan, err := b.step.Plan(t.Context(), b.env)
	if err != nil {
		t.Fatal(err)
	}
	var flips sync.WaitGroup
	for range 4 {
		flips.Go(func() {
			if _, err := b.step.Run(t.Context(), b.env, plan, pipeline.NewProgress(nil)); err != nil {
				t.Error(err)
			}
		})
	}
	flips.Wait()
	if d := cmp.Diff(public, b.modes()); d != "" {
		t.Error(d)
	}
}

// Clients must not get it before, and must get it after.
func TestFromOutside(t *testing.T) {
	var mu sync.Mutex
	lies := 0
	b := newBench(t, `closed: "0750"`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		path := strings.TrimPrefix(r.URL.Path, "/pub/rocky/9.7/")
		switch status := b.serves(); {
		case files[path] == "":
			w.WriteHeader(http.StatusNotFound)
		case lies != 0:
			w.WriteHeader(lies)
		default:
			w.WriteHeader(status)
		}
	}))
	defer server.Close()
	b.load(server.URL)
	plan, ev, err := b.do(b.step)
	if err != nil {
		t.Fatal(err)
	}
	address := " for " + server.URL + "/pub/rocky/9.7/BaseOS/x86_64/os/repodata/repomd.xml"
	if plan.Facts["from outside"] != "403 Forbidden"+address || ev["from outside"] != "200 OK"+address {
		t.Errorf("before %q, after %q", plan.Facts["from outside"], ev["from outside"])
	}
	b.refused(b.step, "open already")

	mu.Lock()
	lies = http.StatusForbidden
	mu.Unlock()
	if _, _, err = b.do(b.step); err == nil || !strings.Contains(err.Error(), "9.7 is open here, but clients get 403 Forbidden") {
		t.Errorf("got %v", err)
	}
	mu.Lock()
	lies = http.StatusOK
	mu.Unlock()
	if _, _, err = b.do(b.step.(pipeline.Reverser).Reverse()); err == nil || !strings.Contains(err.Error(), "9.7 is closed here, but clients get 200 OK") {
		t.Errorf("got %v", err)
	}
	plan, err = b.step.Plan(t.Context(), b.env)
	if err != nil || len(plan.Warnings) != 1 || !strings.Contains(plan.Warnings[0], "clients get it already") {
		t.Errorf("warnings %q, %v", plan.Warnings, err)
	}
	server.Close() // nobody answers: that says nothing
	if plan, _, err = b.do(b.step); err != nil || plan.Facts["from outside"] != "no answer" {
		t.Errorf("%q, %v", plan.Facts["from outside"], err)
	}
}

// serves is what a web server of another user answers.
func (b *bench) serves() int {
	if st, err := os.Stat(b.top); err != nil || st.Mode().Perm()&0o1 == 0 {
		return http.StatusForbidden
	}
	return http.StatusOK
}

func TestCancelled(t *testing.T) {
	b := newBench(t, `closed: "0750"; private: true`)
	b.private()
	plan, err := b.step.Plan(t.Context(), b.env)
	if err != nil {
		t.Fatal(err)
	}
	before := b.modes()
	ctx, stop := context.WithCancelCause(t.Context())
	stop(errors.New("cancelled by an operator"))
	if _, err := b.step.Run(ctx, b.env, plan, pipeline.NewProgress(nil)); err == nil || !strings.Contains(err.Error(), "cancelled by an operator") {
		t.Errorf("got %v", err)
	}
	if d := cmp.Diff(before, b.modes()); d != "" {
		t.Error(d)
	}
}

// Only the directory that was planned is flipped: none that a link leads to, and
// none of another sync.
func TestFlipIsOfThePlan(t *testing.T) {
	b := newBench(t, `closed: "0750"`)
	plan, err := b.step.Plan(t.Context(), b.env)
	if err != nil {
		t.Fatal(err)
	}
	late := plan
	late.Facts = map[string]string{"directory": b.top, "last sync": "20261120T120000Z"}
	var conflict *pipeline.ConflictError
	if _, err := b.step.Run(t.Context(), b.env, late, pipeline.NewProgress(nil)); !errors.As(err, &conflict) {
		t.Errorf("a plan from before the last sync: %v", err)
	}

	pub := filepath.Join(b.dir, "prod/pub")
	if err := os.Rename(pub, filepath.Join(b.dir, "prod/vault")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("vault", pub); err != nil {
		t.Fatal(err)
	}
	if _, err := b.step.Run(t.Context(), b.env, plan, pipeline.NewProgress(nil)); err == nil || !strings.Contains(err.Error(), "pub is a link") {
		t.Errorf("a link on the way was followed: %v", err)
	}
	if fi, err := os.Stat(b.top); err != nil || fi.Mode().Perm() != 0o750 {
		t.Errorf("%v %v", fi.Mode(), err)
	}
}

// Nothing is not opened: it would be announced as a release.
func TestH24NothingIsNotOpened(t *testing.T) {
	b := newBench(t, `closed: "0750"`)
	for path := range files {
		if err := os.RemoveAll(filepath.Join(b.top, strings.Split(path, "/")[0])); err != nil {
			t.Fatal(err)
		}
	}
	b.refused(b.step, "is empty")
}

// A console that died right before the directory itself was opened left it closed,
// and one that died right after it was closed left nothing open: both are told
// apart from done, and gone on with.
func TestFlipAfterACrash(t *testing.T) {
	const crash = "crash"
	b := newBench(t, `closed: "0750"; private: true`)
	b.private()
	die := func(step pipeline.Step) {
		t.Helper()
		plan, err := step.Plan(t.Context(), b.env)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			storage.OnReach(func(string) { panic(crash) })
			defer storage.OnReach(nil)
			defer func() {
				if r := recover(); r != crash {
					t.Fatalf("it did not die: %v", r)
				}
			}()
			_, err = step.Run(t.Context(), b.env, plan, pipeline.NewProgress(nil))
		}()
		if seen, err := step.(pipeline.Looker).Look(t.Context(), b.env, plan); err != nil || seen.Done || seen.Failed == "" {
			t.Errorf("%+v, %v", seen, err)
		}
		again, _, err := b.do(step)
		if err != nil {
			t.Fatal(err)
		}
		if seen, err := step.(pipeline.Looker).Look(t.Context(), b.env, again); err != nil || !seen.Done {
			t.Errorf("%+v, %v", seen, err)
		}
	}
	closed := b.modes()
	die(b.step)
	if b.modes()["."] != "0755" || b.modes()["COMPOSE_ID"] != "0644" {
		t.Errorf("%v", b.modes())
	}
	die(b.step.(pipeline.Reverser).Reverse())
	if diff := cmp.Diff(closed, b.modes()); diff != "" {
		t.Error(diff)
	}
}
