package oci_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"gantry/config"
)

// digestAt is what a tag names.
func (s *shop) digestAt(tag string) string {
	s.t.Helper()
	ref, err := name.ParseReference(s.ref(tag), name.Insecure)
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := remote.Get(ref)
	if err != nil {
		s.t.Fatal(err)
	}
	return d.Digest.String()
}

// point moves a tag by other means.
func (s *shop) point(tag, to string) {
	s.t.Helper()
	from, err := name.ParseReference(s.ref(to), name.Insecure)
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := remote.Get(from)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := remote.Tag(from.Context().Tag(tag), d); err != nil {
		s.t.Fatal(err)
	}
}

func TestCycle(t *testing.T) {
	for name, referrers := range map[string]bool{"referrers": true, "fallback": false} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, inProcess(t, referrers, nil), "")
			s.stageVersion("1.0")
			plan, _ := s.do("build")
			if len(plan.Added) != 2 || plan.Added[0].Name != "core.arm64" || plan.Added[0].To != "1.0" {
				t.Errorf("a first build adds %+v", plan.Added)
			}
			_, ev := s.do("build")
			if ev["new"] != "0" {
				t.Errorf("a build of the same makes another snapshot: %v", ev)
			}
			s.do("stage")
			plan, ev = s.do("promote")
			first := s.at("production")
			if first == "" || first != plan.Move.To || s.at("staging") != first {
				t.Fatalf("production serves %s, staging %s", first, s.at("staging"))
			}
			if ev["replaced 2025"] != "nothing" || ev["image x86_64"] != s.digestAt("2025-x86_64") || ev["index"] != s.digestAt("2025") {
				t.Errorf("evidence: %v", ev)
			}
			was := ev

			s.stageVersion("1.1")
			plan, ev = s.release()
			if len(plan.Changed) != 2 || plan.Changed[0].From != "1.0" || plan.Changed[0].To != "1.1" || plan.Changed[0].Down {
				t.Errorf("the second release changes %+v", plan.Changed)
			}
			if ev["replaced 2025"] != was["index"] || ev["replaced 2025-arm64"] != was["image arm64"] {
				t.Errorf("evidence does not tell what was replaced: %v", ev)
			}
			if _, _, err := s.try("promote"); err == nil || !strings.Contains(err.Error(), "nothing to promote") {
				t.Errorf("promoted twice: %v", err)
			}

			plan, _ = s.do("rollback")
			if s.at("production") != first || s.digestAt("2025") != was["index"] || s.digestAt("2025-arm64") != was["image arm64"] {
				t.Error("rolled back, but not to what was served before")
			}
			if len(plan.Changed) != 2 || !plan.Changed[0].Down || len(plan.Warnings) == 0 {
				t.Errorf("a rollback that does not say so: %+v", plan)
			}
			if s.at("staging") == first {
				t.Error("a rollback moved staging")
			}
			_, ev = s.do("verify")
			if ev["read"] != "4" {
				t.Errorf("verified %v", ev)
			}
			s.do("verify", "pointer=staging")
			s.do("promote")
			if s.at("production") != s.at("staging") {
				t.Error("a promotion after a rollback does not serve what is staged")
			}

			// a new key: what is served is signed anew, by both
			s.key(1)
			if _, _, err := s.try("verify"); err == nil || !strings.Contains(err.Error(), "not signed with the key") {
				t.Errorf("verified with another key: %v", err)
			}
			images := s.digestAt("2025-x86_64")
			s.do("refresh")
			s.do("verify")
			if s.digestAt("2025-x86_64") != images {
				t.Error("a refresh changed the images")
			}
			s.key(0)
			s.do("refresh")
			s.do("verify")
		})
	}
}

func TestIndex(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	s.stageVersion("1.0")
	s.release()
	ref, err := name.ParseReference(s.ref("2025"), name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	want := []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}
	for n, d := range m.Manifests {
		if n >= len(want) || !d.Platform.Equals(want[n]) {
			t.Errorf("platform %d is %+v", n, d.Platform)
		}
	}
	a := m.Annotations
	if a["dev.gantry.snapshot"] != s.at("production") || a["org.opencontainers.image.version"] != "1.0" || a["dev.gantry.component"] != "core" || a["dev.gantry.series"] != "2025" {
		t.Errorf("annotations: %v", a)
	}
	if at, err := time.Parse(time.RFC3339, a["org.opencontainers.image.created"]); err != nil || at.Format("20060102T150405Z") != s.at("production") {
		t.Errorf("created %q, %v", a["org.opencontainers.image.created"], err)
	}
}

func TestStagedSet(t *testing.T) {
	amd, arm := imageOf(t, "amd64", "1"), imageOf(t, "arm64", "1")
	for name, test := range map[string]struct {
		stage func(*shop)
		wrong string
	}{
		"nothing":     {func(*shop) {}, "nothing is staged"},
		"one missing": {func(s *shop) { s.stage("arm64", "a.tar", arm.saved(t)) }, "no archive is staged for the architecture x86_64"},
		"two for one": {func(s *shop) { s.stageVersion("1"); s.stage("arm64", "b.tar", arm.saved(t)) }, "2 archives are staged for the architecture arm64"},
		"wrong place": {func(s *shop) { s.stageVersion("1"); s.stage("arm64", "core.tar", amd.saved(t)) }, "for linux/amd64, not for linux/arm64"},
		"not a tar":   {func(s *shop) { s.stageVersion("1"); s.stage("arm64", "core.tar", noise(1, 5000)) }, "no tar"},
		"wrong sidecar": {func(s *shop) {
			s.stageVersion("1")
			s.put("staging/core/2025/oci/arm64/core.tar.sha256", []byte(sumOf(nil)+"\n"))
		}, "should be " + sumOf(nil)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, inProcess(t, true, nil), "")
			test.stage(s)
			_, _, err := s.try("build")
			if err == nil || !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%v, want one about %q", err, test.wrong)
			}
			if err != nil && config.HintOf(err) == "" {
				t.Errorf("%v: without a hint", err)
			}
		})
	}
}

func TestDrift(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	s.stageVersion("1.0")
	s.release()
	index, one := s.digestAt("2025"), s.digestAt("2025-x86_64")
	s.stageVersion("1.1")
	s.do("build")
	s.do("stage")
	_, plan, err := s.plan("promote")
	if err != nil {
		t.Fatal(err)
	}

	// an image for one architecture, moved by hand to what gantry does not know
	s.point("2025-arm64", s.digestAt("2025"))
	if err := s.served.Flip(t.Context(), "production", plan.Move.From, plan.Move.To); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("a stray tag is run over: %v", err)
	}
	if s.digestAt("2025") != index || s.digestAt("2025-x86_64") != one {
		t.Error("a refused flip moved something")
	}
	if _, _, err := s.try("verify"); err == nil || !strings.Contains(err.Error(), "as 2025-arm64, which gantry did not publish") {
		t.Errorf("a stray tag is not seen: %v", err)
	}
	// one that an interrupted flip left is completed
	m, _, err := s.served.Manifest(t.Context(), plan.Move.To)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Files {
		if f.Arch == "arm64" {
			s.point("2025-arm64", "sha256:"+f.SHA256)
		}
	}
	s.do("promote")
	s.do("verify")

	s.point("2025", s.digestAt("2025-x86_64"))
	if _, err := s.served.Pointer(t.Context(), "production"); err == nil || !strings.Contains(err.Error(), "which gantry did not publish") || config.HintOf(err) == "" {
		t.Errorf("a stray series tag: %v", err)
	}
}

func TestConflict(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	s.stageVersion("1.0")
	s.release()
	first := s.at("production")
	s.stageVersion("1.1")
	s.release()
	second := s.at("production")
	for _, move := range [][2]string{{first, first}, {"", first}} {
		if err := s.served.Flip(t.Context(), "production", move[0], move[1]); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
			t.Errorf("from %q: %v", move[0], err)
		}
	}
	if s.at("production") != second {
		t.Error("a conflict moved production")
	}
	if err := s.served.Flip(t.Context(), "latest", "", first); err == nil {
		t.Error("a pointer called latest")
	}
	if err := s.served.Flip(t.Context(), "production", second, "20200101T000000Z"); err == nil {
		t.Error("a snapshot that is not there")
	}
	if err := s.served.Remove(t.Context(), second); err == nil || !strings.Contains(err.Error(), "serves it") {
		t.Errorf("removed what production serves: %v", err)
	}
}

func TestPrune(t *testing.T) {
	deletable := true
	s := newShop(t, inProcess(t, true, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete && !deletable {
				http.Error(w, `{"errors":[{"code":"UNSUPPORTED","message":"The operation is unsupported."}]}`, http.StatusMethodNotAllowed)
				return
			}
			h.ServeHTTP(w, r)
		})
	}), ", snapshots: 2")
	var ids, digests []string
	for _, v := range []string{"1", "2", "3", "4"} {
		s.stageVersion(v)
		s.release()
		ids = append(ids, s.at("production"))
		digests = append(digests, s.digestAt("2025-arm64"))
		s.clock = s.clock.Add(4 * 24 * time.Hour)
	}
	gone := func(digest string) bool {
		ref, err := name.ParseReference(s.ref(digest), name.Insecure)
		if err != nil {
			t.Fatal(err)
		}
		_, err = remote.Get(ref)
		return err != nil
	}
	// one that was hidden, and not erased
	plan, _ := s.do("prune")
	if len(plan.Removed) == 0 {
		t.Fatalf("%+v", plan)
	}
	left, err := s.served.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(left)+len(plan.Removed) != 4 || left[len(left)-1] != ids[3] {
		t.Errorf("left are %v of %v", left, ids)
	}
	if !gone(digests[0]) || gone(digests[3]) {
		t.Error("the registry has what was pruned, or has not what is served")
	}
	s.do("verify")

	deletable = false
	s.stageVersion("5")
	s.release()
	s.clock = s.clock.Add(4 * 24 * time.Hour)
	s.stageVersion("6")
	s.release()
	s.clock = s.clock.Add(8 * 24 * time.Hour)
	s.do("prune")
	if after, err := s.served.Snapshots(t.Context()); err != nil || len(after) > 2 {
		t.Errorf("%v, %v", after, err)
	}
	s.do("verify")
}

func TestRecords(t *testing.T) {
	s := newShop(t, inProcess(t, true, nil), "")
	s.stageVersion("1.0")
	s.release()
	id := s.at("production")
	m, sum, err := s.served.Manifest(t.Context(), id)
	if err != nil || len(sum) != 64 || m.ID != id || len(m.Files) != 3 {
		t.Fatalf("%+v %s %v", m, sum, err)
	}
	head, err := s.served.Head(t.Context(), id)
	if err != nil || head.Files != nil || head.ID != id {
		t.Errorf("%+v %v", head, err)
	}
	for name, change := range map[string]func(map[string]any){
		"no image":    func(r map[string]any) { delete(r["extra"].(map[string]any), "image") },
		"another":     func(r map[string]any) { r["extra"].(map[string]any)["image"].(map[string]any)["repository"] = "x/y" },
		"weak digest": func(r map[string]any) { r["extra"].(map[string]any)["image"].(map[string]any)["index"] = "md5:00" },
	} {
		var r map[string]any
		b, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		change(r)
		if b, err = json.Marshal(r); err != nil {
			t.Fatal(err)
		}
		s.put("state/records/core-image/"+id+".json", b)
		s.configure("")
		if _, err := s.served.Pointer(t.Context(), "production"); err == nil {
			t.Errorf("%s: a damaged record is taken", name)
		}
	}
}
