package rpm_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/sign"
)

// What production serves is published anew: the same packages under newer
// metadata, as often as it is asked for, and nothing else of the target moves.
func TestRefresh(t *testing.T) {
	s := newShop(t, ", policy: accumulate")
	see := clients(t, s)
	if _, _, err := s.try("refresh"); err == nil || !strings.Contains(err.Error(), "nothing to publish anew") || config.HintOf(err) == "" {
		t.Errorf("of nothing: %v", err)
	}
	s.stage("agent-1.0.x86_64", "lib-1.0.x86_64")
	first := s.release()
	packages := []string{"agent-1.0-1.el9", "lib-1.0-1.el9"}
	see(first.Move.Revision, packages)
	inputs := func(verb string) string {
		t.Helper()
		in, err := s.step(verb).(pipeline.Observer).Inputs(t.Context(), s.env)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	before := map[string]string{}
	for _, verb := range []string{"build", "stage", "promote", "rollback"} {
		before[verb] = inputs(verb)
	}
	from := first
	for range 2 {
		plan, _ := s.do("refresh")
		if plan.Move.From != from.Move.To || plan.Facts["twin_of"] != first.Move.To || plan.Move.Revision <= from.Move.Revision {
			t.Errorf("refreshed by %+v of %v", plan.Move, plan.Facts)
		}
		if len(plan.Added)+len(plan.Changed)+len(plan.Removed) > 0 {
			t.Errorf("plan: %+v", plan)
		}
		see(plan.Move.Revision, packages)
		sameFile(t, s, first.Move.To, plan.Move.To, "Packages/a/agent-1.0-1.el9.x86_64.rpm")
		from = plan
	}
	for verb, was := range before {
		if inputs(verb) != was {
			t.Errorf("%s is stale since production was published anew", verb)
		}
	}
	s.do("verify")
	if _, _, err := s.try("promote"); err == nil || !strings.Contains(err.Error(), "nothing to promote") {
		t.Errorf("promote: %v", err)
	}
	// The next release goes on from there.
	s.stage("docs-1.0.noarch")
	next := s.release()
	see(next.Move.Revision, []string{"agent-1.0-1.el9", "docs-1.0-1.el9", "lib-1.0-1.el9"})
	back, _ := s.do("rollback")
	see(back.Move.Revision, packages)
}

// Clients are given another key, and production is signed with it although
// nothing else changes. The plan says what that is to clients.
func TestRefreshWithAnotherKey(t *testing.T) {
	s := newShop(t, ", policy: replace")
	s.stage("agent-1.0.x86_64")
	first := s.release()
	private, public, err := sign.Generate("Next", "next@example.com", 2048, 0, time.Now().Add(-200*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	s.put("keys/private.asc", private)
	s.put("keys/public.asc", public)
	if _, _, err := s.try("verify"); err == nil {
		t.Error("what the old key signed verifies with the new one")
	}
	plan, _ := s.do("refresh")
	if !strings.Contains(strings.Join(plan.Warnings, "\n"), "1 package has other bytes under the old name") {
		t.Errorf("warnings: %q", plan.Warnings)
	}
	if plan.Facts["twin_of"] != first.Move.To {
		t.Errorf("refreshed: %+v", plan)
	}
	s.do("verify")
	clients(t, s)(plan.Move.Revision, []string{"agent-1.0-1.el9"})
}

// A twin that was prepared and never published is found again, unless it waited
// too long or does not fit any more; then another takes its place, and prune
// removes it.
func TestTwinThatWaits(t *testing.T) {
	s := newShop(t, ", policy: replace")
	s.stage("agent-1.0.x86_64")
	s.release()
	s.stage("lib-1.0.x86_64")
	s.release()
	_, one, err := s.plan("refresh")
	if err != nil {
		t.Fatal(err)
	}
	if _, again, err := s.plan("refresh"); err != nil || again.Move.To != one.Move.To {
		t.Errorf("planned %v, %v after %v", again.Move, err, one.Move)
	}
	if _, back, err := s.plan("rollback"); err != nil || back.Move.To == one.Move.To {
		t.Errorf("the rollback takes the twin of another snapshot: %v, %v", back.Move, err)
	}
	if plan, _, err := s.try("prune"); !errors.As(err, new(*pipeline.RefusedError)) {
		t.Errorf("removed what waits: %+v, %v", plan.Removed, err)
	}
	s.clock = s.clock.Add(25 * time.Hour)
	_, later, err := s.plan("refresh")
	if err != nil || later.Move.To == one.Move.To {
		t.Errorf("planned %v, %v a day after %v", later.Move, err, one.Move)
	}
	plan, _ := s.do("prune")
	var removed []string
	for _, c := range plan.Removed {
		removed = append(removed, c.Name)
	}
	ids, err := s.served.Snapshots(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(removed) != 2 || removed[0] != one.Move.To {
		t.Errorf("removed %v, and not the twins that waited too long", removed)
	}
	if diff := cmp.Diff(3, len(ids)); diff != "" {
		t.Errorf("snapshots %v: %s", ids, diff)
	}
	// One whose signature clients would refuse does not fit.
	name := filepath.Join(s.served.Path(), "snapshots", later.Move.To, "repodata/repomd.xml.asc")
	b, err := os.ReadFile(name)
	if err == nil {
		err = os.Remove(name)
	}
	if err == nil {
		err = os.WriteFile(name, flipped(b, len(b)/2), 0o444)
	}
	if err != nil {
		t.Fatal(err)
	}
	if plan, _ := s.do("refresh"); plan.Move.To == later.Move.To {
		t.Error("published a twin with a broken signature")
	}
}
