package oci_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"gantry/checklist"
	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/cosign"
	"gantry/pipeline/oci"
	"gantry/storage"
)

// shop is a target with all that its steps need, and a journal that is a struct.
type shop struct {
	t       testing.TB
	dir     string
	host    string // of the registry
	cfg     *config.Release
	env     *pipeline.Env
	target  *config.Target
	served  storage.Served
	clock   time.Time
	journal checklist.Pointers
}

const shopYAML = `
product: demo
cosign_keys:
  - {name: images, private: "file:keys/cosign.key", password: "file:keys/password", public: keys/cosign.pub}
registries:
  - {name: local, host: "%s"}
targets:
  - {name: core-image, format: oci, component: core, series: "2025", architectures: [x86_64, arm64], key: images, registry: local%s}
`

const password = "hunter2" // of keys that are encrypted

// shopKeys are two keys for all shops. They are not encrypted, since to decrypt
// one takes time.
var shopKeys = sync.OnceValues(func() (all [2][2][]byte, err error) {
	for n := range all {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return all, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return all, err
		}
		all[n][0] = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		loaded, err := cosign.Load(all[n][0], nil)
		if err != nil {
			return all, err
		}
		all[n][1] = loaded.Public().PEM()
	}
	return all, nil
})

// inProcess is a registry in this process; wrap may come between, and may be nil.
func inProcess(t testing.TB, referrers bool, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	h := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(referrers))
	if wrap != nil {
		h = wrap(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// newShop makes a target in a registry; more is added to its configuration.
func newShop(t testing.TB, host, more string) *shop {
	t.Helper()
	s := &shop{t: t, dir: t.TempDir(), host: host, clock: time.Now().Add(-100 * time.Hour).Truncate(time.Second)}
	s.key(0)
	s.put("keys/password", []byte(password+"\n"))
	s.configure(more)
	return s
}

// key gives the target one of two keys.
func (s *shop) key(n int) {
	s.t.Helper()
	all, err := shopKeys()
	if err != nil {
		s.t.Fatal(err)
	}
	s.put("keys/cosign.key", all[n][0])
	s.put("keys/cosign.pub", all[n][1])
}

// configure reads the configuration anew, as another console would.
func (s *shop) configure(more string) {
	s.t.Helper()
	s.put("release.yaml", fmt.Appendf(nil, shopYAML, s.host, more))
	var err error
	if s.cfg, err = config.Load(filepath.Join(s.dir, "release.yaml")); err != nil {
		s.t.Fatal(err)
	}
	s.target = &s.cfg.Targets[0]
	dir := func(name string) *storage.Dir {
		d, err := storage.OpenDir(s.cfg.Path(name))
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { d.Close() })
		return d
	}
	site := pipeline.Site{Config: s.cfg, State: dir(s.cfg.State), Dial: func(config.Name) pipeline.Dial { return (&net.Dialer{}).DialContext }}
	if s.served, err = oci.Open(s.t.Context(), site, s.target); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.served.Close() })
	s.env = &pipeline.Env{
		Config: s.cfg, Staging: storage.NewStaging(dir(s.cfg.Staging)), Release: "patch-1", Version: "2025.1",
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

// stage puts an archive into the place of an architecture, in place of what is
// there.
func (s *shop) stage(arch, file string, archive []byte) {
	s.t.Helper()
	place := storage.Place{Component: "core", Series: "2025", Format: "oci", OS: arch}
	if _, err := s.env.Staging.Put(context.Background(), place, file, bytes.NewReader(archive), true); err != nil {
		s.t.Fatal(err)
	}
}

// stageVersion stages small images of a version: a saved one, and a layout.
func (s *shop) stageVersion(version string) {
	s.t.Helper()
	s.stage("x86_64", "core.tar", imageOf(s.t, "amd64", version).saved(s.t))
	s.stage("arm64", "core.tar", gzipped(s.t, imageOf(s.t, "arm64", version).layout(s.t)))
}

// step makes the step of a verb; options are name=value.
func (s *shop) step(verb string, options ...string) pipeline.Step {
	s.t.Helper()
	with := map[string]string{}
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		with[name] = value
	}
	step, err := oci.Make(s.cfg, checklist.Item{ID: verb, Title: verb, Uses: verb, Target: "core-image", With: with})
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
	if plan.Move == nil || plan.Move.Pointer != "production" {
		return
	}
	at, err := s.served.Pointer(s.t.Context(), plan.Move.Pointer)
	if err != nil || at != plan.Move.To || at == plan.Move.From {
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
func (s *shop) release() (pipeline.Plan, pipeline.Evidence) {
	s.t.Helper()
	s.do("build")
	s.do("stage")
	return s.do("promote")
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

// ref is a tag or a digest of the repository.
func (s *shop) ref(tag string) string {
	if strings.HasPrefix(tag, "sha256:") {
		return s.host + "/core@" + tag
	}
	return s.host + "/core:" + tag
}
