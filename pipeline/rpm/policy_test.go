package rpm_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gantry/pipeline"
)

// What a plan says that clients get, by policy.
func TestPolicies(t *testing.T) {
	type change = pipeline.Change
	for name, c := range map[string]struct {
		policy         string
		before, after  []string // staged for the release before, and for this one
		added, changed []change
		removed        []change
		serves         []string
		warns          []string
	}{
		"replace takes what is staged and nothing else": {
			"policy: replace", []string{"agent-1.0.x86_64", "lib-1.0.x86_64"}, []string{"agent-2.0.x86_64", "docs-1.0.noarch"},
			[]change{{Name: "docs.noarch", To: "1.0-1.el9"}}, []change{{Name: "agent.x86_64", From: "1.0-1.el9", To: "2.0-1.el9"}}, []change{{Name: "lib.x86_64", From: "1.0-1.el9"}},
			[]string{"agent-2.0-1.el9", "docs-1.0-1.el9"}, []string{"1 package is removed from what clients are offered: lib.x86_64 1.0-1.el9"},
		},
		"a version that goes down": {
			"policy: replace", []string{"agent-1.10.x86_64"}, []string{"agent-1.9.x86_64"},
			nil, []change{{Name: "agent.x86_64", From: "1.10-1.el9", To: "1.9-1.el9", Down: true}}, nil,
			[]string{"agent-1.9-1.el9"}, []string{"1 package goes down in version: agent.x86_64 1.10-1.el9 to 1.9-1.el9"},
		},
		"all is removed": {
			"policy: replace", []string{"agent-1.0.x86_64"}, []string{"lib-1.0.x86_64"},
			[]change{{Name: "lib.x86_64", To: "1.0-1.el9"}}, nil, []change{{Name: "agent.x86_64", From: "1.0-1.el9"}},
			[]string{"lib-1.0-1.el9"}, []string{"1 package is removed", "nothing stays of what production serves now"},
		},
		"nothing changes": {
			"policy: replace", []string{"agent-1.0.x86_64"}, []string{"agent-1.0.x86_64"},
			nil, nil, nil, []string{"agent-1.0-1.el9"}, []string{"nothing changes"},
		},
		"accumulate keeps the newest": {
			"policy: accumulate, keep: 2", []string{"agent-1.9.x86_64", "agent-1.10.x86_64", "lib-1.0.x86_64"}, []string{"agent-1.11.x86_64"},
			nil, []change{{Name: "agent.x86_64", From: "1.10-1.el9", To: "1.11-1.el9"}}, []change{{Name: "agent.x86_64", From: "1.9-1.el9"}},
			[]string{"agent-1.10-1.el9", "agent-1.11-1.el9", "lib-1.0-1.el9"}, []string{"1 package is removed"},
		},
		"accumulate leaves out what is too old": {
			"policy: accumulate, keep: 1", []string{"agent-2.0.x86_64"}, []string{"agent-1.0.x86_64", "lib-1.0.x86_64"},
			[]change{{Name: "lib.x86_64", To: "1.0-1.el9"}}, nil, nil,
			[]string{"agent-2.0-1.el9", "lib-1.0-1.el9"}, []string{"left out since newer versions fill the 1 that are kept: agent-1.0-1.el9.x86_64"},
		},
		"epochs count": {
			"policy: replace", []string{"agent-9.0.x86_64"}, []string{"agent-1:1.0.x86_64"},
			nil, []change{{Name: "agent.x86_64", From: "9.0-1.el9", To: "1:1.0-1.el9"}}, nil, []string{"agent-1:1.0-1.el9"}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, ", "+c.policy)
			s.stage(c.before...)
			s.release()
			emptied(t, s)
			s.stage(c.after...)
			plan, ev := s.do("build")
			for what, pair := range map[string][2][]change{"added": {c.added, plan.Added}, "changed": {c.changed, plan.Changed}, "removed": {c.removed, plan.Removed}} {
				if diff := cmp.Diff(pair[0], pair[1], ignoreSizes); diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			if diff := cmp.Diff(c.serves, s.serves(ev["snapshot"])); diff != "" {
				t.Errorf("serves (-want +got):\n%s", diff)
			}
			if len(plan.Warnings) != len(c.warns) {
				t.Errorf("warnings: %q", plan.Warnings)
			}
			for i, w := range c.warns {
				if i < len(plan.Warnings) && !strings.Contains(plan.Warnings[i], w) {
					t.Errorf("warning %q, want %q", plan.Warnings[i], w)
				}
			}
		})
	}
}

// One package under two names is served once.
func TestStagedTwice(t *testing.T) {
	s := newShop(t, ", policy: replace")
	s.stage("agent-1.0.x86_64")
	s.stageFile("copy.rpm", bytes.Clone(pkg(t, "agent", "1.0", "x86_64")))
	plan, ev := s.do("build")
	if len(s.serves(ev["snapshot"])) != 1 || !strings.Contains(fmt.Sprint(plan.Warnings), "staged twice") {
		t.Errorf("serves %v, warns %q", s.serves(ev["snapshot"]), plan.Warnings)
	}
}
