package rpm_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/rpmpack"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/rpm"
	"gantry/pipeline/sign"
	"gantry/storage"
)

// shop is a target with all that its steps need, and a journal that is a struct.
type shop struct {
	t       testing.TB
	dir     string
	cfg     *config.Release
	env     *pipeline.Env
	target  *config.Target
	served  storage.Tree
	clock   time.Time
	journal checklist.Pointers
}

const shopYAML = `
product: demo
keys:
  - {name: demo, private: "file:keys/private.asc", public: keys/public.asc}
targets:
  - {name: core-el9, format: rpm, component: core, series: "2025", os: el9-x86_64, key: demo%s}
`

// shopKey is one key for all shops: to make one takes time.
var shopKey = sync.OnceValues(func() (halves [2][]byte, err error) {
	halves[0], halves[1], err = sign.Generate("Gantry Demo", "demo@example.com", 2048, 0, time.Now().Add(-240*time.Hour))
	return halves, err
})

// newShop makes a target; more is added to its configuration.
func newShop(t testing.TB, more string) *shop {
	t.Helper()
	return newShopIn(t, t.TempDir(), more)
}

func newShopIn(t testing.TB, dir, more string) *shop {
	t.Helper()
	s := &shop{t: t, dir: dir, clock: time.Now().Add(-100 * time.Hour).Truncate(time.Second)}
	key, err := shopKey()
	if err != nil {
		t.Fatal(err)
	}
	s.put("keys/private.asc", key[0])
	s.put("keys/public.asc", key[1])
	s.configure(more)
	return s
}

// configure reads the configuration anew, as another console would.
func (s *shop) configure(more string) {
	s.t.Helper()
	s.put("release.yaml", fmt.Appendf(nil, shopYAML, more))
	var err error
	if s.cfg, err = config.Load(filepath.Join(s.dir, "release.yaml")); err != nil {
		s.t.Fatal(err)
	}
	s.target = &s.cfg.Targets[0]
	area, err := storage.OpenDir(s.cfg.Path(s.cfg.Staging))
	if err != nil {
		s.t.Fatal(err)
	}
	if s.served, err = storage.OpenServed(filepath.Join(s.cfg.Path(s.cfg.Served), s.target.Path), storage.Face{}); err != nil {
		s.t.Fatal(err)
	}
	s.env = &pipeline.Env{
		Config: s.cfg, Staging: storage.NewStaging(area), Release: "patch-1",
		Now:     func() time.Time { return s.clock },
		Served:  func(*config.Target) (storage.Served, error) { return s.served, nil },
		History: func(string) checklist.Pointers { return s.journal },
	}
}

func (s *shop) put(name string, content []byte) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// area is the directory where the target's packages are staged.
func (s *shop) area() string {
	return filepath.Join(s.dir, "staging/core/2025/rpm/el9-x86_64")
}

// made are packages by what was asked for: the same each time.
var made sync.Map

// pkg is a small real package, signed by nobody.
func pkg(t testing.TB, name, version, arch string) []byte {
	t.Helper()
	key := name + " " + version + " " + arch
	if b, ok := made.Load(key); ok {
		return b.([]byte)
	}
	m := rpmpack.RPMMetaData{
		Name: name, Version: version, Release: "1.el9", Arch: arch, Summary: name + " of the demo", Description: "A demo.",
		Licence: "MIT", BuildTime: time.Unix(1760000000, 0),
	}
	if epoch, rest, ok := strings.Cut(version, ":"); ok {
		m.Epoch, m.Version = uint32(epoch[0]-'0'), rest
	}
	p, err := rpmpack.NewRPM(m)
	if err != nil {
		t.Fatal(err)
	}
	p.AddFile(rpmpack.RPMFile{Name: "/usr/share/" + name + "/version", Body: []byte(version + "\n"), Mode: 0o644, Owner: "root", Group: "root"})
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	made.Store(key, b.Bytes())
	return b.Bytes()
}

// stage puts packages into the staging area, given as name-version.arch.
func (s *shop) stage(names ...string) {
	s.t.Helper()
	for _, n := range names {
		nv, arch, _ := cutLast(n, ".")
		name, version, _ := cutLast(nv, "-")
		s.stageFile(strings.ReplaceAll(n, ":", "_")+".rpm", pkg(s.t, name, version, arch))
	}
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func (s *shop) stageFile(file string, content []byte) {
	s.t.Helper()
	place := storage.Place{Component: "core", Series: "2025", Format: "rpm", OS: "el9-x86_64"}
	if _, err := s.env.Staging.Put(context.Background(), place, file, bytes.NewReader(content), false); err != nil {
		s.t.Fatal(err)
	}
}

// unstage takes a file away with its sidecar.
func (s *shop) unstage(file string) {
	s.t.Helper()
	for _, name := range []string{file, file + ".sha256"} {
		if err := os.Remove(filepath.Join(s.area(), name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// step makes the step of a verb; options are name=value.
func (s *shop) step(verb string, options ...string) pipeline.Step {
	s.t.Helper()
	with := map[string]string{}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		with[name] = value
	}
	step, err := rpm.Make(s.cfg, checklist.Item{ID: verb, Title: verb, Uses: verb, Target: "core-el9", With: with})
	if err != nil {
		s.t.Fatal(err)
	}
	return step
}

// plan plans a verb as the engine does, building aside what it needs first.
func (s *shop) plan(verb string, options ...string) (pipeline.Step, pipeline.Plan, error) {
	s.t.Helper()
	ctx := s.t.Context()
	s.clock = s.clock.Add(time.Minute)
	step := s.step(verb, options...)
	plan, err := step.Plan(ctx, s.env)
	if errors.Is(err, pipeline.ErrUnprepared) {
		if err := step.(pipeline.Preparer).Prepare(ctx, s.env, pipeline.NewProgress(nil)); err != nil {
			return step, plan, err
		}
		plan, err = step.Plan(ctx, s.env)
	}
	if err != nil {
		return step, plan, err
	}
	// The same world gives the same plan.
	again, err := s.step(verb, options...).Plan(ctx, s.env)
	if err != nil || again.Digest() != plan.Digest() {
		s.t.Errorf("%s planned twice: %v\n%+v\n%+v", verb, err, plan, again)
	}
	if o, ok := step.(pipeline.Observer); ok {
		if inputs, err := o.Inputs(ctx, s.env); err != nil || inputs != plan.Inputs {
			s.t.Errorf("%s: its plan rests on %q, and Inputs says %q, %v", verb, plan.Inputs, inputs, err)
		}
	}
	return step, plan, nil
}

// try plans and runs a verb and keeps the journal.
func (s *shop) try(verb string, options ...string) (pipeline.Plan, pipeline.Evidence, error) {
	s.t.Helper()
	step, plan, err := s.plan(verb, options...)
	if err != nil {
		return plan, nil, err
	}
	ev, err := step.Run(s.t.Context(), s.env, plan, pipeline.NewProgress(nil))
	s.record(plan)
	return plan, ev, err
}

// record writes a flip that happened into the journal.
func (s *shop) record(plan pipeline.Plan) {
	s.t.Helper()
	if plan.Move == nil {
		return
	}
	at, err := s.served.Pointer(s.t.Context(), plan.Move.Pointer)
	if err != nil {
		s.t.Fatal(err)
	}
	if at != plan.Move.To || at == plan.Move.From || plan.Move.Pointer != "production" {
		return
	}
	if n := len(s.journal.Published); n > 0 {
		s.journal.Published[n-1].Until = s.clock
	}
	s.journal.Published = append(s.journal.Published, checklist.Published{Snapshot: at, From: s.clock})
	s.journal.Revision = max(s.journal.Revision, plan.Move.Revision)
}

// do is try that must succeed.
func (s *shop) do(verb string, options ...string) (pipeline.Plan, pipeline.Evidence) {
	s.t.Helper()
	plan, ev, err := s.try(verb, options...)
	if err != nil {
		s.t.Fatalf("%s: %v (%s)", verb, err, config.HintOf(err))
	}
	return plan, ev
}

// release builds, stages and promotes what is staged.
func (s *shop) release() pipeline.Plan {
	s.t.Helper()
	s.do("build")
	s.do("stage")
	plan, _ := s.do("promote")
	return plan
}

// at is the snapshot that a pointer names.
func (s *shop) at(pointer string) string {
	s.t.Helper()
	id, err := s.served.Pointer(s.t.Context(), pointer)
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// serves lists the packages that a snapshot's metadata names, as name-version.
func (s *shop) serves(id string) []string {
	s.t.Helper()
	m, _, err := s.served.Manifest(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, f := range m.Files {
		if f.Package() {
			all = append(all, f.Name+"-"+f.Version)
		}
	}
	return all
}

// tree is every name and link below a directory, to see that nothing changed.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		fi, err := d.Info()
		if err != nil {
			return err
		}
		to := ""
		if fi.Mode()&os.ModeSymlink != 0 {
			if to, err = os.Readlink(path); err != nil {
				return err
			}
		}
		size := fi.Size()
		if d.IsDir() {
			size = 0
		}
		fmt.Fprintf(&b, "%s %v %d %s\n", strings.TrimPrefix(path, dir), fi.Mode(), size, to)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
