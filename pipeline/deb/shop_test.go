package deb_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/deb"
	"gantry/pipeline/sign"
	"gantry/storage"
	"gantry/storage/storagetest"
)

// shop is a target with all that its steps need, and a journal that is a struct.
type shop struct {
	t       testing.TB
	dir     string
	cfg     *config.Release
	env     *pipeline.Env
	target  *config.Target
	served  storage.Tree
	ahead   time.Duration // of the real clock
	journal checklist.Pointers
	suite   string
	objects bool                // snapshots are objects of a store, without links
	server  *storagetest.Server // of the store; nil where that is a directory
}

const shopYAML = `
product: demo
served: %s
stores: [{name: s3, endpoint: "http://127.0.0.1:9", bucket: b, access_key: env:NONE, secret_key: env:NONE}]
keys:
  - {name: demo, private: "file:keys/private.asc", public: keys/public.asc}
targets:
  - {name: core-%s, format: deb, component: core, series: "2025", suite: %s, architectures: [amd64, arm64], key: demo%s}
`

// shopKey is one key for all shops: to make one takes time.
var shopKey = sync.OnceValues(func() (halves [2][]byte, err error) {
	halves[0], halves[1], err = sign.Generate("Gantry Demo", "demo@example.com", 2048, 0, time.Now().Add(-240*time.Hour))
	return halves, err
})

// newShop makes a target; more is added to its configuration.
func newShop(t testing.TB, more string) *shop { return newShopIn(t, t.TempDir(), "noble", more, false) }

// newShopOfObjects makes one on a directory that is used as any store.
func newShopOfObjects(t testing.TB, more string) *shop {
	t.Helper()
	return newShopIn(t, t.TempDir(), "noble", more, true)
}

// newShopOnS3 serves from a real S3 server.
func newShopOnS3(t testing.TB, more string) *shop {
	t.Helper()
	return setShop(t, &shop{t: t, suite: "noble", objects: true, dir: t.TempDir(), ahead: -100 * time.Hour, server: storagetest.NewS3(t)}, more)
}

func newShopIn(t testing.TB, dir, suite, more string, objects bool) *shop {
	t.Helper()
	return setShop(t, &shop{t: t, suite: suite, objects: objects, dir: dir, ahead: -100 * time.Hour}, more)
}

func setShop(t testing.TB, s *shop, more string) *shop {
	t.Helper()
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
	served := "served"
	if s.server != nil {
		served = "store:s3/served"
	}
	s.put("release.yaml", fmt.Appendf(nil, shopYAML, served, s.suite, s.suite, more))
	var err error
	if s.cfg, err = config.Load(filepath.Join(s.dir, "release.yaml")); err != nil {
		s.t.Fatal(err)
	}
	s.target = &s.cfg.Targets[0]
	area, err := storage.OpenDir(s.cfg.Path(s.cfg.Staging))
	if err != nil {
		s.t.Fatal(err)
	}
	root, err := s.root()
	if err != nil {
		s.t.Fatal(err)
	}
	if s.objects {
		s.served, err = storage.OpenStoreTree(root, s.target.Path+"/"+deb.Tree(s.target), deb.Face(s.target))
	} else {
		s.served, err = storage.OpenServed(filepath.Join(s.archive(), deb.Tree(s.target)), deb.Face(s.target))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.env = &pipeline.Env{
		Config: s.cfg, Staging: storage.NewStaging(area), Root: root, Release: "patch-1",
		Now:     s.now,
		Served:  func(*config.Target) (storage.Served, error) { return s.served, nil },
		History: func(string) checklist.Pointers { return s.journal },
	}
}

// root opens the store that is served from.
func (s *shop) root() (storage.Store, error) {
	if s.server == nil {
		return storage.OpenDir(s.cfg.Path(s.cfg.Served))
	}
	store, err := storage.OpenS3(s.t.Context(), storage.S3Options{
		Endpoint: s.server.Endpoint(), Bucket: storagetest.Bucket, Prefix: "served", PathStyle: true,
		AccessKey: storagetest.Access, SecretKey: storagetest.Secret,
	})
	if err == nil {
		s.t.Cleanup(func() { store.Close() })
	}
	return store, err
}

// files serves the archive over HTTP, from the store where it is on one.
func (s *shop) files() http.Handler {
	if s.server == nil {
		return http.FileServer(http.Dir(s.archive()))
	}
	archive := storage.NewPool(s.env.Root, s.target.Path)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in, o, err := archive.Open(r.Context(), strings.TrimPrefix(r.URL.Path, "/"))
		if errors.Is(err, storage.ErrNotFound) {
			http.NotFound(w, r)
			return
		}
		var b []byte
		if err == nil {
			b, err = io.ReadAll(in)
			in.Close()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		http.ServeContent(w, r, "", o.Modified, bytes.NewReader(b))
	})
}

// now is the time of the shop, which passes as it does, and by leaps.
func (s *shop) now() time.Time { return time.Now().Add(s.ahead) }

func (s *shop) pass(d time.Duration) { s.ahead += d }

// archive is the directory that clients reach; on a store, what lies behind it.
func (s *shop) archive() string {
	if s.server != nil {
		return filepath.Join(s.server.Root(), storagetest.Bucket, "served", s.target.Path)
	}
	return filepath.Join(s.cfg.Path(s.cfg.Served), s.target.Path)
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

// stage puts packages into the staging area, given as name_version_arch; those
// for all go where those for amd64 do.
func (s *shop) stage(names ...string) {
	s.t.Helper()
	for _, n := range names {
		parts := strings.Split(n, "_")
		arch := parts[2]
		if arch == "all" {
			arch = "amd64"
		}
		s.stageFile(s.suite+"-"+arch, strings.ReplaceAll(n, ":", "-")+".deb", pkg(s.t, parts[0], parts[1], parts[2]))
	}
}

func (s *shop) stageFile(place, file string, content []byte) {
	s.t.Helper()
	p := storage.Place{Component: "core", Series: "2025", Format: "deb", OS: place}
	if _, err := s.env.Staging.Put(s.t.Context(), p, file, bytes.NewReader(content), false); err != nil {
		s.t.Fatal(err)
	}
}

// unstage takes a file away with its sidecar.
func (s *shop) unstage(place, file string) {
	s.t.Helper()
	for _, name := range []string{file, file + ".sha256"} {
		if err := os.Remove(filepath.Join(s.dir, "staging/core/2025/deb", place, name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// step makes the step of a verb; options are name=value.
func (s *shop) step(verb string, options ...string) pipeline.Step {
	s.t.Helper()
	with := map[string]string{}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		with[name] = value
	}
	step, err := deb.Make(s.cfg, checklist.Item{ID: verb, Title: verb, Uses: verb, Target: "core-" + s.suite, With: with})
	if err != nil {
		s.t.Fatal(err)
	}
	return step
}

// plan plans a verb as the engine does, building aside what it needs first.
func (s *shop) plan(verb string, options ...string) (pipeline.Step, pipeline.Plan, error) {
	s.t.Helper()
	ctx := s.t.Context()
	s.pass(time.Minute)
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
	at := s.at(plan.Move.Pointer)
	if at != plan.Move.To || at == plan.Move.From || plan.Move.Pointer != "production" {
		return
	}
	if n := len(s.journal.Published); n > 0 {
		s.journal.Published[n-1].Until = s.now()
	}
	s.journal.Published = append(s.journal.Published, checklist.Published{Snapshot: at, From: s.now()})
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

// refused is try that must fail, saying why.
func (s *shop) refused(want, verb string, options ...string) {
	s.t.Helper()
	before := s.at("production")
	_, _, err := s.try(verb, options...)
	if err == nil || !strings.Contains(err.Error(), want) {
		s.t.Errorf("%s: got %v, want %q", verb, err, want)
	}
	if at := s.at("production"); at != before {
		s.t.Errorf("%s: production went from %s to %s", verb, before, at)
	}
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

// serves lists the packages of a snapshot, as name_version_arch.
func (s *shop) serves(id string) []string {
	s.t.Helper()
	m, _, err := s.served.Manifest(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for _, f := range m.Pool {
		all = append(all, f.Name+"_"+f.Version+"_"+f.Arch)
	}
	return all
}

// read reads a file of the archive.
func (s *shop) read(name string) string {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.archive(), name))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b)
}
