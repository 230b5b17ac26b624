package rpm_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/rpm"
	"gantry/pipeline/sign"
)

// names are the files of a snapshot that stay under the same name for ever.
func (s *shop) names(id string, retained bool) map[string]string {
	s.t.Helper()
	m, _, err := s.served.Manifest(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range m.Files {
		name := filepath.Base(f.Path)
		if name != "repomd.xml" && name != "repomd.xml.asc" && name != "mirrorlist" && (retained || !f.Retained) {
			all[f.Path] = f.SHA256
		}
	}
	return all
}

// What was served stays served, under the address that production names now: for
// as many publications as are kept, and three days in any case.
func TestWhatWasServedStaysServed(t *testing.T) {
	s := newShop(t, ", policy: replace, snapshots: 2")
	var published []string
	versions := []string{"1.0", "2.0", "3.0", "4.0"}
	for i, v := range versions {
		if i > 0 {
			s.unstage("agent-" + versions[i-1] + ".x86_64.rpm")
		}
		s.stage("agent-" + v + ".x86_64")
		published = append(published, s.release().Move.To)
	}
	has := func(id string) map[string]string { return s.names(id, true) }
	for _, old := range published[:3] {
		for path, sum := range s.names(old, false) {
			if has(published[3])[path] != sum {
				t.Errorf("within three days, %s of %s is not served by %s", path, old, published[3])
			}
		}
	}
	// Four days later only the last two are kept, and the third is of the past.
	s.clock = s.clock.Add(95 * time.Hour)
	back, _ := s.do("rollback", "to="+published[1])
	for path := range s.names(published[0], false) {
		if _, ok := has(back.Move.To)[path]; ok {
			t.Errorf("%s is still served after four days and %d publications", path, 4)
		}
	}
	for path := range s.names(published[3], false) {
		if _, ok := has(back.Move.To)[path]; !ok {
			t.Errorf("%s is not served although it was until now", path)
		}
	}
}

// A snapshot that was built before another one was published does not have what
// that one's clients may fetch: a twin that has it takes its place.
func TestPromoteOutOfOrder(t *testing.T) {
	s := newShop(t, ", policy: replace")
	s.stage("agent-1.0.x86_64")
	_, a := s.do("build")
	s.do("stage")
	s.unstage("agent-1.0.x86_64.rpm")
	s.stage("agent-2.0.x86_64")
	_, b := s.do("build")
	first, _ := s.do("promote")
	if first.Move.To != a["snapshot"] {
		t.Errorf("promoted %s, staged was %s", first.Move.To, a["snapshot"])
	}
	s.do("stage")
	second, _ := s.do("promote")
	if second.Facts["twin_of"] != b["snapshot"] || !strings.Contains(strings.Join(second.Warnings, " "), "would miss files") {
		t.Errorf("promoted %s with the warnings %q, want a twin of %s", second.Move.To, second.Warnings, b["snapshot"])
	}
	for path := range s.names(first.Move.To, false) {
		if _, ok := s.names(second.Move.To, true)[path]; !ok {
			t.Errorf("%s of the snapshot before is not served", path)
		}
	}
}

// What is staged goes back to what it was: staging serves it anew, since testers
// hold newer metadata.
func TestStageWhatWasStagedBefore(t *testing.T) {
	s := newShop(t, ", policy: replace")
	s.stage("agent-1.0.x86_64")
	_, one := s.do("build")
	s.do("stage")
	s.stage("lib-1.0.x86_64")
	s.do("build")
	newer, _ := s.do("stage")
	s.unstage("lib-1.0.x86_64.rpm")
	if _, ev := s.do("build"); ev["snapshot"] != one["snapshot"] {
		t.Errorf("built %s, there was %s", ev["snapshot"], one["snapshot"])
	}
	plan, _ := s.do("stage")
	if plan.Facts["twin_of"] != one["snapshot"] || plan.Move.Revision <= newer.Move.Revision {
		t.Errorf("staged %+v of %v after %+v", plan.Move, plan.Facts, newer.Move)
	}
	if again, _ := s.do("stage"); again.Move.From != again.Move.To {
		t.Errorf("staged again: %+v", again.Move)
	}
	s.do("promote")
	if diff := cmp.Diff([]string{"agent-1.0-1.el9"}, s.serves(s.at("production"))); diff != "" {
		t.Errorf("production (-want +got):\n%s", diff)
	}
}

// Clients are given another key: every package is signed anew with it, also
// where they are gone from the staging area.
func TestAnotherKey(t *testing.T) {
	s := newShop(t, ", policy: accumulate")
	s.stage("lib-1.0.x86_64")
	s.release()
	s.unstage("lib-1.0.x86_64.rpm")
	s.stage("agent-1.0.x86_64")
	private, public, err := sign.Generate("Next", "next@example.com", 2048, 0, time.Now().Add(-200*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	s.put("keys/private.asc", private)
	s.put("keys/public.asc", public)
	if _, ev := s.do("build"); ev["new"] != "2" {
		t.Errorf("signed with the new key: %v", ev)
	}
	s.do("stage")
	s.do("promote")
	s.do("verify")
	back, _ := s.do("rollback")
	if diff := cmp.Diff([]string{"lib-1.0-1.el9"}, s.serves(back.Move.To)); diff != "" {
		t.Errorf("rolled back (-want +got):\n%s", diff)
	}
	s.do("verify")
}

// Flips that make no sense are refused in words.
func TestRefusedFlips(t *testing.T) {
	s := newShop(t, ", policy: replace")
	refused := func(want, verb string, options ...string) {
		t.Helper()
		_, _, err := s.try(verb, options...)
		if err == nil || !strings.Contains(err.Error()+" "+config.HintOf(err), want) {
			t.Errorf("%s %v says %v (%s), want %q", verb, options, err, config.HintOf(err), want)
		}
	}
	refused("serves nothing", "promote")
	refused("serves nothing", "rollback")
	refused("serves nothing", "verify")
	s.stage("agent-1.0.x86_64")
	refused("build it first", "stage")
	one := s.release()
	refused("nothing to promote", "promote")
	refused("no other snapshot", "rollback")
	refused("not the id of a snapshot", "rollback", "to=../../etc")
	refused("is not there", "rollback", "to=20200101T000000Z")
	s.stage("lib-1.0.x86_64")
	s.release()
	refused("there are "+one.Move.To, "rollback", "to=20200101T000000Z")
	s.stage("docs-1.0.noarch")
	refused("no snapshot of core-el9 was built of what is staged now", "stage")

	_, plan, err := s.plan("rollback")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(s.served.Path(), "snapshots", plan.Move.To, "Packages/a/agent-1.0-1.el9.x86_64.rpm")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, flipped(b, len(b)-3), 0o444); err != nil {
		t.Fatal(err)
	}
	before := s.at("production")
	if _, err := s.step("rollback").Run(t.Context(), s.env, plan, pipeline.NewProgress(nil)); err == nil || !strings.Contains(err.Error(), "production stays on "+before) {
		t.Errorf("a damaged snapshot went to production: %v", err)
	}
	if s.at("production") != before {
		t.Error("production moved")
	}
}

// Prune removes what nobody needs, and nothing else.
func TestPrune(t *testing.T) {
	s := newShop(t, ", policy: replace, snapshots: 2")
	var published []string
	for _, v := range []string{"1.0", "2.0", "3.0"} {
		s.stage("agent-" + v + ".x86_64")
		published = append(published, s.release().Move.To)
		s.unstage("agent-" + v + ".x86_64.rpm")
		s.clock = s.clock.Add(30 * time.Hour)
	}
	s.stage("agent-4.0.x86_64")
	_, waiting := s.do("build")
	if plan, _, err := s.try("prune"); !errors.As(err, new(*pipeline.RefusedError)) {
		t.Errorf("within three days: %+v, %v", plan.Removed, err)
	}
	s.clock = s.clock.Add(5 * time.Hour) // the first one was replaced three days ago and more
	s.clock = s.clock.Add(72 * time.Hour)
	step, plan, err := s.plan("prune")
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Removed) != 1 || plan.Removed[0].Name != published[0] || plan.Bytes == 0 {
		t.Fatalf("plan: %+v", plan)
	}
	abandoned := filepath.Join(s.served.Path(), "snapshots/.tmp-"+strings.Repeat("0a", 16))
	if err := os.Mkdir(abandoned, 0o700); err != nil {
		t.Fatal(err)
	}
	seen, err := step.(pipeline.Looker).Look(t.Context(), s.env, plan)
	if err != nil || seen.Done {
		t.Errorf("before: %+v, %v", seen, err)
	}
	if _, err := step.Run(t.Context(), s.env, plan, pipeline.NewProgress(nil)); err != nil {
		t.Fatal(err)
	}
	if seen, err = step.(pipeline.Looker).Look(t.Context(), s.env, plan); err != nil || !seen.Done {
		t.Errorf("after: %+v, %v", seen, err)
	}
	if _, err := os.Stat(abandoned); !os.IsNotExist(err) {
		t.Errorf("what an interrupted build left: %v", err)
	}
	ids, err := s.served.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{published[1], published[2], waiting["snapshot"]}, ids); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	s.do("verify")
}

// Whatever is changed in what clients read, verify finds it.
func TestVerifyFindsChanges(t *testing.T) {
	glob := func(pattern string, change func(b []byte) []byte) func(*testing.T, *shop) {
		return func(t *testing.T, s *shop) {
			found, err := filepath.Glob(filepath.Join(s.served.Path(), "production", pattern))
			if err != nil || len(found) != 1 {
				t.Fatal(found, err)
			}
			b, err := os.ReadFile(found[0])
			if err == nil {
				err = os.Remove(found[0])
			}
			if b = change(b); err == nil && b != nil {
				err = os.WriteFile(found[0], b, 0o444)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b []byte) []byte { return flipped(b, len(b)/2) }
	gone := func([]byte) []byte { return nil }
	for name, c := range map[string]struct {
		change func(*testing.T, *shop)
		want   string
	}{
		"payload":          {glob("Packages/a/*", func(b []byte) []byte { return flipped(b, len(b)-3) }), "payload does not match"},
		"header":           {glob("Packages/a/*", flip), "Packages/a/agent-1.0-1.el9.x86_64.rpm"},
		"package gone":     {glob("Packages/a/*", gone), "Packages/a/agent-1.0-1.el9.x86_64.rpm"},
		"package unsigned": {glob("Packages/a/*", func([]byte) []byte { return pkg(t, "agent", "1.0", "x86_64") }), "Packages/a/agent-1.0-1.el9.x86_64.rpm has"},
		"package too long": {glob("Packages/a/*", func(b []byte) []byte { return append(b, 0) }), "the metadata says"},
		"primary":          {glob("repodata/*-primary.xml.gz", flip), "-primary.xml.gz"},
		"filelists":        {glob("repodata/*-filelists.xml.gz", func(b []byte) []byte { return flipped(b, len(b)-9) }), "-filelists.xml.gz"},
		"other gone":       {glob("repodata/*-other.xml.gz", gone), "-other.xml.gz"},
		"repomd.xml":       {glob("repodata/repomd.xml", flip), "the signature does not match"},
		"signature":        {glob("repodata/repomd.xml.asc", flip), "repodata/repomd.xml.asc"},
		"signature gone":   {glob("repodata/repomd.xml.asc", gone), "repodata/repomd.xml.asc"},
		"mirrorlist":       {glob("mirrorlist", func([]byte) []byte { return []byte("http://evil.example/\n") }), "the mirrorlist: it leads to http://evil.example/, not to file://"},
		"mirrorlist empty": {glob("mirrorlist", func([]byte) []byte { return []byte("\n") }), "it names 0 addresses"},
		"another public key": {func(t *testing.T, s *shop) {
			_, public, err := sign.Generate("Other", "other@example.com", 2048, 0, time.Now().Add(-200*time.Hour))
			if err != nil {
				t.Fatal(err)
			}
			s.put("keys/public.asc", public)
		}, "the signature is by key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, ", policy: replace")
			s.stage("agent-1.0.x86_64", "lib-1.0.x86_64")
			s.release()
			c.change(t, s)
			// By its own eyes, and with the manifest to compare with.
			_, _, err := s.try("verify", "packages=sample:99")
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("verify says %v, want %q", err, c.want)
			}
			if _, _, err := s.try("verify"); err == nil {
				t.Error("verify of everything finds nothing")
			}
		})
	}
}

// Over HTTP, with credentials, through the mirrorlist to the snapshot's own
// address.
func TestVerifyOverHTTP(t *testing.T) {
	t.Setenv("DEMO_PASSWORD", "s3cret")
	s := newShop(t, "")
	asked := map[string]bool{}
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "subscriber" || password != "s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		asked[strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 2)[0]] = true
		http.FileServer(http.Dir(s.served.Path())).ServeHTTP(w, r)
	})
	server.Start()
	defer server.Close()
	address := ", url: \"" + server.URL + "\""
	s.configure(address + ", subscriber: {username: subscriber, password: \"env:DEMO_PASSWORD\"}")
	s.stage("agent-1.0.x86_64", "lib-1.0.x86_64")
	s.do("build")
	s.do("stage")
	plan, ev := s.do("promote")
	if want := server.URL + "/snapshots/" + plan.Move.To + "/"; ev["http"] != want {
		t.Errorf("after the flip it was read from %q, want %s", ev["http"], want)
	}
	if _, ev := s.do("verify"); ev["read"] != "2" {
		t.Errorf("verified: %v", ev)
	}
	if !asked["production"] || !asked["staging"] || !asked["snapshots"] {
		t.Errorf("asked for %v", asked)
	}
	files, err := rpm.Clients(s.cfg, s.target)
	if err != nil {
		t.Fatal(err)
	}
	file := files[0]
	if !strings.Contains(file.Text, "username=subscriber\npassword=<your key>\n") || strings.Contains(file.Text, "s3cret") || strings.Contains(file.Text, "@") {
		t.Errorf("the file for clients:\n%s", file.Text)
	}

	t.Setenv("DEMO_PASSWORD", "wrong")
	if _, _, err := s.try("verify"); err == nil || !strings.Contains(err.Error(), "401") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("with a wrong password: %v", err)
	}
	server.Close()
	if _, _, err := s.try("verify"); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("with no server: %v", err)
	}
	s.do("verify", "via=files", "packages=sample:1")
	s.stage("docs-1.0.noarch")
	s.do("build")
	s.do("stage")
	if _, ev := s.do("promote"); !strings.Contains(ev["http"], "not seen from here") {
		t.Errorf("promoted with no server: %v", ev)
	}
}

// A flip whose outside check fails says what is served now, and what to do.
func TestFlipThatLooksWrong(t *testing.T) {
	s := newShop(t, "")
	wrong := httptest.NewServer(http.NotFoundHandler())
	defer wrong.Close()
	s.stage("agent-1.0.x86_64")
	s.release()
	s.configure(", url: \"" + wrong.URL + "\"")
	s.stage("lib-1.0.x86_64")
	s.do("build")
	if _, _, err := s.try("stage"); err == nil || !strings.Contains(err.Error(), "staging of core-el9 NOW serves snapshot") {
		t.Errorf("stage says: %v", err)
	}
	plan, _, err := s.try("promote")
	if err == nil || !strings.Contains(err.Error(), "production of core-el9 NOW serves snapshot "+plan.Move.To) || !strings.Contains(config.HintOf(err), "gantry rollback core-el9") {
		t.Errorf("promote says: %v (%s)", err, config.HintOf(err))
	}
	if s.at("production") != plan.Move.To {
		t.Errorf("production names %s", s.at("production"))
	}
	seen, err := s.step("promote").(pipeline.Looker).Look(t.Context(), s.env, plan)
	if err != nil || !seen.Done {
		t.Errorf("looking says %+v, %v", seen, err)
	}
}
